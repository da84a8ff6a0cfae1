#include "service.h"

#include <errno.h>
#include <parley/crypto.h>
#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXPIRE_LOOK_US = 10000000, DRAIN_LOOK_US = 200000 };

#define OPT(field) offsetof(struct media_opts, field)
const struct cfg_opt media_opt_table[] = {
	{ "workers", CFG_INT, OPT(workers), "0", 0, 256, "", "threads that move packets; 0: one per core" },
	{ "rtp-address", CFG_STR, OPT(rtp_address), "127.0.0.1", 0, 64, "",
	  "IP address that RTP is bound to; 0.0.0.0 with public-address set" },
	{ "public-address", CFG_STR, OPT(public_address), "", 0, 64, "",
	  "IP address in SDP when this node is behind a NAT; empty: rtp-address" },
	{ "rtp-port-min", CFG_INT, OPT(rtp_port_min), "20000", 1024, 65534, "", "first UDP port for RTP" },
	{ "rtp-port-max", CFG_INT, OPT(rtp_port_max), "39999", 1025, 65535, "",
	  "last UDP port for RTP; an endpoint takes two" },
	{ "rtp-learn-any", CFG_BOOL, OPT(learn_any), "false", 0, 0, "",
	  "believe the first source of RTP even where the SDP named a public address" },
	{ "sip-codecs", CFG_STR, OPT(sip_codecs), "PCMA,PCMU", 0, 64, "", "offered to phones and trunks, best first" },
	{ "webrtc-codecs", CFG_STR, OPT(webrtc_codecs), "opus,PCMA,PCMU", 0, 64, "",
	  "answered to browsers, best first" },
	{ "master-key-file", CFG_STR, OPT(master_key_file), "", 0, 1024, "",
	  "64 hex digits that wrap the keys of recordings; default <data-dir>/keys/master.key" },
	{ "hold-us", CFG_INT, OPT(hold_us), "4000", 0, 10000, "us",
	  "how long a busy worker lets packets gather before it looks; 0: never" },
	{ "sound-cache-mb", CFG_INT, OPT(cache_mb), "256", 1, 65536, "MiB", "decoded sounds kept in memory" },
	{ "record-queue-mb", CFG_INT, OPT(record_queue_mb), "64", 1, 4096, "MiB",
	  "sound on its way to the disk; then recordings fail, loudly" },
	{ "max-rooms", CFG_INT, OPT(max_rooms), "10000", 1, 1000000, "", "rooms at a time; then new ones are refused" },
	{ "capacity", CFG_INT, OPT(capacity), "2000", 1, 1000000, "",
	  "endpoints that this node announces it can carry" },
	{ "owner-timeout-s", CFG_INT, OPT(owner_timeout_s), "300", 5, 86400, "s",
	  "a room whose owner is silent for so long ends" },
	CFG_END
};

static enum pl_err parse_codecs(const char *text, const char *field, enum codec *out, size_t *ret_n, struct pl_why *why)
{
	*ret_n = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		enum codec c = codec_find(p, n);
		if (c == CODEC_NONE || *ret_n == CODEC_N)
			return pl_why_field(why, PL_E_FORMAT, field,
					    "must be some of PCMA, PCMU, opus, with commas between");
		out[(*ret_n)++] = c;
		p += n + (p[n] == ',');
	}
	return *ret_n ? PL_OK : pl_why_field(why, PL_E_FORMAT, field, "must name a codec");
}

/* Two sockets an endpoint: the soft limit of 1,024 descriptors would end at 250 calls. */
static void raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			log_warn("descriptors.limited", LOG_I("limit", r.rlim_cur), LOG_S("why", strerror(errno)));
	}
}

static enum pl_err load_key(struct media *m, struct pl_why *why)
{
	char path[1200];
	const char *given = m->opts->master_key_file;
	snprintf(path, sizeof(path), pl_empty(given) ? "%s/keys/master.key" : "%s",
		 pl_empty(given) ? m->app->cfg.data_dir : given);
	enum pl_err err = crypto_key_load(path, m->key, why);
	if (err == PL_E_NOTFOUND && pl_empty(given)) {
		log_warn("recording.off", LOG_S("why", "there is no master key"), LOG_S("path", path));
		return PL_OK;
	}
	m->has_key = !err;
	return err;
}

