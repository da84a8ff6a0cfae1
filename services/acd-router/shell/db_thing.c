/* Configuration in PostgreSQL, with its events in the same transaction. Runs on pg workers. */
#include <stdio.h>

#include "thing.h"

static enum pl_err unpack_row(struct pg_conn *db, const struct pg_rows *rows, int i,
			      const ProtobufCMessageDescriptor *d, struct pl_arena *a, ProtobufCMessage **ret,
			      struct pl_why *why)
{
	size_t n = 0;
	const uint8_t *p = pg_bytes(db, rows, i, 0, &n);
	return p || !n ? rpc_unpack(d, p, n, a, ret, why) : PL_E_NOMEM;
}

enum pl_err thing_db_get(struct pg_conn *db, const struct thing *t, const char *id, struct pl_arena *a,
			 ProtobufCMessage **ret, struct pl_why *why)
{
	struct pg_rows *rows = NULL;
	if (!pl_id_ok(id))
		return pl_why_field(why, PL_E_FORMAT, "id", "must be a UUID in lower case");
	enum pl_err err = pg_exec(db, &t->get, &id, 1, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_set(why, PL_E_NOTFOUND, "no %s %s", t->path, id);
	return unpack_row(db, rows, 0, t->d, a, ret, why);
}

enum pl_err thing_db_list_of(struct pg_conn *db, const struct pg_stmt *stmt, const char *param,
			     const ProtobufCMessageDescriptor *d, struct pl_arena *a, ProtobufCMessage ***ret,
			     size_t *ret_n, struct pl_why *why)
{
	struct pg_rows *rows = NULL;
	enum pl_err err = pg_exec(db, stmt, param ? &param : NULL, param != NULL, &rows, why);
	size_t n = err ? 0 : (size_t)pg_n(rows);
	ProtobufCMessage **list = pl_arena_alloc(a, (n + 1) * sizeof(ProtobufCMessage *));
	if (!err && !list)
		err = PL_E_NOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = unpack_row(db, rows, (int)i, d, a, &list[i], why);
	if (err)
		return err;
	*ret = list;
	*ret_n = n;
	return PL_OK;
}

enum pl_err thing_db_list(struct pg_conn *db, const struct thing *t, struct pl_arena *a, ProtobufCMessage ***ret,
			  size_t *ret_n, struct pl_why *why)
{
	return thing_db_list_of(db, &t->list, NULL, t->d, a, ret, ret_n, why);
}

static ProtobufCMessage *event_of(const struct change *c, struct pl_arena *a, char *event_id)
{
	Parley__Common__V1__EventMeta *meta = PL_NEW(a, Parley__Common__V1__EventMeta);
	/* The three events are alike: meta, the thing, deleted. */
	Parley__Acd__V1__QueueChanged *ev = PL_NEW(a, Parley__Acd__V1__QueueChanged);
	_Static_assert(sizeof(Parley__Acd__V1__QueueChanged) == sizeof(Parley__Acd__V1__AgentChanged) &&
			       sizeof(Parley__Acd__V1__QueueChanged) == sizeof(Parley__Acd__V1__PauseReasonChanged),
		       "alike");
	if (!meta || !ev)
		return NULL;
	parley__common__v1__event_meta__init(meta);
	switch (c->t->kind) {
	case THING_AGENT:
		parley__acd__v1__agent_changed__init((Parley__Acd__V1__AgentChanged *)(void *)ev);
		break;
	case THING_REASON:
		parley__acd__v1__pause_reason_changed__init((Parley__Acd__V1__PauseReasonChanged *)(void *)ev);
		break;
	default:
		parley__acd__v1__queue_changed__init(ev);
	}
	char *id = *thing_id(c->t, c->m);
	meta->event_id = event_id;
	meta->time = rpc_ts(a, pl_wall_us());
	if (c->t->kind == THING_QUEUE)
		meta->queue_id = id;
	if (c->t->kind == THING_AGENT)
		meta->agent_id = id;
	ev->meta = meta;
	ev->queue = (Parley__Acd__V1__Queue *)(void *)c->m;
	ev->deleted = c->deleted;
	return &ev->base;
}

static enum pl_err note_change(struct pg_conn *db, struct changes *ch, struct change c, struct pl_why *why)
{
	char subject[96], event_id[PL_ID_LEN];
	if (ch->n == ch->cap) {
		size_t cap = PL_MIN(PL_MAX(ch->cap * 2, (size_t)4), (size_t)CHANGES_MAX);
		struct change *more = pl_arena_alloc(ch->a, cap * sizeof(*more));
		if (!more || cap == ch->n)
			return pl_why_set(why, more ? PL_E_FULL : PL_E_NOMEM, "more than %d changes at once",
					  CHANGES_MAX);
		if (ch->n)
			memcpy(more, ch->list, ch->n * sizeof(*more));
		ch->list = more;
		ch->cap = cap;
	}
	ch->list[ch->n++] = c;
	snprintf(subject, sizeof(subject), "ev.acd.%s.%s", c.t->event, *thing_id(c.t, c.m));
	const ProtobufCMessage *ev = event_of(&c, ch->a, pl_id_new(event_id));
	return ev ? outbox_add(db, "acd", subject, ev, why) : PL_E_NOMEM;
}

static enum pl_err write_row(struct pg_conn *db, const struct thing *t, const struct pg_stmt *stmt, ProtobufCMessage *m,
			     struct pg_rows **ret, struct pl_arena *a, struct pl_why *why)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *body = pl_arena_alloc(a, n + 1);
	if (!body)
		return PL_E_NOMEM;
	protobuf_c_message_pack(m, body);
	const char *params[] = { *thing_id(t, m), *thing_name(t, m), pg_int_param(db, (int64_t)*thing_revision(t, m)),
				 pg_bytea_param(db, body, n) };
	enum pl_err err = pg_exec(db, stmt, params, 4, ret, why);
	if (err == PL_E_EXISTS) {
		bool name = why && strstr(why->field, "name");
		char field[64];
		snprintf(field, sizeof(field), "%s.%s", t->path, name ? "name" : "id");
		return pl_why_field(why, PL_E_EXISTS, field, "another %s has it", t->path);
	}
	return err;
}

