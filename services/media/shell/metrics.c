#include <stdlib.h>

#include "service.h"

#define FIGURES(X)                                                                                                     \
	X(endpoints, OBS_GAUGE, "endpoints", "RTP and WebRTC endpoints")                                               \
	X(rooms, OBS_GAUGE, "rooms", "rooms")                                                                          \
	X(packets_in, OBS_COUNTER, "packets_in_total", "RTP packets accepted")                                         \
	X(packets_out, OBS_COUNTER, "packets_out_total", "RTP packets sent")                                           \
	X(packets_late, OBS_COUNTER, "packets_late_total", "RTP packets too late or twice for the jitter buffer")      \
	X(jb_dropped, OBS_COUNTER, "jitter_dropped_total",                                                             \
	  "packets given up to shorten the delay, of ended endpoints")                                                 \
	X(bad_packets, OBS_COUNTER, "packets_refused_total",                                                           \
	  "packets from strangers, of unknown type, or not authentic")                                                 \
	X(send_errors, OBS_COUNTER, "send_errors_total", "packets that the kernel refused")                            \
	X(ticks_late, OBS_COUNTER, "ticks_late_total", "20 ms ticks that began more than 5 ms late")                   \
	X(recorder_failures, OBS_COUNTER, "recorder_failures_total", "recordings that failed")                         \
	X(record_queue_bytes, OBS_GAUGE, "record_queue_bytes", "sound on its way to the disk")                         \
	X(clips_bytes, OBS_GAUGE, "sound_cache_bytes", "decoded sounds in memory")                                     \
	X(events_lost, OBS_COUNTER, "events_lost_total", "events dropped because the main loop was too far behind")

struct metrics {
	struct media *m;
	struct obs_metric *lateness;
#define X(field, kind, name, help) struct obs_metric *field;
	FIGURES(X)
#undef X
};

static void refresh(void *arg)
{
	struct metrics *x = arg;
	struct core_counts n;
	if (!x->m->core)
		return;
	core_count(x->m->core, &n);
#define X(field, kind, name, help) obs_set(x->field, (int64_t)n.field);
	FIGURES(X)
#undef X
}

void metrics_tick(void *metrics, int64_t late_us)
{
	obs_observe(((struct metrics *)metrics)->lateness, late_us);
}

enum pl_err metrics_open(struct metrics **ret, struct media *m, struct pl_why *why)
{
	struct metrics *x = calloc(1, sizeof(*x));
	struct obs *o = m->app->obs;
	if (!x)
		return pl_why_set(why, PL_E_NOMEM, "media: memory is out");
	*ret = x;
	x->m = m;
	x->lateness = obs_metric_new(o, OBS_HISTOGRAM, "tick_lateness_seconds", NULL, "how late each 20 ms tick began");
	bool ok = x->lateness != NULL;
#define X(field, kind, name, help) ok &= (x->field = obs_metric_new(o, kind, name, NULL, help)) != NULL;
	FIGURES(X)
#undef X
	obs_on_scrape(o, refresh, x);
	return ok ? PL_OK : pl_why_set(why, PL_E_NOMEM, "media: memory is out");
}
