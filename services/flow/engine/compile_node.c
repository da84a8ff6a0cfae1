/* Fields of each node type, as one table per type: it feeds the compiler, and an unknown field is one that is not in
 * it. */
#include "compile_int.h"

#include <string.h>

enum kind {
	K_OUT,  /* a node's name; offset counts in out[] */
	K_TEXT, /* text with {{variables}} */
	K_SRCS,
	K_CHOICES,
	K_SETS,
	K_COND,
	K_INT,
	K_BOOL,
	K_VAR, /* a variable's name */
	K_KEY, /* one of 0-9*# */
	K_LANGUAGE,
	K_QUEUE,
	K_SCHEDULE,
	K_FLOW,
	K_NOTE, /* for people: any text; not kept */
	K_POS,  /* where an editor draws it: anything; not kept */
};
struct field {
	const char *name;
	enum kind kind;
	bool needed;
	size_t at;
	int32_t min, max, def;
};

#define AT(f) offsetof(struct flow_node, f)
#define OUT(o) AT(out) + FLOW_OUT_##o * sizeof(uint16_t)
#define MUST true
#define MAY false
/* clang-format off */
#define PROMPTS \
	{ "prompt", K_SRCS, MUST, AT(prompt), 0, 0, 0 }, \
	{ "invalid_prompt", K_SRCS, MAY, AT(invalid_prompt), 0, 0, 0 }, \
	{ "timeout_prompt", K_SRCS, MAY, AT(timeout_prompt), 0, 0, 0 }, \
	{ "tries", K_INT, MAY, AT(tries), 1, 10, 3 }, \
	{ "first_timeout_ms", K_INT, MAY, AT(first_timeout_ms), 500, 60000, 5000 }, \
	{ "inter_digit_timeout_ms", K_INT, MAY, AT(inter_digit_timeout_ms), 500, 30000, 3000 }, \
	{ "timeout", K_OUT, MUST, OUT(TIMEOUT), 0, 0, 0 }, \
	{ "invalid", K_OUT, MAY, OUT(INVALID), 0, 0, 0 }
/* clang-format on */

static const struct field common_fields[] = { { "note", K_NOTE, MAY, 0, 0, 0, 0 },
					      { "pos", K_POS, MAY, 0, 0, 0, 0 },
					      { 0 } };
static const struct field answer_fields[] = { { "next", K_OUT, MUST, OUT(NEXT), 0, 0, 0 }, { 0 } };
static const struct field play_fields[] = { { "sources", K_SRCS, MUST, AT(prompt), 0, 0, 0 },
					    { "next", K_OUT, MUST, OUT(NEXT), 0, 0, 0 },
					    { 0 } };
static const struct field say_fields[] = { { "text", K_SRCS, MUST, AT(prompt), 0, 0, 0 },
					   { "language", K_LANGUAGE, MAY, AT(language), 0, 0, 0 },
					   { "next", K_OUT, MUST, OUT(NEXT), 0, 0, 0 },
					   { 0 } };
static const struct field menu_fields[] = { PROMPTS,
					    { "choices", K_CHOICES, MUST, AT(choices), 0, 0, 0 },
					    { "variable", K_VAR, MAY, AT(variable), 0, 0, 0 },
					    { 0 } };
static const struct field collect_fields[] = { PROMPTS,
					       { "variable", K_VAR, MUST, AT(variable), 0, 0, 0 },
					       { "min_digits", K_INT, MAY, AT(min_digits), 1, 32, 1 },
					       { "max_digits", K_INT, MAY, AT(max_digits), 1, 32, 16 },
					       { "terminator", K_KEY, MAY, AT(terminator), 0, 0, 0 },
					       { "secret", K_BOOL, MAY, AT(secret), 0, 0, 0 },
					       { "next", K_OUT, MUST, OUT(NEXT), 0, 0, 0 },
					       { 0 } };
static const struct field hours_fields[] = { { "schedule", K_SCHEDULE, MUST, AT(schedule), 0, 0, 0 },
					     { "open", K_OUT, MUST, OUT(OPEN), 0, 0, 0 },
					     { "closed", K_OUT, MUST, OUT(CLOSED), 0, 0, 0 },
					     { 0 } };
