/* What a call wants done, in order. Included by call.h. Media operations of one step go out together as one Apply
 * (fx.ops), in the place of CALL_FX_MEDIA. */
#ifndef CALL_CONTROL_CALL_FX_H
#define CALL_CONTROL_CALL_FX_H

#define CALL_FX_MAX 72
#define CALL_OPS_MAX 48

enum call_fx_kind {
	CALL_FX_MEDIA,               /* req; the operations of fx.ops, to fx.media */
	CALL_FX_LEG_PROGRESS,        /* leg, status */
	CALL_FX_LEG_ANSWER,          /* leg, sdp */
	CALL_FX_LEG_DIAL,            /* leg, sdp; target, number and ring time are in the leg */
	CALL_FX_LEG_HANGUP,          /* leg, status, text */
	CALL_FX_LEG_REINVITE,        /* leg, sdp */
	CALL_FX_LEG_ANSWER_REINVITE, /* leg, sdp (empty: 488) */
	CALL_FX_LEG_REFER_RESULT,    /* leg, status */
	CALL_FX_LEG_ADOPT,           /* leg */
	CALL_FX_FLOW_STEP,           /* step, text (reason or digits), flag (timed out), n = seq */
	CALL_FX_ENQUEUE,             /* id = queue, text = only this agent, n */
	CALL_FX_CANCEL,              /* text = reason, n */
	CALL_FX_OFFER_REPLY,         /* id = offer, fence, outcome, text */
	CALL_FX_ACD_ENDED,           /* agent, text = reason, flag = agent only, n */
	CALL_FX_EMIT,                /* event and its fields, n */
	CALL_FX_REPLY,               /* rpc, err, text, sdp; flag: with the call */
	CALL_FX_ASK_POSITION,        /* answered by CALL_EV_POSITION */
	CALL_FX_SAVE,                /* keep the state; at most one, last but END */
	CALL_FX_END,                 /* the last of all; forget the call */
	CALL_FX_N
};
enum step_kind {
	STEP_NONE,
	STEP_STARTED,
	STEP_DONE,
	STEP_DIGITS,
	STEP_QUEUE_LEFT,
	STEP_GONE,
	STEP_FAILED,
	STEP_KIND_N
};

/* Ledger events: text, text2 and the numbers are named beside each. */
enum call_ledger {
	LEDGER_STARTED, /* text = SIP Call-ID */
	LEDGER_ANSWERED,
	LEDGER_AGENT_RINGING,   /* leg, text = device */
	LEDGER_AGENT_CONNECTED, /* leg, id = recording */
	LEDGER_HELD,
	LEDGER_RESUMED,            /* ms2 = held */
	LEDGER_AGENT_DISCONNECTED, /* leg, text = reason, ms = talk, ms2 = held */
	LEDGER_TRANSFERRED,        /* text = kind, text2 = target */
	LEDGER_DIALLED,            /* text = target, status */
	LEDGER_ENDED,              /* text = by, text2 = cause, status, ms, mos, loss_pct */
	LEDGER_RECORDING_EXPECTED, /* id */
	LEDGER_RECORDING_PAUSED,   /* id, flag */
	LEDGER_RECORDING_STOPPED,  /* id: not an event of its own, carries the marks to the recording's row */
	CALL_LEDGER_N
};
const char *call_ledger_name(unsigned kind);

struct call_effect {
	enum call_fx_kind kind;
	uint8_t leg;  /* index */
	uint32_t seq; /* LEG_*: number of the command */
	enum step_kind step;
	enum offer_outcome outcome;
	enum call_ledger event;
	enum pl_err err;
	bool flag;
	uint32_t status, n, req;
	uint64_t rpc, fence, ms, ms2;
	double mos, loss_pct;
	const char *sdp, *text, *text2;
	char leg_id[CALL_ID], edge[CALL_NODE]; /* copies: the leg may be gone when this is read */
	char id[CALL_ID], agent[CALL_ID], queue[CALL_ID];
	char buf[CALL_ID]; /* room for a short text */
	const void *kv;    /* of ev_incoming */
};

enum op_kind {
	OP_CREATE,
	OP_SET_REMOTE,
	OP_MIX,
	OP_PLAY,
	OP_STOP_PLAY,
	OP_RECORD,
	OP_PAUSE_RECORDING,
	OP_STOP_RECORDING,
	OP_DESTROY,
	OP_DESTROY_ROOM,
	OP_DIGITS,
	OP_KIND_N
};
struct call_op {
	enum op_kind kind;
	char ep[CALL_ID];                             /* the endpoint */
	char hears[CALL_ID];                          /* MIX: the one it hears, empty: nothing; RECORD: the agent's */
	const char *sdp;                              /* CREATE, SET_REMOTE */
	bool browser, offer, loop, stop_on_digit, on; /* every PLAY replaces what was played to the endpoint */
	uint32_t player;
	const char *sources; /* packed (source.h) */
	size_t sources_len;
	uint64_t offset_ms;
	char id[CALL_ID]; /* recording */
	const char *digits;
};

struct call_fx {
	size_t n;
	struct call_effect at[CALL_FX_MAX];
	size_t n_ops;
	struct call_op ops[CALL_OPS_MAX];
	const char *media; /* node of the Apply */
	uint32_t req;      /* its number; 0: no Apply in this step */
	char say[1024];    /* room for packed sources made by the step */
	size_t say_len;
	bool save;
	bool overflow; /* an effect did not fit: a bug, checked by the tests */
};
#endif
