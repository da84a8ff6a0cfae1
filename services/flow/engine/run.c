#include "run.h"

#include <string.h>

struct run {
	const struct flow_graph *g;
	struct flow_state *s;
	const struct flow_env *env;
	struct flow_mem *mem;
	struct flow_out *out;
};

/* Where to go after a node: the index of the next one, or one of these. */
enum { GO_WAIT = 0x10000, GO_END = 0x10001 };

static bool fits(enum flow_wait w, enum flow_ev ev)
{
	static const bool table[FLOW_WAIT_N][FLOW_EV_N] = {
		[FLOW_W_START] = { [FLOW_EV_STARTED] = true },
		[FLOW_W_PLAY] = { [FLOW_EV_DONE] = true, [FLOW_EV_FAILED] = true, [FLOW_EV_GONE] = true },
		[FLOW_W_DIGITS] = { [FLOW_EV_DIGITS] = true, [FLOW_EV_FAILED] = true, [FLOW_EV_GONE] = true },
		[FLOW_W_QUEUE] = { [FLOW_EV_QUEUE_LEFT] = true, [FLOW_EV_FAILED] = true, [FLOW_EV_GONE] = true },
		[FLOW_W_DIAL] = { [FLOW_EV_DONE] = true, [FLOW_EV_FAILED] = true, [FLOW_EV_GONE] = true },
		[FLOW_W_JUMP] = { [FLOW_EV_JUMPED] = true, [FLOW_EV_FAILED] = true, [FLOW_EV_GONE] = true },
	};
	return (unsigned)w < FLOW_WAIT_N && (unsigned)ev < FLOW_EV_N && table[w][ev];
}

const char *flow_left_name(enum flow_left l)
{
	static const char *const names[FLOW_LEFT_N] = { "", "hangup", "customer-gone", "queue", "failed" };
	return (unsigned)l < FLOW_LEFT_N ? names[l] : "";
}

void flow_state_init(struct flow_state *s)
{
	s->wait = FLOW_W_START;
	s->node = FLOW_NONE;
	s->tries = s->visits = s->dropped = s->n_vars = 0;
	s->in_finally = false;
}

static void mark(struct run *r, const struct flow_node *n, const char *output, const char *label)
{
	if (r->out->n_marks < FLOW_STEP_NODES_MAX)
		r->out->marks[r->out->n_marks++] = (struct flow_mark){ n, output, label };
}

/* The run ends; the first reason stays. */
static uint32_t end(struct run *r, enum flow_left left, const char *failure)
{
	if (r->out->left == FLOW_LEFT_NONE) {
		r->out->left = left;
		r->out->failure = failure;
	}
	return GO_END;
}

/* Room for one action is always left, for the hangup that a failure needs. */
static struct flow_action *act(struct run *r, enum flow_action_kind kind, const struct flow_node *n)
{
	struct flow_action *a = &r->out->actions[r->out->n_actions++];
	*a = (struct flow_action){ .kind = kind, .node = n, .number = "", .uri = "", .terminator = "" };
	return a;
}

static uint32_t hang_up(struct run *r, const struct flow_node *n, enum flow_left left, const char *failure)
{
	if (!r->s->in_finally && r->out->left == FLOW_LEFT_NONE)
		act(r, FLOW_DO_HANGUP, n)->status = left == FLOW_LEFT_HANGUP && n ? (uint32_t)n->status : 0;
	return end(r, left, failure);
}

/* Copies sources to *at, with texts filled in and a language where none is given: the node's, else the flow's. */
static uint32_t fill(struct run *r, const struct flow_srcs *from, struct flow_src *at)
{
	const char *node_language = r->g->nodes[r->s->node].language;
	for (uint32_t i = 0; i < from->n; i++) {
		at[i] = from->v[i];
		if (at[i].kind == FLOW_SRC_SAY) {
			at[i].text = flow_expand(r->s, at[i].text, r->mem);
			at[i].language = at[i].language  ? at[i].language
					 : node_language ? node_language
							 : r->g->language;
		}
	}
	return from->n;
}

static struct flow_srcs sources(struct run *r, const struct flow_srcs *first, const struct flow_srcs *then)
{
	uint32_t n = (first ? first->n : 0) + then->n;
	struct flow_src *v = flow_mem_get(r->mem, n * sizeof(*v));
	if (!v || n == 0)
		return (struct flow_srcs){ NULL, 0 };
	uint32_t at = first ? fill(r, first, v) : 0;
	fill(r, then, v + at);
	return (struct flow_srcs){ v, n };
}

static uint32_t next(struct run *r, const struct flow_node *n, enum flow_output o)
{
	mark(r, n, flow_output_name(o), "");
	return n->out[o];
}

static uint32_t collect(struct run *r, const struct flow_node *n, const struct flow_srcs *first)
{
	struct flow_action *a = act(r, FLOW_DO_COLLECT, n);
	a->sources = sources(r, first, &n->prompt);
	a->max_digits = n->type == FLOW_MENU ? n->choices.digits_max : (uint32_t)n->max_digits;
	a->terminator = n->terminator ? n->terminator : "";
	r->s->wait = FLOW_W_DIGITS;
	return GO_WAIT;
}