static const struct field set_fields[] = { { "variables", K_SETS, MUST, AT(sets), 0, 0, 0 },
					   { "next", K_OUT, MUST, OUT(NEXT), 0, 0, 0 },
					   { 0 } };
static const struct field if_fields[] = { { "when", K_COND, MUST, AT(when), 0, 0, 0 },
					  { "true", K_OUT, MUST, OUT(TRUE), 0, 0, 0 },
					  { "false", K_OUT, MUST, OUT(FALSE), 0, 0, 0 },
					  { 0 } };
static const struct field queue_fields[] = { { "queue", K_QUEUE, MUST, AT(queue), 0, 0, 0 },
					     { "priority", K_INT, MAY, AT(priority), -1000, 1000, 0 },
					     { "greeting", K_SRCS, MAY, AT(greeting), 0, 0, 0 },
					     { "music", K_SRCS, MAY, AT(music), 0, 0, 0 },
					     { "announcement", K_SRCS, MAY, AT(announcement), 0, 0, 0 },
					     { "announce_every_ms", K_INT, MAY, AT(announce_every_ms), 5000, 3600000,
					       0 },
					     { "announce_position", K_BOOL, MAY, AT(announce_position), 0, 0, 0 },
					     { "announce_wait", K_BOOL, MAY, AT(announce_wait), 0, 0, 0 },
					     { "record", K_BOOL, MAY, AT(record), 0, 0, 0 },
					     { "exit_key", K_KEY, MAY, AT(exit_key), 0, 0, 0 },
					     { "exit", K_OUT, MAY, OUT(EXIT), 0, 0, 0 },
					     { "timeout", K_OUT, MAY, OUT(TIMEOUT), 0, 0, 0 },
					     { "empty", K_OUT, MAY, OUT(EMPTY), 0, 0, 0 },
					     { "full", K_OUT, MAY, OUT(FULL), 0, 0, 0 },
					     { "closed", K_OUT, MAY, OUT(CLOSED), 0, 0, 0 },
					     { "answered", K_OUT, MAY, OUT(ANSWERED), 0, 0, 0 },
					     { "otherwise", K_OUT, MAY, OUT(OTHERWISE), 0, 0, 0 },
					     { 0 } };
static const struct field dial_fields[] = { { "number", K_TEXT, MAY, AT(number), 0, 0, 0 },
					    { "uri", K_TEXT, MAY, AT(uri), 0, 0, 0 },
					    { "ring_timeout_ms", K_INT, MAY, AT(ring_timeout_ms), 1000, 600000, 30000 },
					    { "next", K_OUT, MAY, OUT(NEXT), 0, 0, 0 },
					    { "failed", K_OUT, MAY, OUT(FAILED), 0, 0, 0 },
					    { 0 } };
static const struct field hangup_fields[] = { { "status", K_INT, MAY, AT(status), 400, 699, 0 }, { 0 } };
static const struct field goto_fields[] = { { "to", K_OUT, MUST, OUT(TO), 0, 0, 0 }, { 0 } };
static const struct field jump_fields[] = { { "flow", K_FLOW, MUST, AT(flow), 0, 0, 0 }, { 0 } };

static const struct field *const fields_of[FLOW_TYPE_N] = {
	[FLOW_ANSWER] = answer_fields, [FLOW_PLAY] = play_fields,       [FLOW_SAY] = say_fields,
	[FLOW_MENU] = menu_fields,     [FLOW_COLLECT] = collect_fields, [FLOW_HOURS] = hours_fields,
	[FLOW_SET] = set_fields,       [FLOW_IF] = if_fields,           [FLOW_QUEUE] = queue_fields,
	[FLOW_DIAL] = dial_fields,     [FLOW_HANGUP] = hangup_fields,   [FLOW_GOTO] = goto_fields,
	[FLOW_JUMP] = jump_fields,
};

