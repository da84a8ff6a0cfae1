#include "leg.h"

#define S(n) ((int64_t)(n)*PL_US_PER_S)

/* to 0: refused. */
struct leg_rule {
	uint8_t to;
	unsigned fx;
};
#define TO(s, f)                                                                                                       \
	{                                                                                                              \
		LEG_##s + 1, (f)                                                                                       \
	}
#define NONE 0
#define FX(f) LEG_FX_##f
#define GONE_BY_REMOTE (FX(ENDED) | FX(BY_REMOTE))

static const struct leg_rule rules[LEG_STATE_N][LEG_EVENT_N] = {
	[LEG_IDLE] = {
		[LEG_EV_INVITE] = TO(IN_TRYING, NONE),
		[LEG_EV_DIAL] = TO(OUT_CALLING, FX(INVITE)),
	},
	[LEG_IN_TRYING] = {
		[LEG_EV_PROGRESS] = TO(IN_RINGING, FX(PROGRESS)),
		[LEG_EV_ANSWER] = TO(IN_ANSWERED, FX(OK)),
		[LEG_EV_HANGUP] = TO(GONE, FX(REFUSE) | FX(ENDED)),
		[LEG_EV_CANCEL] = TO(GONE, GONE_BY_REMOTE),		/* the stack says 487 */
		[LEG_EV_BYE] = TO(GONE, FX(REFUSE) | GONE_BY_REMOTE),	/* RFC 3261 15: BYE in an early dialog */
		[LEG_EV_TIMER] = TO(GONE, FX(REFUSE) | FX(ENDED)),
	},
	[LEG_IN_RINGING] = {
		[LEG_EV_PROGRESS] = TO(IN_RINGING, FX(PROGRESS)),
		[LEG_EV_ANSWER] = TO(IN_ANSWERED, FX(OK)),
		[LEG_EV_HANGUP] = TO(GONE, FX(REFUSE) | FX(ENDED)),
		[LEG_EV_CANCEL] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_BYE] = TO(GONE, FX(REFUSE) | GONE_BY_REMOTE),
		[LEG_EV_OFFERED] = TO(IN_RINGING, FX(SAY_491)),
		[LEG_EV_TIMER] = TO(GONE, FX(REFUSE) | FX(ENDED)),
	},
	[LEG_IN_ANSWERED] = {
		[LEG_EV_ACK] = TO(UP, FX(ANSWERED)),
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_BYE] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(IN_DRAIN, FX(ENDED)),
		[LEG_EV_OFFERED] = TO(IN_ANSWERED, FX(SAY_491)),
		[LEG_EV_TIMER] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
	},
	[LEG_IN_DRAIN] = {
		[LEG_EV_ACK] = TO(CLEARING, FX(BYE)),
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(BYE)),
		[LEG_EV_BYE] = TO(GONE, NONE),
		[LEG_EV_HANGUP] = TO(IN_DRAIN, NONE),
		[LEG_EV_OFFERED] = TO(IN_DRAIN, FX(SAY_500)),
		[LEG_EV_TIMER] = TO(CLEARING, FX(BYE)),
	},
	[LEG_OUT_CALLING] = {
		[LEG_EV_RX_1XX] = TO(OUT_RINGING, FX(RINGING)),
		[LEG_EV_RX_2XX] = TO(UP, FX(ANSWERED)),
		[LEG_EV_RX_FAIL] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(OUT_CANCEL, FX(CANCEL) | FX(ENDED)),
		[LEG_EV_TIMER] = TO(OUT_CANCEL, FX(CANCEL) | FX(ENDED)),
	},
	[LEG_OUT_RINGING] = {
		[LEG_EV_RX_1XX] = TO(OUT_RINGING, FX(RINGING)),
		[LEG_EV_RX_2XX] = TO(UP, FX(ANSWERED)),
		[LEG_EV_RX_FAIL] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(OUT_CANCEL, FX(CANCEL) | FX(ENDED)),
		[LEG_EV_TIMER] = TO(OUT_CANCEL, FX(CANCEL) | FX(ENDED)),
	},
	[LEG_OUT_CANCEL] = {
		[LEG_EV_RX_1XX] = TO(OUT_CANCEL, NONE),
		[LEG_EV_RX_2XX] = TO(OUT_CANCEL, NONE),			/* crossed: fork.h says ACK and BYE */
		[LEG_EV_RX_FAIL] = TO(GONE, NONE),
		[LEG_EV_CLOSED] = TO(GONE, NONE),
		[LEG_EV_BYE] = TO(OUT_CANCEL, NONE),
		[LEG_EV_HANGUP] = TO(OUT_CANCEL, NONE),
		[LEG_EV_TIMER] = TO(GONE, NONE),
	},
	[LEG_UP] = {
		[LEG_EV_ACK] = TO(UP, NONE),				/* of our 2xx to their re-INVITE */
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_RX_1XX] = TO(UP, NONE),				/* late ones, and those of losing forks */
		[LEG_EV_RX_2XX] = TO(UP, NONE),
		[LEG_EV_RX_FAIL] = TO(UP, NONE),
		[LEG_EV_BYE] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(CLEARING, FX(BYE) | FX(ENDED)),
		[LEG_EV_OFFER] = TO(RE_OUT, FX(OFFER)),
		[LEG_EV_OFFERED] = TO(RE_IN, FX(REMOTE_OFFER)),
		[LEG_EV_CANCEL] = TO(UP, NONE),
		[LEG_EV_EXPIRED] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_RE_DEAD] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),	/* the session refresh said so */
	},
	[LEG_RE_OUT] = {
		[LEG_EV_ACK] = TO(RE_OUT, NONE),
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_RE_2XX] = TO(UP, FX(RE_ACK) | FX(REINVITED)),
		[LEG_EV_RE_FAIL] = TO(UP, FX(REINVITED)),
		[LEG_EV_RE_GLARE] = TO(RE_WAIT, NONE),
		[LEG_EV_RE_DEAD] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_OFFERED] = TO(RE_OUT, FX(SAY_491)),
		[LEG_EV_RX_FAIL] = TO(RE_OUT, NONE),
		[LEG_EV_BYE] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(CLEARING, FX(BYE) | FX(ENDED)),
		[LEG_EV_CANCEL] = TO(RE_OUT, NONE),
		[LEG_EV_EXPIRED] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
	},
	[LEG_RE_WAIT] = {
		[LEG_EV_ACK] = TO(RE_WAIT, NONE),
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_TIMER] = TO(RE_OUT, FX(OFFER)),
		[LEG_EV_OFFERED] = TO(RE_IN, FX(REMOTE_OFFER)),
		[LEG_EV_RX_FAIL] = TO(RE_WAIT, NONE),
		[LEG_EV_BYE] = TO(GONE, GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(CLEARING, FX(BYE) | FX(ENDED)),
		[LEG_EV_CANCEL] = TO(RE_WAIT, NONE),
		[LEG_EV_EXPIRED] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_RE_DEAD] = TO(CLEARING, FX(BYE) | GONE_BY_REMOTE),
	},
	[LEG_RE_IN] = {
		[LEG_EV_ACK] = TO(RE_IN, NONE),
		[LEG_EV_NO_ACK] = TO(CLEARING, FX(RE_REFUSE) | FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_REANSWER] = TO(UP, FX(RE_ANSWER)),
		[LEG_EV_CANCEL] = TO(UP, NONE),				/* the stack says 487 */
		[LEG_EV_TIMER] = TO(UP, FX(RE_REFUSE)),
		[LEG_EV_OFFERED] = TO(RE_IN, FX(SAY_500)),
		[LEG_EV_RX_FAIL] = TO(RE_IN, NONE),
		[LEG_EV_BYE] = TO(GONE, FX(RE_REFUSE) | GONE_BY_REMOTE),
		[LEG_EV_HANGUP] = TO(CLEARING, FX(RE_REFUSE) | FX(BYE) | FX(ENDED)),
		[LEG_EV_EXPIRED] = TO(CLEARING, FX(RE_REFUSE) | FX(BYE) | GONE_BY_REMOTE),
		[LEG_EV_RE_DEAD] = TO(CLEARING, FX(RE_REFUSE) | FX(BYE) | GONE_BY_REMOTE),
	},
	[LEG_CLEARING] = {
		[LEG_EV_CLOSED] = TO(GONE, NONE),
		[LEG_EV_TIMER] = TO(GONE, NONE),
		[LEG_EV_BYE] = TO(CLEARING, NONE),			/* crossed: both are answered */
		[LEG_EV_ACK] = TO(CLEARING, NONE),
		[LEG_EV_NO_ACK] = TO(CLEARING, NONE),
		[LEG_EV_CANCEL] = TO(CLEARING, NONE),
		[LEG_EV_HANGUP] = TO(CLEARING, NONE),
		[LEG_EV_RX_FAIL] = TO(CLEARING, NONE),
		[LEG_EV_RE_2XX] = TO(CLEARING, FX(RE_ACK)),		/* a 2xx is acknowledged whatever happened since */
		[LEG_EV_RE_FAIL] = TO(CLEARING, NONE),
		[LEG_EV_RE_GLARE] = TO(CLEARING, NONE),
		[LEG_EV_RE_DEAD] = TO(CLEARING, NONE),
	},
};