static uint32_t play(struct run *r, const struct flow_node *n)
{
	act(r, FLOW_DO_PLAY, n)->sources = sources(r, NULL, &n->prompt);
	if (r->out->n_actions < FLOW_ACTIONS_MAX - 2)
		return n->out[FLOW_OUT_NEXT];
	r->s->wait = FLOW_W_PLAY; /* the list is full: go on when this one is done */
	return GO_WAIT;
}

static uint32_t enqueue(struct run *r, const struct flow_node *n)
{
	struct flow_action *a = act(r, FLOW_DO_QUEUE, n);
	a->sources = sources(r, NULL, &n->greeting);
	a->announcement = sources(r, NULL, &n->announcement);
	r->out->enqueue = n;
	r->s->wait = FLOW_W_QUEUE;
	return GO_WAIT;
}

static uint32_t dial(struct run *r, const struct flow_node *n)
{
	struct flow_action *a = act(r, FLOW_DO_DIAL, n);
	a->number = n->number ? flow_expand(r->s, n->number, r->mem) : "";
	a->uri = n->uri ? flow_expand(r->s, n->uri, r->mem) : "";
	r->s->wait = FLOW_W_DIAL;
	return GO_WAIT;
}

static uint32_t enter(struct run *r, const struct flow_node *n)
{
	r->s->tries = 0;
	switch (n->type) {
	case FLOW_ANSWER:
		act(r, FLOW_DO_ANSWER, n);
		if (r->out->n_actions < FLOW_ACTIONS_MAX - 2)
			return n->out[FLOW_OUT_NEXT];
		r->s->wait = FLOW_W_PLAY;
		return GO_WAIT;
	case FLOW_PLAY:
	case FLOW_SAY:
		return play(r, n);
	case FLOW_MENU:
	case FLOW_COLLECT:
		return collect(r, n, NULL);
	case FLOW_HOURS:
		return next(r, n, r->env->open[n->schedule] ? FLOW_OUT_OPEN : FLOW_OUT_CLOSED);
	case FLOW_SET:
		for (uint32_t i = 0; i < n->sets.n; i++)
			flow_var_set(r->s, n->sets.v[i].name, flow_expand(r->s, n->sets.v[i].value, r->mem), false);
		return n->out[FLOW_OUT_NEXT];
	case FLOW_IF:
		return next(r, n, flow_cond_true(r->s, &n->when) ? FLOW_OUT_TRUE : FLOW_OUT_FALSE);
	case FLOW_QUEUE:
		return enqueue(r, n);
	case FLOW_DIAL:
		return dial(r, n);
	case FLOW_HANGUP:
		return hang_up(r, n, FLOW_LEFT_HANGUP, NULL);
	case FLOW_GOTO:
		return n->out[FLOW_OUT_TO];
	case FLOW_JUMP:
		r->out->jump = n->flow;
		r->s->wait = FLOW_W_JUMP;
		return GO_WAIT;
	case FLOW_TYPE_N:
		break;
	}
	return hang_up(r, n, FLOW_LEFT_FAILED, "the node has no type");
}

static void walk(struct run *r, uint32_t to)
{
	for (uint32_t steps = 0; to < GO_WAIT; steps++) {
		if (to >= r->g->n_nodes) {
			to = hang_up(r, NULL, FLOW_LEFT_HANGUP, NULL); /* an optional output that leads nowhere */
			break;
		}
		if (steps == FLOW_STEP_NODES_MAX || r->s->visits >= FLOW_SESSION_NODES_MAX) {
			to = hang_up(r, NULL, FLOW_LEFT_FAILED, "the flow runs in a loop");
			break;
		}
		r->s->visits++;
		r->s->node = (uint16_t)to;
		to = enter(r, &r->g->nodes[to]);
	}
	if (to == GO_WAIT)
		return;
	if (!r->s->in_finally && r->g->finally != FLOW_NONE && r->out->left != FLOW_LEFT_NONE) {
		r->s->in_finally = true;
		r->s->visits = 0;       /* a loop before it must not cost the block that tidies up */
		walk(r, r->g->finally); /* once: in_finally is set */
	}
	r->s->wait = FLOW_W_ENDED;
	r->out->ended = true;
}

/* Another round at a menu or collect node, or its way out when the tries are used up. */
static uint32_t again(struct run *r, const struct flow_node *n, enum flow_output why)
{
	if (++r->s->tries >= (uint32_t)n->tries)
		return next(r, n, why);
	return collect(r, n, why == FLOW_OUT_TIMEOUT ? &n->timeout_prompt : &n->invalid_prompt);
}

static uint32_t chosen(struct run *r, const struct flow_node *n, const struct flow_choice *ch)
{
	if (n->variable) { /* "2 Fault" */
		char value[FLOW_TEXT_MAX];
		size_t d = strlen(ch->digits), l = strlen(ch->label);
		memcpy(value, ch->digits, d);
		value[d] = l ? ' ' : 0;
		memcpy(value + d + 1, ch->label, l + 1);
		flow_var_set(r->s, n->variable, value, false);
	}
	mark(r, n, ch->digits, ch->label);
	return ch->to;
}

