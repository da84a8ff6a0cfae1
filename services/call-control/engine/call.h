/** One voice call, from the INVITE (or the agent's "dial") to the last leg gone. Pure: no I/O, clock, heap, log or
 * globals. Units      all times are UTC microseconds (_us), because a call may be carried on by another machine.
 *  Ownership  the caller owns every struct. Strings of an event are borrowed until the step returns; strings of an
 * effect are borrowed from the call or the event and stay true until the next step of this call. Errors     refusals,
 * never asserts: PL_E_STATE (not in this phase), PL_E_NOTFOUND (no such leg, offer, player), PL_E_EXISTS (seen before),
 * PL_E_FULL (a bound below), PL_E_FORMAT. A refused event changes nothing and has no effect. Bounds     CALL_LEGS legs
 * (the customer and up to 15 others), CALL_ACTIONS actions of a flow step, CALL_TEXT bytes of their prompts, CALL_VARS
 * bytes of shown variables, CALL_WAITS media answers waited for, CALL_MARKS recording marks. Adoption   a call is a
 * value: call_pack() and call_unpack() (pack.h) carry it to another node, CALL_EV_ADOPTED goes on with it. Ids that it
 * makes are derived from its own id and a counter, so what is done twice is known as the same. */
#ifndef CALL_CONTROL_CALL_H
#define CALL_CONTROL_CALL_H
#include "source.h"

#include <parley/base.h>

#define CALL_ID 40
#define CALL_NODE 52
#define CALL_NUMBER 64
#define CALL_TARGET 112
#define CALL_LEGS 16
#define CALL_ACTIONS 8
#define CALL_TEXT 3072
#define CALL_VARS 1024
#define CALL_WAITS 32
#define CALL_MARKS 32
#define CALL_SDP 2048
#define CALL_DIGITS 32
#define CALL_RESULTS 20

enum call_phase {
	CALL_IDLE,
	CALL_MENU,  /* the flow has it */
	CALL_QUEUE, /* waits; agents may be rung meanwhile */
	CALL_DIAL,  /* a far leg (no agent of a queue) is rung */
	CALL_TALK,
	CALL_CLEARING, /* all legs are gone; the last word of media is waited for */
	CALL_END,
	CALL_PHASE_N
};

enum leg_state {
	LEG_FREE,
	LEG_INCOMING, /* INVITE not answered yet */
	LEG_SETUP,    /* its endpoint is being made */
	LEG_OFFERED,  /* shown in the browser, nothing is dialled */
	LEG_DIALLING,
	LEG_RINGING,
	LEG_UP,
	LEG_GONE, /* its slot is free from the next step on */
	LEG_STATE_N
};
enum leg_role { LEG_CUSTOMER, LEG_AGENT, LEG_PEER };
enum leg_kind { LEG_SIP, LEG_BROWSER };

/** What a number or an offer leads to. Strings are borrowed in events. */
enum dest_kind {
	DEST_NONE,
	DEST_FLOW,
	DEST_QUEUE,
	DEST_AGENT,
	DEST_PHONE,
	DEST_URI,
	DEST_TRUNK,
	DEST_BROWSER,
	DEST_KIND_N
};
struct call_dest {
	enum dest_kind kind;
	const char *id;     /* flow, queue, agent, phone or trunk id, or the URI */
	const char *number; /* TRUNK: what to dial; else as it was dialled */
	const char *name;   /* QUEUE: its name */
	const char *music;  /* QUEUE: class of its music on hold; empty: "default" */
	bool record;
};

struct call_leg {
	uint8_t state, role, kind, target_kind;
	bool rang, endpoint, lost, muted, auto_answer;
	char id[CALL_ID];
	char edge[CALL_NODE];
	uint32_t cmd_seq; /* of the last LegCommand */
	uint32_t ev_seq;  /* of the last LegEvent taken */
	char agent_id[CALL_ID];
	char offer_id[CALL_ID];
	uint64_t fence;
	uint32_t ring_timeout_ms;
	char target[CALL_TARGET];
	char number[CALL_NUMBER];
	int64_t since_us; /* when the leg was made */
	int64_t up_us;    /* when it was answered */
};

/* A media answer that is waited for. */
enum wait_kind {
	WAIT_NONE,
	WAIT_CUSTOMER, /* the answer for the caller */
	WAIT_DIAL,     /* the offer for a leg to be dialled */
	WAIT_BROWSER,  /* the answer for a browser */
	WAIT_TALK,     /* a phone's answer was set */
	WAIT_REINVITE, /* the answer to a re-INVITE */
	WAIT_ANCHOR,   /* the offer of another media node */
	WAIT_ACK,      /* an agent's command was carried out */
	WAIT_CLEAR,
	WAIT_KIND_N
};
struct call_wait {
	uint8_t kind, leg;
	uint32_t req;
	uint64_t rpc;
};

/* One action of the flow's answer; sources live in call.text. */
struct call_span {
	uint16_t at, len;
};
enum act_kind { ACT_NONE, ACT_ANSWER, ACT_PLAY, ACT_COLLECT, ACT_QUEUE, ACT_HANGUP, ACT_DIAL, ACT_KIND_N };
struct call_act {
	uint8_t kind, max_digits;
	char terminator, exit_key;
	bool position, record;
	uint16_t status;
	uint32_t first_ms, inter_ms, every_ms, ring_ms;
	struct call_span sources, greeting, announcement, language;
	struct call_span id, name; /* QUEUE: id and name; DIAL: target */
	uint8_t target_kind;
};

