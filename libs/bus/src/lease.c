/* Leases. The key lives TTL in LEASES after each write; who wants it creates it when it is absent and then writes it
 * again each second by its revision. Validity is counted from the moment a write was sent, by our monotonic clock, and
 * ends 1 s before the key can vanish, so two never hold it.
 *
 * LEASES is on disk, although its values live for seconds: in memory, a restart of NATS would forget who holds what,
 * and a second holder could start while the first still counts on its lease. The fencing number is a revision of
 * FENCES, which has no TTL: LEASES is empty at times, and an empty stream may forget its sequence. */
#include "bus_int.h"

#include <stdlib.h>

#define TTL_US (3 * PL_US_PER_S)
#define HOLD_US (TTL_US - 1 * PL_US_PER_S)
#define RENEW_US (1 * PL_US_PER_S)
#define LOOK_US (1 * PL_US_PER_S)         /* while the holder renews */
#define LOOK_SOON_US (200 * PL_US_PER_MS) /* when it did not */

enum lease_state { LEASE_LOOK, LEASE_CREATE, LEASE_FENCE, LEASE_HOLD };

struct bus_lease {
	struct pl_list node;
	struct bus *b;
	char *key;
	void (*fn)(void *arg, enum bus_lease_change c, uint64_t fence);
	void *arg;
	enum lease_state state;
	bool busy, in_fn, closed; /* busy: a request is under way; in_fn: the owner's callback runs */
	uint64_t rev, seen_rev, fence;
	int64_t sent_us, until_us, next_us;
	char id[PL_ID_LEN], holder[64];
	char value[PL_ID_LEN + 64]; /* "<id> <node>" */
};

static void look(struct bus_lease *l);

static void lease_free(struct bus_lease *l)
{
	pl_list_remove(&l->node);
	free(l->key);
	free(l);
}

/* False: it was given up meanwhile; frees it when nothing refers to it any more. */
static bool alive(struct bus_lease *l)
{
	if (!l->closed)
		return true;
	if (!l->busy && !l->in_fn) {
		if (l->rev)
			bus_kv_delete(l->b, "LEASES", l->key, l->rev, NULL, NULL);
		lease_free(l);
	}
	return false;
}

/* Every answer begins here. */
static bool answered(struct bus_lease *l)
{
	l->busy = false;
	return alive(l);
}

static bool tell(struct bus_lease *l, enum bus_lease_change c)
{
	l->in_fn = true;
	l->fn(l->arg, c, l->fence);
	l->in_fn = false;
	return alive(l);
}

static void back_to_look(struct bus_lease *l, int64_t after_us)
{
	bool told = l->state == LEASE_HOLD;
	l->state = LEASE_LOOK;
	l->rev = 0;
	l->until_us = 0;
	l->next_us = pl_mono_us() + after_us;
	if (told) {
		l->holder[0] = 0;
		tell(l, BUS_LEASE_LOST);
	}
}

bool bus_lease_held(const struct bus_lease *l)
{
	return l->state == LEASE_HOLD && pl_mono_us() < l->until_us;
}

const char *bus_lease_holder(const struct bus_lease *l)
{
	return l->holder;
}

static void on_fence(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct bus_lease *l = arg;
	(void)why;
	if (!answered(l))
		return;
	if (err || pl_mono_us() >= l->until_us) {
		bus_kv_delete(l->b, "LEASES", l->key, l->rev, NULL, NULL);
		back_to_look(l, LOOK_SOON_US); /* nobody was told: state is not HOLD */
		return;
	}
	l->fence = m->seq;
	l->state = LEASE_HOLD;
	pl_strlcpy(l->holder, bus_node(l->b), sizeof(l->holder));
	tell(l, BUS_LEASE_GAINED);
}

static void on_created(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct bus_lease *l = arg;
	(void)why;
	if (!err)
		l->rev = m->seq;
	if (!answered(l))
		return;
	if (err) { /* another was first, or the answer was lost: look */
		back_to_look(l, LOOK_SOON_US);
		return;
	}
	l->until_us = l->sent_us + HOLD_US;
	l->next_us = l->sent_us + RENEW_US;
	l->state = LEASE_FENCE;
	l->busy = true;
	bus_kv_put(l->b, "FENCES", l->key, l->value, strlen(l->value), BUS_REV_ANY, on_fence, l);
}

