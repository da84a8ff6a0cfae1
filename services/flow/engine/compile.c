#include "compile_int.h"

#include <string.h>

void *flow_mem_get(struct flow_mem *m, size_t n)
{
	size_t at = (m->used + 7) & ~(size_t)7;
	if (at > m->size || n > m->size - at) {
		m->full = true;
		return NULL;
	}
	m->used = at + n;
	return memset(m->base + at, 0, n);
}

const char *flow_mem_str(struct flow_mem *m, const char *s, size_t n)
{
	char *p = flow_mem_get(m, n + 1);
	if (!p)
		return "";
	memcpy(p, s, n);
	return p; /* the block is zeroed, so it ends in 0 */
}

const char *flow_type_name(enum flow_type t)
{
	static const char *const names[FLOW_TYPE_N] = {
#define X(n, s) [FLOW_##n] = s,
		FLOW_TYPES(X)
#undef X
	};
	return (unsigned)t < FLOW_TYPE_N ? names[t] : "?";
}

const char *flow_output_name(enum flow_output o)
{
	static const char *const names[FLOW_OUT_N] = {
#define X(n, s) [FLOW_OUT_##n] = s,
		FLOW_OUTS(X)
#undef X
	};
	return (unsigned)o < FLOW_OUT_N ? names[o] : "?";
}

