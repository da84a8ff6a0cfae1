/* Durable pull consumers, shared by the copies of a service (ADR-13). One pull request is kept outstanding; it is
 * renewed when half of it has arrived, when it expires (408), when its heartbeat stays away, and after a reconnect. */
#include "bus_int.h"

#include <stdlib.h>

#define EXPIRES_US (30 * PL_US_PER_S)
#define HEARTBEAT_US (5 * PL_US_PER_S)
#define SILENT_US (12 * PL_US_PER_S)
#define AGAIN_US (300 * PL_US_PER_MS)
#define ERR_CONSUMER_EXISTS 10013 /* with settings that cannot be changed */
#define ERR_CONSUMER_EXISTS_TOO 10148

enum { C_DOWN, C_WAIT, C_CREATING, C_RUN };

struct bus_consumer {
	struct pl_list node;
	struct bus *b;
	char *stream, *durable, *filter;
	int batch, max_deliver;
	int64_t ack_wait_ms;
	void (*fn)(void *arg, struct bus_consumer *c, const struct bus_msg *m, const char *ack);
	void *arg;
	struct bus_sub *sub;
	char inbox[BUS_REPLY_MAX];
	size_t inbox_len;

	int state;
	unsigned pull; /* number of the pull request under way; 0: none */
	unsigned pulls;
	int asked;   /* messages it may still bring */
	int unacked; /* handed out and not yet acknowledged */
	int64_t heard_us, again_us, moved_us;
	bool asking, in_fn, closed; /* a request is under way; fn runs */
};

static void consumer_free(struct bus_consumer *c)
{
	pl_list_remove(&c->node);
	free(c->stream);
	free(c->durable);
	free(c->filter);
	free(c);
}

static void again(struct bus_consumer *c, int state)
{
	c->state = state;
	c->pull = 0;
	c->asked = 0;
	c->again_us = pl_mono_us() + AGAIN_US;
}

/* No more in hand than four batches: the rest is for the other copies. */
static void pull(struct bus_consumer *c)
{
	int room = 4 * c->batch - c->unacked - c->asked;
	if (c->state != C_RUN || c->asked > c->batch / 2 || room <= 0)
		return;
	char subject[BUS_SUBJECT_MAX], reply[BUS_REPLY_MAX + 16], body[128];
	int n = PL_MIN(c->batch - c->asked, room);
	if (++c->pulls == 0)
		c->pulls = 1;
	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", c->stream, c->durable);
	snprintf(reply, sizeof(reply), "%s%u", c->inbox, c->pulls);
	int len = snprintf(body, sizeof(body), "{\"batch\":%d,\"expires\":%" PRId64 ",\"idle_heartbeat\":%" PRId64 "}",
			   n, EXPIRES_US * 1000, HEARTBEAT_US * 1000);
	natsMsg *m = NULL;
	if (natsMsg_Create(&m, subject, reply, body, len) != NATS_OK ||
	    bus_send(c->b, m, (size_t)len + 128, 0) != PL_OK)
		return; /* the tick tries again */
	c->pull = c->pulls;
	c->asked += n;
	c->heard_us = pl_mono_us();
}

/* The end of one pull request. What it did not bring is not coming. */
static void on_status(struct bus_consumer *c, natsMsg *m, int status)
{
	const char *left = bus_hdr(m, "Nats-Pending-Messages");
	unsigned which = (unsigned)strtoul(natsMsg_GetSubject(m) + c->inbox_len, NULL, 10);
	if (status == 100) /* heartbeat */
		return;
	if ((status == 409 && !strstr(bus_hdr(m, "Description"), "Exceeded"))) {
		again(c, C_WAIT); /* consumer deleted or leader moved: look for it anew */
		return;
	}
	if (status == 408 && *left && which != c->pull) { /* an older one ended short */
		c->asked = PL_MAX(0, c->asked - (int)strtol(left, NULL, 10));
	} else if (which == c->pull) {
		c->asked = 0;
		c->pull = 0;
	}
	if (status == 409)
		again(c, C_RUN); /* too many pulls wait: not at once */
	else
		pull(c);
}

