#include "guard.h"
#include "hash.h"

static struct guard_entry *set_of(const struct guard *g, const uint8_t addr[16])
{
	size_t sets = g->n / GUARD_WAYS;
	return &g->e[(engine_hash(addr, 16) % sets) * GUARD_WAYS];
}

static struct guard_entry *find(const struct guard *g, const uint8_t addr[16])
{
	struct guard_entry *e = set_of(g, addr);
	for (size_t i = 0; i < GUARD_WAYS; i++)
		if (e[i].seen_us && memcmp(e[i].addr, addr, 16) == 0)
			return &e[i];
	return NULL;
}

bool guard_banned(const struct guard *g, const uint8_t addr[16], int64_t now_us)
{
	const struct guard_entry *e = find(g, addr);
	return e && e->banned_until_us > now_us;
}

static struct guard_entry *make(struct guard *g, const uint8_t addr[16], int64_t now_us)
{
	struct guard_entry *set = set_of(g, addr), *victim = NULL;
	for (size_t i = 0; i < GUARD_WAYS; i++) {
		struct guard_entry *e = &set[i];
		if (!victim) {
			victim = e;
			continue;
		}
		bool e_banned = e->banned_until_us > now_us, v_banned = victim->banned_until_us > now_us;
		if (e_banned != v_banned ? v_banned : e->seen_us < victim->seen_us)
			victim = e;
	}
	*victim = (struct guard_entry){ .seen_us = now_us };
	memcpy(victim->addr, addr, 16);
	return victim;
}

int64_t guard_fail(struct guard *g, const uint8_t addr[16], uint32_t points, int64_t now_us)
{
	struct guard_entry *e = find(g, addr);
	if (!e)
		e = make(g, addr, now_us);
	if (e->banned_until_us > now_us)
		return 0;
	if (now_us - e->seen_us > g->lim.window_us)
		e->points = 0;
	if (now_us - e->seen_us > g->lim.forget_us)
		e->level = 0;
	e->seen_us = now_us;
	e->points += points;
	if (e->points < g->lim.points)
		return 0;
	int64_t ban = g->lim.ban_us;
	for (uint8_t i = 0; i < e->level && ban < g->lim.ban_max_us; i++)
		ban *= 2;
	if (ban > g->lim.ban_max_us)
		ban = g->lim.ban_max_us;
	if (e->level < 30)
		e->level++;
	e->points = 0;
	e->banned_until_us = now_us + ban;
	return ban;
}

void guard_ok(struct guard *g, const uint8_t addr[16])
{
	struct guard_entry *e = find(g, addr);
	if (e)
		e->points = 0;
}

size_t guard_bans(const struct guard *g, int64_t now_us)
{
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		n += g->e[i].banned_until_us > now_us;
	return n;
}
