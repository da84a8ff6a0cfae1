/* Ordered readers: an ephemeral push consumer without acknowledgements, with flow control and a heartbeat every 2 s
 * (ADR-17). Its consumer sequence must count 1, 2, 3; anything else, a missed heartbeat or a new connection starts it
 * again after the last message that was handed out. Before each start STREAM.INFO tells whether that message still
 * exists. */
#include "bus_int.h"

#include <stdlib.h>

#define HEARTBEAT_US (2 * PL_US_PER_S)
#define SILENT_US (5 * PL_US_PER_S)
#define AGAIN_US (300 * PL_US_PER_MS)
#define CONSUMER_IDLE_S 30 /* the server removes a consumer whose reader is gone */

enum tail_state { TAIL_DOWN, TAIL_WAIT, TAIL_ASKING, TAIL_RUN };

struct bus_tail {
	struct pl_list node;
	struct bus *b;
	char *stream, *filter;
	bus_fn fn;
	void (*caught_up)(void *arg);
	void (*lost)(void *arg, uint64_t from_seq, uint64_t first_seq);
	void *arg;
	bool last_per_subject, started, caught, closed;
	int uses; /* requests under way and callbacks that run: freed when closed and 0 */

	enum tail_state state;
	uint64_t next; /* the sequence to start at; 0: new ones only (until STREAM.INFO told which that is) */
	uint64_t seq;  /* the last one handed out */
	uint64_t cseq; /* of this consumer */
	int64_t heard_us, again_us;
	char created[40]; /* of the stream: another one means that it was made anew */
	char consumer[80];
	unsigned epoch; /* answers to an earlier start are ignored */
	struct bus_sub *sub;
};

struct tail_ask {
	struct bus_tail *t;
	unsigned epoch;
};

static void tail_destroy(struct bus_tail *t)
{
	pl_list_remove(&t->node);
	free(t->stream);
	free(t->filter);
	free(t);
}

/* False: it was closed meanwhile, and is gone when nothing else uses it. */
static bool leave(struct bus_tail *t)
{
	t->uses--;
	if (t->closed && t->uses == 0)
		tail_destroy(t);
	else
		return !t->closed;
	return false;
}

static void stop(struct bus_tail *t)
{
	bus_unsubscribe(t->sub);
	t->sub = NULL;
	t->epoch++;
}

static void again(struct bus_tail *t, const char *reason)
{
	log_debug("bus.tail.again", LOG_S("stream", t->stream), LOG_S("why", reason), LOG_I("seq", t->seq));
	if (t->state == TAIL_RUN)
		obs_add(t->b->m_gaps, 1);
	stop(t);
	t->state = TAIL_WAIT;
	t->again_us = pl_mono_us() + AGAIN_US;
}

/* True when the answer belongs to the start that is under way. Frees what was closed meanwhile. */
static bool ours(void *arg, struct bus_tail **ret)
{
	struct tail_ask a = *(struct tail_ask *)arg;
	free(arg);
	*ret = a.t;
	return leave(a.t) && a.epoch == a.t->epoch && a.t->state == TAIL_ASKING;
}

static void ask(struct bus_tail *t, const char *verb, json_t *body, js_fn fn)
{
	struct tail_ask *a = malloc(sizeof(*a));
	if (!a) {
		json_decref(body);
		again(t, "memory");
		return;
	}
	*a = (struct tail_ask){ t, t->epoch };
	t->uses++;
	js_ask(t->b, verb, body, fn, a);
}

static void caught_up(struct bus_tail *t)
{
	if (t->caught)
		return;
	t->caught = true;
	if (t->caught_up)
		t->caught_up(t->arg);
}

/* --- messages --- */
static void on_status(struct bus_tail *t, natsMsg *m, int status)
{
	const char *reply = natsMsg_GetReply(m), *stalled = bus_hdr(m, "Nats-Consumer-Stalled");
	const char *last = bus_hdr(m, "Nats-Last-Consumer");
	if (status != 100) {
		again(t, bus_hdr(m, "Description"));
		return;
	}
	if (*last && strtoull(last, NULL, 10) != t->cseq) {
		again(t, "heartbeat shows a gap");
		return;
	}
	const char *to = !pl_empty(reply) ? reply : stalled; /* flow control: let the server go on */
	natsMsg *ok = NULL;
	if (*to && natsMsg_Create(&ok, to, NULL, NULL, 0) == NATS_OK)
		bus_send(t->b, ok, 0, 0);
}

