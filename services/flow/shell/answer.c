/* What the engine said, as the message a channel gets. */
#include "svc.h"

#include <stdlib.h>

#define TEXT(s) ((char *)(uintptr_t)(s))
#define DEFAULT_MUSIC "moh/default"
#define MUSIC_ROOT "moh/"

typedef Parley__Media__V1__Source src_t;
typedef Parley__Flow__V1__Action act_t;

static src_t *source(const struct flow_src *from, struct pl_arena *a)
{
	src_t *m = PL_NEW(a, src_t);
	if (!m)
		return NULL;
	parley__media__v1__source__init(m);
	switch (from->kind) {
	case FLOW_SRC_FILE:
		m->source_case = PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE;
		m->file = TEXT(from->text);
		break;
	case FLOW_SRC_FOLDER:
		m->source_case = PARLEY__MEDIA__V1__SOURCE__SOURCE_FOLDER;
		m->folder = TEXT(from->text);
		break;
	case FLOW_SRC_SILENCE:
		m->source_case = PARLEY__MEDIA__V1__SOURCE__SOURCE_SILENCE_MS;
		m->silence_ms = from->silence_ms;
		break;
	case FLOW_SRC_SAY:
		m->source_case = PARLEY__MEDIA__V1__SOURCE__SOURCE_SAY;
		m->say = PL_NEW(a, Parley__Media__V1__Say);
		if (!m->say)
			return NULL;
		parley__media__v1__say__init(m->say);
		m->say->text = pl_arena_strdup(a, from->text);
		m->say->language = TEXT(from->language ? from->language : "");
	}
	return m;
}

static enum pl_err sources(const struct flow_srcs *from, struct pl_arena *a, size_t *ret_n, src_t ***ret)
{
	src_t **v = pl_arena_alloc(a, (from->n + 1) * sizeof(*v));
	if (!v)
		return PL_E_NOMEM;
	for (uint32_t i = 0; i < from->n; i++)
		if (!(v[i] = source(&from->v[i], a)))
			return PL_E_NOMEM;
	*ret_n = from->n;
	*ret = v;
	return PL_OK;
}

static enum pl_err collect(const struct flow_action *from, act_t *m, struct pl_arena *a)
{
	Parley__Flow__V1__CollectAction *c = m->collect = PL_NEW(a, Parley__Flow__V1__CollectAction);
	if (!c)
		return PL_E_NOMEM;
	parley__flow__v1__collect_action__init(c);
	m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_COLLECT;
	c->max_digits = from->max_digits;
	c->terminator = TEXT(from->terminator);
	c->first_timeout_ms = (uint32_t)from->node->first_timeout_ms;
	c->inter_digit_timeout_ms = (uint32_t)from->node->inter_digit_timeout_ms;
	c->secret = from->node->secret;
	return sources(&from->sources, a, &c->n_sources, &c->sources);
}

/* The node's own music, else the class the queue names, else the default one. */
static enum pl_err music(const struct flow_node *n, const struct queue_info *q, struct pl_arena *a,
			 Parley__Flow__V1__WaitInQueueAction *w)
{
	struct flow_src own = { .kind = FLOW_SRC_FOLDER, .text = DEFAULT_MUSIC };
	struct flow_srcs one = { &own, 1 };
	if (n->music.n)
		return sources(&n->music, a, &w->n_music, &w->music);
	if (q && *q->music)
		own.text = pl_arena_printf(a, "%s%s", MUSIC_ROOT, q->music);
	return own.text ? sources(&one, a, &w->n_music, &w->music) : PL_E_NOMEM;
}

static enum pl_err wait_in_queue(struct flow_svc *s, const struct flow_action *from, const struct flow_graph *g,
				 act_t *m, struct pl_arena *a)
{
	const struct flow_node *n = from->node;
	const struct queue_info *q = refs_queue(s->refs, n->queue);
	Parley__Flow__V1__WaitInQueueAction *w = m->wait_in_queue = PL_NEW(a, Parley__Flow__V1__WaitInQueueAction);
	if (!w)
		return PL_E_NOMEM;
	parley__flow__v1__wait_in_queue_action__init(w);
	m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_WAIT_IN_QUEUE;
	w->queue_id = TEXT(n->queue);
	w->queue_name = pl_arena_strdup(a, q ? q->name : "");
	w->exit_key = TEXT(n->exit_key ? n->exit_key : "");
	w->announce_every_ms = (uint32_t)n->announce_every_ms;
	w->announce_position = n->announce_position;
	w->announce_wait = n->announce_wait;
	w->language = TEXT(g->language);
	w->record = n->has_record ? n->record : q && q->record;
	enum pl_err err = music(n, q, a, w);
	if (!err)
		err = sources(&from->sources, a, &w->n_greeting, &w->greeting);
	return err ? err : sources(&from->announcement, a, &w->n_announcement, &w->announcement);
}