/* Timers: a due time each, UTC us; 0 does not run. Their lengths: struct call_limits. */
enum call_timer {
	TIMER_DIGIT,    /* T1: next digit of an input; lengths are the flow's */
	TIMER_ANNOUNCE, /* T2: next announcement in the queue; the flow's */
	TIMER_RING,     /* T3: a leg rings too long (the edge should have said so): ring time + ring_slack_us */
	TIMER_BROWSER,  /* T4: the agent's browser comes back (browser_us), or is given up */
	TIMER_CLEAR,    /* T5: last word of media: clear_us */
	TIMER_LONGEST,  /* T6: longest call: longest_us */
	CALL_TIMER_N
};
struct call_limits {
	int64_t ring_slack_us, browser_us, clear_us, longest_us;
};
extern const struct call_limits call_limits_default;

enum rec_state { REC_OFF, REC_ON, REC_PAUSED, REC_FAILED };
enum mark_kind { MARK_HOLD, MARK_RESUME, MARK_PAUSE, MARK_UNPAUSE, MARK_KIND_N };
struct call_mark {
	uint32_t offset_ms;
	uint32_t kind;
};

enum play_kind {
	PLAYS_NOTHING,
	PLAYS_PROMPT,
	PLAYS_INPUT,
	PLAYS_GREETING,
	PLAYS_MUSIC,
	PLAYS_ANNOUNCEMENT,
	PLAYS_RINGBACK
};

struct call {
	uint8_t phase;
	uint8_t direction; /* 1 inbound, 2 outbound, 3 internal */
	int8_t far;        /* the leg that talks with the customer; -1 none */
	char id[CALL_ID];
	char media[CALL_NODE]; /* node of the room; empty: none */
	char from[CALL_NUMBER], from_name[CALL_NUMBER], to[CALL_NUMBER];
	char source_id[CALL_ID];
	int64_t started_us, queued_at_us, answered_us;
	uint32_t counter;                /* of ledger events, derived ids and messages to the router */
	uint32_t media_req;              /* of the last Apply */
	uint32_t player;                 /* of the last player */
	uint64_t media_seq;              /* of the last MediaEvent taken */
	struct call_leg legs[CALL_LEGS]; /* 0 is the customer's */
	struct call_wait waits[CALL_WAITS];
	int64_t due_us[CALL_TIMER_N];

	/* the flow's session */
	bool flow_on, flow_ended, flow_waits, want_answer;
	uint32_t flow_seq;
	uint8_t flow_empty; /* answers in a row without an action */
	char flow_node[CALL_NODE];
	char flow_id[CALL_ID];
	uint8_t flow_step; /* enum step_kind of the step waited for */
	char flow_why[24]; /* its reason ("timeout", "exit-key") */
	struct call_act acts[CALL_ACTIONS];
	uint8_t n_acts, act;
	char text[CALL_TEXT]; /* sources of acts */
	uint16_t text_len;
	char digits[CALL_DIGITS];
	char vars[CALL_VARS]; /* shown variables: key 0 value 0 ... */
	uint16_t vars_len;
	char answer_sdp[CALL_SDP]; /* for the customer, until it is answered */

	/* the queue */
	char queue_id[CALL_ID], queue_name[CALL_NUMBER], music[CALL_ID];
	char only_agent[CALL_ID];
	bool in_acd; /* an item of the router is open */
	bool record_route, record_queue;

	/* what the customer hears while not talking */
	uint8_t plays;
	uint32_t playing;      /* its player; 0 none */
	uint32_t music_player; /* the last that played music */
	uint64_t music_ms;     /* where the music goes on */

	/* the talk */
	bool held, phone_held;
	int64_t held_us, held_sum_us, talk_us;
	uint32_t holds;
	uint8_t recording;
	char recording_id[CALL_ID];
	int64_t recorded_us; /* when the recording began */
	struct call_mark marks[CALL_MARKS];
	uint8_t n_marks;

	/* how it ended */
	uint8_t ended_by, cause;
	uint16_t sip_status;
	int64_t ended_us;
};

enum ended_by { BY_NOBODY, BY_CUSTOMER, BY_AGENT, BY_FLOW, BY_SYSTEM, BY_LOST, ENDED_BY_N };
enum end_cause {
	CAUSE_NONE,
	CAUSE_NORMAL,
	CAUSE_ABANDONED_MENU,
	CAUSE_ABANDONED_QUEUE,
	CAUSE_NO_ROUTE,
	CAUSE_FAILED,
	CAUSE_REJECTED,
	END_CAUSE_N
};
const char *call_by_name(unsigned by);
const char *call_cause_name(unsigned cause);

#include "call_event.h"
#include "call_fx.h"

/** What is true outside the call at this moment. */
struct call_env {
	int64_t now_us;
	const char *edge;  /* a live sip-edge node to dial from; empty: none */
	const char *media; /* a live media node for a new room; empty: none */
	bool record_out;   /* calls out are recorded */
	const struct call_limits *lim;
};

void call_init(struct call *c, const char *id);
/** One event. *fx is overwritten. */
PL_MUST enum pl_err call_step(struct call *c, const struct call_event *ev, const struct call_env *env,
			      struct call_fx *fx);
/** When CALL_EV_TIMER is due; 0: never. */
int64_t call_due_us(const struct call *c);
/** The leg with this id, -1 none. */
int call_find_leg(const struct call *c, const char *leg_id);
/** A leg of this agent that lives, -1 none. */
int call_find_agent(const struct call *c, const char *agent_id);
bool call_leg_alive(const struct call_leg *l);
/** A UUIDv7 that is the same each time for the same call, kind and number: time of the call's id, then a hash. */
void call_derive_id(const char *call_id, char kind, uint32_t n, char out[CALL_ID]);
#endif