static void on_msg(void *arg, natsMsg *m)
{
	struct bus_consumer *c = arg;
	struct bus_msg msg;
	int status = js_status(m);
	c->heard_us = pl_loop_now_us(c->b->loop);
	if (status && strncmp(natsMsg_GetSubject(m), c->inbox, c->inbox_len) == 0) {
		on_status(c, m, status);
		return;
	}
	bus_msg_fill(&msg, m);
	if (msg.seq == 0)
		return;
	const char *ack = msg.reply;
	msg.reply = "";
	c->asked -= c->asked > 0;
	c->unacked++;
	c->moved_us = c->heard_us;
	c->in_fn = true; /* it may be closed inside its own handler */
	c->fn(c->arg, c, &msg, ack);
	c->in_fn = false;
	if (c->closed && !c->asking)
		consumer_free(c);
	else if (!c->closed)
		pull(c);
}

static void on_none(void *arg)
{
	again(arg, C_WAIT);
} /* JetStream is not there */

static void on_created(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	struct bus_consumer *c = arg;
	int code = (int)json_integer_value(json_object_get(json_object_get(reply, "error"), "err_code"));
	c->asking = false;
	if (c->closed) { /* never inside fn: this is another message's turn */
		consumer_free(c);
		return;
	}
	if (c->state != C_CREATING)
		return;
	if (err && code != ERR_CONSUMER_EXISTS && code != ERR_CONSUMER_EXISTS_TOO) {
		log_debug("bus.consumer.again", LOG_S("durable", c->durable), LOG_WHY(why));
		again(c, C_WAIT);
		return;
	}
	if (err)
		log_warn("bus.consumer.old", LOG_S("durable", c->durable),
			 LOG_WHY(why)); /* goes on with its old settings */
	c->state = C_RUN;
	c->asked = 0;
	c->unacked = 0;
	pull(c);
}

static void create(struct bus_consumer *c)
{
	char verb[BUS_SUBJECT_MAX];
	json_t *cfg = json_pack("{s:s, s:s, s:s, s:I, s:i, s:s, s:i}", "durable_name", c->durable, "deliver_policy",
				"all", "ack_policy", "explicit", "ack_wait", (json_int_t)(c->ack_wait_ms * 1000000),
				"max_deliver", c->max_deliver > 0 ? c->max_deliver : -1, "replay_policy", "instant",
				"max_ack_pending", PL_MAX(1000, 8 * c->batch));
	if (c->filter)
		json_object_set_new(cfg, "filter_subject", json_string(c->filter));
	snprintf(verb, sizeof(verb), "CONSUMER.DURABLE.CREATE.%s.%s", c->stream, c->durable);
	c->state = C_CREATING;
	c->asking = true;
	js_ask(c->b, verb, json_pack("{s:s, s:o}", "stream_name", c->stream, "config", cfg), on_created, c);
}

static bool token_ok(const char *s)
{
	return !pl_empty(s) && strlen(s) <= 100 && !strpbrk(s, " .*>\t\r\n/\\");
}

static enum pl_err init(struct bus_consumer *c, const struct bus_consumer_cfg *cfg)
{
	static unsigned counter;
	char subject[BUS_REPLY_MAX + 4];
	c->stream = strdup(cfg->stream);
	c->durable = strdup(cfg->durable);
	c->filter = pl_empty(cfg->filter) ? NULL : strdup(cfg->filter);
	if (!c->stream || !c->durable || (!pl_empty(cfg->filter) && !c->filter))
		return PL_E_NOMEM;
	c->inbox_len = (size_t)snprintf(c->inbox, sizeof(c->inbox), "%sc.%x.", c->b->inbox, ++counter);
	snprintf(subject, sizeof(subject), "%s*", c->inbox);
	return bus_subscribe_raw(&c->sub, c->b, subject, on_msg, on_none, c);
}