static void on_msg(void *arg, natsMsg *m)
{
	struct bus_tail *t = arg;
	struct js_pos pos;
	struct bus_msg msg;
	int status = js_status(m);
	t->heard_us = pl_loop_now_us(t->b->loop);
	if (status && !natsMsg_GetReply(m) ? true : status && strncmp(natsMsg_GetReply(m), "$JS.ACK.", 8) != 0) {
		on_status(t, m, status);
		return;
	}
	bus_msg_fill(&msg, m);
	if (!js_pos_parse(msg.reply, &pos))
		return;
	if (pos.cseq != t->cseq + 1) {
		again(t, "gap");
		return;
	}
	t->cseq = pos.cseq;
	if (pos.sseq <= t->seq)
		return;
	t->seq = pos.sseq;
	t->next = pos.sseq + 1;
	t->started = true;
	msg.reply = "";
	struct bus_sub *sub = t->sub;
	unsigned epoch = t->epoch;
	t->uses++; /* it may be closed inside its own handler */
	t->fn(t->arg, &msg);
	if (!t->closed && pos.pending == 0 && sub == t->sub && epoch == t->epoch)
		caught_up(t);
	leave(t);
}

/* --- starting --- */
static void on_consumer(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	struct bus_tail *t;
	if (!ours(arg, &t))
		return;
	if (err) {
		again(t, why->text);
		return;
	}
	t->state = TAIL_RUN;
	t->heard_us = pl_mono_us();
	const json_t *pending = json_object_get(reply, "num_pending"), *delivered = json_object_get(reply, "delivered");
	t->uses++;
	if (json_integer_value(pending) == 0 && json_integer_value(json_object_get(delivered, "consumer_seq")) == 0)
		caught_up(t);
	leave(t);
}

static json_t *consumer_config(const struct bus_tail *t, const char *deliver)
{
	json_t *c =
		json_pack("{s:s, s:s, s:s, s:i, s:b, s:I, s:s, s:b, s:i, s:I}", "name", t->consumer, "deliver_subject",
			  deliver, "ack_policy", "none", "max_deliver", 1, "flow_control", 1, "idle_heartbeat",
			  (json_int_t)(HEARTBEAT_US * 1000), "replay_policy", "instant", "mem_storage", 1,
			  "num_replicas", 1, "inactive_threshold", (json_int_t)(CONSUMER_IDLE_S * 1000 * PL_US_PER_S));
	if (t->filter)
		json_object_set_new(c, "filter_subject", json_string(t->filter));
	if (t->last_per_subject && !t->started) {
		json_object_set_new(c, "deliver_policy", json_string("last_per_subject"));
	} else {
		json_object_set_new(c, "deliver_policy", json_string("by_start_sequence"));
		json_object_set_new(c, "opt_start_seq", json_integer((json_int_t)PL_MAX(t->next, 1u)));
	}
	return json_pack("{s:s, s:o}", "stream_name", t->stream, "config", c);
}

static void start_consumer(struct bus_tail *t)
{
	static unsigned counter;
	struct bus *b = t->b;
	char subject[BUS_REPLY_MAX + 24], verb[BUS_SUBJECT_MAX];
	snprintf(subject, sizeof(subject), "%st.%x", b->inbox, ++counter);
	/* The random part of our inbox makes the name unique. */
	snprintf(t->consumer, sizeof(t->consumer), "tail-%.16s-%x", b->inbox + b->inbox_len - 17, counter);
	t->cseq = 0;
	if (bus_subscribe_raw(&t->sub, b, subject, on_msg, NULL, t) != PL_OK) {
		again(t, "subscribe");
		return;
	}
	int n = snprintf(verb, sizeof(verb), "CONSUMER.CREATE.%s.%s", t->stream, t->consumer);
	if (t->filter)
		snprintf(verb + n, sizeof(verb) - (size_t)n, ".%s", t->filter);
	ask(t, verb, consumer_config(t, subject), on_consumer);
}

static void tell_lost(struct bus_tail *t, uint64_t from, uint64_t first)
{
	log_warn("bus.tail.lost", LOG_S("stream", t->stream), LOG_I("from", from), LOG_I("first", first));
	if (t->lost)
		t->lost(t->arg, from, first);
}

