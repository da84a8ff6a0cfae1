/* Sessions in memory: packed as they are checkpointed, so that a session that waits costs what its variables cost. */
#include "svc.h"

#include <parley/log.h>
#include <stdlib.h>

static const char *const wait_names[FLOW_WAIT_N] = { "start", "play", "digits", "queue", "dial", "jump", "ended" };

const char *session_wait_name(enum flow_wait w)
{
	return (unsigned)w < FLOW_WAIT_N ? wait_names[w] : "ended";
}

enum flow_wait session_wait(const char *name)
{
	for (int i = 0; i < FLOW_WAIT_N; i++)
		if (strcmp(wait_names[i], name) == 0)
			return (enum flow_wait)i;
	return FLOW_W_ENDED; /* written by a newer version: nothing can be done with it */
}

struct session *session_find(struct flow_svc *s, const char *id)
{
	struct session *x;
	HASH_FIND_STR(s->sessions, id, x);
	return x;
}

static void gauge(struct flow_svc *s)
{
	obs_set(s->m_sessions, (int64_t)HASH_COUNT(s->sessions));
}

static struct session *session_get(struct flow_svc *s, const char *id)
{
	struct session *x = session_find(s, id);
	if (x || HASH_COUNT(s->sessions) >= FLOW_SESSIONS_MAX || !(x = calloc(1, sizeof(*x))))
		return x;
	pl_strlcpy(x->id, id, sizeof(x->id));
	x->svc = s;
	HASH_ADD_STR(s->sessions, id, x);
	gauge(s);
	return x;
}

static void graph_set(struct flow_svc *s, struct session *x, struct graph *g)
{
	if (x->graph == g)
		return;
	if (g)
		graph_ref(g);
	graph_unref(s->graphs, x->graph);
	x->graph = g;
}

static bool bytes_set(struct session *x, const Parley__Flow__V1__FlowSession *m)
{
	size_t len = parley__flow__v1__flow_session__get_packed_size(m);
	uint8_t *p = malloc(len + 1);
	if (!p)
		return false;
	parley__flow__v1__flow_session__pack(m, p);
	free(x->packed);
	x->packed = p;
	x->len = len;
	x->seq = m->seq;
	x->ended = strcmp(m->wait, wait_names[FLOW_W_ENDED]) == 0;
	x->stepped_us = pl_mono_us();
	return true;
}

static void tell_waiting(struct session *x, bool stored)
{
	for (struct saved *w = PL_TAKE(x->waiting), *next; w; w = next) {
		next = w->next;
		w->fn(w->arg, stored);
	}
}

/* The newest state is stored, and with it all before. */
static void on_stored(void *arg)
{
	tell_waiting(arg, true);
}

enum pl_err session_save(struct flow_svc *s, const Parley__Flow__V1__FlowSession *m, struct graph *g, struct saved *w)
{
	struct session *x = session_get(s, m->session_id);
	if (!x)
		return PL_E_FULL;
	if (!bytes_set(x, m))
		return PL_E_NOMEM;
	graph_set(s, x, g);
	enum pl_err err = actor_save(s->actors, x->id, x->packed, x->len, on_stored, x);
	if (err)
		return err;
	struct saved **end = &x->waiting;
	while (*end)
		end = &(*end)->next;
	w->next = NULL;
	*end = w;
	return PL_OK;
}

void session_drop(struct flow_svc *s, struct session *x, bool end)
{
	if (end)
		actor_end(s->actors, x->id);
	tell_waiting(x, false);
	graph_set(s, x, NULL);
	HASH_DEL(s->sessions, x);
	free(x->packed);
	free(x);
	gauge(s);
}

void sessions_free(struct flow_svc *s)
{
	struct session *x, *tmp;
	HASH_ITER(hh, s->sessions, x, tmp)
	session_drop(s, x, false);
}

/* --- libs/actor --- */

void sessions_adopt(void *arg, const char *id, const void *body, size_t len)
{
	struct flow_svc *s = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *m;
	enum pl_err err =
		rpc_unpack(&parley__flow__v1__flow_session__descriptor, body, len, pl_loop_tmp(s->app->loop), &m, &why);
	const Parley__Flow__V1__FlowSession *f = err ? NULL : (const void *)m;
	struct session *x = err || !pl_id_ok(id) ? NULL : session_get(s, id);
	if (!x || !bytes_set(x, f)) {
		log_error("session.adopt-failed", LOG_S("session", id), LOG_WHY(&why));
		return;
	}
	graph_set(s, x, NULL); /* loaded when it is stepped */
	log_info("session.adopted", LOG_S("session", id), LOG_S("node", f->node), LOG_S("wait", f->wait));
}

void sessions_lost(void *arg)
{
	struct flow_svc *s = arg;
	log_warn("session.all-lost", LOG_I("sessions", HASH_COUNT(s->sessions)));
	sessions_free(s);
}

/* Ended ones answer repeated steps for a while; ones nobody steps belong to a channel that is gone. */
void sessions_sweep(struct flow_svc *s)
{
	struct session *x, *tmp;
	int64_t now = pl_mono_us();
	HASH_ITER(hh, s->sessions, x, tmp)
	{
		int64_t keep_s = x->ended ? s->cfg->ended_s : s->cfg->idle_s;
		if (now - x->stepped_us < keep_s * PL_US_PER_S)
			continue;
		if (!x->ended)
			log_warn("session.idle", LOG_S("session", x->id));
		session_drop(s, x, true);
	}
}