static void int_field(struct comp *c, const struct field *f, const struct flow_val *v, int32_t *ret)
{
	char text[64] = "must be a whole number from ", *p = text + strlen(text);
	if (v->kind == FLOW_VAL_NUM && v->num >= f->min && v->num <= f->max && v->num == (double)(int32_t)v->num) {
		*ret = (int32_t)v->num;
		return;
	}
	for (int i = 0; i < 2; i++) { /* no printf in an engine */
		char digits[12];
		int n = 0;
		int64_t x = i == 0 ? f->min : f->max;
		if (x < 0) {
			*p++ = '-';
			x = -x;
		}
		do
			digits[n++] = (char)('0' + x % 10);
		while ((x /= 10) > 0);
		while (n > 0)
			*p++ = digits[--n];
		if (i == 0) {
			memcpy(p, " to ", 4);
			p += 4;
		}
	}
	*p = 0;
	comp_problem(c, f->name, NULL, text, NULL);
}

static const char *var_field(struct comp *c, const struct field *f, const struct flow_val *v)
{
	if (v->kind == FLOW_VAL_STR && comp_var_name_ok(v->str))
		return comp_str(c, v->str);
	comp_problem(c, f->name, NULL, "must be a variable's name: letters, digits, _ - . up to 63", NULL);
	return "";
}

static const char *key_field(struct comp *c, const struct field *f, const struct flow_val *v)
{
	if (v->kind == FLOW_VAL_STR && strlen(v->str) == 1 && strchr("0123456789*#", v->str[0]))
		return comp_str(c, v->str);
	comp_problem(c, f->name, NULL, "must be one key: 0 to 9, * or #", NULL);
	return "";
}

static const char *ref_field(struct comp *c, const struct field *f, const struct flow_val *v,
			     bool (*known)(const void *arg, const char *id), const char *what)
{
	const char *id = comp_text(c, f->name, NULL, v, 64);
	if (*id && known && !known(c->refs->arg, id))
		comp_problem(c, f->name, NULL, what, id);
	return id;
}

static uint16_t schedule_field(struct comp *c, const struct field *f, const struct flow_val *v)
{
	const char *id = ref_field(c, f, v, c->refs->schedule, "there is no such schedule");
	for (uint32_t i = 0; i < c->n_schedules; i++)
		if (strcmp(c->schedules[i], id) == 0)
			return (uint16_t)i;
	if (c->n_schedules == FLOW_SCHEDULES_MAX) {
		comp_problem(c, f->name, NULL, "a flow uses at most 32 schedules", NULL);
		return 0;
	}
	c->schedules[c->n_schedules] = id;
	return (uint16_t)c->n_schedules++;
}

static void field_value(struct comp *c, const struct field *f, const struct flow_val *v, char *at)
{
	uint32_t budget = FLOW_CONDS_MAX;
	switch (f->kind) {
	case K_OUT:
		*(uint16_t *)(void *)at = comp_out(c, f->name, NULL, v);
		break;
	case K_TEXT:
		*(const char **)(void *)at = comp_text(c, f->name, NULL, v, FLOW_TEXT_MAX);
		break;
	case K_LANGUAGE:
		*(const char **)(void *)at = comp_text(c, f->name, NULL, v, 16);
		break;
	case K_SRCS:
		comp_srcs(c, f->name, v, (struct flow_srcs *)(void *)at);
		break;
	case K_CHOICES:
		comp_choices(c, f->name, v, (struct flow_choices *)(void *)at);
		break;
	case K_SETS:
		comp_sets(c, f->name, v, (struct flow_sets *)(void *)at);
		break;
	case K_COND:
		comp_cond(c, f->name, v, 0, &budget, (struct flow_cond *)(void *)at);
		break;
	case K_INT:
		int_field(c, f, v, (int32_t *)(void *)at);
		break;
	case K_BOOL:
		if (v->kind == FLOW_VAL_BOOL)
			*(bool *)at = v->b;
		else
			comp_problem(c, f->name, NULL, "must be true or false", NULL);
		break;
	case K_VAR:
		*(const char **)(void *)at = var_field(c, f, v);
		break;
	case K_KEY:
		*(const char **)(void *)at = key_field(c, f, v);
		break;
	case K_QUEUE:
		*(const char **)(void *)at = ref_field(c, f, v, c->refs->queue, "there is no such queue");
		break;
	case K_SCHEDULE:
		*(uint16_t *)(void *)at = schedule_field(c, f, v);
		break;
	case K_FLOW:
		*(const char **)(void *)at = ref_field(c, f, v, c->refs->flow, "there is no such flow");
		break;
	case K_NOTE:
	case K_POS:
		break;
	}
}