/* Cuts at the size of dst, never inside a UTF-8 sequence. */
static size_t append(char *dst, size_t used, size_t size, const char *s)
{
	size_t n = strlen(s);
	if (n > size - 1 - used) {
		n = size - 1 - used;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(dst + used, s, n);
	dst[used + n] = 0;
	return used + n;
}

void comp_problem(struct comp *c, const char *field, const char *sub, const char *text, const char *detail)
{
	if (c->problems->n++ >= FLOW_PROBLEMS_MAX)
		return;
	struct flow_problem *p = &c->problems->v[c->problems->n - 1];
	append(p->node, 0, sizeof(p->node), c->node);
	size_t used = append(p->field, 0, sizeof(p->field), field ? field : "");
	if (sub) {
		used = append(p->field, used, sizeof(p->field), ".");
		append(p->field, used, sizeof(p->field), sub);
	}
	used = append(p->text, 0, sizeof(p->text), text);
	if (detail) {
		used = append(p->text, used, sizeof(p->text), ": ");
		append(p->text, used, sizeof(p->text), detail);
	}
}

const char *comp_str(struct comp *c, const char *s)
{
	return flow_mem_str(c->mem, s, strlen(s));
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

uint16_t comp_find(const struct comp *c, const char *name)
{
	for (uint32_t i = hash(name) % FLOW_SLOTS; c->slot[i] != FLOW_NONE; i = (i + 1) % FLOW_SLOTS)
		if (strcmp(c->nodes[c->slot[i]].name, name) == 0)
			return c->slot[i];
	return FLOW_NONE;
}

bool comp_var_name_ok(const char *s)
{
	size_t n = 0;
	for (; *s; s++, n++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' ||
		      *s == '-' || *s == '.'))
			return false;
	return n > 0 && n < FLOW_VAR_NAME_MAX;
}

/* Names first, so that outputs may point forward. */
static void node_names(struct comp *c, const struct flow_val *nodes)
{
	memset(c->slot, 0xff, sizeof(c->slot));
	for (uint32_t i = 0; i < nodes->n; i++) {
		const char *name = nodes->items[i].key;
		size_t len = strlen(name);
		c->node = name;
		if (len == 0 || len > FLOW_NODE_NAME_MAX) {
			comp_problem(c, NULL, NULL, "a node's name has 1 to 64 bytes", NULL);
			name = "?";
		} else if (comp_find(c, name) != FLOW_NONE) {
			comp_problem(c, NULL, NULL, "two nodes have this name", NULL);
		}
		c->nodes[i].name = comp_str(c, name);
		c->n_nodes = i + 1;
		uint32_t at = hash(c->nodes[i].name) % FLOW_SLOTS;
		while (c->slot[at] != FLOW_NONE)
			at = (at + 1) % FLOW_SLOTS;
		c->slot[at] = (uint16_t)i;
	}
	c->node = "";
}

static void node_all(struct comp *c, const struct flow_val *nodes)
{
	for (uint32_t i = 0; i < nodes->n && !c->mem->full; i++) {
		c->node = c->nodes[i].name;
		for (int o = 0; o < FLOW_OUT_N; o++)
			c->nodes[i].out[o] = FLOW_NONE;
		c->nodes[i].type = FLOW_TYPE_N;
		comp_node(c, &c->nodes[i], &nodes->items[i]);
	}
	c->node = "";
}

static void shown(struct comp *c, const struct flow_val *v, struct flow_graph *g)
{
	if (v->kind != FLOW_VAL_LIST || v->n > FLOW_SHOWN_MAX) {
		comp_problem(c, "show", NULL, "must be a list of at most 32 variable names", NULL);
		return;
	}
	const char **names = flow_mem_get(c->mem, v->n * sizeof(*names));
	for (uint32_t i = 0; names && i < v->n; i++) {
		const struct flow_val *s = &v->items[i];
		if (s->kind != FLOW_VAL_STR || !comp_var_name_ok(s->str)) {
			comp_problem(c, "show", NULL, "is no variable name", s->kind == FLOW_VAL_STR ? s->str : NULL);
			return;
		}
		names[i] = comp_str(c, s->str);
	}
	g->shown = names;
	g->n_shown = names ? v->n : 0;
}

struct top {
	const struct flow_val *start, *nodes, *finally, *language, *show, *layout;
};

static void top_fields(struct comp *c, const struct flow_val *root, struct top *t)
{
	for (uint32_t i = 0; i < root->n; i++) {
		const struct flow_val *v = &root->items[i];
		const struct flow_val **at = strcmp(v->key, "start") == 0      ? &t->start
					     : strcmp(v->key, "nodes") == 0    ? &t->nodes
					     : strcmp(v->key, "finally") == 0  ? &t->finally
					     : strcmp(v->key, "language") == 0 ? &t->language
					     : strcmp(v->key, "show") == 0     ? &t->show
					     : strcmp(v->key, "layout") == 0   ? &t->layout
									       : NULL;
		if (!at)
			comp_problem(c, v->key, NULL, "unknown field", NULL);
		else if (*at)
			comp_problem(c, v->key, NULL, "stands here twice", NULL);
		else
			*at = v;
	}
	if (!t->nodes || t->nodes->kind != FLOW_VAL_MAP || t->nodes->n == 0) {
		comp_problem(c, "nodes", NULL, "must be an object with at least one node", NULL);
		t->nodes = NULL;
	} else if (t->nodes->n > FLOW_NODES_MAX) {
		comp_problem(c, "nodes", NULL, "has more than 500 nodes", NULL);
		t->nodes = NULL;
	}
	if (!t->start)
		comp_problem(c, "start", NULL, "is missing: the name of the first node", NULL);
}

enum pl_err flow_compile(const struct flow_val *root, const struct flow_refs *refs, struct flow_mem *mem,
			 const struct flow_graph **ret, struct flow_problems *problems)
{
	static const struct flow_refs no_refs = { 0 };
	struct comp c = { .mem = mem, .refs = refs ? refs : &no_refs, .problems = problems, .node = "" };
	struct top t = { 0 };
	problems->n = 0;
	struct flow_graph *g = flow_mem_get(mem, sizeof(*g));
	if (!g)
		return PL_E_NOMEM;
	if (root->kind != FLOW_VAL_MAP) {
		comp_problem(&c, NULL, NULL, "a flow is a JSON object", NULL);
		return PL_E_STATE;
	}
	top_fields(&c, root, &t);
	if (!t.nodes)
		return PL_E_STATE;
	c.nodes = flow_mem_get(mem, t.nodes->n * sizeof(*c.nodes));
	if (!c.nodes)
		return PL_E_NOMEM;
	node_names(&c, t.nodes);
	node_all(&c, t.nodes);
	g->start = t.start ? comp_out(&c, "start", NULL, t.start) : FLOW_NONE;
	g->finally = t.finally ? comp_out(&c, "finally", NULL, t.finally) : FLOW_NONE;
	g->language = t.language ? comp_text(&c, "language", NULL, t.language, 16) : "en";
	if (t.show)
		shown(&c, t.show, g);
	comp_check(&c, g->start, g->finally);
	const char **ids = flow_mem_get(mem, c.n_schedules * sizeof(*ids));
	if (mem->full || !ids)
		return PL_E_NOMEM;
	memcpy(ids, c.schedules, c.n_schedules * sizeof(*ids));
	g->schedules = ids;
	g->n_schedules = c.n_schedules;
	g->nodes = c.nodes;
	g->n_nodes = c.n_nodes;
	if (problems->n > 0)
		return PL_E_STATE;
	*ret = g;
	return PL_OK;
}

uint16_t flow_node_find(const struct flow_graph *g, const char *name)
{
	for (uint32_t i = 0; i < g->n_nodes; i++)
		if (strcmp(g->nodes[i].name, name) == 0)
			return (uint16_t)i;
	return FLOW_NONE;
}
