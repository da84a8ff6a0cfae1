#include "auth.h"

Parley__Common__V1__EventMeta *event_meta(struct pl_arena *a, const char *node, const char *agent_id)
{
	Parley__Common__V1__EventMeta *m = PL_NEW(a, Parley__Common__V1__EventMeta);
	char id[PL_ID_LEN];

	if (!m)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_arena_strdup(a, pl_id_new(id));
	m->time = rpc_ts(a, pl_wall_us());
	m->node = (char *)(uintptr_t)node;
	if (agent_id)
		m->agent_id = pl_arena_strdup(a, agent_id);
	return m->event_id && m->time && m->agent_id ? m : NULL;
}

enum pl_err event_user_changed(struct pg_conn *c, struct pl_arena *a, const char *node, const AU(User) * u,
			       bool deleted, struct pl_why *why)
{
	AU(UserChanged) e = PARLEY__AUTH__V1__USER_CHANGED__INIT;
	char *subject = pl_arena_printf(a, "ev.auth.user-changed.%s", u->id);

	e.meta = event_meta(a, node, u->id);
	e.user = (AU(User) *)(uintptr_t)u;
	e.deleted = deleted;
	return subject && e.meta ? outbox_add(c, "auth", subject, &e.base, why) : PL_E_NOMEM;
}
