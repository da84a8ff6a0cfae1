/* The set: its bucket, its lease, and who else lives. */
#include "actor_int.h"

#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_US (250 * PL_US_PER_MS)
#define SILENT_US                                                                                                      \
	(3500 * PL_US_PER_MS) /* a lease lives 3 s; longer than that without a renewal, its node is asked for */

void actors_ref(struct actors *a)
{
	a->refs++;
}

bool actors_unref(struct actors *a)
{
	a->refs--;
	if (!a->closed)
		return true;
	if (!a->refs)
		free(a);
	return false;
}

bool actors_held(const struct actors *a)
{
	return a->fence && !a->n_verify && bus_lease_held(a->lease);
}

/* --- peers --- */

bool peer_alive(struct actors *a, const char *node)
{
	struct peer *p;

	HASH_FIND_STR(a->peers, node, p);
	return p != NULL;
}

static void peer_drop(struct actors *a, struct peer *p)
{
	HASH_DEL(a->peers, p);
	free(p);
}

void peer_seen(struct actors *a, const char *node)
{
	struct peer *p;

	HASH_FIND_STR(a->peers, node, p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		pl_strlcpy(p->node, node, sizeof(p->node));
		HASH_ADD_STR(a->peers, node, p);
	}
	p->seen_us = pl_loop_now_us(a->loop);
}

static void on_peer(void *arg, const struct bus_msg *m)
{
	struct actors *a = arg;
	char prefix[96];
	struct peer *p;

	int n = snprintf(prefix, sizeof(prefix), "$KV.LEASES.actor.%s.", a->kind);
	if (strncmp(m->subject, prefix, (size_t)n) != 0)
		return;
	const char *node = m->subject + n;
	if (m->len) {
		peer_seen(a, node);
		return;
	}
	HASH_FIND_STR(a->peers, node, p); /* given up */
	if (p)
		peer_drop(a, p);
	scan_start(a);
}

static void on_peers_known(void *arg)
{
	struct actors *a = arg;

	a->peers_known = true;
	scan_start(a);
}

static void watch_peers(struct actors *a)
{
	struct pl_why why = { 0 };
	char filter[96];

	snprintf(filter, sizeof(filter), "$KV.LEASES.actor.%s.>", a->kind);
	struct bus_tail_cfg c = { .stream = "KV_LEASES",
				  .filter = filter,
				  .from_seq = 1,
				  .last_per_subject = true,
				  .fn = on_peer,
				  .caught_up = on_peers_known,
				  .arg = a };
	if (bus_tail_open(&a->peers_tail, a->bus, &c, &why))
		log_warn("actor.peers-failed", LOG_WHY(&why)); /* the tick tries again */
}

static void ensure_bucket(struct actors *a);

static void on_tick(void *arg)
{
	struct actors *a = arg;
	struct peer *p, *next;
	bool someone_died = false;
	int64_t now_us = pl_loop_now_us(a->loop);

	ensure_bucket(a);
	machines_flush_soon(a);
	if (a->fence && !a->peers_tail)
		watch_peers(a);
	if (!bus_connected(a->bus)) /* silence says nothing about them now */
		return;
	HASH_ITER(hh, a->peers, p, next)
	if (now_us - p->seen_us > SILENT_US) {
		peer_drop(a, p);
		someone_died = true;
	}
	if (someone_died || (a->scan_again && !a->scan))
		scan_start(a);
}

/* --- our lease --- */

static void on_lease(void *arg, enum bus_lease_change change, uint64_t fence)
{
	struct actors *a = arg;

	if (change == BUS_LEASE_LOST) {
		log_warn("actor.lease-lost", LOG_S("kind", a->kind));
		scan_stop(a);
		return; /* the machines wait; whether they are still ours shows when the lease is back */
	}
	a->fence = fence;
	machines_verify(a);
	if (!a->peers_tail)
		watch_peers(a);
}

static void on_bucket(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct actors *a = arg;

	if (!actors_unref(a))
		return;
	a->bucket_asked = false;
	a->bucket_ready = !err;
	if (err)
		log_warn("actor.bucket-failed", LOG_S("bucket", a->bucket), LOG_WHY(why)); /* the tick tries again */
	else if (bus_lease_new(&a->lease, a->bus, a->lease_key, on_lease, a))
		a->bucket_ready = false;
}

static void ensure_bucket(struct actors *a)
{
	struct bus_kv_cfg c = { .bucket = a->bucket, .ttl_s = a->cfg.keep_s, .history = 1 };

	if (a->bucket_ready || a->bucket_asked)
		return;
	a->bucket_asked = true;
	actors_ref(a);
	bus_kv_ensure(a->bus, &c, on_bucket, a);
}

enum pl_err actors_open(struct actors **ret, struct bus *b, const struct actors_cfg *cfg, struct pl_why *why)
{
	struct actors *a = calloc(1, sizeof(*a));

	if (!a)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	a->bus = b;
	a->loop = bus_loop(b);
	a->cfg = *cfg;
	pl_strlcpy(a->kind, cfg->kind, sizeof(a->kind));
	snprintf(a->bucket, sizeof(a->bucket), "ACTORS_%s", a->kind);
	snprintf(a->lease_key, sizeof(a->lease_key), "actor.%s.%s", a->kind, bus_node(b));
	a->cfg.kind = a->kind;
	if (pl_timer_new(&a->tick_timer, a->loop, on_tick, a)) {
		free(a);
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	}
	pl_timer_every(a->tick_timer, TICK_US);
	ensure_bucket(a);
	*ret = a;
	return PL_OK;
}

void actors_close(struct actors *a)
{
	struct machine *m, *next;
	struct peer *p, *next_p;

	if (!a)
		return;
	scan_stop(a);
	bus_tail_close(a->peers_tail);
	bus_lease_free(a->lease);
	pl_timer_free(a->tick_timer);
	pl_timer_free(a->flush_timer);
	HASH_ITER(hh, a->machines, m, next)
	machine_drop(m);
	HASH_ITER(hh, a->peers, p, next_p)
	peer_drop(a, p);
	a->closed = true;
	if (!a->refs)
		free(a);
}
