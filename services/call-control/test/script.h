/* Transcripts: events in and effects out as text, one per line, so that a call flow reads like a specification.
 *  "> event key=value ..."	what happens; "> +500 event" first lets 500 ms pass
 *  "< effect"			what the call wants done
 *  "= phase due +ms"		where it stands then (only when that changed)
 *  "! E_STATE"			the event was refused
 *  "# text"			a note
 * Legs are named by role and slot (customer, agent1, peer2), recordings rec1, rec2 in order. */
#ifndef CALL_CONTROL_SCRIPT_H
#define CALL_CONTROL_SCRIPT_H
#include "../engine/call.h"

#include <stdio.h>

/** Runs the events of `in` and gives the whole transcript; free() it. Exits with 99 on a line that is no event. */
char *script_run(const char *in, const char *name);

/* What is written of one step; names are kept over the transcript. */
struct script_names {
	char ids[64][CALL_ID];
	char names[64][32];
	size_t n;
	size_t recs;
};
void script_learn(struct script_names *m, const struct call *c, const struct call_fx *fx);
const char *script_name(const struct script_names *m, const char *id);
void script_effects(FILE *out, const struct script_names *m, const struct call *c, const struct call_fx *fx);
#endif