enum pl_err bus_consume(struct bus_consumer **ret, struct bus *b, const struct bus_consumer_cfg *cfg,
			struct pl_why *why)
{
	if (!token_ok(cfg->stream) || !token_ok(cfg->durable) || (cfg->filter && !bus_subject_ok(cfg->filter, true)) ||
	    cfg->batch < 1 || cfg->batch > 1000 || cfg->ack_wait_ms < 1 || !cfg->fn)
		return pl_why_set(why, PL_E_FORMAT, "consumer \"%.60s\" of \"%.60s\": a value is out of range",
				  cfg->durable ? cfg->durable : "", cfg->stream ? cfg->stream : "");
	struct bus_consumer *c = calloc(1, sizeof(*c));
	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "consumer %s: memory is out", cfg->durable);
	pl_list_push(&b->consumers, &c->node);
	c->b = b;
	c->batch = cfg->batch;
	c->max_deliver = cfg->max_deliver;
	c->ack_wait_ms = cfg->ack_wait_ms;
	c->fn = cfg->fn;
	c->arg = cfg->arg;
	enum pl_err err = init(c, cfg);
	if (err) {
		consumer_free(c);
		return pl_why_set(why, err, "consumer %s: %s", cfg->durable, pl_err_name(err));
	}
	c->state = bus_up(b) ? C_WAIT : C_DOWN;
	*ret = c;
	return PL_OK;
}

void bus_consumer_close(struct bus_consumer *c)
{
	if (!c)
		return;
	bus_unsubscribe(c->sub);
	c->sub = NULL;
	c->closed = true;
	c->state = C_DOWN;
	if (!c->asking && !c->in_fn)
		consumer_free(c);
}

/* --- acknowledging --- */
static void send_ack(struct bus *b, const char *ack, const char *body)
{
	natsMsg *m = NULL;
	consume_acked(b, ack);
	if (natsMsg_Create(&m, ack, NULL, body, (int)strlen(body)) == NATS_OK) {
		bus_send_now(b, m, 128); /* while away it is lost, and the message comes again */
		natsMsg_Destroy(m);
	}
}

void bus_ack(struct bus *b, const char *ack)
{
	send_ack(b, ack, "+ACK");
}

void bus_nack(struct bus *b, const char *ack, int64_t delay_ms)
{
	char body[64];
	snprintf(body, sizeof(body), "-NAK {\"delay\":%" PRId64 "}", PL_MAX(delay_ms, 0) * 1000000);
	send_ack(b, ack, delay_ms > 0 ? body : "-NAK");
}

void consume_acked(struct bus *b, const char *ack)
{
	struct js_pos p;
	if (!js_pos_parse(ack, &p))
		return;
	PL_LIST_EACH (n, &b->consumers) {
		struct bus_consumer *c = PL_CONTAINER(n, struct bus_consumer, node);
		if (strlen(c->durable) != p.consumer_len || memcmp(c->durable, p.consumer, p.consumer_len) != 0 ||
		    strlen(c->stream) != p.stream_len || memcmp(c->stream, p.stream, p.stream_len) != 0)
			continue;
		c->unacked -= c->unacked > 0;
		c->moved_us = pl_loop_now_us(b->loop);
		if (!c->in_fn)
			pull(c);
	}
}

void consume_up(struct bus *b)
{
	PL_LIST_EACH (n, &b->consumers) {
		struct bus_consumer *c = PL_CONTAINER(n, struct bus_consumer, node);
		again(c, C_WAIT);
		c->again_us = 0;
	}
	consume_tick(b, pl_mono_us());
}

void consume_down(struct bus *b)
{
	PL_LIST_EACH (n, &b->consumers)
		again(PL_CONTAINER(n, struct bus_consumer, node), C_DOWN);
}

void consume_tick(struct bus *b, int64_t now_us)
{
	if (!bus_up(b))
		return;
	PL_LIST_EACH_SAFE (n, &b->consumers) {
		struct bus_consumer *c = PL_CONTAINER(n, struct bus_consumer, node);
		if (c->closed || now_us < c->again_us)
			continue;
		if (c->unacked && now_us - c->moved_us > c->ack_wait_ms * PL_US_PER_MS)
			c->unacked = 0; /* they come again, to us or to another copy */
		if (c->state == C_RUN && c->asked && now_us - c->heard_us > SILENT_US)
			again(c, C_WAIT);
		else if (c->state == C_RUN)
			pull(c);
		else if (c->state == C_WAIT && !c->asking)
			create(c);
	}
}