static uint32_t on_digits(struct run *r, const struct flow_node *n, const char *digits)
{
	size_t len = strlen(digits);
	if (len == 0)
		return again(r, n, FLOW_OUT_TIMEOUT);
	if (n->type == FLOW_MENU) {
		for (uint32_t i = 0; i < n->choices.n; i++)
			if (strcmp(n->choices.v[i].digits, digits) == 0)
				return chosen(r, n, &n->choices.v[i]);
		return again(r, n, FLOW_OUT_INVALID);
	}
	if (len < (size_t)n->min_digits || len > (size_t)n->max_digits)
		return again(r, n, FLOW_OUT_INVALID);
	flow_var_set(r->s, n->variable, digits, n->secret);
	return next(r, n, FLOW_OUT_NEXT);
}

static uint32_t on_queue_left(struct run *r, const struct flow_node *n, const char *reason)
{
	static const struct {
		const char *reason;
		enum flow_output out;
	} ways[] = {
		{ "answered-and-ended", FLOW_OUT_ANSWERED },
		{ "timeout", FLOW_OUT_TIMEOUT },
		{ "exit-key", FLOW_OUT_EXIT },
		{ "empty", FLOW_OUT_EMPTY },
		{ "full", FLOW_OUT_FULL },
		{ "closed", FLOW_OUT_CLOSED },
	};
	enum flow_output o = FLOW_OUT_OTHERWISE;
	for (size_t i = 0; i < PL_ARRAY_N(ways); i++)
		if (strcmp(ways[i].reason, reason) == 0)
			o = ways[i].out;
	mark(r, n, flow_output_name(o), "");
	if (o == FLOW_OUT_ANSWERED && n->out[o] == FLOW_NONE)
		return hang_up(r, n, FLOW_LEFT_QUEUE, NULL);
	return n->out[o] != FLOW_NONE || o == FLOW_OUT_ANSWERED ? n->out[o] : n->out[FLOW_OUT_OTHERWISE];
}

/* A prompt that cannot be played is no reason to lose the caller; a line or a queue that is not there is one. */
static uint32_t on_failed(struct run *r, const struct flow_node *n)
{
	switch (r->s->wait) {
	case FLOW_W_PLAY:
		return n->out[FLOW_OUT_NEXT];
	case FLOW_W_DIGITS:
		return again(r, n, FLOW_OUT_TIMEOUT);
	case FLOW_W_QUEUE:
		return next(r, n, FLOW_OUT_OTHERWISE);
	case FLOW_W_DIAL:
		return next(r, n, FLOW_OUT_FAILED);
	case FLOW_W_START:
	case FLOW_W_JUMP:
	case FLOW_W_ENDED:
	case FLOW_WAIT_N:
		break;
	}
	return hang_up(r, n, FLOW_LEFT_FAILED, "the flow to jump to is not there");
}

static uint32_t react(struct run *r, const struct flow_event *ev)
{
	const struct flow_node *n = r->s->node < r->g->n_nodes ? &r->g->nodes[r->s->node] : NULL;
	if (ev->kind == FLOW_EV_STARTED || ev->kind == FLOW_EV_JUMPED)
		return r->g->start;
	if (ev->kind == FLOW_EV_GONE)
		return end(r, FLOW_LEFT_CUSTOMER_GONE, NULL);
	if (!n || ((n->type == FLOW_MENU || n->type == FLOW_COLLECT) != (r->s->wait == FLOW_W_DIGITS)))
		return hang_up(r, n, FLOW_LEFT_FAILED, "the session's node is not in this version of the flow");
	switch (ev->kind) {
	case FLOW_EV_DONE:
		return r->s->wait == FLOW_W_DIAL ? next(r, n, FLOW_OUT_NEXT) : n->out[FLOW_OUT_NEXT];
	case FLOW_EV_DIGITS:
		return on_digits(r, n, ev->digits ? ev->digits : "");
	case FLOW_EV_QUEUE_LEFT:
		return on_queue_left(r, n, ev->reason ? ev->reason : "");
	case FLOW_EV_FAILED:
		return on_failed(r, n);
	case FLOW_EV_STARTED:
	case FLOW_EV_GONE:
	case FLOW_EV_JUMPED:
	case FLOW_EV_N:
		break;
	}
	return hang_up(r, n, FLOW_LEFT_FAILED, "an event of no kind");
}

enum pl_err flow_step(const struct flow_graph *g, struct flow_state *s, const struct flow_event *ev,
		      const struct flow_env *env, struct flow_mem *mem, struct flow_out *out)
{
	if (!fits(s->wait, ev->kind))
		return PL_E_STATE;
	out->n_actions = out->n_marks = 0;
	out->enqueue = NULL;
	out->jump = out->failure = NULL;
	out->ended = false;
	out->left = FLOW_LEFT_NONE;
	struct run r = { g, s, env, mem, out };
	walk(&r, react(&r, ev));
	return PL_OK;
}
