/** Health and metrics of a process: GET /healthz (the loop turns), /readyz (all checks pass; body names the failing ones),
 *  /metrics (Prometheus text 0.0.4) on --health-host:--health-port.
 *  Threads    the loop's, except obs_add(), obs_set() and obs_observe(), which are atomic and may be called from any thread. */
#ifndef PARLEY_OBS_H
#define PARLEY_OBS_H
#include <parley/base.h>
#include <parley/loop.h>

struct obs;
struct obs_metric;
struct obs_check;
enum obs_kind { OBS_COUNTER, OBS_GAUGE, OBS_HISTOGRAM };	/* histogram: fixed log buckets, microseconds in, seconds out */

PL_MUST enum pl_err obs_new(struct obs **ret, struct pl_loop *l, const char *service, const char *node, struct pl_why *why);
PL_MUST enum pl_err obs_listen(struct obs *o, const char *host, int port, struct pl_why *why);
int obs_port(const struct obs *o);
void obs_free(struct obs *o);
/** name without prefix: "calls_total" is published as parley_<service>_calls_total. labels: "kind=\"sip\"" or NULL. Borrowed. */
struct obs_metric *obs_metric_new(struct obs *o, enum obs_kind kind, const char *name, const char *labels, const char *help);
void obs_add(struct obs_metric *m, int64_t n);
void obs_set(struct obs_metric *m, int64_t v);
void obs_observe(struct obs_metric *m, int64_t us);
/** A named condition of readiness; starts as false. The text says what is missing and is shown by /readyz. */
struct obs_check *obs_check_new(struct obs *o, const char *name);
void obs_check_set(struct obs_check *c, bool ok, const char *text);
bool obs_ready(const struct obs *o);
/** Runs before each scrape: refresh gauges. */
void obs_on_scrape(struct obs *o, void (*fn)(void *arg), void *arg);
#endif
