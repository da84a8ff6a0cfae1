/* What only shows when the whole graph is seen: nodes nobody reaches, secrets that would get out, a finally block that
 * needs the customer. */
#include "compile_int.h"

#include <string.h>

struct walk {
	uint16_t todo[FLOW_NODES_MAX];
	uint32_t n;
	bool seen[FLOW_NODES_MAX];
};

static void visit(struct walk *w, uint16_t to)
{
	if (to == FLOW_NONE || w->seen[to])
		return;
	w->seen[to] = true;
	w->todo[w->n++] = to;
}

static void walk_all(const struct comp *c, struct walk *w)
{
	while (w->n > 0) {
		const struct flow_node *n = &c->nodes[w->todo[--w->n]];
		for (int o = 0; o < FLOW_OUT_N; o++)
			visit(w, n->out[o]);
		for (uint32_t i = 0; i < n->choices.n; i++)
			visit(w, n->choices.v[i].to);
	}
}

static bool is_secret(const struct comp *c, const char *name, size_t len)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct flow_node *n = &c->nodes[i];
		if (n->secret && n->variable && strlen(n->variable) == len && memcmp(n->variable, name, len) == 0)
			return true;
	}
	return false;
}

static void secret_in(struct comp *c, const char *field, const char *text)
{
	for (const char *s = text; s && (s = strstr(s, "{{"));) {
		const char *end = strstr(s += 2, "}}");
		if (!end)
			return;
		if (is_secret(c, s, (size_t)(end - s)))
			comp_problem(c, field, NULL,
				     "a secret variable can only be compared, not spoken, copied or dialled", NULL);
		s = end;
	}
}

static void secret_in_srcs(struct comp *c, const char *field, const struct flow_srcs *srcs)
{
	for (uint32_t i = 0; i < srcs->n; i++)
		if (srcs->v[i].kind == FLOW_SRC_SAY)
			secret_in(c, field, srcs->v[i].text);
}

static void secrets(struct comp *c, const struct flow_node *n)
{
	secret_in_srcs(c, n->type == FLOW_SAY ? "text" : n->type == FLOW_PLAY ? "sources" : "prompt", &n->prompt);
	secret_in_srcs(c, "invalid_prompt", &n->invalid_prompt);
	secret_in_srcs(c, "timeout_prompt", &n->timeout_prompt);
	secret_in_srcs(c, "greeting", &n->greeting);
	secret_in_srcs(c, "music", &n->music);
	secret_in_srcs(c, "announcement", &n->announcement);
	secret_in(c, "number", n->number);
	secret_in(c, "uri", n->uri);
	for (uint32_t i = 0; i < n->sets.n; i++)
		secret_in(c, "variables", n->sets.v[i].value);
	if (n->variable && !n->secret && is_secret(c, n->variable, strlen(n->variable)))
		comp_problem(c, "variable", NULL, "another node keeps a secret in this variable", NULL);
}

static bool fits_finally(enum flow_type t)
{
	return t == FLOW_SET || t == FLOW_IF || t == FLOW_HOURS || t == FLOW_GOTO || t == FLOW_HANGUP ||
	       t == FLOW_TYPE_N;
}

void comp_check(struct comp *c, uint16_t start, uint16_t finally)
{
	struct walk main_walk = { .n = 0 }, finally_walk = { .n = 0 };
	visit(&main_walk, start);
	walk_all(c, &main_walk);
	visit(&finally_walk, finally);
	walk_all(c, &finally_walk);
	bool any_secret = false;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		any_secret |= c->nodes[i].secret;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		c->node = c->nodes[i].name;
		if (start != FLOW_NONE && !main_walk.seen[i] && !finally_walk.seen[i])
			comp_problem(c, NULL, NULL, "no other node leads here", NULL);
		if (finally_walk.seen[i] && !fits_finally(c->nodes[i].type))
			comp_problem(c, "type", NULL,
				     "needs a customer on the line, and finally runs when nobody is there", NULL);
		if (any_secret)
			secrets(c, &c->nodes[i]);
	}
	c->node = "";
}
