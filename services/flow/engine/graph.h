/** A compiled flow graph: what docs/flow.md describes, checked, with names resolved to indexes. Immutable.
 *  Ownership  everything lies in the block the caller gave; freeing the block frees the graph. Nothing points outside.
 *  Bounds     FLOW_NODES_MAX nodes, FLOW_PROBLEMS_MAX problems are kept (more are counted); the rest below.
 *  Errors     problems are data for the author of the flow, not errors of the program.
 *  Threads    none of its own; a graph may be read from any thread. */
#ifndef FLOW_GRAPH_H
#define FLOW_GRAPH_H
#include "val.h"
#include <parley/base.h>

enum {
	FLOW_NODES_MAX = 500,
	FLOW_NODE_NAME_MAX = 64, /* bytes */
	FLOW_SOURCES_MAX = 16,   /* in one prompt */
	FLOW_TEXT_MAX = 1024,    /* bytes of a text to speak, before and after its variables are filled in */
	FLOW_CHOICES_MAX = 64,   /* of a menu */
	FLOW_SETS_MAX = 32,      /* variables one set node writes */
	FLOW_CONDS_MAX = 32,     /* comparisons of one if node */
	FLOW_COND_DEPTH_MAX = 4,
	FLOW_SCHEDULES_MAX = 32, /* different schedules in one graph */
	FLOW_SHOWN_MAX = 32,
	FLOW_VAR_NAME_MAX = 64,
	FLOW_VAR_VALUE_MAX = 1024,
	FLOW_PROBLEMS_MAX = 50,
};
#define FLOW_GRAPH_BYTES_MAX (256 * 1024) /* of the JSON text; kept by the shell */
#define FLOW_NONE UINT16_MAX              /* an output that leads nowhere */

/** Memory that is handed out from the front, never freed. `full` sticks, so that a caller may check once at the end. */
struct flow_mem {
	char *base; /* aligned to 16 */
	size_t size, used;
	bool full;
};
void *flow_mem_get(struct flow_mem *m, size_t n);                      /* zeroed, aligned to 8; NULL when full */
const char *flow_mem_str(struct flow_mem *m, const char *s, size_t n); /* "" when full */

/* clang-format off */
#define FLOW_TYPES(X) \
	X(ANSWER, "answer") X(PLAY, "play") X(SAY, "say") X(MENU, "menu") X(COLLECT, "collect") X(HOURS, "hours") \
	X(SET, "set") X(IF, "if") X(QUEUE, "queue") X(DIAL, "dial") X(HANGUP, "hangup") X(GOTO, "goto") X(JUMP, "jump")
/* clang-format on */
enum flow_type {
#define X(n, s) FLOW_##n,
	FLOW_TYPES(X)
#undef X
		FLOW_TYPE_N
};

/* clang-format off */
#define FLOW_OUTS(X) \
	X(NEXT, "next") X(TIMEOUT, "timeout") X(INVALID, "invalid") X(OPEN, "open") X(CLOSED, "closed") X(TRUE, "true") \
	X(FALSE, "false") X(EXIT, "exit") X(EMPTY, "empty") X(FULL, "full") X(ANSWERED, "answered") X(FAILED, "failed") \
	X(OTHERWISE, "otherwise") X(TO, "to")
/* clang-format on */
enum flow_output {
#define X(n, s) FLOW_OUT_##n,
	FLOW_OUTS(X)
#undef X
		FLOW_OUT_N
};

enum flow_src_kind { FLOW_SRC_SAY, FLOW_SRC_FILE, FLOW_SRC_FOLDER, FLOW_SRC_SILENCE };
struct flow_src {
	enum flow_src_kind kind;
	const char *text;     /* to say, with {{variables}}; or the file or folder below the sounds folder */
	const char *language; /* BCP 47, of SAY */
	uint32_t silence_ms;
};
struct flow_srcs {
	const struct flow_src *v;
	uint32_t n;
};

struct flow_choice {
	const char *digits, *label;
	uint16_t to;
};
struct flow_choices {
	const struct flow_choice *v;
	uint32_t n, digits_max;
};
struct flow_set {
	const char *name, *value;
};
struct flow_sets {
	const struct flow_set *v;
	uint32_t n;
};

enum flow_op {
	FLOW_OP_EQ,
	FLOW_OP_NE,
	FLOW_OP_LT,
	FLOW_OP_GT,
	FLOW_OP_CONTAINS,
	FLOW_OP_EMPTY,
	FLOW_OP_PREFIX,
	FLOW_OP_ALL,
	FLOW_OP_ANY,
	FLOW_OP_NOT
};
struct flow_cond {
	enum flow_op op;
	const char *variable, *value; /* comparisons; the value with {{variables}} */
	const struct flow_cond *sub;  /* ALL, ANY, NOT */
	uint32_t n;
};

/** One node; a field that its type does not have is zero. */
struct flow_node {
	const char *name;
	enum flow_type type;
	uint16_t out[FLOW_OUT_N];
	uint16_t schedule; /* HOURS: index in flow_graph.schedules */
	bool secret, record, announce_position, announce_wait, has_record;
	struct flow_srcs prompt, invalid_prompt, timeout_prompt, music, greeting, announcement;
	struct flow_choices choices;
	struct flow_sets sets;
	struct flow_cond when;
	const char *variable; /* MENU, COLLECT: where the digits go, or NULL */
	const char *language; /* SAY: of its texts, or NULL */
	const char *terminator, *exit_key;
	const char *queue;        /* queue id */
	const char *flow;         /* JUMP: flow id */
	const char *number, *uri; /* DIAL, with {{variables}} */
	int32_t tries, min_digits, max_digits, first_timeout_ms, inter_digit_timeout_ms;
	int32_t priority, announce_every_ms, ring_timeout_ms, status;
};

struct flow_graph {
	const struct flow_node *nodes;
	uint32_t n_nodes;
	uint16_t start, finally; /* finally FLOW_NONE: none */
	const char *language;
	const char *const *schedules; /* ids */
	uint32_t n_schedules;
	const char *const *shown; /* variables that agents see, in order */
	uint32_t n_shown;
};

/** What must exist outside the graph. A NULL function: not checked. */
struct flow_refs {
	bool (*queue)(const void *arg, const char *id);
	bool (*schedule)(const void *arg, const char *id);
	bool (*flow)(const void *arg, const char *id);
	const void *arg;
};

struct flow_problem {
	char node[FLOW_NODE_NAME_MAX + 1]; /* empty: the graph itself */
	char field[64];                    /* "choices.1.to" */
	char text[160];
};
struct flow_problems {
	struct flow_problem v[FLOW_PROBLEMS_MAX];
	uint32_t n; /* found; those above FLOW_PROBLEMS_MAX are only counted */
};

/** Compiles into *mem. The graph may be run only when problems->n is 0.
 *  Errors     PL_E_STATE  it has problems; *ret is untouched.
 *             PL_E_NOMEM  the block is too small; *ret is untouched. */
PL_MUST enum pl_err flow_compile(const struct flow_val *root, const struct flow_refs *refs, struct flow_mem *mem,
				 const struct flow_graph **ret, struct flow_problems *problems);
uint16_t flow_node_find(const struct flow_graph *g, const char *name); /* FLOW_NONE: none of that name */
const char *flow_type_name(enum flow_type t);
const char *flow_output_name(enum flow_output o);
#endif
