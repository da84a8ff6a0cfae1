/** One branch of an outgoing leg: one INVITE to one target. A phone with three bindings has three, and the first 2xx
 * wins. Pure; conventions as in leg.h. Source     RFC 3261 9.1 (CANCEL), 13.2.2.4 (every 2xx is acknowledged; those not
 * wanted get BYE), 16.7 6 (which failure to tell when all fail). */
#ifndef SIP_EDGE_FORK_H
#define SIP_EDGE_FORK_H
#include <parley/base.h>

enum fork_state { FORK_CALLING, FORK_RINGING, FORK_CANCEL, FORK_WON, FORK_BYE, FORK_GONE, FORK_STATE_N };
enum fork_event {
	FORK_EV_1XX,
	FORK_EV_2XX_WANTED, /* no other branch has won and the leg still wants an answer */
	FORK_EV_2XX_LATE,
	FORK_EV_FAIL,   /* 3xx to 6xx, or 408 of the transaction layer */
	FORK_EV_CANCEL, /* another one won, the owner hung up, or it rang too long */
	FORK_EV_CLOSED, /* our BYE is done */
	FORK_EVENT_N
};
enum fork_fx {
	FORK_FX_ACK = 1,
	FORK_FX_CANCEL = 2,
	FORK_FX_BYE = 4,
	FORK_FX_TELL_RINGING = 8,
	FORK_FX_TELL_WON = 16,
	FORK_FX_TELL_DONE = 32
};

struct fork_sm {
	enum fork_state state;
};
PL_MUST enum pl_err fork_step(struct fork_sm *f, enum fork_event ev, unsigned *ret_fx);
/** Of two failures the one that says more to the caller: 6xx, then what a person did (486, 480...), then what could be
 * tried otherwise, then 5xx and 408. 0 is worse than all. */
int fork_better(int a, int b);
#endif