static void on_info(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	struct bus_tail *t;
	if (!ours(arg, &t))
		return;
	json_int_t first = 0, last = 0;
	const char *created = "";
	if (!err && json_unpack(reply, "{s:s, s:{s:I, s:I}}", "created", &created, "state", "first_seq", &first,
				"last_seq", &last) != 0)
		err = PL_E_INTERNAL;
	if (err) {
		again(t, err == PL_E_INTERNAL ? "STREAM.INFO is not understood" : why->text);
		return;
	}
	uint64_t from = t->next, oldest = (uint64_t)first;
	bool anew = (*t->created && strcmp(t->created, created) != 0) || t->seq > (uint64_t)last;
	pl_strlcpy(t->created, created, sizeof(t->created));
	if (anew && (t->seq || t->started)) { /* another stream of the same name: it begins at 1 */
		t->seq = 0;
		t->started = false;
		t->next = 1;
	} else if (from == 0) {
		t->next = (uint64_t)last + 1;
	} else if (from > (uint64_t)last + 1) { /* the caller knows a longer stream than there is: waiting would skip */
		t->next = PL_MAX(oldest, 1u);
	} else if (from < oldest && !(t->last_per_subject && !t->started)) {
		t->next = oldest;
	}
	t->uses++;
	if (from && t->next != from && !(t->last_per_subject && !anew && !t->started))
		tell_lost(t, from, PL_MAX(oldest, 1u));
	if (leave(t))
		start_consumer(t);
}

static void start(struct bus_tail *t)
{
	char verb[160];
	t->state = TAIL_ASKING;
	t->epoch++;
	snprintf(verb, sizeof(verb), "STREAM.INFO.%s", t->stream);
	ask(t, verb, NULL, on_info);
}

/* --- public --- */
enum pl_err bus_tail_open(struct bus_tail **ret, struct bus *b, const struct bus_tail_cfg *c, struct pl_why *why)
{
	if (pl_empty(c->stream) || strpbrk(c->stream, " .*>\t\r\n") || strlen(c->stream) > 100 || !c->fn ||
	    (c->filter && !bus_subject_ok(c->filter, true)))
		return pl_why_set(why, PL_E_FORMAT, "\"%.60s\" is no stream, or the filter no subject",
				  c->stream ? c->stream : "");
	struct bus_tail *t = calloc(1, sizeof(*t));
	if (!t)
		return pl_why_set(why, PL_E_NOMEM, "tail of %s: memory is out", c->stream);
	pl_list_push(&b->tails, &t->node);
	*t = (struct bus_tail){ .node = t->node,
				.b = b,
				.fn = c->fn,
				.caught_up = c->caught_up,
				.lost = c->lost,
				.arg = c->arg,
				.last_per_subject = c->last_per_subject,
				.next = c->from_seq };
	t->stream = strdup(c->stream);
	t->filter = pl_empty(c->filter) ? NULL : strdup(c->filter);
	if (!t->stream || (!pl_empty(c->filter) && !t->filter)) {
		tail_destroy(t);
		return pl_why_set(why, PL_E_NOMEM, "tail of %s: memory is out", c->stream);
	}
	*ret = t;
	t->state = bus_up(b) ? TAIL_WAIT : TAIL_DOWN; /* begins with the next tick: never calls back from here */
	t->again_us = 0;
	return PL_OK;
}

void bus_tail_close(struct bus_tail *t)
{
	if (!t)
		return;
	char verb[BUS_SUBJECT_MAX];
	natsMsg *m = NULL;
	if (t->sub && bus_up(t->b)) { /* the server need not find out by itself */
		snprintf(verb, sizeof(verb), "$JS.API.CONSUMER.DELETE.%s.%s", t->stream, t->consumer);
		if (natsMsg_Create(&m, verb, NULL, NULL, 0) == NATS_OK)
			bus_send(t->b, m, 0, 0);
	}
	stop(t);
	t->closed = true;
	t->state = TAIL_DOWN;
	if (t->uses == 0)
		tail_destroy(t);
}

uint64_t bus_tail_seq(const struct bus_tail *t)
{
	return t->seq;
}

void tail_up(struct bus *b)
{
	PL_LIST_EACH (n, &b->tails) {
		struct bus_tail *t = PL_CONTAINER(n, struct bus_tail, node);
		t->state = TAIL_WAIT;
		t->again_us = 0;
	}
	tail_tick(b, pl_mono_us());
}

void tail_down(struct bus *b)
{
	PL_LIST_EACH (n, &b->tails) {
		struct bus_tail *t = PL_CONTAINER(n, struct bus_tail, node);
		stop(t);
		t->state = TAIL_DOWN;
	}
}

void tail_tick(struct bus *b, int64_t now_us)
{
	if (!bus_up(b))
		return;
	PL_LIST_EACH_SAFE (n, &b->tails) {
		struct bus_tail *t = PL_CONTAINER(n, struct bus_tail, node);
		if (t->closed)
			continue;
		if (t->state == TAIL_RUN && now_us - t->heard_us > SILENT_US)
			again(t, "silent");
		if (t->state == TAIL_WAIT && now_us >= t->again_us)
			start(t);
	}
}
