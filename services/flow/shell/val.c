/* From google.protobuf.Struct to what the compiler takes, and the compiler's calls. Any thread. */
#include "svc.h"

#include <stdlib.h>

enum { DEPTH_MAX = 16, VALUES_MAX = 50000, BLOCK_MAX = 16 << 20 };

struct conv {
	struct pl_arena *a;
	uint32_t values;
	struct pl_why *why;
};

static enum pl_err convert(struct conv *c, const Google__Protobuf__Value *v, int depth, struct flow_val *ret);

static enum pl_err map(struct conv *c, const Google__Protobuf__Struct *st, int depth, struct flow_val *ret)
{
	struct flow_val *items = pl_arena_alloc(c->a, st->n_fields * sizeof(*items));
	if (!items)
		return pl_why_set(c->why, PL_E_NOMEM, "no memory for the graph");
	*ret = (struct flow_val){ .kind = FLOW_VAL_MAP, .n = (uint32_t)st->n_fields, .items = items, .key = ret->key };
	for (size_t i = 0; i < st->n_fields; i++) {
		items[i].key = st->fields[i]->key;
		enum pl_err err = convert(c, st->fields[i]->value, depth + 1, &items[i]);
		if (err)
			return err;
	}
	return PL_OK;
}

static enum pl_err list(struct conv *c, const Google__Protobuf__ListValue *l, int depth, struct flow_val *ret)
{
	struct flow_val *items = pl_arena_alloc(c->a, l->n_values * sizeof(*items));
	if (!items)
		return pl_why_set(c->why, PL_E_NOMEM, "no memory for the graph");
	*ret = (struct flow_val){ .kind = FLOW_VAL_LIST, .n = (uint32_t)l->n_values, .items = items, .key = ret->key };
	for (size_t i = 0; i < l->n_values; i++) {
		enum pl_err err = convert(c, l->values[i], depth + 1, &items[i]);
		if (err)
			return err;
	}
	return PL_OK;
}

static enum pl_err convert(struct conv *c, const Google__Protobuf__Value *v, int depth, struct flow_val *ret)
{
	if (depth > DEPTH_MAX || ++c->values > VALUES_MAX)
		return pl_why_field(c->why, PL_E_FORMAT, "graph", "is nested deeper than %d or has more than %d values",
				    DEPTH_MAX, VALUES_MAX);
	switch (v ? v->kind_case : GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE) {
	case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
		ret->kind = FLOW_VAL_NUM;
		ret->num = v->number_value;
		return PL_OK;
	case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
		ret->kind = FLOW_VAL_STR;
		ret->str = v->string_value;
		return PL_OK;
	case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
		ret->kind = FLOW_VAL_BOOL;
		ret->b = v->bool_value;
		return PL_OK;
	case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
		return map(c, v->struct_value, depth, ret);
	case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
		return list(c, v->list_value, depth, ret);
	default:
		ret->kind = FLOW_VAL_NULL;
		return PL_OK;
	}
}

enum pl_err flow_val_of(const Google__Protobuf__Struct *st, struct pl_arena *a, struct flow_val *ret,
			struct pl_why *why)
{
	struct conv c = { a, 0, why };
	static const Google__Protobuf__Struct none = GOOGLE__PROTOBUF__STRUCT__INIT;
	memset(ret, 0, sizeof(*ret));
	return map(&c, st ? st : &none, 0, ret);
}

/* Compiles into a block that grows until it fits. *ret_mem.base is the caller's to free, also after an error. */
static enum pl_err compile(const Google__Protobuf__Struct *graph, const struct flow_refs *refs, struct pl_arena *a,
			   struct flow_mem *ret_mem, const struct flow_graph **ret, struct flow_problems *problems,
			   struct pl_why *why)
{
	struct flow_val v;
	if (graph && protobuf_c_message_get_packed_size(&graph->base) > 2 * FLOW_GRAPH_BYTES_MAX)
		return pl_why_field(why, PL_E_FORMAT, "graph", "is larger than 256 KiB");
	enum pl_err err = flow_val_of(graph, a, &v, why);
	if (err)
		return err;
	for (size_t size = 64 << 10; size <= BLOCK_MAX; size *= 4) {
		free(ret_mem->base);
		*ret_mem = (struct flow_mem){ .base = malloc(size), .size = size };
		if (!ret_mem->base)
			break;
		err = flow_compile(&v, refs, ret_mem, ret, problems);
		if (err != PL_E_NOMEM)
			return err;
	}
	return pl_why_set(why, PL_E_NOMEM, "no memory for the graph");
}

enum pl_err flow_check(const Google__Protobuf__Struct *graph, const struct flow_refs *refs, struct pl_arena *a,
		       size_t *ret_n, Parley__Flow__V1__FlowProblem ***ret, struct pl_why *why)
{
	struct flow_problems *problems = PL_NEW(a, struct flow_problems);
	struct flow_mem mem = { 0 };
	const struct flow_graph *g;
	if (!problems)
		return PL_E_NOMEM;
	enum pl_err err = compile(graph, refs, a, &mem, &g, problems, why);
	free(mem.base);
	if (err && err != PL_E_STATE)
		return err;
	*ret_n = PL_MIN(problems->n, (uint32_t)FLOW_PROBLEMS_MAX);
	*ret = pl_arena_alloc(a, (*ret_n + 1) * sizeof(**ret));
	for (size_t i = 0; *ret && i < *ret_n; i++) {
		Parley__Flow__V1__FlowProblem *p = PL_NEW(a, Parley__Flow__V1__FlowProblem);
		if (!p)
			return PL_E_NOMEM;
		parley__flow__v1__flow_problem__init(p);
		p->node = problems->v[i].node;
		p->field = problems->v[i].field;
		p->text = problems->v[i].text;
		(*ret)[i] = p;
	}
	return *ret ? PL_OK : PL_E_NOMEM;
}

enum pl_err flow_build(const Google__Protobuf__Struct *graph, struct pl_arena *a, const struct flow_graph **ret,
		       void **ret_block, struct pl_why *why)
{
	struct flow_problems *problems = PL_NEW(a, struct flow_problems);
	struct flow_mem mem = { 0 };
	enum pl_err err = problems ? compile(graph, NULL, a, &mem, ret, problems, why) : PL_E_NOMEM;
	if (err) {
		free(mem.base);
		return err == PL_E_STATE ? pl_why_set(why, err, "%s: %s: %s", problems->v[0].node, problems->v[0].field,
						      problems->v[0].text)
					 : err;
	}
	*ret_block = mem.base;
	return PL_OK;
}
