/* What can happen to a call. Included by call.h. Strings are borrowed until the step returns; NULL is the same as "".
 */
#ifndef CALL_CONTROL_CALL_EVENT_H
#define CALL_CONTROL_CALL_EVENT_H

enum call_event_kind {
	CALL_EV_INCOMING,         /* incoming */
	CALL_EV_DIAL_OUT,         /* cmd: an agent calls a number */
	CALL_EV_LEG_RINGING,      /* leg */
	CALL_EV_LEG_ANSWERED,     /* leg */
	CALL_EV_LEG_ENDED,        /* leg; seq 0: found out by audit, not said by the edge */
	CALL_EV_LEG_REINVITED,    /* leg */
	CALL_EV_LEG_REINVITE,     /* leg: the far side's offer */
	CALL_EV_LEG_REFER,        /* leg */
	CALL_EV_LEG_DIGITS,       /* leg: DTMF by INFO */
	CALL_EV_MEDIA_RESULT,     /* result */
	CALL_EV_PLAY_DONE,        /* play */
	CALL_EV_DIGIT,            /* digit */
	CALL_EV_ENDPOINT,         /* endpoint */
	CALL_EV_RECORDING_FAILED, /* id: of the recording */
	CALL_EV_FLOW,             /* flow */
	CALL_EV_OFFERED,          /* offer */
	CALL_EV_OFFER_ENDED,      /* offer_end */
	CALL_EV_DEQUEUED,         /* dequeued */
	CALL_EV_POSITION,         /* position */
	CALL_EV_ACCEPT,           /* cmd, and so are the next */
	CALL_EV_REJECT,
	CALL_EV_ATTACH,
	CALL_EV_HOLD,
	CALL_EV_RESUME,
	CALL_EV_MUTE,
	CALL_EV_SEND_DIGITS,
	CALL_EV_TRANSFER,
	CALL_EV_HANGUP,
	CALL_EV_PAUSE_RECORDING,
	CALL_EV_EDGE_LOST,  /* id: the node */
	CALL_EV_MEDIA_LOST, /* id: the node */
	CALL_EV_TIMER,
	CALL_EV_ADOPTED,
	CALL_EVENT_N
};

struct ev_incoming {
	const char *leg_id, *edge, *from, *from_name, *to, *source_id, *sip_call_id, *sdp;
	bool from_phone; /* a phone of ours, not a trunk */
	bool internal;   /* between two phones of ours */
	struct call_dest dest;
	const void *kv; /* the shell's: headers handed on to the flow */
};
struct ev_leg {
	const char *leg_id;
	uint32_t seq, status;
	const char *sdp, *reason, *digits;
	bool by_remote;
	bool lost;             /* nobody hung up: a network or process failed */
	struct call_dest dest; /* REFER: where to */
};
struct ev_sdp {
	const char *endpoint_id, *sdp;
};
struct ev_result {
	uint32_t req;
	enum pl_err err;
	const char *why;
	struct ev_sdp sdps[CALL_RESULTS];
	size_t n;
	double mos, loss_pct; /* of the customer's endpoint, when it was destroyed; mos 0: not known */
};
struct ev_play {
	uint32_t player;
	uint64_t seq;
	bool failed, stopped;
	uint64_t played_ms;
};
struct ev_digit {
	const char *endpoint_id;
	uint64_t seq;
	char digit;
};
struct ev_endpoint {
	const char *endpoint_id;
	uint64_t seq;
	bool lost;
};
struct ev_offer {
	const char *offer_id, *agent_id, *queue_id, *queue_name;
	uint64_t fence;
	uint32_t ring_timeout_ms;
	struct call_dest device; /* BROWSER, PHONE or URI */
	bool auto_answer, record;
};
enum offer_outcome {
	OFFER_NONE,
	OFFER_ACCEPTED,
	OFFER_REJECTED,
	OFFER_TIMEOUT,
	OFFER_FAILED,
	OFFER_ELSEWHERE,
	OFFER_CANCELLED,
	OFFER_OUTCOME_N
};
struct ev_offer_end {
	const char *offer_id;
	enum offer_outcome outcome;
};
struct ev_cmd {
	uint64_t rpc; /* whom to answer (CALL_FX_REPLY) */
	const char *agent_id, *offer_id, *sdp, *digits, *reason;
	bool on;                 /* MUTE, PAUSE_RECORDING */
	struct call_dest dest;   /* TRANSFER, DIAL_OUT: where to */
	struct call_dest device; /* DIAL_OUT: the agent's PHONE or BROWSER */
};
struct flow_source_list {
	const struct call_source *at;
	size_t n;
};
struct flow_action {
	enum act_kind kind;
	struct flow_source_list sources, greeting, announcement;
	const char *language, *terminator, *exit_key;
	uint32_t max_digits, first_ms, inter_ms, every_ms, ring_ms, status;
	bool position, record;
	struct call_dest dest; /* QUEUE: id, name; DIAL: where to */
};
struct flow_var {
	const char *key, *value;
};
struct ev_flow {
	uint32_t seq;
	enum pl_err err;
	const char *node;
	const struct flow_action *actions;
	size_t n_actions;
	const struct flow_var *vars;
	size_t n_vars;
	bool ended;
};

struct call_event {
	enum call_event_kind kind;
	union {
		struct ev_incoming incoming;
		struct ev_leg leg;
		struct ev_result result;
		struct ev_play play;
		struct ev_digit digit;
		struct ev_endpoint endpoint;
		struct ev_flow flow;
		struct ev_offer offer;
		struct ev_offer_end offer_end;
		struct ev_cmd cmd;
		const char *id;
		const char *dequeued; /* the router's reason */
		uint32_t position;    /* 0: not known */
	};
};
const char *call_event_name(unsigned kind);
#endif
