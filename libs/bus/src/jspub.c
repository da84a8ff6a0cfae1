/* Publishing to streams until acknowledged. Every publish waits in b->pubs in its order; after a reconnect, and when no
 * acknowledgement came in time, it is sent again with the same message id, which the stream stores once. */
#include "bus_int.h"

#include <stdlib.h>

#define RESEND_US (2 * PL_US_PER_S)
#define HOLD_US (250 * PL_US_PER_MS)
#define STARTING_US (10 * PL_US_PER_S) /* after a connect JetStream may still be starting */
#define MSG_ID_MAX 64u

struct jspub {
	struct pl_list node;
	natsMsg *m;
	size_t bytes;
	uint64_t handle;
	int64_t sent_us; /* 0: not sent on this connection */
	bus_reply_fn fn;
	void *arg;
};

static void pub_free(struct bus *b, struct jspub *p)
{
	mux_drop(b, p->handle);
	pl_list_remove(&p->node);
	b->n_pubs--;
	natsMsg_Destroy(p->m);
	free(p);
}

static void pub_end(struct bus *b, struct jspub *p, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	bus_reply_fn fn = p->fn;
	void *arg = p->arg;
	pub_free(b, p);
	if (fn && !b->closing)
		fn(arg, err, m, why);
	else if (err && !b->closing)
		log_error("bus.publish", LOG_WHY(why)); /* nobody else would tell that it is lost */
}

/* While JetStream starts all wait, so that order is kept. Later, a subject that no stream has must not hold up the
 * others. */
static void pub_later(struct bus *b, struct jspub *p)
{
	int64_t now = pl_mono_us();
	if (now - b->up_since_us < STARTING_US)
		b->pubs_hold_us = now + HOLD_US;
	else
		p->sent_us = now;
}

/* No stream has the subject of one of those that wait; which one is not known. It is sent again when it is due. */
void jspub_on_none(struct bus *b)
{
	int64_t now = pl_mono_us();
	if (now - b->up_since_us < STARTING_US)
		b->pubs_hold_us = now + HOLD_US;
}

void jspub_on_ack(struct bus *b, void *arg, natsMsg *m)
{
	struct jspub *p = arg;
	struct pl_why why = { 0 };
	struct bus_msg msg;
	uint64_t seq = 0;
	int code = 0;
	bus_msg_fill(&msg, m);
	enum pl_err err = js_ack_parse(&msg, &seq, &code, &why);
	if (err == PL_E_UNAVAIL) { /* out of resources, no leader: it may pass */
		pub_later(b, p);
		return;
	}
	msg.seq = seq;
	pub_end(b, p, err, &msg, &why);
}

static void pub_send(struct bus *b, struct jspub *p, int64_t now_us)
{
	if (bus_send_now(b, p->m, p->bytes) == PL_OK)
		p->sent_us = now_us;
}

enum pl_err bus_js_publish(struct bus *b, const struct bus_out *o, bus_reply_fn fn, void *arg)
{
	char reply[BUS_REPLY_MAX];
	if (pl_empty(o->msg_id) || strlen(o->msg_id) > MSG_ID_MAX)
		return PL_E_FORMAT;
	if (b->n_pubs >= BUS_JS_MAX) {
		obs_add(b->m_refused, 1);
		return PL_E_FULL;
	}
	struct jspub *p = calloc(1, sizeof(*p));
	if (!p)
		return PL_E_NOMEM;
	p->fn = fn;
	p->arg = arg;
	p->handle = mux_add(b, jspub_on_ack, p);
	enum pl_err err = p->handle ? bus_msg_new(&p->m, o, mux_reply(b, p->handle, reply), &p->bytes) : PL_E_FULL;
	if (err) {
		mux_drop(b, p->handle);
		free(p);
		return err;
	}
	/* What is before us and unsent must stay before us. */
	bool ours = pl_list_empty(&b->pubs) || PL_CONTAINER(b->pubs.prev, struct jspub, node)->sent_us != 0;
	pl_list_push(&b->pubs, &p->node);
	b->n_pubs++;
	if (ours && b->pubs_hold_us == 0)
		pub_send(b, p, pl_loop_now_us(b->loop));
	return PL_OK;
}

size_t bus_js_pending(const struct bus *b)
{
	return b->n_pubs;
}

/* Sends, in order, what was not sent on this connection or waits for too long. */
static void send_due(struct bus *b, int64_t now_us)
{
	PL_LIST_EACH (n, &b->pubs) {
		struct jspub *p = PL_CONTAINER(n, struct jspub, node);
		if (p->sent_us && now_us - p->sent_us < RESEND_US)
			continue;
		if (p->sent_us)
			obs_add(b->m_resent, 1);
		p->sent_us = 0;
		pub_send(b, p, now_us);
		if (!p->sent_us)
			return; /* buffer full or away: the rest stays behind it */
	}
}

void jspub_up(struct bus *b)
{
	int64_t now = pl_mono_us();
	PL_LIST_EACH (n, &b->pubs) {
		struct jspub *p = PL_CONTAINER(n, struct jspub, node);
		if (p->sent_us)
			obs_add(b->m_resent, 1);
		p->sent_us = 0;
	}
	b->pubs_hold_us = 0;
	send_due(b, now);
}

void jspub_tick(struct bus *b, int64_t now_us)
{
	if (pl_list_empty(&b->pubs) || !bus_up(b))
		return;
	if (b->pubs_hold_us) {
		if (now_us < b->pubs_hold_us)
			return;
		b->pubs_hold_us = 0;
		PL_LIST_EACH (n, &b->pubs) /* from the oldest: what was refused comes before what was held */
			PL_CONTAINER(n, struct jspub, node)->sent_us = 0;
	}
	send_due(b, now_us);
}

void jspub_done(struct bus *b)
{
	if (b->n_pubs)
		log_error("bus.lost", LOG_I("stream_publishes", b->n_pubs));
	PL_LIST_EACH_SAFE (n, &b->pubs)
		pub_free(b, PL_CONTAINER(n, struct jspub, node));
}
