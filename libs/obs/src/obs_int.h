/* What the two files of this library share: the registry and its text form. */
#ifndef OBS_INT_H
#define OBS_INT_H
#include <parley/obs.h>

#include <stdio.h>

#define METRICS_MAX 1024u
#define CHECKS_MAX 32u
#define HOOKS_MAX 16u
#define CHECK_TEXT_MAX 160u

struct obs_check {
	char name[48], text[CHECK_TEXT_MAX];
	bool ok;
};

struct obs_metric {
	enum obs_kind kind;
	char *name, *labels, *help; /* name is whole: parley_<service>_<name> */
	struct obs_metric *same;    /* the next one with this name and other labels */
	bool first;                 /* of those with this name */
	_Atomic int64_t value;      /* histogram: number of observations */
	_Atomic int64_t sum_us;
	_Atomic int64_t *buckets; /* histogram only */
};

struct MHD_Daemon;
struct obs {
	struct pl_loop *loop;
	char service[48], node[64];
	struct obs_metric *metrics[METRICS_MAX];
	size_t n_metrics;
	struct obs_check checks[CHECKS_MAX];
	size_t n_checks;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} hooks[HOOKS_MAX];
	size_t n_hooks;
	struct MHD_Daemon *http;
	struct pl_fd *http_fd;
	struct pl_timer *http_timer;
};

void obs_write_metrics(struct obs *o, FILE *f);
void obs_write_ready(const struct obs *o, FILE *f);
void obs_metrics_free(struct obs *o); /* and o itself */
#endif
