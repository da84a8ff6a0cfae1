/* What a queue, an agent, a pause reason must be like. */
#include <stdio.h>

#include "thing.h"

#define NAME_MAX_BYTES 128
#define RING_DEFAULT_MS 20000

struct range {
	const char *field;
	uint32_t v, min, max;
};

static enum pl_err ranges_ok(const struct range *r, size_t n, struct pl_why *why)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].v < r[i].min || r[i].v > r[i].max)
			return pl_why_field(why, PL_E_FORMAT, r[i].field, "%u must be %u to %u", r[i].v, r[i].min,
					    r[i].max);
	return PL_OK;
}

static enum pl_err name_ok(const char *name, const char *field, struct pl_why *why)
{
	size_t n = strlen(name);
	if (n < 1 || n > NAME_MAX_BYTES || !pl_utf8_ok(name, n))
		return pl_why_field(why, PL_E_FORMAT, field, "must have 1 to %d bytes of UTF-8", NAME_MAX_BYTES);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20)
			return pl_why_field(why, PL_E_FORMAT, field, "must have no control characters");
	return PL_OK;
}

static enum pl_err id_ok(char **id, const char *field, bool may_be_new, struct pl_arena *a, struct pl_why *why)
{
	char fresh[PL_ID_LEN];
	if (!pl_empty(*id))
		return pl_id_ok(*id) ? PL_OK : pl_why_field(why, PL_E_FORMAT, field, "must be a UUID in lower case");
	if (!may_be_new)
		return pl_why_field(why, PL_E_FORMAT, field, "must be there");
	*id = pl_arena_strdup(a, pl_id_new(fresh));
	return *id ? PL_OK : PL_E_NOMEM;
}

