/* Values of fields: texts, outputs, sources, choices, conditions. */
#include "compile_int.h"

#include <string.h>

static const struct flow_val *map_get(const struct flow_val *map, const char *key)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (strcmp(map->items[i].key, key) == 0)
			return &map->items[i];
	return NULL;
}

/* Every key is one of the names (ends with NULL) and stands there once. */
static void only_keys(struct comp *c, const char *field, const struct flow_val *map, const char *const *names)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const char *const *n = names;
		while (*n && strcmp(*n, map->items[i].key) != 0)
			n++;
		if (!*n)
			comp_problem(c, field, map->items[i].key, "unknown field", NULL);
		else if (map_get(map, map->items[i].key) != &map->items[i])
			comp_problem(c, field, map->items[i].key, "stands here twice", NULL);
	}
}

/* {{name}}: the braces close and what is between is a variable's name. */
static bool template_ok(const char *s)
{
	while ((s = strstr(s, "{{"))) {
		char name[FLOW_VAR_NAME_MAX + 1];
		const char *end = strstr(s += 2, "}}");
		if (!end || (size_t)(end - s) > FLOW_VAR_NAME_MAX)
			return false;
		memcpy(name, s, (size_t)(end - s));
		name[end - s] = 0;
		if (!comp_var_name_ok(name))
			return false;
		s = end + 2;
	}
	return true;
}

static const char *text_any(struct comp *c, const char *field, const char *sub, const struct flow_val *v, size_t max,
			    bool may_empty)
{
	if (v->kind != FLOW_VAL_STR || strlen(v->str) > max || (!may_empty && !*v->str)) {
		comp_problem(c, field, sub,
			     max <= 16   ? "must be a text of 1 to 16 bytes"
			     : max <= 64 ? "must be a text of 1 to 64 bytes"
					 : "must be a text of 1 to 1024 bytes",
			     NULL);
		return "";
	}
	if (!template_ok(v->str))
		comp_problem(c, field, sub, "a variable is written {{name}}", NULL);
	return comp_str(c, v->str);
}

const char *comp_text(struct comp *c, const char *field, const char *sub, const struct flow_val *v, size_t max)
{
	return text_any(c, field, sub, v, max, false);
}

uint16_t comp_out(struct comp *c, const char *field, const char *sub, const struct flow_val *v)
{
	if (v->kind != FLOW_VAL_STR) {
		comp_problem(c, field, sub, "must be the name of a node", NULL);
		return FLOW_NONE;
	}
	uint16_t to = comp_find(c, v->str);
	if (to == FLOW_NONE)
		comp_problem(c, field, sub, "leads to a node that does not exist", v->str);
	return to;
}

/* A path below the sounds folder: no way out of it. */
static bool path_ok(const char *s)
{
	if (*s == '/' || *s == '.')
		return false;
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == '\\')
			return false;
		if (*p == '/' && (p[1] == '.' || p[1] == '/' || !p[1]))
			return false;
	}
	return *s != 0;
}

static void src_path(struct comp *c, const char *field, const char *sub, const struct flow_val *v, struct flow_src *ret)
{
	ret->text = comp_text(c, field, sub, v, 200);
	if (*ret->text && !path_ok(ret->text))
		comp_problem(c, field, sub, "must be a path below the sounds folder", NULL);
}

static void src_one(struct comp *c, const char *field, const struct flow_val *v, struct flow_src *ret)
{
	static const char *const keys[] = { "say", "language", "file", "folder", "silence_ms", NULL };
	if (v->kind == FLOW_VAL_STR) {
		*ret = (struct flow_src){ FLOW_SRC_SAY, comp_text(c, field, NULL, v, FLOW_TEXT_MAX), NULL, 0 };
		return;
	}
	if (v->kind != FLOW_VAL_MAP) {
		comp_problem(c, field, NULL, "must be a text or an object with say, file, folder or silence_ms", NULL);
		return;
	}
	only_keys(c, field, v, keys);
	const struct flow_val *say = map_get(v, "say"), *file = map_get(v, "file"), *folder = map_get(v, "folder");
	const struct flow_val *ms = map_get(v, "silence_ms"), *lang = map_get(v, "language");
	if (!!say + !!file + !!folder + !!ms != 1) {
		comp_problem(c, field, NULL, "must have one of say, file, folder, silence_ms", NULL);
		return;
	}
	ret->kind = say ? FLOW_SRC_SAY : file ? FLOW_SRC_FILE : folder ? FLOW_SRC_FOLDER : FLOW_SRC_SILENCE;
	if (say)
		ret->text = comp_text(c, field, "say", say, FLOW_TEXT_MAX);
	else if (!ms)
		src_path(c, field, file ? "file" : "folder", file ? file : folder, ret);
	else if (ms->kind != FLOW_VAL_NUM || ms->num < 1 || ms->num > 600000)
		comp_problem(c, field, "silence_ms", "must be a number from 1 to 600000", NULL);
	else
		ret->silence_ms = (uint32_t)ms->num;
	if (lang)
		ret->language = comp_text(c, field, "language", lang, 16);
	if (lang && !say)
		comp_problem(c, field, "language", "is only for say", NULL);
}

