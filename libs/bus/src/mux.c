/* What comes back. The last token of a reply subject is a handle, slot number and generation, so that a late answer
 * finds nothing. Acknowledgements of stream publishes share one inbox; each request has a lane, a subscription of its
 * own that is used again when it was answered, because of a missing responder nats.c tells only the subscription. */
#include "bus_int.h"

#include <stdlib.h>

#define SLOT_BITS 18
#define SLOT_MASK ((1u << SLOT_BITS) - 1)
#define NONE UINT32_MAX
_Static_assert(BUS_MUX_MAX == 1u << SLOT_BITS, "every slot must have a number");

#define IDLE_KEEP 64u

struct lane {
	struct pl_list node;
	struct bus_sub *sub; /* <inbox>r.<number>.* */
	unsigned no;
	struct req *req; /* NULL: idle */
};

struct req {
	struct lane *lane;
	bus_reply_fn fn;
	void *arg;
	struct bus *b;
	uint64_t handle;
	int64_t due_us;
	bool own;  /* of this library: told when the bus closes, to free what it holds */
	size_t at; /* in the heap */
};

/* --- the table --- */
static bool slots_grow(struct bus *b)
{
	uint32_t n = b->n_slots ? PL_MIN(b->n_slots * 2, BUS_MUX_MAX) : 256;
	struct mux_slot *s = n > b->n_slots ? realloc(b->slots, n * sizeof(*s)) : NULL;
	if (!s)
		return false;
	for (uint32_t i = n; i-- > b->n_slots;) {
		s[i] = (struct mux_slot){ .next_free = b->free_slot };
		b->free_slot = i;
	}
	b->slots = s;
	b->n_slots = n;
	return true;
}

uint64_t mux_add(struct bus *b, mux_fn fn, void *arg)
{
	if (b->free_slot == NONE && !slots_grow(b))
		return 0;
	uint32_t i = b->free_slot;
	struct mux_slot *s = &b->slots[i];
	b->free_slot = s->next_free;
	b->gen++;
	*s = (struct mux_slot){ .handle = (uint64_t)(b->gen ? b->gen : ++b->gen) << SLOT_BITS | i,
				.fn = fn,
				.arg = arg };
	return s->handle;
}

static struct mux_slot *find(const struct bus *b, uint64_t handle)
{
	uint32_t i = (uint32_t)handle & SLOT_MASK;
	return handle && i < b->n_slots && b->slots[i].handle == handle ? &b->slots[i] : NULL;
}

bool mux_waits(const struct bus *b, uint64_t handle)
{
	return find(b, handle) != NULL;
}

void mux_drop(struct bus *b, uint64_t handle)
{
	struct mux_slot *s = find(b, handle);
	if (!s)
		return;
	*s = (struct mux_slot){ .next_free = b->free_slot };
	b->free_slot = (uint32_t)(s - b->slots);
}

