/* What a step tells others: events of the ledger and inputs of the router. Every id comes from (session, step, number),
 * so a step that is done again by a copy that adopted the session tells nothing twice. */
#include "parley/acd/v1/acd.pb-c.h"
#include "svc.h"

#include <parley/log.h>
#include <stdio.h>

void tell_id(const char *session_id, uint32_t seq, uint32_t n, char out[PL_ID_LEN])
{
	char text[96];
	uint8_t b[16] = { 0 };
	int len = snprintf(text, sizeof(text), "%s/%u/%u", session_id, seq, n);
	uint64_t h1 = pl_hash(text, (size_t)len);
	text[len++] = '+';
	uint64_t h2 = pl_hash(text, (size_t)len);
	if (pl_id_ok(session_id))
		for (int i = 0, at = 0; i < 6; i++, at += 2) { /* the session's time: keeps ids near each other */
			at += at == 8;
			char pair[3] = { session_id[at], session_id[at + 1], 0 };
			if (pl_unhex(pair, &b[i], 1) != PL_OK)
				b[i] = 0;
		}
	for (int i = 0; i < 8; i++)
		b[6 + i] = (uint8_t)(h1 >> (8 * i));
	b[14] = (uint8_t)h2;
	b[15] = (uint8_t)(h2 >> 8);
	b[6] = (b[6] & 0x0f) | 0x70;
	b[8] = (b[8] & 0x3f) | 0x80;
	char hex[33];
	pl_hex(b, 16, hex);
	snprintf(out, PL_ID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

struct meta {
	Parley__Common__V1__EventMeta m;
	char id[PL_ID_LEN];
};

static Parley__Common__V1__EventMeta *meta(struct flow_svc *s, struct tell *t, struct meta *x)
{
	const Parley__Flow__V1__FlowSession *f = t->session;
	parley__common__v1__event_meta__init(&x->m);
	tell_id(f->session_id, t->seq, t->n++, x->id);
	x->m.event_id = x->id;
	x->m.time = rpc_ts(pl_loop_tmp(s->app->loop), t->now_us);
	x->m.node = s->app->cfg.node;
	x->m.interaction_id = f->session_id;
	x->m.contact_id = f->contact_id;
	x->m.channel = f->channel;
	return &x->m;
}

static void emit(struct flow_svc *s, const char *event, const struct tell *t, const struct meta *x,
		 const ProtobufCMessage *m)
{
	char subject[128];
	snprintf(subject, sizeof(subject), "ev.flow.%s.%s", event, t->session->session_id);
	enum pl_err err = rpc_emit(s->app->bus, subject, x->id, m, NULL, NULL);
	if (err)
		log_error("event.lost", LOG_S("subject", subject), LOG_S("err", pl_err_name(err)));
}

void tell_entered(struct flow_svc *s, struct tell *t)
{
	Parley__Flow__V1__FlowEntered m = PARLEY__FLOW__V1__FLOW_ENTERED__INIT;
	struct meta x;
	m.meta = meta(s, t, &x);
	m.flow_id = t->session->flow_id;
	m.version = t->session->version;
	emit(s, "entered", t, &x, &m.base);
}

void tell_marks(struct flow_svc *s, struct tell *t, const struct flow_out *out)
{
	for (uint32_t i = 0; i < out->n_marks; i++) {
		Parley__Flow__V1__FlowStepped m = PARLEY__FLOW__V1__FLOW_STEPPED__INIT;
		struct meta x;
		m.meta = meta(s, t, &x);
		m.node = (char *)(uintptr_t)out->marks[i].node->name;
		m.node_type = (char *)(uintptr_t)flow_type_name(out->marks[i].node->type);
		m.output = (char *)(uintptr_t)out->marks[i].output;
		m.label = (char *)(uintptr_t)out->marks[i].label;
		if (out->marks[i].node->type == FLOW_QUEUE)
			x.m.queue_id = (char *)(uintptr_t)out->marks[i].node->queue;
		emit(s, "step", t, &x, &m.base);
	}
}

void tell_left(struct flow_svc *s, struct tell *t, const struct flow_out *out)
{
	Parley__Flow__V1__FlowLeft m = PARLEY__FLOW__V1__FLOW_LEFT__INIT;
	struct meta x;
	m.meta = meta(s, t, &x);
	m.flow_id = t->session->flow_id;
	m.reason = (char *)(uintptr_t)flow_left_name(out->left);
	emit(s, "left", t, &x, &m.base);
}

static void input(struct flow_svc *s, const struct tell *t, const char *kind, const Parley__Acd__V1__AcdInput *m)
{
	char subject[64], id[64];
	struct pl_arena *tmp = pl_loop_tmp(s->app->loop);
	size_t len = parley__acd__v1__acd_input__get_packed_size(m);
	uint8_t *p = pl_arena_alloc(tmp, len);
	snprintf(subject, sizeof(subject), "acd.in.%s", kind);
	snprintf(id, sizeof(id), "%s-%u-%s", t->session->session_id, t->seq, kind);
	struct bus_out o = {
		.subject = subject, .type = "parley.acd.v1.AcdInput", .data = p, .len = len, .msg_id = id
	};
	if (p)
		parley__acd__v1__acd_input__pack(m, p);
	enum pl_err err = p ? bus_js_publish(s->app->bus, &o, NULL, NULL) : PL_E_NOMEM;
	if (err)
		log_error("input.lost", LOG_S("subject", subject), LOG_S("interaction", t->session->session_id),
			  LOG_S("err", pl_err_name(err)));
}

static bool is_shown(const struct flow_graph *g, const char *name)
{
	for (uint32_t i = 0; i < g->n_shown; i++)
		if (strcmp(g->shown[i], name) == 0)
			return true;
	return false;
}

/* Variables that agents see travel with the offer. */
static size_t attributes(const struct flow_svc *s, const struct flow_graph *g, Parley__Common__V1__KeyValue *kv,
			 Parley__Common__V1__KeyValue **list)
{
	size_t n = 0;
	for (uint32_t i = 0; i < s->state.n_vars && n < FLOW_SHOWN_MAX; i++) {
		const struct flow_var *v = &s->state.vars[i];
		if (v->secret || !is_shown(g, v->name))
			continue;
		parley__common__v1__key_value__init(&kv[n]);
		kv[n].key = (char *)(uintptr_t)v->name;
		kv[n].value = (char *)(uintptr_t)v->value;
		list[n] = &kv[n];
		n++;
	}
	return n;
}

/* Into the queue. Out of it (exit key, customer gone) the channel takes it itself: it knows first. */
void tell_queue(struct flow_svc *s, struct tell *t, const struct flow_out *out, const struct flow_graph *g)
{
	const Parley__Flow__V1__FlowSession *f = t->session;
	Parley__Acd__V1__AcdInput m = PARLEY__ACD__V1__ACD_INPUT__INIT;
	if (!out->enqueue)
		return;
	Parley__Common__V1__KeyValue kv[FLOW_SHOWN_MAX], *list[FLOW_SHOWN_MAX];
	Parley__Acd__V1__Enqueue e = PARLEY__ACD__V1__ENQUEUE__INIT;
	e.interaction_id = f->session_id;
	e.queue_id = (char *)(uintptr_t)out->enqueue->queue;
	e.channel = f->channel;
	e.priority = out->enqueue->priority;
	e.contact_id = f->contact_id;
	e.customer_number = f->from_number;
	e.customer_name = f->from_name;
	e.n_attributes = attributes(s, g, kv, list);
	e.attributes = list;
	e.source = s->app->cfg.node;
	m.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE;
	m.enqueue = &e;
	input(s, t, "enqueue", &m);
}
