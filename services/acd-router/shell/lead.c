/* The leader: holds the lease, tells what the engine decides, gives the engine the time, judges presence, looks for
 * what must not be. */
#include <stdio.h>
#include <stdlib.h>

#include "router.h"

#define SECOND_US PL_US_PER_S
#define TICK_MIN_US (1 * PL_US_PER_MS)
#define CHECK_SHARE 500 /* looking at the whole state may take this fraction of the time */
#define REPEAT_S 60
#define PHONES_EVERY_S 60
#define RECONCILE_AGAIN_US (3 * PL_US_PER_S)

struct lead {
	struct router *r;
	struct bus_lease *lease;
	struct pl_timer *tick, *second;
	bool leading, tick_flying;
	int64_t since_us, check_next_us;
	uint64_t fence;
	uint32_t broken_s, seconds;
	int64_t reconcile_us; /* mono; 0: done or under way */
};

bool lead_held(const struct lead *l)
{
	return l->leading && bus_lease_held(l->lease);
}

int64_t lead_since_us(const struct lead *l)
{
	return l->leading ? l->since_us : 0;
}

uint64_t lead_fence(const struct lead *l)
{
	return l->fence;
}

/* --- time --- */
static void on_ticked(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct lead *l = arg;
	l->tick_flying = false;
	if (err)
		log_warn("acd.tick", LOG_WHY(why));
	lead_applied(l);
}

static void on_tick(void *arg)
{
	struct lead *l = arg;
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Tick tick = PARLEY__ACD__V1__TICK__INIT;
	char id[PL_ID_LEN];
	if (!lead_held(l) || l->tick_flying)
		return;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_TICK;
	in.tick = &tick;
	l->tick_flying = true;
	inlog_put(l->r->in, &in, pl_id_new(id), on_ticked, l);
}

void lead_applied(struct lead *l)
{
	int64_t due = acd_next_due_us(l->r->e);
	if (!l->leading || l->tick_flying)
		return;
	if (due == INT64_MAX)
		pl_timer_stop(l->tick);
	else
		pl_timer_set(l->tick, PL_MAX(due - inlog_now_us(l->r->in), TICK_MIN_US));
}

/* --- the monitor --- */
void lead_emit_own(struct router *r, const char *what, const ProtobufCMessage *msg, Parley__Common__V1__EventMeta *meta)
{
	struct event ev;
	pl_id_new(ev.id);
	meta->event_id = ev.id;
	meta->node = (char *)(uintptr_t)bus_node(r->bus); /* only packed */
	meta->time = rpc_ts(pl_loop_tmp(r->loop), pl_wall_us());
	snprintf(ev.subject, sizeof(ev.subject), "ev.acd.%s.%s", what, bus_node(r->bus));
	ev.msg = (ProtobufCMessage *)(uintptr_t)msg;
	emitter_add(r->out, &ev, 0);
}

static void tell_broken(struct lead *l, const char *what)
{
	Parley__Acd__V1__InvariantBroken m = PARLEY__ACD__V1__INVARIANT_BROKEN__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	m.meta = &meta;
	m.what = (char *)(uintptr_t)what; /* only packed */
	m.seconds = l->broken_s;
	log_error("acd.invariant", LOG_S("what", what), LOG_I("seconds", l->broken_s));
	lead_emit_own(l->r, "invariant", &m.base, &meta);
}

static void check(struct lead *l)
{
	int64_t t0 = pl_mono_us();
	if (t0 < l->check_next_us)
		return;
	const char *bad = acd_check(l->r->e, inlog_now_us(l->r->in));
	l->check_next_us = t0 + (pl_mono_us() - t0) * CHECK_SHARE;
	if (!bad) {
		l->broken_s = 0;
		return;
	}
	obs_add(l->r->m_broken, 1);
	if (l->broken_s++ % REPEAT_S == 0)
		tell_broken(l, bad);
}

static void on_second(void *arg)
{
	struct lead *l = arg;
	emitter_age(l->r->out);
	if (!lead_held(l))
		return;
	check(l);
	presence_judge(l->r->presence);
	if (++l->seconds % PHONES_EVERY_S == 0)
		presence_ask(l->r->presence);
	snaps_tick(l->r->snaps);
	if (l->reconcile_us && pl_mono_us() >= l->reconcile_us) {
		l->reconcile_us = 0;
		config_reconcile(l->r);
	}
	lead_applied(l);
}

void lead_reconciled(struct lead *l, bool ok)
{
	l->reconcile_us = ok ? 0 : pl_mono_us() + RECONCILE_AGAIN_US;
}

/* --- the lease --- */
static void on_lease(void *arg, enum bus_lease_change c, uint64_t fence)
{
	struct lead *l = arg;
	l->leading = c == BUS_LEASE_GAINED;
	obs_set(l->r->m_leader, l->leading);
	if (!l->leading) {
		log_warn("acd.deposed", LOG_I("seq", acd_seq(l->r->e)));
		pl_timer_stop(l->tick);
		return;
	}
	l->since_us = pl_wall_us();
	l->fence = fence;
	l->check_next_us = pl_mono_us() + 5 * PL_US_PER_S; /* what was due while nobody led has time to heal */
	log_info("acd.leading", LOG_I("fence", fence), LOG_I("seq", acd_seq(l->r->e)));
	emitter_flush(l->r->out);
	lead_applied(l);
	config_reconcile(l->r);
	presence_ask(l->r->presence);
}

enum pl_err lead_new(struct lead **ret, struct router *r)
{
	struct lead *l = calloc(1, sizeof(*l));
	if (!l)
		return PL_E_NOMEM;
	l->r = r;
	*ret = l;
	enum pl_err err = pl_timer_new(&l->tick, r->loop, on_tick, l);
	if (!err)
		err = pl_timer_new(&l->second, r->loop, on_second, l);
	return err;
}

void lead_start(struct lead *l)
{
	if (l->lease)
		return;
	if (bus_lease_new(&l->lease, l->r->bus, ACD_LEASE, on_lease, l) != PL_OK)
		log_error("acd.lease");
	pl_timer_every(l->second, SECOND_US);
}

void lead_stop(struct lead *l)
{
	l->leading = false;
	bus_lease_free(l->lease);
	l->lease = NULL;
	pl_timer_stop(l->tick);
	pl_timer_stop(l->second);
}

void lead_free(struct lead *l)
{
	if (!l)
		return;
	lead_stop(l);
	pl_timer_free(l->tick);
	pl_timer_free(l->second);
	free(l);
}
