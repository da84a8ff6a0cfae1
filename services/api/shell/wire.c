#include "api.h"

#include <stdlib.h>

#define TICK_US (5 * PL_US_PER_S)
#define BODY_MAX ((int64_t)4 << 20)
#define IDLE_S 75

#define O(field) offsetof(struct api_cfg, field)
const struct cfg_opt api_opts[] = {
	{ "http-host", CFG_STR, O(http_host), "127.0.0.1", 0, 255, "", "Address of the web port." },
	{ "http-port", CFG_INT, O(http_port), "8080", 0, 65535, "", "Web port; 0: a free one, logged." },
	{ "tls-cert", CFG_STR, O(tls_cert), "", 0, 4096, "",
	  "Certificate chain (PEM). Empty: plain HTTP, for use behind a proxy." },
	{ "tls-key", CFG_STR, O(tls_key), "", 0, 4096, "", "Private key (PEM) of the certificate." },
	{ "web-dir", CFG_STR, O(web_dir), "", 0, 4096, "", "Folder with the built desk. Empty: none is served." },
	{ "docs-dir", CFG_STR, O(docs_dir), "", 0, 4096, "", "Folder with openapi.yaml. Empty: it is not served." },
	{ "allowed-origins", CFG_STR, O(allowed_origins), "", 0, 4096, "",
	  "Other origins whose pages may call the API, separated by commas." },
	{ "max-conns", CFG_INT, O(max_conns), "10000", 1, 100000, "", "Connections at a time." },
	{ "max-conns-per-ip", CFG_INT, O(max_conns_per_ip), "2000", 1, 100000, "",
	  "Connections from one address at a time." },
	{ "rate", CFG_INT, O(rate), "50", 1, 100000, "1/s",
	  "Requests of one session per second; twice as many at once." },
	{ "login-rate", CFG_INT, O(login_rate), "200", 1, 100000, "1/s",
	  "Requests without a known session per second and address." },
	{ "keep-events", CFG_INT, O(keep_events), "50000", 100, 1000000, "",
	  "Newest events of the ledger kept for streams that resume." },
	{ "keep-event-bytes", CFG_INT, O(keep_event_bytes), "67108864", 1048576, 4294967296, "bytes",
	  "Memory for them." },
	CFG_END
};

static void on_tick(void *arg)
{
	struct api *a = arg;

	sse_tick(a);
	presence_tick(a);
	seat_tick(a);
}

/* Streams end at once, so that browsers go to another copy; requests under way are answered. */
static void on_drain(void *arg, struct pl_app *app)
{
	sse_close_all(arg);
	pl_app_drained(app);
}

static enum pl_err listen_http(struct api *a, struct pl_why *why)
{
	const struct api_cfg *c = a->cfg;
	const struct http_server_cfg hc = { .host = c->http_host,
					    .port = (int)c->http_port,
					    .max_body_bytes = BODY_MAX,
					    .cert_file = pl_empty(c->tls_cert) ? NULL : c->tls_cert,
					    .key_file = c->tls_key,
					    .max_conns = (int)c->max_conns,
					    .max_conns_per_ip = (int)c->max_conns_per_ip,
					    .idle_s = IDLE_S,
					    .fn = door_on_request,
					    .arg = a };

	enum pl_err err = http_server_open(&a->server, a->app->loop, &hc, why);
	if (!err)
		log_info("api.listen", LOG_S("host", c->http_host), LOG_I("port", http_server_port(a->server)),
			 LOG_B("tls", hc.cert_file != NULL));
	return err;
}

static enum pl_err watch(struct api *a, struct pl_why *why)
{
	struct obs *o = a->app->obs;

	a->m_requests = obs_metric_new(o, OBS_COUNTER, "http_requests_total", NULL, "requests that came in");
	a->m_refused = obs_metric_new(o, OBS_COUNTER, "http_foreign_total", NULL, "requests refused for their origin");
	a->m_streams = obs_metric_new(o, OBS_GAUGE, "event_streams", NULL, "open event streams");
	a->m_slow = obs_metric_new(o, OBS_COUNTER, "event_streams_cut_total", NULL,
				   "streams ended because their client did not read");
	a->m_time = obs_metric_new(o, OBS_HISTOGRAM, "call_seconds", NULL, "calls from request to answer");
	return a->m_requests && a->m_refused && a->m_streams && a->m_slow && a->m_time
		       ? PL_OK
		       : pl_why_set(why, PL_E_NOMEM, "no memory");
}

enum pl_err api_new(struct api **ret, struct pl_app *app, const struct api_cfg *cfg, struct pl_why *why)
{
	struct api *a = calloc(1, sizeof(*a));
	struct bus_sub *rt;

	if (!a)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = a; /* the caller frees what is half built */
	*a = (struct api){ .app = app, .cfg = cfg };
	pl_list_init(&a->clients);
	enum pl_err err = crypto_open();
	if (!err)
		err = watch(a, why);
	if (!err)
		err = ledger_open(a, why);
	if (!err)
		err = bus_subscribe(&rt, app->bus, "rt.>", NULL, sse_on_rt, a, why);
	if (!err)
		err = pl_timer_new(&a->tick, app->loop, on_tick, a);
	if (!err)
		err = pl_app_on_drain(app, on_drain, a);
	if (!err)
		err = listen_http(a, why);
	if (!err)
		pl_timer_every(a->tick, TICK_US);
	return err;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	sse_close_all(a);
	http_server_close(a->server);
	pl_timer_free(a->tick);
	ledger_close(a);
	seat_free_all(a);
	presence_free(a);
	free(a);
}

void api_freep(struct api **a)
{
	api_free(*a);
	*a = NULL;
}
