/* What the files of the compiler share. */
#ifndef FLOW_COMPILE_INT_H
#define FLOW_COMPILE_INT_H
#include "graph.h"

enum { FLOW_SLOTS = 1024 }; /* power of two, at least twice FLOW_NODES_MAX */

struct comp {
	struct flow_mem *mem;
	const struct flow_refs *refs;
	struct flow_problems *problems;
	const char *node; /* name of the node being compiled, "" outside */
	const char *path; /* of the field being compiled, before the names below */
	struct flow_node *nodes;
	uint32_t n_nodes;
	uint16_t slot[FLOW_SLOTS]; /* node index by hash of the name; FLOW_NONE: free */
	const char *schedules[FLOW_SCHEDULES_MAX];
	uint32_t n_schedules;
};

/* field may be NULL: the node as a whole. text is cut to what a problem holds. */
void comp_problem(struct comp *c, const char *field, const char *sub, const char *text, const char *detail);
uint16_t comp_find(const struct comp *c, const char *name);
const char *comp_str(struct comp *c, const char *s);
bool comp_var_name_ok(const char *s);
/* Compiles all fields of a node whose type is known. */
void comp_node(struct comp *c, struct flow_node *n, const struct flow_val *v);
uint16_t comp_out(struct comp *c, const char *field, const char *sub, const struct flow_val *v);
void comp_srcs(struct comp *c, const char *field, const struct flow_val *v, struct flow_srcs *ret);
void comp_choices(struct comp *c, const char *field, const struct flow_val *v, struct flow_choices *ret);
void comp_sets(struct comp *c, const char *field, const struct flow_val *v, struct flow_sets *ret);
void comp_cond(struct comp *c, const char *field, const struct flow_val *v, int depth, uint32_t *budget,
	       struct flow_cond *ret);
const char *comp_text(struct comp *c, const char *field, const char *sub, const struct flow_val *v, size_t max);
/* After all nodes: what only shows when the graph is seen whole. */
void comp_check(struct comp *c, uint16_t start, uint16_t finally);
#endif