bool leg_accepts(const struct leg_sm *leg, enum leg_event ev)
{
	return (unsigned)leg->state < LEG_STATE_N && (unsigned)ev < LEG_EVENT_N && rules[leg->state][ev].to;
}

enum pl_err leg_step(struct leg_sm *leg, enum leg_event ev, int64_t now_us, const struct leg_limits *lim,
		     unsigned *ret_fx)
{
	if (!leg_accepts(leg, ev))
		return PL_E_STATE;
	const struct leg_rule *r = &rules[leg->state][ev];
	enum leg_state next = (enum leg_state)(r->to - 1);
	int64_t stay = lim->stay_us[next];
	if (next != leg->state && stay != LEG_KEEP)
		leg->due_us = stay ? now_us + stay : 0;
	leg->state = next;
	*ret_fx = r->fx;
	return PL_OK;
}

struct leg_limits leg_limits_default(void)
{
	struct leg_limits
		lim = { .stay_us = {
				[LEG_IN_TRYING] = S(60), /* an owner that says nothing at all */
				[LEG_IN_RINGING] = S(600),
				[LEG_IN_ANSWERED] =
					S(40), /* the stack reports a missing ACK after 32 s; this is the safety net */
				[LEG_IN_DRAIN] = LEG_KEEP,
				[LEG_OUT_CALLING] = S(180), /* replaced by ring_timeout_ms of the dial */
				[LEG_OUT_RINGING] = LEG_KEEP,
				[LEG_OUT_CANCEL] = S(40),
				[LEG_RE_OUT] =
					0, /* the transaction has its own end (64*T1, or Timer C of the far proxy) */
				[LEG_RE_WAIT] = S(2), /* see leg_glare_wait_us() */
				[LEG_RE_IN] = S(10),
				[LEG_CLEARING] = S(40),
			} };
	return lim;
}

int64_t leg_glare_wait_us(bool own_call_id, uint32_t random)
{
	int64_t step = 10 * PL_US_PER_MS;
	return own_call_id ? 2100 * PL_US_PER_MS + (int64_t)(random % 191) * step : (int64_t)(random % 201) * step;
}

const char *leg_state_name(enum leg_state s)
{
	static const char *const names[LEG_STATE_N] = {
#define X(n) #n,
		LEG_STATES(X)
#undef X
	};
	return (unsigned)s < LEG_STATE_N ? names[s] : "?";
}

const char *leg_event_name(enum leg_event e)
{
	static const char *const names[LEG_EVENT_N] = {
#define X(n) #n,
		LEG_EVENTS(X)
#undef X
	};
	return (unsigned)e < LEG_EVENT_N ? names[e] : "?";
}