static const struct field *field_find(const struct field *table, const char *name, uint32_t *ret_index)
{
	for (const struct field *f = table; f->name; f++)
		if (strcmp(f->name, name) == 0) {
			*ret_index = (uint32_t)(f - table);
			return f;
		}
	return NULL;
}

static enum flow_type type_of(struct comp *c, const struct flow_val *v)
{
	for (uint32_t i = 0; i < v->n; i++) {
		if (strcmp(v->items[i].key, "type") != 0)
			continue;
		if (v->items[i].kind == FLOW_VAL_STR)
			for (int t = 0; t < FLOW_TYPE_N; t++)
				if (strcmp(flow_type_name((enum flow_type)t), v->items[i].str) == 0)
					return (enum flow_type)t;
		comp_problem(c, "type", NULL, "unknown node type",
			     v->items[i].kind == FLOW_VAL_STR ? v->items[i].str : NULL);
		return FLOW_TYPE_N;
	}
	comp_problem(c, "type", NULL, "is missing", NULL);
	return FLOW_TYPE_N;
}

/* Rules between fields of one node. */
static void node_rules(struct comp *c, struct flow_node *n)
{
	if (n->type == FLOW_DIAL && !n->number == !n->uri)
		comp_problem(c, "number", NULL, "one of number and uri must be given", NULL);
	if (n->type == FLOW_QUEUE && n->exit_key && n->out[FLOW_OUT_EXIT] == FLOW_NONE)
		comp_problem(c, "exit", NULL, "is missing: exit_key leads there", NULL);
	if (n->type == FLOW_QUEUE && !n->exit_key && n->out[FLOW_OUT_EXIT] != FLOW_NONE)
		comp_problem(c, "exit_key", NULL, "is missing: without it nothing leads to exit", NULL);
	if (n->type == FLOW_COLLECT && n->min_digits > n->max_digits)
		comp_problem(c, "min_digits", NULL, "is more than max_digits", NULL);
	if (n->type == FLOW_MENU && n->choices.n == 0)
		comp_problem(c, "choices", NULL, "must have at least one", NULL);
	if (n->type == FLOW_COLLECT && !n->terminator)
		n->terminator = "#";
	if (n->out[FLOW_OUT_INVALID] == FLOW_NONE)
		n->out[FLOW_OUT_INVALID] = n->out[FLOW_OUT_TIMEOUT];
}

static void defaults(const struct field *table, struct flow_node *n)
{
	for (const struct field *f = table; f->name; f++)
		if (f->kind == K_INT)
			*(int32_t *)(void *)((char *)n + f->at) = f->def;
}

void comp_node(struct comp *c, struct flow_node *n, const struct flow_val *v)
{
	if (v->kind != FLOW_VAL_MAP) {
		comp_problem(c, NULL, NULL, "a node is an object", NULL);
		return;
	}
	n->type = type_of(c, v);
	if (n->type == FLOW_TYPE_N)
		return;
	const struct field *table = fields_of[n->type];
	uint64_t seen = 0;
	defaults(table, n);
	for (uint32_t i = 0; i < v->n; i++) {
		const char *key = v->items[i].key;
		uint32_t at, other;
		const struct field *f = field_find(table, key, &at);
		if (strcmp(key, "type") == 0)
			continue;
		if (!f && !field_find(common_fields, key, &other)) {
			comp_problem(c, key, NULL, "unknown field", NULL);
		} else if (f && (seen & (UINT64_C(1) << at))) {
			comp_problem(c, key, NULL, "stands here twice", NULL);
		} else if (f) {
			seen |= UINT64_C(1) << at;
			field_value(c, f, &v->items[i], (char *)n + f->at);
			n->has_record |= f->kind == K_BOOL && f->at == AT(record);
		}
	}
	for (uint32_t i = 0; table[i].name; i++)
		if (table[i].needed && !(seen & (UINT64_C(1) << i)))
			comp_problem(c, table[i].name, NULL, "is missing", NULL);
	node_rules(c, n);
}