static enum pl_err open_core(struct media *m, struct pl_why *why)
{
	const struct media_opts *o = m->opts;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct core_cfg c = { .workers = o->workers ? (int)o->workers : (int)PL_MAX(cores, 1),
			      .rtp_port_min = (int)o->rtp_port_min,
			      .rtp_port_max = (int)o->rtp_port_max,
			      .rtp_address = o->rtp_address,
			      .public_address = o->public_address,
			      .data_dir = m->app->cfg.data_dir,
			      .node = m->app->cfg.node,
			      .master_key = m->has_key ? m->key : NULL,
			      .hold_us = o->hold_us,
			      .cache_bytes = o->cache_mb << 20,
			      .max_rooms = o->max_rooms,
			      .record_queue_bytes = o->record_queue_mb << 20,
			      .learn_any = o->learn_any,
			      .tick = metrics_tick,
			      .tick_arg = m->metrics };
	enum pl_err err = parse_codecs(o->sip_codecs, "sip-codecs", c.sip_codecs, &c.n_sip_codecs, why);
	if (!err)
		err = parse_codecs(o->webrtc_codecs, "webrtc-codecs", c.webrtc_codecs, &c.n_webrtc_codecs, why);
	if (!err && o->rtp_port_min >= o->rtp_port_max)
		err = pl_why_field(why, PL_E_FORMAT, "rtp-port-min", "must be below rtp-port-max");
	return err ? err : core_open(&m->core, m->app->loop, &c, media_send_event, m, why);
}

static int64_t load(void *arg)
{
	struct media *m = arg;
	struct core_counts n;
	core_count(m->core, &n);
	return m->draining ? m->opts->capacity * 1000
			   : (int64_t)n.endpoints; /* the last to be chosen while it drains */
}

static void on_expire(void *arg)
{
	struct media *m = arg;
	core_expire(m->core, m->opts->owner_timeout_s * PL_US_PER_S);
}

static void look_drained(void *arg)
{
	struct media *m = arg;
	struct core_counts n;
	core_count(m->core, &n);
	if (n.rooms > 0)
		return;
	pl_timer_stop(m->drain);
	pl_app_drained(m->app);
}

static void on_drain(void *arg, struct pl_app *app)
{
	struct media *m = arg;
	(void)app;
	m->draining = true;
	core_drain(m->core);
	pl_timer_every(m->drain, DRAIN_LOOK_US);
}

static enum pl_err wire(struct media *m, struct pl_why *why)
{
	enum pl_err err = pl_timer_new(&m->expire, m->app->loop, on_expire, m);
	if (!err)
		err = pl_timer_new(&m->drain, m->app->loop, look_drained, m);
	if (!err)
		err = pl_app_on_drain(m->app, on_drain, m);
	if (err)
		return pl_why_set(why, err, "media: %s", pl_err_name(err));
	pl_timer_every(m->expire, EXPIRE_LOOK_US);
	err = store_open(&m->store, m, why);
	if (!err)
		err = media_serve(m, why);
	if (!err && (err = bus_announce(m->app->bus, load, m->opts->capacity, "", m)))
		pl_why_set(why, err, "media: cannot announce itself");
	return err;
}

enum pl_err media_new(struct media **ret, struct pl_app *app, const struct media_opts *opts, struct pl_why *why)
{
	struct media *m = calloc(1, sizeof(*m));
	if (!m)
		return pl_why_set(why, PL_E_NOMEM, "media: memory is out");
	*ret = m;
	m->app = app;
	m->opts = opts;
	raise_descriptors();
	enum pl_err err = crypto_open();
	if (!err)
		err = load_key(m, why);
	if (!err)
		err = metrics_open(&m->metrics, m, why);
	if (!err)
		err = open_core(m, why);
	return err ? err : wire(m, why);
}

void media_freep(struct media **mp)
{
	struct media *m = *mp;
	if (!m)
		return;
	pl_timer_free(m->expire);
	pl_timer_free(m->drain);
	core_close(m->core);
	m->core = NULL;
	store_close(m->store);
	free(m->metrics);
	explicit_bzero(m->key, sizeof(m->key));
	free(m);
	*mp = NULL;
}
