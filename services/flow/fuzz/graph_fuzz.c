/* The compiler takes any JSON; what it accepts can be run by any events without reading past anything, and every step
 * ends. The first line of the input chooses the events, the rest is the graph. */
#include "run.h"
#include "val_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static _Alignas(16) char graph_block[8 << 20], step_block[256 << 10];
static struct flow_problems problems;
static struct flow_state state;
static struct flow_out out;

static void check(const struct flow_graph *g)
{
	if (out.n_actions > FLOW_ACTIONS_MAX || out.n_marks > FLOW_STEP_NODES_MAX || state.n_vars > FLOW_VARS_MAX)
		abort();
	if (out.ended != (state.wait == FLOW_W_ENDED) || (out.ended && out.left == FLOW_LEFT_NONE))
		abort();
	if (!out.ended && state.node >= g->n_nodes)
		abort();
	for (uint32_t i = 0; i < out.n_actions; i++)
		for (uint32_t k = 0; k < out.actions[i].sources.n; k++)
			if (out.actions[i].sources.v[k].text &&
			    strlen(out.actions[i].sources.v[k].text) > FLOW_TEXT_MAX)
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const digits[] = { "", "1", "2", "*", "123456", "99999999999999999999999999999999" };
	static const char *const reasons[] = { "timeout", "exit-key",           "empty", "full",
					       "closed",  "answered-and-ended", "" };
	const uint8_t *nl = memchr(data, '\n', n);
	const struct flow_graph *g;
	struct flow_mem mem = { graph_block, sizeof(graph_block), 0, false };
	const struct flow_val *v = nl ? val_json((const char *)nl + 1, n - (size_t)(nl + 1 - data)) : NULL;
	if (!v || flow_compile(v, NULL, &mem, &g, &problems) != PL_OK)
		return 0;
	bool open[FLOW_SCHEDULES_MAX] = { true };
	flow_state_init(&state);
	struct flow_event ev = { FLOW_EV_STARTED, "", "" };
	struct flow_env env = { open };
	for (const uint8_t *p = data;; p++) {
		struct flow_mem step = { step_block, sizeof(step_block), 0, false };
		if (flow_step(g, &state, &ev, &env, &step, &out) == PL_OK)
			check(g);
		if (p == nl)
			return 0;
		ev = (struct flow_event){ (enum flow_ev)(*p % FLOW_EV_N), digits[*p / 8 % PL_ARRAY_N(digits)],
					  reasons[*p / 8 % PL_ARRAY_N(reasons)] };
	}
}