static char *put_hex(char *p, uint64_t v)
{
	static const char hex[] = "0123456789abcdef";
	int shift = 60;
	while (shift > 0 && !(v >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = hex[v >> shift & 15];
	*p = 0;
	return p;
}

char *mux_reply(const struct bus *b, uint64_t handle, char *out)
{
	memcpy(out, b->inbox, b->inbox_len);
	put_hex(out + b->inbox_len, handle);
	return out;
}

void mux_on_inbox(void *arg, natsMsg *m)
{
	struct bus *b = arg;
	const char *subject = natsMsg_GetSubject(m), *last = strrchr(subject, '.');
	uint64_t handle = 0;
	for (const char *p = last ? last + 1 : ""; *p; p++) {
		int v = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
		if (v < 0 || handle >> 60)
			return;
		handle = handle << 4 | (uint64_t)v;
	}
	struct mux_slot *s = find(b, handle);
	if (s && (!b->closing || s->fn == jspub_on_ack))
		s->fn(b, s->arg, m); /* may move the table */
}

/* --- deadlines: a binary heap, the earliest first --- */
static void heap_put(struct bus *b, size_t i, struct req *r)
{
	b->heap[i] = r;
	r->at = i;
}

static void heap_up(struct bus *b, size_t i, struct req *r)
{
	for (; i > 0 && b->heap[(i - 1) / 2]->due_us > r->due_us; i = (i - 1) / 2)
		heap_put(b, i, b->heap[(i - 1) / 2]);
	heap_put(b, i, r);
}

static void heap_down(struct bus *b, size_t i, struct req *r)
{
	for (size_t c; (c = 2 * i + 1) < b->heap_n; i = c) {
		if (c + 1 < b->heap_n && b->heap[c + 1]->due_us < b->heap[c]->due_us)
			c++;
		if (b->heap[c]->due_us >= r->due_us)
			break;
		heap_put(b, i, b->heap[c]);
	}
	heap_put(b, i, r);
}

static bool heap_add(struct bus *b, struct req *r)
{
	if (b->heap_n == b->heap_cap) {
		size_t cap = b->heap_cap ? b->heap_cap * 2 : 64;
		struct req **h = realloc(b->heap, cap * sizeof(struct req *));
		if (!h)
			return false;
		b->heap = h;
		b->heap_cap = cap;
	}
	heap_up(b, b->heap_n++, r);
	if (b->due_us == 0 || r->due_us < b->due_us) {
		b->due_us = r->due_us;
		pl_timer_set(b->due, r->due_us - pl_mono_us());
	}
	return true;
}

static void heap_remove(struct bus *b, struct req *r)
{
	struct req *last = b->heap[--b->heap_n];
	if (last == r)
		return;
	if (r->at > 0 && b->heap[(r->at - 1) / 2]->due_us > last->due_us)
		heap_up(b, r->at, last);
	else
		heap_down(b, r->at, last);
}

/* --- lanes --- */
static void on_lane_msg(void *arg, natsMsg *m)
{
	mux_on_inbox(((struct lane *)arg)->sub->b, m);
}

static void on_lane_none(void *arg);

static void lane_free(struct lane *l)
{
	pl_list_remove(&l->node);
	bus_sub_free(l->sub);
	free(l);
}

static struct lane *lane_new(struct bus *b)
{
	char subject[BUS_REPLY_MAX];
	struct lane *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	pl_list_init(&l->node);
	l->no = ++b->lane_no;
	snprintf(subject, sizeof(subject), "%sr.%x.*", b->inbox, l->no);
	if (bus_subscribe_raw(&l->sub, b, subject, on_lane_msg, on_lane_none, l) != PL_OK) {
		free(l);
		return NULL;
	}
	pl_list_remove(&l->sub->node); /* found through the lane, not among the subscriptions */
	return l;
}

static struct lane *lane_take(struct bus *b, struct req *r)
{
	struct lane *l;
	if (pl_list_empty(&b->lanes_idle)) {
		l = lane_new(b);
		if (!l)
			return NULL;
	} else { /* the one used last: its memory is warm and the others can be removed */
		l = PL_CONTAINER(b->lanes_idle.prev, struct lane, node);
		pl_list_remove(&l->node);
		b->n_idle--;
	}
	pl_list_push(&b->lanes_busy, &l->node);
	l->req = r;
	return l;
}

/* answered false: something may still arrive, which must not meet the next request. */
static void lane_leave(struct bus *b, struct lane *l, bool answered)
{
	if (b->lane_next == &l->node)
		b->lane_next = l->node.next;
	pl_list_remove(&l->node);
	l->req = NULL;
	if (!answered) {
		if (!b->draining) {
			lane_free(l);
			return;
		}
		natsSubscription_Destroy(l->sub->ns); /* the drain may be working on it: freed by the tick */
		l->sub->ns = NULL;
		pl_list_push(&b->lanes_dead, &l->node);
		return;
	}
	pl_list_push(&b->lanes_idle, &l->node);
	b->n_idle++;
}

/* The oldest first: answers come roughly in the order of the requests. */
void mux_drain(struct bus *b, uint64_t *left)
{
	for (struct pl_list *n = b->lanes_busy.next; *left > 0 && n != &b->lanes_busy; n = b->lane_next) {
		b->lane_next = n->next; /* moved on by lane_leave() when that one goes */
		bus_drain_sub(PL_CONTAINER(n, struct lane, node)->sub, left);
	}
	b->lane_next = NULL;
}

static void free_lanes(struct pl_list *head)
{
	while (!pl_list_empty(head))
		lane_free(PL_CONTAINER(head->next, struct lane, node));
}

void mux_tick(struct bus *b)
{
	free_lanes(&b->lanes_dead);
	for (int i = 0; i < 16 && b->n_idle > IDLE_KEEP; i++, b->n_idle--)
		lane_free(PL_CONTAINER(b->lanes_idle.next, struct lane, node));
}

void mux_detach(struct bus *b)
{
	free_lanes(&b->lanes_dead);
	free_lanes(&b->lanes_idle);
	b->n_idle = 0;
	PL_LIST_EACH (n, &b->lanes_busy) {
		struct bus_sub *s = PL_CONTAINER(n, struct lane, node)->sub;
		natsSubscription_Destroy(s->ns);
		s->ns = NULL;
	}
}

/* Requests that were made while away wait in the buffer. */
enum pl_err mux_up(struct bus *b)
{
	enum pl_err err = PL_OK;
	PL_LIST_EACH (n, &b->lanes_busy)
		if (!err)
			err = bus_sub_attach(PL_CONTAINER(n, struct lane, node)->sub);
	return err;
}

/* --- requests --- */
static char *req_reply(const struct req *r, char *out)
{
	char *p = out + r->b->inbox_len;
	memcpy(out, r->b->inbox, r->b->inbox_len);
	*p++ = 'r';
	*p++ = '.';
	p = put_hex(p, r->lane->no);
	*p++ = '.';
	put_hex(p, r->handle);
	return out;
}

static void req_end(struct req *r, bool answered)
{
	if (r->lane)
		lane_leave(r->b, r->lane, answered);
	mux_drop(r->b, r->handle);
	heap_remove(r->b, r);
	free(r);
}

static void req_fail(struct req *r, enum pl_err err, const char *text, bool answered)
{
	struct pl_why why = { 0 };
	bus_reply_fn fn = r->fn;
	void *arg = r->arg;
	pl_why_set(&why, err, "%s", text);
	req_end(r, answered);
	fn(arg, err, NULL, &why);
}

static void on_lane_none(void *arg)
{
	struct lane *l = arg;
	if (l->req)
		req_fail(l->req, PL_E_UNAVAIL, "nobody answers to this subject", true);
}

static void on_due(void *arg)
{
	struct bus *b = arg;
	int64_t now = pl_mono_us();
	b->due_us = 0;
	while (b->heap_n && b->heap[0]->due_us <= now)
		req_fail(b->heap[0], PL_E_TIMEOUT, "no answer in time", false);
	if (b->heap_n && b->due_us == 0) {
		b->due_us = b->heap[0]->due_us;
		pl_timer_set(b->due, b->due_us - now);
	}
}

void mux_down(struct bus *b)
{
	/* Only those that were waiting: a callback may ask again, and that waits in the buffer. */
	for (size_t n = b->heap_n; n > 0 && b->heap_n > 0; n--)
		req_fail(b->heap[b->heap_n - 1], PL_E_UNAVAIL, "the connection to NATS was lost", false);
}

static void on_reply(struct bus *b, void *arg, natsMsg *m)
{
	struct req *r = arg;
	struct bus_msg msg;
	struct pl_why why = { 0 };
	bus_msg_fill(&msg, m);
	const char *err = bus_hdr(m, "Parley-Error");
	if (*err)
		pl_why_field(&why, pl_err_from_name(err), bus_hdr(m, "Parley-Field"), "%s", bus_hdr(m, "Parley-Why"));
	bus_reply_fn fn = r->fn;
	void *fn_arg = r->arg;
	req_end(r, true);
	fn(fn_arg, why.err, &msg, &why);
}

static struct req *req_new(struct bus *b, int64_t timeout_ms, bus_reply_fn fn, void *arg)
{
	struct req *r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	*r = (struct req){
		.fn = fn, .arg = arg, .b = b, .due_us = pl_mono_us() + PL_MAX(timeout_ms, 1) * PL_US_PER_MS
	};
	r->handle = mux_add(b, on_reply, r);
	if (!r->handle || !heap_add(b, r)) {
		mux_drop(b, r->handle);
		free(r);
		return NULL;
	}
	r->lane = lane_take(b, r);
	if (r->lane)
		return r;
	req_end(r, false);
	return NULL;
}

uint64_t bus_request(struct bus *b, const struct bus_out *o, int64_t timeout_ms, bus_reply_fn fn, void *arg,
		     struct pl_why *why)
{
	char reply[BUS_REPLY_MAX], deadline[24];
	natsMsg *m = NULL;
	size_t bytes = 0;
	struct req *r = req_new(b, timeout_ms, fn, arg);
	if (!r) {
		pl_why_set(why, PL_E_FULL, "too many requests wait for an answer");
		return 0;
	}
	enum pl_err err = bus_msg_new(&m, o, req_reply(r, reply), &bytes);
	if (!err) {
		snprintf(deadline, sizeof(deadline), "%" PRId64, pl_wall_us() / 1000 + timeout_ms);
		err = natsMsgHeader_Set(m, "Parley-Deadline", deadline) == NATS_OK ? PL_OK : PL_E_NOMEM;
		if (err)
			natsMsg_Destroy(m);
	}
	if (!err)
		err = bus_send(b, m, bytes + 40, r->handle);
	if (!err)
		return r->handle;
	pl_why_set(why, err, "%.120s: cannot be sent (%s)", o->subject ? o->subject : "", pl_err_name(err));
	req_end(r, true); /* nothing was sent */
	return 0;
}

static enum pl_err ask_msg(natsMsg **ret, const char *subject, const char *reply, const char *const *hdr,
			   const void *data, size_t len)
{
	natsMsg *m = NULL;
	natsStatus s = natsMsg_Create(&m, subject, reply, data, (int)len);
	for (; s == NATS_OK && hdr && *hdr; hdr += 2)
		s = natsMsgHeader_Set(m, hdr[0], hdr[1]);
	if (s != NATS_OK) {
		natsMsg_Destroy(m);
		return PL_E_NOMEM;
	}
	*ret = m;
	return PL_OK;
}

uint64_t bus_ask(struct bus *b, const char *subject, const char *const *hdr, const void *data, size_t len,
		 int64_t timeout_ms, bus_reply_fn fn, void *arg)
{
	char reply[BUS_REPLY_MAX];
	natsMsg *m = NULL;
	struct req *r = req_new(b, timeout_ms, fn, arg);
	if (!r)
		return 0;
	r->own = true;
	enum pl_err err = ask_msg(&m, subject, req_reply(r, reply), hdr, data, len);
	if (!err)
		err = bus_send(b, m, len + 256, r->handle);
	if (!err)
		return r->handle;
	req_end(r, true); /* nothing was sent */
	return 0;
}

void bus_cancel(struct bus *b, uint64_t handle)
{
	struct mux_slot *s = find(b, handle);
	if (s && s->fn == on_reply)
		req_end(s->arg, false);
}

/* --- life --- */
static void on_none(void *arg)
{
	jspub_on_none(arg);
}

enum pl_err mux_init(struct bus *b)
{
	char subject[BUS_REPLY_MAX];
	b->free_slot = NONE;
	if (pl_random(&b->gen, sizeof(b->gen)) != PL_OK)
		return PL_E_IO;
	enum pl_err err = pl_timer_new(&b->due, b->loop, on_due, b);
	if (err)
		return err;
	snprintf(subject, sizeof(subject), "%s*", b->inbox);
	return bus_subscribe_raw(&(struct bus_sub *){ NULL }, b, subject, mux_on_inbox, on_none, b);
}

void mux_done(struct bus *b)
{
	while (b->heap_n) {
		struct req *r = b->heap[b->heap_n - 1];
		if (r->own)
			req_fail(r, PL_E_CANCELLED, "the bus was closed", false);
		else
			req_end(r, false); /* whose it was may be gone */
	}
	mux_detach(b);
	free(b->heap);
	free(b->slots);
	b->slots = NULL;
	b->n_slots = 0;
	pl_timer_free(b->due);
}
