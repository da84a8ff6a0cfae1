/* The stream of inputs: read in order by every copy, each message applied with the stream's own time. Whoever put an
 * input in may wait until this copy has applied it. */
#include <stdio.h>
#include <stdlib.h>

#include "router.h"

#define WAIT_MAX_US (10 * PL_US_PER_S)
#define SWEEP_US PL_US_PER_S

struct wait {
	struct pl_list node;
	struct inlog *l;
	uint64_t seq; /* 0: the stream has not acknowledged yet */
	int64_t since_us;
	inlog_fn fn;
	void *arg;
};

struct inlog {
	struct router *r;
	struct bus_tail *tail;
	struct pl_list waits; /* acknowledged, not applied */
	struct pl_timer *sweep;
	int64_t offset_us; /* the stream's clock minus ours */
	bool caught_up, had_snapshot;
};

bool inlog_caught_up(const struct inlog *l)
{
	return l->caught_up;
}

int64_t inlog_now_us(const struct inlog *l)
{
	return pl_wall_us() + l->offset_us;
}

static void wait_end(struct wait *w, enum pl_err err, const struct pl_why *why)
{
	pl_list_remove(&w->node);
	if (w->fn)
		w->fn(w->arg, err, why);
	free(w);
}

static void waits_end(struct inlog *l, int64_t before_us, enum pl_err err, const char *text)
{
	struct pl_why why = { 0 };
	(void)pl_why_set(&why, err, "%s", text);
	PL_LIST_EACH_SAFE (n, &l->waits) {
		struct wait *w = PL_CONTAINER(n, struct wait, node);
		if (w->since_us <= before_us)
			wait_end(w, err, &why);
	}
}

static void on_sweep(void *arg)
{
	waits_end(arg, pl_mono_us() - WAIT_MAX_US, PL_E_TIMEOUT, "the router did not come to it in time");
}

enum pl_err inlog_new(struct inlog **ret, struct router *r)
{
	struct inlog *l = calloc(1, sizeof(*l));
	if (!l)
		return PL_E_NOMEM;
	l->r = r;
	pl_list_init(&l->waits);
	if (pl_timer_new(&l->sweep, r->loop, on_sweep, l) != PL_OK) {
		free(l);
		return PL_E_NOMEM;
	}
	pl_timer_every(l->sweep, SWEEP_US);
	*ret = l;
	return PL_OK;
}

void inlog_free(struct inlog *l)
{
	if (!l)
		return;
	bus_tail_close(l->tail);
	pl_timer_free(l->sweep);
	waits_end(l, INT64_MAX, PL_E_UNAVAIL, "the router is stopping");
	free(l);
}

/* --- applying --- */
static void clock_learn(struct inlog *l, int64_t stream_us)
{
	int64_t sample = stream_us - pl_wall_us();
	if (!l->caught_up)
		return;
	if (sample > l->offset_us || sample < l->offset_us - PL_US_PER_S)
		l->offset_us = PL_MIN(sample, PL_US_PER_S * 3600);
	else /* what took long on its way says little about clocks */
		l->offset_us += (sample - l->offset_us) / 64;
}

static void count(const struct router *r, const struct acd_fx *fx)
{
	if (fx->kind == ACD_FX_DECISION)
		obs_add(r->m_decisions, 1);
	else if (fx->kind == ACD_FX_OFFERED)
		obs_add(r->m_offers, 1);
	else if (fx->kind == ACD_FX_REFUSED) {
		char item[PL_ID_LEN], agent[PL_ID_LEN];
		obs_add(r->m_refused, 1);
		log_debug("acd.refused", LOG_S("why", fx->refused.why),
			  LOG_S("interaction", acd_id_text(fx->item, item)),
			  LOG_S("agent", acd_id_text(fx->agent, agent)));
	}
}

static void tell(struct router *r, int64_t now_us, uint64_t seq)
{
	for (size_t i = 0; i < r->fx->n; i++) {
		struct event ev;
		count(r, &r->fx->fx[i]);
		if (!event_map(r, &r->fx->fx[i], now_us, seq, i, r->tmp, &ev))
			continue;
		if (r->fx->fx[i].kind == ACD_FX_DECISION)
			diary_add(r->diary, (const Parley__Acd__V1__Decision *)(void *)ev.msg);
		emitter_add(r->out, &ev, seq);
	}
	emitter_flush(r->out);
}

