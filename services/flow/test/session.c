#include "session.h"
#include "val_json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static _Alignas(16) char graph_block[4 << 20], step_block[256 << 10];
static struct flow_problems problems;
static char text[64 << 10];
static size_t used;

static void say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
}

static const struct flow_val *parse(const char *graph)
{
	static char json[512 << 10];
	size_t n = strlen(graph);
	ck_assert_uint_lt(n, sizeof(json));
	for (size_t i = 0; i <= n; i++)
		json[i] = graph[i] == '\'' ? '"' : graph[i];
	const struct flow_val *v = val_json(json, n);
	ck_assert_msg(v != NULL, "the test's own graph is no JSON: %s", graph);
	return v;
}

const char *problems_of(const char *graph, const struct flow_refs *refs)
{
	struct flow_mem mem = { graph_block, sizeof(graph_block), 0, false };
	const struct flow_graph *g = NULL;
	enum pl_err err = flow_compile(parse(graph), refs, &mem, &g, &problems);
	ck_assert_int_eq(err, problems.n ? PL_E_STATE : PL_OK);
	used = 0;
	text[0] = 0;
	for (uint32_t i = 0; i < PL_MIN(problems.n, (uint32_t)FLOW_PROBLEMS_MAX); i++)
		say("%s / %s / %s\n", problems.v[i].node, problems.v[i].field, problems.v[i].text);
	return text;
}

struct session *session_new(const char *graph)
{
	static struct session x;
	static struct flow_state s;
	struct flow_mem mem = { graph_block, sizeof(graph_block), 0, false };
	x = (struct session){ .s = &s };
	enum pl_err err = flow_compile(parse(graph), NULL, &mem, &x.g, &problems);
	ck_assert_msg(err == PL_OK, "%s / %s / %s", problems.v[0].node, problems.v[0].field, problems.v[0].text);
	flow_state_init(&s);
	return &x;
}

static void srcs(const struct flow_srcs *s)
{
	static const char *const kinds[] = { "say", "file", "folder", "silence" };
	for (uint32_t i = 0; i < s->n; i++) {
		if (i)
			say(" ");
		if (s->v[i].kind == FLOW_SRC_SILENCE)
			say("silence(%u)", s->v[i].silence_ms);
		else if (s->v[i].kind == FLOW_SRC_SAY)
			say("say(%s:%s)", s->v[i].language, s->v[i].text);
		else
			say("%s(%s)", kinds[s->v[i].kind], s->v[i].text);
	}
}

static void action(const struct flow_action *a)
{
	static const char *const names[] = { "answer", "play ", "collect(", "queue ", "dial ", "hangup" };
	say("%s", names[a->kind]);
	if (a->kind == FLOW_DO_QUEUE)
		say("%s%s", a->node->queue, a->sources.n ? " " : "");
	srcs(&a->sources);
	if (a->kind == FLOW_DO_COLLECT)
		say(") max %u%s%s", a->max_digits, *a->terminator ? " end " : "", a->terminator);
	if (a->kind == FLOW_DO_DIAL)
		say("%s%s", a->number, a->uri);
	if (a->kind == FLOW_DO_HANGUP && a->status)
		say(" %u", a->status);
}

static const char *render(const struct flow_out *o)
{
	for (uint32_t i = 0; i < o->n_actions; i++) {
		say("%s", i ? " | " : "");
		action(&o->actions[i]);
	}
	for (uint32_t i = 0; i < o->n_marks; i++)
		say(" ; %s=%s%s%s", o->marks[i].node->name, o->marks[i].output, *o->marks[i].label ? ":" : "",
		    o->marks[i].label);
	if (o->enqueue)
		say(" ; enqueue %s at %d", o->enqueue->queue, o->enqueue->priority);
	if (o->jump)
		say(" ; jump %s", o->jump);
	if (o->ended)
		say(" ; ended %s%s%s", flow_left_name(o->left), o->failure ? ": " : "", o->failure ? o->failure : "");
	return text;
}

const char *session_step(struct session *x, const char *event)
{
	static const struct {
		const char *word;
		enum flow_ev kind;
	} words[] = { { "start", FLOW_EV_STARTED },   { "done", FLOW_EV_DONE }, { "digits", FLOW_EV_DIGITS },
		      { "left", FLOW_EV_QUEUE_LEFT }, { "gone", FLOW_EV_GONE }, { "failed", FLOW_EV_FAILED },
		      { "jumped", FLOW_EV_JUMPED } };
	static struct flow_out out;
	struct flow_mem mem = { step_block, sizeof(step_block), 0, false };
	size_t w = 0, len = strcspn(event, " ");
	while (strlen(words[w].word) != len || strncmp(words[w].word, event, len) != 0)
		ck_assert_uint_lt(++w, PL_ARRAY_N(words));
	const char *rest = event[len] ? event + len + 1 : "";
	struct flow_event ev = { words[w].kind, rest, rest };
	struct flow_env env = { x->open };
	used = 0;
	text[0] = 0;
	if (flow_step(x->g, x->s, &ev, &env, &mem, &out) != PL_OK)
		return "refused";
	ck_assert(!mem.full);
	return render(&out);
}

const char *session_var(struct session *x, const char *name)
{
	const struct flow_var *v = flow_var_find(x->s, name, strlen(name));
	return v ? v->value : NULL;
}
