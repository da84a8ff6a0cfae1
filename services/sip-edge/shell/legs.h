/** Legs as the shell holds them: the pure machine of engine/leg.h and its sofia objects.
 *  Ownership  a leg belongs to edge->legs from leg_new() until it is GONE; then it stays on edge->dead to the end of
 * the turn, so that no callback of the stack finds freed memory under it. Rule       everything that happens to a leg
 * goes through leg_event(); only leg_do() touches the network for it. */
#ifndef SIP_EDGE_LEGS_H
#define SIP_EDGE_LEGS_H
#include <uthash.h>

#include "../engine/fork.h"
#include "edge.h"
#include "parley/telephony/v1/telephony.pb-c.h"

struct trunk;
struct incoming_ask;

struct fork {
	struct leg *leg;
	struct fork *next;
	struct fork_sm sm;
	nta_leg_t *dialog;
	nta_outgoing_t *invite, *bye;
	char *next_hop; /* where requests go; NULL: by the route set */
	bool done;
};

struct leg {
	UT_hash_handle hh;
	struct pl_list link; /* on edge->dead */
	struct edge *edge;
	char id[PL_ID_LEN];
	char owner[49]; /* "": call-control has not answered yet */
	struct leg_sm sm;
	struct wheel_node timer; /* the sooner of sm.due_us and session.due_us */
	bool incoming, answered, stream, buried;

	nta_leg_t *dialog;
	nta_incoming_t *invite_in; /* until its ACK */
	nta_incoming_t *offer_in;  /* re-INVITE or UPDATE the owner must answer */
	nta_incoming_t *ack_wait;  /* re-INVITE we answered, until its ACK */
	nta_outgoing_t *offer_out, *bye_out, *refresh_out;
	struct fork *forks;
	int fork_status; /* best failure so far */
	char *next_hop;  /* of the far side, when it must not come from the route set (NAT) */
	char *local_sdp; /* our newest offer or answer */
	char *offer_sdp; /* an offer of the owner that waits for its turn */
	bool offerless;  /* our 2xx carried the offer: the ACK brings the answer */
	bool refer_open; /* the far side waits for the NOTIFY of its REFER */

	struct {
		int64_t due_us;      /* refresh, or the end when the far side refreshes */
		uint32_t interval_s; /* 0: off */
		bool we_refresh, supported, update_ok;
	} session;

	struct trunk *trunk;      /* counted against its channels */
	struct incoming_ask *ask; /* LegIncoming on its way */
	uint32_t cmd_seq, event_seq;
	int64_t born_us, orphan_us; /* orphan_us 0: the owner lives */
	uint64_t listed_round;
	uint8_t unlisted; /* complete rounds of the owner's audit without this leg */
};

/** What an event brings along for the effects; all borrowed. */
struct leg_input {
	int status;
	const char *reason;
	const char *sdp; /* NULL or text */
	const char *contact;
	nta_incoming_t *irq; /* request at hand */
	const sip_t *sip;    /* its message, or the response */
	uint32_t expires_ms; /* DIAL: ring timeout */
	const struct dial *dial;
};

/* legs.c */
struct leg *leg_new(struct edge *e, const char *id, bool incoming);
struct leg *leg_find(struct edge *e, const char *id);
PL_MUST enum pl_err leg_event(struct leg *l, enum leg_event ev, const struct leg_input *in);
/** The same where a refusal is no news (a late message). */
void leg_event_if(struct leg *l, enum leg_event ev, const struct leg_input *in);
void leg_timer_arm(struct leg *l);
void legs_tick(void *edge);
void legs_bury(struct edge *e); /* frees the dead; at the end of a turn */
void legs_drop_all(struct edge *e);
/** Borrowed SDP of a message, in tmp; NULL when it has none or it is no UTF-8. */
const char *sdp_of(struct edge *e, const sip_t *sip);
/** Any text of the wire as valid UTF-8 of at most n bytes, in tmp; "" for NULL. */
const char *clean_text(struct edge *e, const char *s, size_t n);
const char *url_text(struct edge *e, const url_t *url);

/* leg_in.c */
void leg_in_invite(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer);
void leg_in_progress(struct leg *l, const struct leg_input *in);
void leg_in_ok(struct leg *l, const struct leg_input *in);
void leg_in_refuse(struct leg *l, const struct leg_input *in);
void leg_in_forget(struct leg *l);
void leg_in_cancel_asks(struct edge *e); /* after legs_drop_all() */

/* leg_out.c */
struct dial {
	const char *target;        /* Request-URI when it is one */
	const struct reg_aor *aor; /* or the bindings of a phone */
	const char *to_uri;        /* of the To header */
	const char *from_number, *from_name, *sdp;
	bool auto_answer;
	const Parley__Telephony__V1__LegDial *cmd;
};
void leg_out_dial(struct edge *e, const Parley__Telephony__V1__LegCommand *c);
void leg_out_ring(struct leg *l, const struct leg_input *in);
void leg_out_cancel(struct leg *l);
void forks_free(struct leg *l);

/* leg_dialog.c: after the dialog is there */
int leg_on_request(void *leg, nta_leg_t *dialog, nta_incoming_t *irq, const sip_t *sip);
int leg_on_ack_cancel(void *leg, nta_incoming_t *irq, const sip_t *sip);
int leg_on_offer_ack(void *leg, nta_incoming_t *irq, const sip_t *sip);
void leg_bye(struct leg *l, const struct leg_input *in);
void leg_offer(struct leg *l);
void leg_reoffer_ack(struct leg *l, const struct leg_input *in);
void leg_reoffer_answer(struct leg *l, const struct leg_input *in);
void leg_reoffer_refuse(struct leg *l, int status);
void leg_say(struct leg *l, nta_incoming_t *irq, int status, const char *phrase);
void leg_refer_result(struct leg *l, uint32_t status);
void leg_ack(nta_leg_t *dialog, const char *next_hop, const sip_t *response);

/* session.c (RFC 4028) */
void session_from_invite(struct leg *l, const sip_t *sip);
void session_from_answer(struct leg *l, const sip_t *sip);
void session_refreshed(struct leg *l, const sip_t *request);
void session_due(struct leg *l);
/** Text of the Session-Expires header for a 2xx (uas) or a request of ours, NULL when none is due; buf holds 64. */
const char *session_header(const struct leg *l, bool uas, char buf[64]);

/* owner.c: LegEvents out */
void owner_tell(struct leg *l, Parley__Telephony__V1__LegEventKind kind, const struct leg_input *in);
void owner_tell_unknown(struct edge *e, const char *owner, const char *leg_id);
void owner_tell_state(struct leg *l);
void owner_tell_digits(struct leg *l, const char *digits);
void owner_tell_refer(struct leg *l, const char *refer_to);
/* commands.c: LegCommands in */
PL_MUST enum pl_err commands_open(struct edge *e, struct pl_why *why);
/* audit.c */
PL_MUST enum pl_err audit_open(struct edge *e, struct pl_why *why);
void audit_close(struct edge *e);
void audit_send(struct edge *e);
void orphans_check(struct edge *e);
#endif