static void on_renewed(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct bus_lease *l = arg;
	(void)why;
	if (!err)
		l->rev = m->seq;
	if (!answered(l) || l->state != LEASE_HOLD)
		return;
	if (!err) {
		l->until_us = l->sent_us + HOLD_US;
		l->next_us = l->sent_us + RENEW_US;
	} else if (err == PL_E_CONFLICT) {
		look(l); /* gone to another; or an earlier write of ours was stored and its answer lost */
	} else {
		l->next_us = 0; /* the next tick tries again, until until_us */
	}
}

static void write_key(struct bus_lease *l, uint64_t rev, bus_reply_fn done)
{
	l->busy = true;
	l->sent_us = pl_mono_us();
	bus_kv_put(l->b, "LEASES", l->key, l->value, strlen(l->value), rev, done, l);
}

/* The value of a key: "<id> <node>". */
static bool is_ours(const struct bus_lease *l, const struct bus_msg *m)
{
	return m->len >= PL_ID_LEN - 1 && memcmp(m->data, l->id, PL_ID_LEN - 1) == 0;
}

static void on_seen(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct bus_lease *l = arg;
	(void)why;
	if (!answered(l))
		return;
	bool holding = l->state == LEASE_HOLD;
	if (!err && is_ours(l, m)) { /* a write whose answer was lost */
		l->rev = m->seq;
		write_key(l, m->seq, holding ? on_renewed : on_created);
	} else if (holding) {
		if (!err || err == PL_E_NOTFOUND)
			back_to_look(l, LOOK_SOON_US);
	} else if (err == PL_E_NOTFOUND) {
		l->holder[0] = 0;
		l->state = LEASE_CREATE;
		write_key(l, 0, on_created);
	} else if (err) {
		l->next_us = pl_mono_us() + LOOK_SOON_US;
	} else {
		size_t n = m->len > PL_ID_LEN ? PL_MIN(m->len - PL_ID_LEN, sizeof(l->holder) - 1) : 0;
		memcpy(l->holder, m->data + PL_MIN(m->len, (size_t)PL_ID_LEN), n);
		l->holder[n] = 0;
		l->next_us = pl_mono_us() + (m->seq == l->seen_rev ? LOOK_SOON_US : LOOK_US);
		l->seen_rev = m->seq;
	}
}

static void look(struct bus_lease *l)
{
	l->busy = true;
	bus_kv_get(l->b, "LEASES", l->key, on_seen, l);
}

void lease_tick(struct bus *b, int64_t now_us)
{
	PL_LIST_EACH_SAFE (n, &b->leases) {
		struct bus_lease *l = PL_CONTAINER(n, struct bus_lease, node);
		if (l->closed)
			continue;
		if (l->state == LEASE_HOLD &&
		    now_us >= l->until_us) { /* a renewal that comes too late finds us looking */
			back_to_look(l, LOOK_SOON_US);
			continue;
		}
		if (l->busy || now_us < l->next_us || !bus_up(b))
			continue;
		if (l->state == LEASE_HOLD)
			write_key(l, l->rev, on_renewed);
		else if (l->state == LEASE_LOOK)
			look(l);
	}
}

enum pl_err bus_lease_new(struct bus_lease **ret, struct bus *b, const char *key,
			  void (*fn)(void *arg, enum bus_lease_change c, uint64_t fence), void *arg)
{
	struct bus_lease *l = calloc(1, sizeof(*l));
	if (!l || !(l->key = strdup(key))) {
		free(l);
		return PL_E_NOMEM;
	}
	if (pl_list_empty(&b->leases)) {
		bus_kv_ensure(b,
			      &(struct bus_kv_cfg){ .bucket = "LEASES", .ttl_s = TTL_US / PL_US_PER_S, .history = 1 },
			      NULL, NULL);
		bus_kv_ensure(b, &(struct bus_kv_cfg){ .bucket = "FENCES", .history = 1 }, NULL, NULL);
	}
	l->b = b;
	l->fn = fn;
	l->arg = arg;
	snprintf(l->value, sizeof(l->value), "%s %s", pl_id_new(l->id), bus_node(b));
	pl_list_push(&b->leases, &l->node);
	*ret = l;
	return PL_OK;
}

void bus_lease_free(struct bus_lease *l)
{
	if (!l)
		return;
	l->closed = true;
	l->state = LEASE_LOOK;
	alive(l);
}

/* Those that were given up and waited for an answer. */
void lease_done(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->leases) {
		struct bus_lease *l = PL_CONTAINER(n, struct bus_lease, node);
		if (l->closed)
			lease_free(l);
	}
}