static void on_input(void *arg, const struct bus_msg *m)
{
	struct inlog *l = arg;
	struct router *r = l->r;
	struct acd_in in = { .kind = ACD_IN_TICK };
	ProtobufCMessage *pb = NULL;
	int64_t t0 = pl_mono_us();
	pl_arena_reset(r->tmp);
	bool known = rpc_unpack(&parley__acd__v1__acd_input__descriptor, m->data, m->len, r->tmp, &pb, NULL) == PL_OK &&
		     input_map(r, (const Parley__Acd__V1__AcdInput *)(void *)pb, r->tmp, &in);
	if (!known) {
		in = (struct acd_in){ .kind = ACD_IN_TICK }; /* on every copy alike: the sequence moves on */
		obs_add(r->m_ignored, 1);
		log_warn("acd.input.ignored", LOG_S("subject", m->subject), LOG_I("seq", m->seq));
	}
	clock_learn(l, m->time_us);
	acd_apply(r->e, &in, m->time_us, m->seq, r->fx);
	obs_add(r->m_inputs, 1);
	tell(r, m->time_us, m->seq);
	obs_observe(r->m_apply, pl_mono_us() - t0);
	PL_LIST_EACH_SAFE (n, &l->waits) {
		struct wait *w = PL_CONTAINER(n, struct wait, node);
		if (w->seq <= m->seq)
			wait_end(w, PL_OK, NULL);
	}
	if (l->caught_up)
		lead_applied(r->lead);
}

static void on_caught_up(void *arg)
{
	struct inlog *l = arg;
	struct acd_counts c = acd_counts_get(l->r->e);
	l->caught_up = true;
	log_info("acd.ready", LOG_I("seq", acd_seq(l->r->e)), LOG_I("queues", c.queues), LOG_I("agents", c.agents),
		 LOG_I("items", c.items));
	router_caught_up(l->r);
}

static void tell_lost(struct inlog *l, uint64_t from, uint64_t first)
{
	struct router *r = l->r;
	Parley__Acd__V1__InputLost m = PARLEY__ACD__V1__INPUT_LOST__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	log_error("acd.input.lost", LOG_I("from", from), LOG_I("first", first), LOG_B("had_snapshot", l->had_snapshot));
	obs_add(r->m_lost, 1);
	m.meta = &meta;
	m.from_sequence = from;
	m.first_sequence = first;
	m.had_snapshot = l->had_snapshot;
	lead_emit_own(r, "input-lost", &m.base, &meta);
}

/* While running: the stream was made anew, or cut before we read it. The engine goes on from what it has. */
static void on_lost(void *arg, uint64_t from, uint64_t first)
{
	struct inlog *l = arg;
	tell_lost(l, from, first);
	if (first <= from) { /* another stream, which counts from 1 again */
		emitter_forget(l->r->out, 0);
		waits_end(l, INT64_MAX, PL_E_UNAVAIL, "the router's log was lost");
	}
}

void inlog_open(struct inlog *l, uint64_t first_seq, uint64_t last_seq, bool same_stream, bool had_snapshot)
{
	uint64_t next = acd_seq(l->r->e) + 1, from = next;
	l->had_snapshot = had_snapshot;
	first_seq = PL_MAX(first_seq, 1u);
	if (!same_stream || next > last_seq + 1)
		from = 1;
	if (from < first_seq)
		from = first_seq;
	if (from != next)
		tell_lost(l, next, from);
	struct bus_tail_cfg c = { .stream = ACD_STREAM,
				  .from_seq = from,
				  .fn = on_input,
				  .caught_up = on_caught_up,
				  .lost = on_lost,
				  .arg = l };
	struct pl_why why = { 0 };
	if (bus_tail_open(&l->tail, l->r->bus, &c, &why) != PL_OK)
		log_error("acd.tail", LOG_WHY(&why));
}

/* --- putting --- */
static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct wait *w = arg;
	if (err || m->seq <= acd_seq(w->l->r->e)) {
		pl_list_init(&w->node);
		wait_end(w, err, why);
		return;
	}
	w->seq = m->seq;
	pl_list_push(&w->l->waits, &w->node);
}

static const char *kind_of(const Parley__Acd__V1__AcdInput *in)
{
	const ProtobufCMessageDescriptor *d = &parley__acd__v1__acd_input__descriptor;
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, (unsigned)in->input_case);
	return f ? f->name : "none";
}

void inlog_put(struct inlog *l, const Parley__Acd__V1__AcdInput *in, const char *msg_id, inlog_fn fn, void *arg)
{
	struct pl_why why = { 0 };
	size_t n = protobuf_c_message_get_packed_size(&in->base);
	uint8_t *data = malloc(n ? n : 1);
	struct wait *w = calloc(1, sizeof(*w));
	char subject[64];
	enum pl_err err = PL_E_NOMEM;
	snprintf(subject, sizeof(subject), "acd.in.%s", kind_of(in));
	if (data && w) {
		*w = (struct wait){ .l = l, .since_us = pl_mono_us(), .fn = fn, .arg = arg };
		protobuf_c_message_pack(&in->base, data);
		err = bus_js_publish(l->r->bus,
				     &(struct bus_out){ .subject = subject,
							.type = in->base.descriptor->name,
							.data = data,
							.len = n,
							.msg_id = msg_id },
				     on_stored, w);
	}
	free(data);
	if (!err)
		return;
	free(w);
	(void)pl_why_set(&why, err, "the router's log cannot be written: %s", pl_err_name(err));
	if (fn)
		fn(arg, err, &why);
}
