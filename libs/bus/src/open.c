/* The life of a bus, and its clock. */
#include "bus_int.h"

#include <stdio.h>
#include <stdlib.h>

void bus_tell_up(struct bus *b)
{
	char url[256] = "";
	natsConnection_GetConnectedUrl(b->nc, url, sizeof(url));
	log_info("bus.up", LOG_S("url", url));
	js_up(b);
	jspub_up(b);
	tail_up(b);
	consume_up(b);
	node_up(b);
}

static void on_tick(void *arg)
{
	struct bus *b = arg;
	int64_t now = pl_loop_now_us(b->loop);
	conn_tick(b, now);
	mux_tick(b);
	jspub_tick(b, now);
	tail_tick(b, now);
	consume_tick(b, now);
	kv_tick(b, now);
	lease_tick(b, now);
	node_tick(b, now);
	obs_set(b->m_queue, (int64_t)b->queue_bytes);
	obs_set(b->m_pubs, (int64_t)b->n_pubs);
}

static void init_lists(struct bus *b)
{
	struct pl_list *const all[] = { &b->subs,    &b->queue,      &b->reqs,       &b->watches,   &b->nodes,
					&b->streams, &b->pubs,       &b->tails,      &b->consumers, &b->leases,
					&b->marks,   &b->lanes_busy, &b->lanes_idle, &b->lanes_dead };
	for (size_t i = 0; i < PL_ARRAY_N(all); i++)
		pl_list_init(all[i]);
}

static void init_metrics(struct bus *b, struct obs *o)
{
	b->check = obs_check_new(o, "bus");
	b->m_reconnects =
		obs_metric_new(o, OBS_COUNTER, "bus_reconnects_total", NULL, "Times the connection to NATS came back.");
	b->m_refused = obs_metric_new(o, OBS_COUNTER, "bus_refused_total", NULL,
				      "Publishes refused because the buffer was full.");
	b->m_in = obs_metric_new(o, OBS_COUNTER, "bus_in_total", NULL, "Messages received.");
	b->m_out = obs_metric_new(o, OBS_COUNTER, "bus_out_total", NULL, "Messages published.");
	b->m_resent = obs_metric_new(o, OBS_COUNTER, "bus_js_resent_total", NULL, "Stream publishes sent again.");
	b->m_queue = obs_metric_new(o, OBS_GAUGE, "bus_buffer_bytes", NULL, "Bytes that wait for the connection.");
	b->m_pubs = obs_metric_new(o, OBS_GAUGE, "bus_js_pending", NULL, "Stream publishes not yet acknowledged.");
	b->m_gaps = obs_metric_new(o, OBS_COUNTER, "bus_tail_restarts_total", NULL, "Stream readers started again.");
}

static enum pl_err init(struct bus *b, struct obs *o, const struct bus_cfg *cfg)
{
	uint8_t id[8];
	char hex[17];
	if (pl_random(id, sizeof(id)) != PL_OK)
		return PL_E_IO;
	pl_strlcpy(b->service, cfg->service, sizeof(b->service));
	pl_strlcpy(b->node, cfg->node, sizeof(b->node));
	b->inbox_len =
		(size_t)snprintf(b->inbox, sizeof(b->inbox), "_INBOX_%s.%s.", b->service, pl_hex(id, sizeof(id), hex));
	b->url = strdup(cfg->url);
	b->user = cfg->user ? strdup(cfg->user) : NULL;
	b->password = cfg->password ? strdup(cfg->password) : NULL;
	if (!b->url)
		return PL_E_NOMEM;
	init_metrics(b, o);
	enum pl_err err = conn_init(b);
	if (!err)
		err = pl_timer_new(&b->tick, b->loop, on_tick, b);
	return err ? err : mux_init(b);
}

static bool name_ok(const char *s, size_t max)
{
	size_t n = s ? strlen(s) : 0;
	return n > 0 && n < max && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

enum pl_err bus_open(struct bus **ret, struct pl_loop *l, struct obs *o, const struct bus_cfg *cfg, struct pl_why *why)
{
	if (!name_ok(cfg->service, sizeof(((struct bus *)0)->service)) ||
	    !name_ok(cfg->node, sizeof(((struct bus *)0)->node)))
		return pl_why_field(why, PL_E_FORMAT, "node", "service and node must be a-z, 0-9 and -");
	struct bus *b = calloc(1, sizeof(*b));
	if (!b)
		return pl_why_set(why, PL_E_NOMEM, "bus: memory is out");
	b->loop = l;
	init_lists(b);
	node_init(b);
	enum pl_err err = init(b, o, cfg);
	if (err)
		pl_why_set(why, err, "bus: %s", pl_err_name(err));
	else
		err = conn_first(b, cfg->connect_wait_ms, why);
	if (err) {
		bus_close(b);
		return err;
	}
	pl_timer_every(b->tick, BUS_TICK_US);
	bus_tell_up(b);
	*ret = b;
	return PL_OK;
}

void bus_close(struct bus *b)
{
	if (!b)
		return;
	conn_done(b);
	pl_timer_free(b->tick);
	jspub_done(b);
	tail_down(b);
	consume_down(b);
	mux_done(b);
	js_done(b);
	kv_done(b);
	lease_done(b);
	node_done(b);
	bus_reqs_free(b);
	PL_LIST_EACH_SAFE (n, &b->subs)
		bus_sub_free(PL_CONTAINER(n, struct bus_sub, node));
	obs_check_set(b->check, false, "closed");
	free(b->url);
	free(b->user);
	free(b->password);
	free(b);
}

const char *bus_node(const struct bus *b)
{
	return b->node;
}

const char *bus_service(const struct bus *b)
{
	return b->service;
}

struct pl_loop *bus_loop(struct bus *b)
{
	return b->loop;
}
