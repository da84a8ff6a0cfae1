/** One SIP call leg, incoming or outgoing, from its first message to gone. Pure: no I/O, clock, log or heap.
 *  Units      all times are monotonic microseconds (_us); due_us 0: no timer runs.
 *  Ownership  the caller owns every struct; no pointer is kept. One leg, one loop.
 *  Errors     PL_E_STATE: the event is refused in this state; *leg and *ret_fx are untouched.
 *  Source     RFC 3261 9.1 (no CANCEL before a 1xx: the transaction layer holds it back), 13.2.2.4 (unwanted 2xx: ACK
 * and BYE), 13.3.1.4 (2xx without ACK: BYE), 14.1 and 14.2 (glare 491, 500 while one is pending), 15 (callee says no
 * BYE before the ACK), 17.1.1.2 (Timer B, 64*T1 = 32 s); RFC 4028 10 (session expired: BYE); RFC 5057 5.1 (481 to a
 * request in the dialog ends it). Ladder: docs/protocol/leg.msc */
#ifndef SIP_EDGE_LEG_H
#define SIP_EDGE_LEG_H
#include <parley/base.h>

#define LEG_STATES(X)                                                                                                  \
	X(IDLE)        /* nothing has happened */                                                                      \
	X(IN_TRYING)   /* INVITE came, 100 sent, nobody has said what to do */                                         \
	X(IN_RINGING)  /* we sent 180 or 183 */                                                                        \
	X(IN_ANSWERED) /* we sent 2xx, no ACK yet */                                                                   \
	X(IN_DRAIN)    /* hung up between our 2xx and the ACK: BYE must wait for it */                                 \
	X(OUT_CALLING) /* INVITE sent, no 1xx yet */                                                                   \
	X(OUT_RINGING) /* 1xx above 100 came */                                                                        \
	X(OUT_CANCEL)  /* we gave up, waiting for the final answer of the INVITE */                                    \
	X(UP)                                                                                                          \
	X(RE_OUT)   /* our re-INVITE is on its way */                                                                  \
	X(RE_WAIT)  /* it met theirs (491); we ask again when the timer ends */                                        \
	X(RE_IN)    /* their re-INVITE or UPDATE waits for the owner's answer */                                       \
	X(CLEARING) /* our BYE is on its way */                                                                        \
	X(GONE)
enum leg_state {
#define X(s) LEG_##s,
	LEG_STATES(X)
#undef X
		LEG_STATE_N
};

#define LEG_EVENTS(X)                                                                                                  \
	/* from the wire */                                                                                            \
	X(INVITE)                                                                                                      \
	X(RX_1XX) X(RX_2XX) X(RX_FAIL)                      /* the last two: final for the whole leg, see fork.h */    \
		X(ACK) X(NO_ACK)                            /* of our 2xx; none within 64*T1 */                        \
		X(CANCEL) X(BYE) X(OFFERED)                 /* re-INVITE, or UPDATE with SDP */                        \
		X(RE_2XX) X(RE_FAIL) X(RE_GLARE) X(RE_DEAD) /* answers to our re-INVITE; DEAD: 408, 481 or nothing */  \
		X(CLOSED) /* our BYE has been answered or has timed out */   /* from the owner */                      \
		X(DIAL) X(PROGRESS) X(ANSWER) X(HANGUP) X(OFFER) X(REANSWER) /* from the clock */                      \
		X(TIMER) X(EXPIRED) /* the state's own timer; the session timer (RFC 4028) */
enum leg_event {
#define X(e) LEG_EV_##e,
	LEG_EVENTS(X)
#undef X
		LEG_EVENT_N
};

/* What the shell must do, in the order of the bits. */
enum leg_fx {
	LEG_FX_INVITE = 1 << 0,    /* ring: one INVITE per target */
	LEG_FX_PROGRESS = 1 << 1,  /* 180 or 183 */
	LEG_FX_OK = 1 << 2,        /* 200 to the INVITE */
	LEG_FX_REFUSE = 1 << 3,    /* final answer above 299 to the INVITE */
	LEG_FX_CANCEL = 1 << 4,    /* CANCEL whatever still rings */
	LEG_FX_RE_ACK = 1 << 5,    /* ACK of the 2xx to our re-INVITE */
	LEG_FX_RE_REFUSE = 1 << 6, /* 500 (487 when it ends) to the pending re-INVITE of the far side */
	LEG_FX_RE_ANSWER = 1 << 7, /* 200 or 488 to it */
	LEG_FX_SAY_491 = 1 << 8,   /* to the request at hand */
	LEG_FX_SAY_500 = 1 << 9,   /* to the request at hand, Retry-After 0 to 10 s */
	LEG_FX_BYE = 1 << 10,
	LEG_FX_OFFER = 1 << 11,   /* re-INVITE with the owner's newest SDP */
	LEG_FX_RINGING = 1 << 12, /* the rest: LegEvents */
	LEG_FX_ANSWERED = 1 << 13,
	LEG_FX_REINVITED = 1 << 14,
	LEG_FX_REMOTE_OFFER = 1 << 15,
	LEG_FX_BY_REMOTE = 1 << 16, /* with ENDED: the far side (or its silence) ended it */
	LEG_FX_ENDED = 1 << 17,
};

struct leg_sm {
	enum leg_state state;
	int64_t due_us;
};

/** Longest stay in a state; 0: for ever; LEG_KEEP: the timer that runs goes on (a 180 does not lengthen the ring). */
#define LEG_KEEP INT64_C(-1)
struct leg_limits {
	int64_t stay_us[LEG_STATE_N];
};

/** Defaults for all states; ring_us is the leg's own. */
struct leg_limits leg_limits_default(void);
PL_MUST enum pl_err leg_step(struct leg_sm *leg, enum leg_event ev, int64_t now_us, const struct leg_limits *lim,
			     unsigned *ret_fx);
/** True when leg_step() would accept it. */
bool leg_accepts(const struct leg_sm *leg, enum leg_event ev);
const char *leg_state_name(enum leg_state s);
const char *leg_event_name(enum leg_event e);
/** How long to wait before the next try after 491 (RFC 3261 14.1): 2.1 to 4 s when the Call-ID is ours, else 0 to 2 s,
 * in steps of 10 ms. random is any number. */
int64_t leg_glare_wait_us(bool own_call_id, uint32_t random);
#endif