static enum pl_err write_members(struct pg_conn *db, const Parley__Acd__V1__Agent *g, struct pl_why *why)
{
	static const struct pg_stmt drop = { "member_drop", "DELETE FROM member WHERE agent_id = $1" };
	static const struct pg_stmt add = { "member_add", "INSERT INTO member (queue_id, agent_id) VALUES ($1, $2)" };
	const char *id = g->id;
	enum pl_err err = pg_exec(db, &drop, &id, 1, NULL, why);
	for (size_t i = 0; i < g->n_memberships && !err; i++) {
		char field[64];
		const char *params[] = { g->memberships[i]->queue_id, g->id };
		err = pg_exec(db, &add, params, 2, NULL, why);
		snprintf(field, sizeof(field), "agent.memberships[%zu].queue_id", i);
		if (err == PL_E_STATE)
			err = pl_why_field(why, PL_E_FORMAT, field, "no such queue");
	}
	return err;
}

static enum pl_err write_more(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, struct pl_why *why)
{
	return t->kind == THING_AGENT ? write_members(db, (const Parley__Acd__V1__Agent *)(void *)m, why) : PL_OK;
}

enum pl_err thing_db_create(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, struct changes *ch,
			    struct pl_why *why)
{
	*thing_revision(t, m) = 1;
	enum pl_err err = write_row(db, t, &t->insert, m, NULL, ch->a, why);
	if (!err)
		err = write_more(db, t, m, why);
	return err ? err : note_change(db, ch, (struct change){ t, m, false }, why);
}

static enum pl_err update_to(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, uint64_t revision,
			     struct changes *ch, struct pl_why *why)
{
	struct pg_rows *rows = NULL;
	ProtobufCMessage *old = NULL;
	*thing_revision(t, m) = revision;
	enum pl_err err = write_row(db, t, &t->update, m, &rows, ch->a, why);
	if (!err && pg_affected(rows) == 0) {
		err = thing_db_get(db, t, *thing_id(t, m), ch->a, &old, why);
		if (!err)
			err = pl_why_field(why, PL_E_CONFLICT, t->path,
					   "somebody changed it meanwhile: its revision is %" PRIu64,
					   *thing_revision(t, old));
	}
	if (!err)
		err = write_more(db, t, m, why);
	return err ? err : note_change(db, ch, (struct change){ t, m, false }, why);
}

enum pl_err thing_db_update(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, struct changes *ch,
			    struct pl_why *why)
{
	uint64_t was = *thing_revision(t, m);
	enum pl_err err = update_to(db, t, m, was + 1, ch, why);
	if (err) /* the job may run again from the start */
		*thing_revision(t, m) = was;
	return err;
}

static enum pl_err leave_queue(struct pg_conn *db, const char *queue_id, ProtobufCMessage *m, struct changes *ch,
			       struct pl_why *why)
{
	Parley__Acd__V1__Agent *g = (Parley__Acd__V1__Agent *)(void *)m;
	size_t n = 0;
	for (size_t i = 0; i < g->n_memberships; i++)
		if (!pl_streq(g->memberships[i]->queue_id, queue_id))
			g->memberships[n++] = g->memberships[i];
	g->n_memberships = n;
	return update_to(db, &things[THING_AGENT], m, g->revision + 1, ch, why);
}

static enum pl_err leave_queue_all(struct pg_conn *db, const char *queue_id, struct changes *ch, struct pl_why *why)
{
	static const struct pg_stmt of = { "member_of", "SELECT a.body FROM agent a JOIN member m ON m.agent_id = a.id"
							" WHERE m.queue_id = $1 ORDER BY a.id FOR UPDATE OF a" };
	struct pg_rows *rows = NULL;
	enum pl_err err = pg_exec(db, &of, &queue_id, 1, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		ProtobufCMessage *m = NULL;
		err = unpack_row(db, rows, i, things[THING_AGENT].d, ch->a, &m, why);
		if (!err)
			err = leave_queue(db, queue_id, m, ch, why);
	}
	return err;
}

enum pl_err thing_db_delete(struct pg_conn *db, const struct thing *t, const char *id, struct changes *ch,
			    struct pl_why *why)
{
	ProtobufCMessage *m = NULL;
	enum pl_err err = thing_db_get(db, t, id, ch->a, &m, why);
	if (!err && t->kind == THING_QUEUE)
		err = leave_queue_all(db, id, ch, why);
	if (!err)
		err = pg_exec(db, &t->del, &id, 1, NULL, why);
	if (err)
		return err;
	++*thing_revision(t, m);
	return note_change(db, ch, (struct change){ t, m, true }, why);
}
