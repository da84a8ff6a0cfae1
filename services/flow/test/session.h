/* Test helper: a flow session whose events and actions are written as text, so that a test reads like a transcript. */
#ifndef FLOW_TEST_SESSION_H
#define FLOW_TEST_SESSION_H
#include "run.h"

struct session {
	const struct flow_graph *g;
	struct flow_state *s;
	bool open[FLOW_SCHEDULES_MAX];
};
/* Compiles JSON where ' stands for "; fails the test when it has problems. Static: one at a time. */
struct session *session_new(const char *graph);
/* Event: "start", "done", "digits 12", "digits", "left timeout", "gone", "failed". The answer: actions and marks, e.g.
 * "answer | say(en:Hello) | collect(say(en:Press 1)) max 1 ; menu=1:Fault". "refused" when the event does not fit. */
const char *session_step(struct session *x, const char *event);
const char *session_var(struct session *x, const char *name);
/* Problems as lines "node / field / text\n". "" when there is none. refs may be NULL. */
const char *problems_of(const char *graph, const struct flow_refs *refs);
#endif
