/** Runs a compiled graph for one interaction: state + event -> next state, actions, facts. Pure: no I/O, clock, log or
 * heap. Units      none kept; schedules are decided by the caller (flow_env.open) for the moment of the event.
 *  Ownership  the caller owns every struct. Strings in flow_out point into the graph, the event or *mem and live as
 * long as those. Bounds     FLOW_VARS_MAX variables; FLOW_ACTIONS_MAX actions, FLOW_STEP_NODES_MAX nodes in one step; a
 * session that enters more than FLOW_SESSION_NODES_MAX nodes is ended as failed (a loop in which nobody does anything).
 *  Errors     PL_E_STATE: the event does not fit what the session waits for; *s and *out are untouched. */
#ifndef FLOW_RUN_H
#define FLOW_RUN_H
#include "graph.h"

enum {
	FLOW_VARS_MAX = 64,
	FLOW_ACTIONS_MAX = 24,
	FLOW_STEP_NODES_MAX = 200,
	FLOW_SESSION_NODES_MAX = 2000,
	FLOW_DIGITS_MAX = 32,
};

struct flow_var {
	char name[FLOW_VAR_NAME_MAX]; /* with its 0 */
	char value[FLOW_VAR_VALUE_MAX + 1];
	bool secret; /* never shown, logged or put into an event */
};

/* What the session waits for. */
enum flow_wait {
	FLOW_W_START,
	FLOW_W_PLAY,
	FLOW_W_DIGITS,
	FLOW_W_QUEUE,
	FLOW_W_DIAL,
	FLOW_W_JUMP,
	FLOW_W_ENDED,
	FLOW_WAIT_N
};
enum flow_ev {
	FLOW_EV_STARTED,
	FLOW_EV_DONE,
	FLOW_EV_DIGITS,
	FLOW_EV_QUEUE_LEFT,
	FLOW_EV_GONE,
	FLOW_EV_FAILED,
	FLOW_EV_JUMPED,
	FLOW_EV_N
};
enum flow_left {
	FLOW_LEFT_NONE,
	FLOW_LEFT_HANGUP,
	FLOW_LEFT_CUSTOMER_GONE,
	FLOW_LEFT_QUEUE,
	FLOW_LEFT_FAILED,
	FLOW_LEFT_N
};

struct flow_state {
	enum flow_wait wait;
	uint16_t node;   /* the one that waits, or that goes on after a play */
	uint32_t tries;  /* used at this node */
	uint32_t visits; /* nodes entered in the whole session */
	bool in_finally;
	uint32_t dropped; /* variables that found no room */
	uint32_t n_vars;
	struct flow_var vars[FLOW_VARS_MAX];
};

struct flow_event {
	enum flow_ev kind;
	const char *digits; /* DIGITS; "" when none */
	const char *reason; /* QUEUE_LEFT: "answered-and-ended", "timeout", "exit-key", "empty", "full", "closed" */
};

struct flow_env {
	const bool *open; /* one per flow_graph.schedules, for this moment */
};

enum flow_action_kind { FLOW_DO_ANSWER, FLOW_DO_PLAY, FLOW_DO_COLLECT, FLOW_DO_QUEUE, FLOW_DO_DIAL, FLOW_DO_HANGUP };
struct flow_action {
	enum flow_action_kind kind;
	const struct flow_node *node;  /* numbers, keys, music, queue: read them there */
	struct flow_srcs sources;      /* PLAY, COLLECT; QUEUE: greeting. Texts are filled in */
	struct flow_srcs announcement; /* QUEUE */
	const char *number, *uri;      /* DIAL, filled in */
	uint32_t max_digits;           /* COLLECT */
	const char *terminator;        /* COLLECT; "" none */
	uint32_t status;               /* HANGUP */
};

/* A decision worth keeping: the node was left through this output. Never holds what the caller typed into a secret
 * node. */
struct flow_mark {
	const struct flow_node *node;
	const char *output;
	const char *label; /* of a menu's choice, or "" */
};

struct flow_out {
	struct flow_action actions[FLOW_ACTIONS_MAX];
	uint32_t n_actions;
	struct flow_mark marks[FLOW_STEP_NODES_MAX];
	uint32_t n_marks;
	const struct flow_node *enqueue; /* put the interaction into this node's queue */
	const char *jump;                /* go on with FLOW_EV_JUMPED in the published version of this flow */
	bool ended;
	enum flow_left left;
	const char *failure; /* FLOW_LEFT_FAILED: why, in words; else NULL */
};

void flow_state_init(struct flow_state *s);
/** Sets a variable; false (and counted) when there is no room or the name is no name. The value is cut at a UTF-8
 * border. */
bool flow_var_set(struct flow_state *s, const char *name, const char *value, bool secret);
const struct flow_var *flow_var_find(const struct flow_state *s, const char *name, size_t name_len); /* NULL: not set */

PL_MUST enum pl_err flow_step(const struct flow_graph *g, struct flow_state *s, const struct flow_event *ev,
			      const struct flow_env *env, struct flow_mem *mem, struct flow_out *out);

/** text with each {{name}} replaced by its value (nothing when it is not set or secret), at most FLOW_TEXT_MAX bytes.
 */
const char *flow_expand(const struct flow_state *s, const char *text, struct flow_mem *mem);
bool flow_cond_true(const struct flow_state *s, const struct flow_cond *c);
const char *flow_left_name(enum flow_left l);
#endif
