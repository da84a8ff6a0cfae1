/* The registry: counters, gauges, histograms, checks, and the Prometheus text format 0.0.4. */
#include "obs_int.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* 1-2.5-5 from 100 us (a request on the bus) to 60 s (a caller who waits). */
static const int64_t bounds_us[] = { 100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
				     100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000 };
#define BUCKETS PL_ARRAY_N(bounds_us)

enum pl_err obs_new(struct obs **ret, struct pl_loop *l, const char *service, const char *node, struct pl_why *why)
{
	struct obs *o = calloc(1, sizeof(*o));
	if (!o)
		return pl_why_set(why, PL_E_NOMEM, "metrics: memory is out");
	o->loop = l;
	pl_strlcpy(o->service, service, sizeof(o->service));
	pl_strlcpy(o->node, node, sizeof(o->node));
	*ret = o;
	return PL_OK;
}

static void metric_free(struct obs_metric *m)
{
	free(m->name);
	free(m->labels);
	free(m->help);
	free(m->buckets);
	free(m);
}

void obs_metrics_free(struct obs *o)
{
	for (size_t i = 0; i < o->n_metrics; i++)
		metric_free(o->metrics[i]);
	free(o);
}

/* Prometheus allows [a-zA-Z0-9_] in names; a service is called "sip-edge". */
static char *full_name(const struct obs *o, const char *name)
{
	char *s = NULL;
	if (asprintf(&s, "parley_%s_%s", o->service, name) < 0)
		return NULL;
	for (char *p = s; *p; p++)
		if (*p == '-')
			*p = '_';
	return s;
}

static struct obs_metric *metric_make(const struct obs *o, enum obs_kind kind, const char *name, const char *labels,
				      const char *help)
{
	struct obs_metric *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->kind = kind;
	m->name = full_name(o, name);
	m->labels = strdup(labels ? labels : "");
	m->help = strdup(help ? help : "");
	m->buckets = kind == OBS_HISTOGRAM ? calloc(BUCKETS, sizeof(*m->buckets)) : NULL;
	if (m->name && m->labels && m->help && (m->buckets || kind != OBS_HISTOGRAM))
		return m;
	metric_free(m);
	return NULL;
}

struct obs_metric *obs_metric_new(struct obs *o, enum obs_kind kind, const char *name, const char *labels,
				  const char *help)
{
	if (!o || o->n_metrics >= METRICS_MAX)
		return NULL; /* obs_add() and the others accept it: a service must not fail for a counter */
	struct obs_metric *m = metric_make(o, kind, name, labels, help), *last = NULL;
	if (!m)
		return NULL;
	for (size_t i = 0; i < o->n_metrics; i++) {
		struct obs_metric *k = o->metrics[i];
		if (strcmp(k->name, m->name) != 0)
			continue;
		if (strcmp(k->labels, m->labels) == 0 || k->kind != kind) {
			metric_free(m);
			return k->kind == kind ? k : NULL;
		}
		last = k;
	}
	if (last)
		last->same = m;
	m->first = !last;
	o->metrics[o->n_metrics++] = m;
	return m;
}

void obs_add(struct obs_metric *m, int64_t n)
{
	if (m)
		atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void obs_set(struct obs_metric *m, int64_t v)
{
	if (m)
		atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

void obs_observe(struct obs_metric *m, int64_t us)
{
	if (!m || m->kind != OBS_HISTOGRAM)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		if (us <= bounds_us[i]) {
			atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
			break;
		}
	atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->value, 1, memory_order_relaxed);
}

struct obs_check *obs_check_new(struct obs *o, const char *name)
{
	if (!o || o->n_checks >= CHECKS_MAX)
		return NULL;
	struct obs_check *c = &o->checks[o->n_checks++];
	pl_strlcpy(c->name, name, sizeof(c->name));
	pl_strlcpy(c->text, "not yet", sizeof(c->text));
	return c;
}

void obs_check_set(struct obs_check *c, bool ok, const char *text)
{
	if (!c)
		return;
	c->ok = ok;
	pl_strlcpy(c->text, text, sizeof(c->text));
}

bool obs_ready(const struct obs *o)
{
	for (size_t i = 0; i < o->n_checks; i++)
		if (!o->checks[i].ok)
			return false;
	return true;
}

void obs_on_scrape(struct obs *o, void (*fn)(void *arg), void *arg)
{
	if (o->n_hooks >= HOOKS_MAX)
		return;
	o->hooks[o->n_hooks].fn = fn;
	o->hooks[o->n_hooks++].arg = arg;
}

void obs_write_ready(const struct obs *o, FILE *f)
{
	if (obs_ready(o))
		fputs("ready\n", f);
	for (size_t i = 0; i < o->n_checks; i++)
		if (!o->checks[i].ok)
			fprintf(f, "%s: %s\n", o->checks[i].name, o->checks[i].text);
}

static void write_histogram(const struct obs_metric *m, FILE *f)
{
	const char *sep = *m->labels ? "," : "";
	int64_t below = 0, n = atomic_load_explicit(&m->value, memory_order_relaxed);
	for (size_t i = 0; i < BUCKETS; i++) {
		below += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
		fprintf(f, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", m->name, m->labels, sep,
			(double)bounds_us[i] / 1e6, below);
	}
	n = PL_MAX(n, below); /* an observation may be half done: buckets must not exceed the total */
	const char *open = *m->labels ? "{" : "", *close = *m->labels ? "}" : "";
	fprintf(f, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", m->name, m->labels, sep, n);
	fprintf(f, "%s_sum%s%s%s %.6f\n", m->name, open, m->labels, close, (double)atomic_load(&m->sum_us) / 1e6);
	fprintf(f, "%s_count%s%s%s %" PRId64 "\n", m->name, open, m->labels, close, n);
}

static void write_process(FILE *f)
{
	struct rusage ru;
	long pages = 0, rss = 0;
	int fds = 0;
	FILE *p = fopen("/proc/self/statm", "re");
	if (p) {
		if (fscanf(p, "%ld %ld", &pages, &rss) != 2)
			rss = 0;
		fclose(p);
	}
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		fds++;
	if (d)
		closedir(d);
	getrusage(RUSAGE_SELF, &ru);
	double cpu = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		     (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	fprintf(f, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n",
		rss * sysconf(_SC_PAGESIZE));
	fprintf(f, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n", cpu);
	fprintf(f, "# TYPE process_open_fds gauge\nprocess_open_fds %d\n",
		PL_MAX(fds - 3, 0)); /* less . .. and the listing */
}

void obs_write_metrics(struct obs *o, FILE *f)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	for (size_t i = 0; i < o->n_hooks; i++)
		o->hooks[i].fn(o->hooks[i].arg);
	for (size_t i = 0; i < o->n_metrics; i++) {
		if (!o->metrics[i]->first)
			continue;
		const struct obs_metric *m = o->metrics[i];
		fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, kinds[m->kind]);
		for (; m; m = m->same) {
			if (m->kind == OBS_HISTOGRAM)
				write_histogram(m, f);
			else
				fprintf(f, "%s%s%s%s %" PRId64 "\n", m->name, *m->labels ? "{" : "", m->labels,
					*m->labels ? "}" : "", atomic_load_explicit(&m->value, memory_order_relaxed));
		}
	}
	for (size_t i = 0; i < o->n_checks; i++)
		fprintf(f, "%sparley_check_ok{service=\"%s\",check=\"%s\"} %d\n",
			i == 0 ? "# TYPE parley_check_ok gauge\n" : "", o->service, o->checks[i].name, o->checks[i].ok);
	write_process(f);
}
