/* Events out of bytes (a generator's or libFuzzer's), and what must be true after each of them. Shared by the property
 * test and the fuzz target. */
#ifndef CALL_CONTROL_CHAOS_H
#define CALL_CONTROL_CHAOS_H
#include "../engine/call.h"

#define CHAOS_LEGS 512

struct chaos_leg {
	char id[CALL_ID];
	bool dialled, ended;
};
struct chaos {
	uint8_t (*next)(void *arg); /* the source of bytes */
	void *arg;
	struct call c;
	struct call_fx fx;
	struct call_env env;
	struct chaos_leg legs[CHAOS_LEGS];
	size_t n_legs;
	char recording[CALL_ID];  /* expected and not stopped yet */
	uint64_t rpc;             /* the last given out */
	unsigned asked, answered; /* commands taken, replies given */
	bool adopted;             /* some replies were lost with the old owner */
	bool has_customer;        /* a customer's leg is or was there */
	unsigned offers, steps, refused;
	unsigned before, event; /* of the last step: phase and event, for the report */
	const char *broken;     /* the claim that did not hold */
	char buf[8][48];
	struct call_source src[4];
	struct flow_action acts[3];
};
void chaos_init(struct chaos *x, uint8_t (*next)(void *arg), void *arg);
/** One event; false when the call is over or a claim is broken. */
bool chaos_step(struct chaos *x);
/** Brings the call to its end with plain events and checks what must be true then. */
void chaos_finish(struct chaos *x);
#endif