static enum pl_err queue_valid(ProtobufCMessage *m, struct pl_arena *a, struct pl_why *why)
{
	Parley__Acd__V1__Queue *q = (Parley__Acd__V1__Queue *)(void *)m;
	if (!q->channel)
		q->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	if (!q->strategy)
		q->strategy = PARLEY__ACD__V1__STRATEGY__STRATEGY_LONGEST_IDLE;
	if (!q->ring_timeout_ms)
		q->ring_timeout_ms = RING_DEFAULT_MS;
	const struct range r[] = {
		{ "queue.channel", (uint32_t)q->channel, 1, ACD_CH_N - 1 },
		{ "queue.strategy", (uint32_t)q->strategy, 1, ACD_S_N - 1 },
		{ "queue.ring_timeout_ms", q->ring_timeout_ms, 1000, 600000 },
		{ "queue.retry_ms", q->retry_ms, 0, 60000 },
		{ "queue.wrap_up_ms", q->wrap_up_ms, 0, 3600000 },
		{ "queue.weight", q->weight, 0, 10 },
		{ "queue.max_waiting", q->max_waiting, 0, 1000000 },
		{ "queue.max_wait_ms", q->max_wait_ms, 0, 604800000 },
		{ "queue.service_level_ms", q->service_level_ms, 0, 604800000 },
		{ "queue.service_level_target_pct", q->service_level_target_pct, 0, 100 },
		{ "queue.autopause_after", q->autopause_after, 0, 100 },
	};
	enum pl_err err = id_ok(&q->id, "queue.id", true, a, why);
	if (!err)
		err = name_ok(q->name, "queue.name", why);
	if (!err)
		err = ranges_ok(r, PL_ARRAY_N(r), why);
	if (!err &&
	    strspn(q->music, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(q->music))
		err = pl_why_field(why, PL_E_FORMAT, "queue.music", "must be letters, digits, _ and -");
	if (!err && strlen(q->music) > 64)
		err = pl_why_field(why, PL_E_FORMAT, "queue.music", "must have at most 64 characters");
	if (!err && (q->priority < -1000000 || q->priority > 1000000))
		err = pl_why_field(why, PL_E_FORMAT, "queue.priority", "must be -1,000,000 to 1,000,000");
	return err;
}

static enum pl_err memberships_ok(const Parley__Acd__V1__Agent *g, struct pl_why *why)
{
	char field[64];
	if (g->n_memberships > ACD_MEMBERSHIP_MAX)
		return pl_why_field(why, PL_E_FORMAT, "agent.memberships", "must be at most %d", ACD_MEMBERSHIP_MAX);
	for (size_t i = 0; i < g->n_memberships; i++) {
		const Parley__Acd__V1__Membership *m = g->memberships[i];
		snprintf(field, sizeof(field), "agent.memberships[%zu].queue_id", i);
		if (!pl_id_ok(m->queue_id))
			return pl_why_field(why, PL_E_FORMAT, field, "must be a UUID in lower case");
		for (size_t k = 0; k < i; k++)
			if (pl_streq(g->memberships[k]->queue_id, m->queue_id))
				return pl_why_field(why, PL_E_FORMAT, field, "is there twice");
		snprintf(field, sizeof(field), "agent.memberships[%zu]", i);
		if (m->penalty > 100 || m->rank > 1000)
			return pl_why_field(why, PL_E_FORMAT, field, "penalty must be 0 to 100, rank 0 to 1000");
	}
	return PL_OK;
}

static enum pl_err capacities_ok(const Parley__Acd__V1__Agent *g, struct pl_why *why)
{
	unsigned seen = 0;
	for (size_t i = 0; i < g->n_capacities; i++) {
		const Parley__Acd__V1__ChannelCapacity *c = g->capacities[i];
		if ((int)c->channel <= 0 || (int)c->channel >= ACD_CH_N || seen & 1u << c->channel)
			return pl_why_field(why, PL_E_FORMAT, "agent.capacities", "each channel at most once");
		if (c->max > ACD_HANDS_MAX)
			return pl_why_field(why, PL_E_FORMAT, "agent.capacities", "max must be 0 to %d", ACD_HANDS_MAX);
		seen |= 1u << c->channel;
	}
	return PL_OK;
}

static enum pl_err agent_valid(ProtobufCMessage *m, struct pl_arena *a, struct pl_why *why)
{
	Parley__Acd__V1__Agent *g = (Parley__Acd__V1__Agent *)(void *)m;
	bool fixed = g->kind == PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_STATIC;
	if (!g->kind)
		g->kind = PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_PERSON;
	enum pl_err err = name_ok(g->name, "agent.name", why);
	if (!err && !fixed && g->kind != PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_PERSON)
		err = pl_why_field(why, PL_E_FORMAT, "agent.kind", "must be a kind of agent");
	if (!err)
		err = id_ok(&g->id, "agent.id", fixed, a, why);
	if (!err && fixed &&
	    (strncmp(g->address, "sip:", 4) != 0 || strlen(g->address) > 255 || strpbrk(g->address, " \t\r\n<>\"")))
		err = pl_why_field(why, PL_E_FORMAT, "agent.address", "must be like sip:m0@host:port");
	if (!err && !fixed && !pl_empty(g->address))
		err = pl_why_field(why, PL_E_FORMAT, "agent.address", "only a static agent has one");
	if (!err)
		err = memberships_ok(g, why);
	return err ? err : capacities_ok(g, why);
}

static enum pl_err reason_valid(ProtobufCMessage *m, struct pl_arena *a, struct pl_why *why)
{
	Parley__Acd__V1__PauseReason *p = (Parley__Acd__V1__PauseReason *)(void *)m;
	const struct range r[] = { { "pause_reason.limit_ms", p->limit_ms, 0, 86400000 } };
	enum pl_err err = id_ok(&p->id, "pause_reason.id", true, a, why);
	if (!err)
		err = name_ok(p->name, "pause_reason.name", why);
	return err ? err : ranges_ok(r, 1, why);
}

#define STMTS(t)                                                                                                       \
	.get = { #t "_get", "SELECT body FROM " #t " WHERE id = $1" },                                                 \
	.list = { #t "_list", "SELECT body FROM " #t " ORDER BY lower(name), id" },                                    \
	.insert = { #t "_insert", "INSERT INTO " #t " (id, name, revision, body) VALUES ($1, $2, $3, $4)" },           \
	.update = { #t "_update",                                                                                      \
		    "UPDATE " #t                                                                                       \
		    " SET name = $2, revision = $3, body = $4 WHERE id = $1 AND revision = $3::bigint - 1" },          \
	.del = { #t "_delete", "DELETE FROM " #t " WHERE id = $1" }
#define FIELDS(T) .id = offsetof(T, id), .name = offsetof(T, name), .revision = offsetof(T, revision)
const struct thing things[THING_N] = {
	[THING_QUEUE] = { .kind = THING_QUEUE,
			  .path = "queue",
			  .event = "queue-changed",
			  .d = &parley__acd__v1__queue__descriptor,
			  FIELDS(Parley__Acd__V1__Queue),
			  STMTS(queue),
			  .valid = queue_valid },
	[THING_AGENT] = { .kind = THING_AGENT,
			  .path = "agent",
			  .event = "agent-changed",
			  .d = &parley__acd__v1__agent__descriptor,
			  FIELDS(Parley__Acd__V1__Agent),
			  STMTS(agent),
			  .valid = agent_valid },
	[THING_REASON] = { .kind = THING_REASON,
			   .path = "pause_reason",
			   .event = "pause-reason-changed",
			   .d = &parley__acd__v1__pause_reason__descriptor,
			   FIELDS(Parley__Acd__V1__PauseReason),
			   STMTS(pause_reason),
			   .valid = reason_valid },
};
