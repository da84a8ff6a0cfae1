/* What is to be told, and was it. Every copy keeps the events of what it applied until it knows that the ledger has
 * them: the leader by the stream's acknowledgement, the others by hearing the event. So a new leader tells exactly
 * what its predecessor did not.
 * Bounds     HELD_MAX events; a copy that does not lead forgets those older than FORGET_US, well within the time in
 *            which the ledger would notice a repetition. */
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "router.h"

#define HELD_MAX 200000
#define FORGET_US (90 * PL_US_PER_S)

struct held {
	struct pl_list node;
	UT_hash_handle hh;
	struct emitter *o;
	uint64_t seq;
	int64_t at_us;
	bool flying; /* handed to the bus, which repeats it until it is acknowledged */
	char id[PL_ID_LEN], subject[96];
	const char *type;
	size_t len;
	uint8_t data[];
};

struct emitter {
	struct router *r;
	struct bus_sub *sub;
	struct pl_list waiting, flying;
	struct held *by_id;
	size_t n;
	uint64_t done_seq; /* effects of inputs up to this one were told before we came */
};

static void held_free(struct held *h)
{
	HASH_DEL(h->o->by_id, h);
	pl_list_remove(&h->node);
	h->o->n--;
	free(h);
}

static void on_acked(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct held *h = arg;
	(void)m;
	if (err)
		log_error("acd.event.lost", LOG_S("subject", h->subject), LOG_WHY(why));
	held_free(h);
}

static void on_heard(void *arg, const struct bus_msg *m)
{
	struct emitter *o = arg;
	struct held *h = NULL;
	HASH_FIND_STR(o->by_id, m->id, h);
	if (h && !h->flying)
		held_free(h);
}

enum pl_err emitter_new(struct emitter **ret, struct router *r, struct pl_why *why)
{
	struct emitter *o = calloc(1, sizeof(*o));
	if (!o)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	o->r = r;
	pl_list_init(&o->waiting);
	pl_list_init(&o->flying);
	enum pl_err err = bus_subscribe(&o->sub, r->bus, "ev.acd.*.*", NULL, on_heard, o, why);
	if (err)
		free(o);
	else
		*ret = o;
	return err;
}

void emitter_free(struct emitter *o)
{
	if (!o)
		return;
	bus_unsubscribe(o->sub);
	PL_LIST_EACH_SAFE (n, &o->waiting)
		held_free(PL_CONTAINER(n, struct held, node));
	/* The bus may still hold these: it is closed after us, without calls. */
	PL_LIST_EACH_SAFE (f, &o->flying) {
		struct held *h = PL_CONTAINER(f, struct held, node);
		held_free(h);
	}
	free(o);
}

void emitter_add(struct emitter *o, const struct event *ev, uint64_t seq)
{
	size_t len = protobuf_c_message_get_packed_size(ev->msg);
	if (seq && seq <= o->done_seq)
		return;
	if (o->n >= HELD_MAX) {
		obs_add(o->r->m_lost, 1);
		if (pl_list_empty(&o->waiting))
			return;
		held_free(PL_CONTAINER(o->waiting.next, struct held, node));
	}
	struct held *h = malloc(sizeof(*h) + len);
	if (!h) {
		obs_add(o->r->m_lost, 1);
		return;
	}
	*h = (struct held){ .o = o, .seq = seq, .at_us = pl_mono_us(), .type = ev->msg->descriptor->name, .len = len };
	pl_strlcpy(h->id, ev->id, sizeof(h->id));
	pl_strlcpy(h->subject, ev->subject, sizeof(h->subject));
	protobuf_c_message_pack(ev->msg, h->data);
	pl_list_init(&h->node);
	pl_list_push(&o->waiting, &h->node);
	HASH_ADD_STR(o->by_id, id, h);
	o->n++;
}

void emitter_flush(struct emitter *o)
{
	while (!pl_list_empty(&o->waiting) && lead_held(o->r->lead)) {
		struct held *h = PL_CONTAINER(o->waiting.next, struct held, node);
		struct bus_out out = {
			.subject = h->subject, .type = h->type, .data = h->data, .len = h->len, .msg_id = h->id
		};
		h->flying = true;
		if (bus_js_publish(o->r->bus, &out, on_acked, h) != PL_OK) { /* full: again in a second */
			h->flying = false;
			return;
		}
		pl_list_remove(&h->node);
		pl_list_push(&o->flying, &h->node);
		obs_add(o->r->m_events, 1);
	}
}

void emitter_age(struct emitter *o)
{
	int64_t before = pl_mono_us() - FORGET_US;
	emitter_flush(o);
	while (!pl_list_empty(&o->waiting) && !lead_since_us(o->r->lead)) {
		struct held *h = PL_CONTAINER(o->waiting.next, struct held, node);
		if (h->at_us > before)
			return;
		held_free(h);
	}
}

static uint64_t lowest(const struct pl_list *l, uint64_t so_far)
{
	if (pl_list_empty(l))
		return so_far;
	const struct held *h = PL_CONTAINER(l->next, struct held, node);
	return h->seq && h->seq - 1 < so_far ? h->seq - 1 : so_far;
}

/* Both lists are in the order of their inputs. */
uint64_t emitter_done_seq(const struct emitter *o)
{
	return lowest(&o->flying, lowest(&o->waiting, acd_seq(o->r->e)));
}

void emitter_forget(struct emitter *o, uint64_t up_to_seq)
{
	o->done_seq = up_to_seq;
}