static enum pl_err play(const struct flow_action *from, act_t *m, struct pl_arena *a)
{
	m->play = PL_NEW(a, Parley__Flow__V1__PlayAction);
	if (!m->play)
		return PL_E_NOMEM;
	parley__flow__v1__play_action__init(m->play);
	m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_PLAY;
	return sources(&from->sources, a, &m->play->n_sources, &m->play->sources);
}

static enum pl_err dial(const struct flow_action *from, act_t *m, struct pl_arena *a)
{
	m->dial = PL_NEW(a, Parley__Flow__V1__DialAction);
	if (!m->dial)
		return PL_E_NOMEM;
	parley__flow__v1__dial_action__init(m->dial);
	m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_DIAL;
	m->dial->number = pl_arena_strdup(a, from->number);
	m->dial->uri = pl_arena_strdup(a, from->uri);
	m->dial->ring_timeout_ms = (uint32_t)from->node->ring_timeout_ms;
	return m->dial->number && m->dial->uri ? PL_OK : PL_E_NOMEM;
}

static enum pl_err action(struct flow_svc *s, const struct flow_action *from, const struct flow_graph *g, act_t *m,
			  struct pl_arena *a)
{
	parley__flow__v1__action__init(m);
	switch (from->kind) {
	case FLOW_DO_ANSWER:
		m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_ANSWER;
		if (!(m->answer = PL_NEW(a, Parley__Flow__V1__AnswerAction)))
			return PL_E_NOMEM;
		parley__flow__v1__answer_action__init(m->answer);
		return PL_OK;
	case FLOW_DO_PLAY:
		return play(from, m, a);
	case FLOW_DO_COLLECT:
		return collect(from, m, a);
	case FLOW_DO_QUEUE:
		return wait_in_queue(s, from, g, m, a);
	case FLOW_DO_DIAL:
		return dial(from, m, a);
	case FLOW_DO_HANGUP:
		break;
	}
	m->action_case = PARLEY__FLOW__V1__ACTION__ACTION_HANGUP;
	if (!(m->hangup = PL_NEW(a, Parley__Flow__V1__HangupAction)))
		return PL_E_NOMEM;
	parley__flow__v1__hangup_action__init(m->hangup);
	m->hangup->status = from->status;
	return PL_OK;
}

enum pl_err answer_add(struct flow_svc *s, struct answer *ans, const struct flow_graph *g, const struct flow_out *out,
		       struct pl_arena *a)
{
	size_t n = ans->msg.n_actions;
	act_t **list = pl_arena_alloc(a, (n + out->n_actions + 1) * sizeof(*list));
	if (!list)
		return PL_E_NOMEM;
	if (n)
		memcpy(list, ans->msg.actions, n * sizeof(*list));
	for (uint32_t i = 0; i < out->n_actions; i++) {
		act_t *m = PL_NEW(a, act_t);
		enum pl_err err = m ? action(s, &out->actions[i], g, m, a) : PL_E_NOMEM;
		if (err)
			return err;
		list[n++] = m;
	}
	ans->msg.actions = list;
	ans->msg.n_actions = n;
	ans->msg.ended = out->ended;
	return PL_OK;
}

enum pl_err answer_shown(const struct flow_graph *g, const struct flow_state *st, struct answer *ans,
			 struct pl_arena *a)
{
	Parley__Common__V1__KeyValue **list = pl_arena_alloc(a, (g->n_shown + 1) * sizeof(*list));
	if (!list)
		return PL_E_NOMEM;
	ans->msg.n_shown_variables = 0;
	for (uint32_t i = 0; i < g->n_shown; i++) {
		const struct flow_var *v = flow_var_find(st, g->shown[i], strlen(g->shown[i]));
		if (!v || v->secret)
			continue;
		Parley__Common__V1__KeyValue *kv = PL_NEW(a, Parley__Common__V1__KeyValue);
		if (!kv)
			return PL_E_NOMEM;
		parley__common__v1__key_value__init(kv);
		kv->key = TEXT(g->shown[i]);
		kv->value = pl_arena_strdup(a, v->value);
		list[ans->msg.n_shown_variables++] = kv;
	}
	ans->msg.shown_variables = list;
	return PL_OK;
}
