/** The service around the core: options, RPCs, events, figures. Main loop's thread. */
#ifndef MEDIA_SHELL_SERVICE_H
#define MEDIA_SHELL_SERVICE_H
#include <parley/app.h>
#include <parley/rpc.h>

#include "core.h"

struct media_opts {
	int64_t workers, rtp_port_min, rtp_port_max, hold_us, cache_mb, max_rooms, record_queue_mb, owner_timeout_s,
		capacity;
	char *rtp_address, *public_address, *master_key_file, *sip_codecs, *webrtc_codecs;
	bool learn_any;
};
extern const struct cfg_opt media_opt_table[];

struct store;
struct metrics;
struct media {
	struct pl_app *app;
	const struct media_opts *opts;
	struct core *core;
	uint8_t key[32];
	bool has_key, draining;
	struct store *store;
	struct metrics *metrics;
	struct pl_timer *expire, *drain;
};
PL_MUST enum pl_err media_new(struct media **ret, struct pl_app *app, const struct media_opts *opts,
			      struct pl_why *why);
void media_freep(struct media **m);

/* --- rpc_media.c --- */
PL_MUST enum pl_err media_serve(struct media *m, struct pl_why *why);
void media_send_event(void *arg, const struct event *ev);
/* --- rpc_store.c --- */
PL_MUST enum pl_err store_open(struct store **ret, struct media *m, struct pl_why *why);
void store_close(struct store *s);
/* --- metrics.c --- */
PL_MUST enum pl_err metrics_open(struct metrics **ret, struct media *m, struct pl_why *why);
void metrics_tick(void *metrics, int64_t late_us); /* from any thread */
#endif