void comp_srcs(struct comp *c, const char *field, const struct flow_val *v, struct flow_srcs *ret)
{
	const struct flow_val *items = v->kind == FLOW_VAL_LIST ? v->items : v;
	uint32_t n = v->kind == FLOW_VAL_LIST ? v->n : 1;
	if (n < 1 || n > FLOW_SOURCES_MAX) {
		comp_problem(c, field, NULL, "must have 1 to 16 entries", NULL);
		return;
	}
	struct flow_src *srcs = flow_mem_get(c->mem, n * sizeof(*srcs));
	if (!srcs)
		return;
	for (uint32_t i = 0; i < n; i++)
		src_one(c, field, &items[i], &srcs[i]);
	*ret = (struct flow_srcs){ srcs, n };
}

static bool digits_ok(const char *s)
{
	size_t n = strlen(s);
	return n >= 1 && n <= 8 && strspn(s, "0123456789*#") == n;
}

/* "1": "node", or "1": {"to": "node", "label": "Fault"}. */
static void choice_one(struct comp *c, const char *field, const struct flow_val *v, struct flow_choice *ret)
{
	static const char *const keys[] = { "to", "label", NULL };
	const struct flow_val *to = v, *label = NULL;
	ret->to = FLOW_NONE;
	ret->label = "";
	ret->digits = comp_str(c, v->key);
	if (!digits_ok(v->key))
		comp_problem(c, field, v->key, "must be 1 to 8 keys of 0 to 9, * and #", NULL);
	if (v->kind == FLOW_VAL_MAP) {
		only_keys(c, field, v, keys);
		to = map_get(v, "to");
		label = map_get(v, "label");
	}
	if (to)
		ret->to = comp_out(c, field, v->key, to);
	else
		comp_problem(c, field, v->key, "must say where it leads: to", NULL);
	if (label)
		ret->label = comp_text(c, field, v->key, label, 64);
}

void comp_choices(struct comp *c, const char *field, const struct flow_val *v, struct flow_choices *ret)
{
	if (v->kind != FLOW_VAL_MAP || v->n > FLOW_CHOICES_MAX) {
		comp_problem(c, field, NULL, "must be an object with at most 64 choices", NULL);
		return;
	}
	struct flow_choice *choices = flow_mem_get(c->mem, v->n * sizeof(*choices));
	if (!choices)
		return;
	*ret = (struct flow_choices){ choices, v->n, 0 };
	for (uint32_t i = 0; i < v->n; i++) {
		choice_one(c, field, &v->items[i], &choices[i]);
		if (map_get(v, v->items[i].key) != &v->items[i])
			comp_problem(c, field, v->items[i].key, "stands here twice", NULL);
		uint32_t len = (uint32_t)strlen(choices[i].digits);
		ret->digits_max = len > ret->digits_max ? len : ret->digits_max;
	}
}

void comp_sets(struct comp *c, const char *field, const struct flow_val *v, struct flow_sets *ret)
{
	if (v->kind != FLOW_VAL_MAP || v->n < 1 || v->n > FLOW_SETS_MAX) {
		comp_problem(c, field, NULL, "must be an object with 1 to 32 variables", NULL);
		return;
	}
	struct flow_set *sets = flow_mem_get(c->mem, v->n * sizeof(*sets));
	if (!sets)
		return;
	for (uint32_t i = 0; i < v->n; i++) {
		const struct flow_val *s = &v->items[i];
		if (!comp_var_name_ok(s->key))
			comp_problem(c, field, s->key, "is no variable name", NULL);
		if (map_get(v, s->key) != s)
			comp_problem(c, field, s->key, "stands here twice", NULL);
		sets[i] = (struct flow_set){ comp_str(c, s->key),
					     text_any(c, field, s->key, s, FLOW_VAR_VALUE_MAX, true) };
	}
	*ret = (struct flow_sets){ sets, v->n };
}

static void cond_compare(struct comp *c, const char *field, const struct flow_val *v, struct flow_cond *ret)
{
	static const char *const keys[] = { "variable", "is", "value", NULL };
	static const char *const ops[] = {
		"eq", "ne", "lt", "gt", "contains", "empty", "prefix"
	}; /* as enum flow_op */
	const struct flow_val *var = map_get(v, "variable"), *is = map_get(v, "is"), *value = map_get(v, "value");
	only_keys(c, field, v, keys);
	ret->variable = ret->value = "";
	ret->op = FLOW_OP_EMPTY;
	if (!var || var->kind != FLOW_VAL_STR || !comp_var_name_ok(var->str))
		comp_problem(c, field, "variable", "must be a variable's name", NULL);
	else
		ret->variable = comp_str(c, var->str);
	size_t op = 0;
	while (op < PL_ARRAY_N(ops) && !(is && is->kind == FLOW_VAL_STR && strcmp(is->str, ops[op]) == 0))
		op++;
	if (op == PL_ARRAY_N(ops)) {
		comp_problem(c, field, "is", "must be eq, ne, lt, gt, contains, empty or prefix", NULL);
		return;
	}
	ret->op = (enum flow_op)op;
	if (!value != (ret->op == FLOW_OP_EMPTY))
		comp_problem(c, field, "value", value ? "empty has no value" : "is missing", NULL);
	else if (value)
		ret->value = text_any(c, field, "value", value, FLOW_VAR_VALUE_MAX, true);
}

static void cond_group(struct comp *c, const char *field, const struct flow_val *v, int depth, uint32_t *budget,
		       struct flow_cond *ret)
{
	const struct flow_val *g = &v->items[0];
	const struct flow_val *items = g->kind == FLOW_VAL_LIST ? g->items : g;
	uint32_t n = g->kind == FLOW_VAL_LIST ? g->n : 1;
	ret->op = strcmp(g->key, "all") == 0 ? FLOW_OP_ALL : strcmp(g->key, "any") == 0 ? FLOW_OP_ANY : FLOW_OP_NOT;
	bool list = g->kind == FLOW_VAL_LIST && n > 0;
	if (ret->op == FLOW_OP_NOT ? g->kind != FLOW_VAL_MAP : !list) {
		comp_problem(c, field, g->key,
			     ret->op == FLOW_OP_NOT ? "must be one condition" : "must be a list of conditions", NULL);
		return;
	}
	if (n > *budget) {
		comp_problem(c, field, NULL, "has more than 32 comparisons", NULL);
		return;
	}
	struct flow_cond *sub = flow_mem_get(c->mem, n * sizeof(*sub));
	if (!sub)
		return;
	*budget -= n;
	for (uint32_t i = 0; i < n; i++)
		comp_cond(c, field, &items[i], depth + 1, budget, &sub[i]);
	ret->sub = sub;
	ret->n = n;
}

void comp_cond(struct comp *c, const char *field, const struct flow_val *v, int depth, uint32_t *budget,
	       struct flow_cond *ret)
{
	if (v->kind != FLOW_VAL_MAP || v->n == 0) {
		comp_problem(c, field, NULL, "a condition is {variable, is, value} or {all: []}, {any: []}, {not: {}}",
			     NULL);
		return;
	}
	const char *key = v->items[0].key;
	if (v->n != 1 || (strcmp(key, "all") != 0 && strcmp(key, "any") != 0 && strcmp(key, "not") != 0))
		cond_compare(c, field, v, ret);
	else if (depth >= FLOW_COND_DEPTH_MAX)
		comp_problem(c, field, NULL, "conditions nest at most 4 deep", NULL);
	else
		cond_group(c, field, v, depth, budget, ret);
}
