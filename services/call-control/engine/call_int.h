/* Inside the engine: the step being done and its verbs. */
#ifndef CALL_CONTROL_CALL_INT_H
#define CALL_CONTROL_CALL_INT_H
#include "call.h"

struct step {
	struct call *c;
	const struct call_event *ev;
	const struct call_env *env;
	struct call_fx *fx;
};

/* text.c */
const char *or_empty(const char *s);
bool str_eq(const char *a, const char *b);
void str_put(char *dst, size_t size, const char *src); /* cuts */
bool str_fits(const char *s, size_t size);

/* effect.c */
struct call_effect *fx_add(struct step *s, enum call_fx_kind kind);
struct call_effect *fx_leg(struct step *s, enum call_fx_kind kind, unsigned leg);
struct call_effect *fx_emit(struct step *s, enum call_ledger event);
struct call_effect *fx_acd(struct step *s, enum call_fx_kind kind);
void fx_reply(struct step *s, uint64_t rpc, enum pl_err err, const char *text, const char *sdp);
void fx_offer_reply(struct step *s, const struct call_leg *l, enum offer_outcome outcome, const char *why);
struct call_op *fx_op(struct step *s, enum op_kind kind, const char *ep);
/** What is waited for of this step's Apply. False when CALL_WAITS are waited for. */
bool fx_wait(struct step *s, enum wait_kind kind, unsigned leg, uint64_t rpc);
bool waits_free(const struct call *c, size_t n);
void op_mix(struct step *s, unsigned leg, int hears);
/** Plays packed sources to the customer and makes it the call's player. */
void op_play(struct step *s, enum play_kind what, const char *sources, size_t len, bool loop);
void op_stop(struct step *s); /* what plays now */

/* leg.c */
enum leg_event { LEG_EV_SDP, LEG_EV_RING, LEG_EV_ANSWER, LEG_EV_END, LEG_EV_DROP, LEG_EV_N };
enum leg_fx { LEG_FX_NONE, LEG_FX_DIAL, LEG_FX_RING, LEG_FX_TALK, LEG_FX_HANGUP };
PL_MUST enum pl_err leg_step(struct call_leg *l, enum leg_event ev, enum leg_fx *ret);
/** A new leg in a free slot; -1 when there is none. The same offer gives the same leg id, so an adopted call cannot
 * ring it twice. */
int leg_new(struct step *s, enum leg_role role, const char *edge, const char *offer_id);
bool leg_can_target(const struct call_dest *d);
void leg_target(struct call_leg *l, const struct call_dest *d);
/** Ends a leg from our side: hangs up what was dialled, destroys its endpoint. */
void leg_drop(struct step *s, unsigned leg, uint32_t status, const char *why);
/** It is gone already: only its endpoint remains to be destroyed. */
void leg_forget(struct step *s, unsigned leg);
/** Makes the endpoint of a leg that is to be dialled (the answer of media dials it). */
void leg_prepare(struct step *s, unsigned leg);
void legs_drop_but(struct step *s, int keep, uint32_t status, const char *why);
unsigned legs_alive(const struct call *c, enum leg_role role);

/* menu.c */
void flow_step_out(struct step *s, enum step_kind kind, const char *why);
void flow_gone(struct step *s);
void menu_next(struct step *s);   /* goes on with the actions */
void menu_replay(struct step *s); /* the present action again, from its beginning */
enum pl_err menu_flow(struct step *s);
enum pl_err menu_digit(struct step *s, char digit);
enum pl_err menu_played(struct step *s);
void menu_digit_timer(struct step *s);
enum pl_err late_flow(struct step *s); /* an answer of the flow when the call is elsewhere already */

/* queue.c */
void queue_enter(struct step *s, const struct call_dest *d); /* by call-control itself: enqueues */
void queue_wait(struct step *s); /* music, announcements; the item is in the router already */
void queue_music(struct step *s);
void queue_back(struct step *s, const char *only_agent); /* into the queue again, the wait goes on */
void queue_leave(struct step *s, const char *reason, bool tell_router);
enum pl_err queue_offered(struct step *s);
enum pl_err queue_offer_ended(struct step *s);
enum pl_err queue_dequeued(struct step *s);
enum pl_err queue_digit(struct step *s, char digit);
enum pl_err queue_played(struct step *s);
enum pl_err queue_position(struct step *s);
enum pl_err queue_accept(struct step *s);
enum pl_err queue_reject(struct step *s);
void queue_announce(struct step *s);
void offer_failed(struct step *s, unsigned leg, uint32_t status);

/* talk.c */
bool customer_answer(struct step *s); /* false: its SDP is not there yet; it is answered when it comes */
bool customer_can_answer(const struct call *c);
void talk_begin(struct step *s, unsigned leg);
/** The agent's part of the talk is over; agent_only: the interaction goes on. The leg itself is not touched. */
void talk_release(struct step *s, const char *reason, bool agent_only);
/** The far side is done; hang_up: because it asked us to end its leg, which is there still. */
void talk_over(struct step *s, enum ended_by by, const char *reason, bool hang_up);
void talk_mix(struct step *s);
void talk_lost(struct step *s, const char *why, bool gone); /* the far device failed; gone: its leg is no more */
void talk_browser_gone(struct step *s);
void record_begin(struct step *s, unsigned leg);
void record_end(struct step *s, bool media_lives);

/* command.c */
enum pl_err cmd_hold(struct step *s);
enum pl_err cmd_resume(struct step *s);
enum pl_err cmd_mute(struct step *s);
enum pl_err cmd_digits(struct step *s);
enum pl_err cmd_transfer(struct step *s);
enum pl_err cmd_hangup(struct step *s);
enum pl_err cmd_pause(struct step *s);
enum pl_err cmd_attach(struct step *s);
enum pl_err leg_refer(struct step *s);
enum pl_err leg_reinvite(struct step *s);

/* dial.c */
enum pl_err dial_out(struct step *s);
/** A far leg for the customer (direct route, flow, transfer). False: bad target, nothing was done. */
bool dial_far(struct step *s, const struct call_dest *d, uint32_t ring_ms);
enum pl_err dial_ringing(struct step *s, unsigned leg);
void dial_answered(struct step *s, unsigned leg);
void dial_failed(struct step *s, unsigned leg, uint32_t status, bool by_remote);

/* clear.c */
void call_clear(struct step *s, enum ended_by by, enum end_cause cause, uint32_t status);
void clear_done(struct step *s, double mos, double loss_pct);
void call_refuse(struct step *s, enum end_cause cause, uint32_t status); /* nothing was begun */
void customer_gone(struct step *s, enum ended_by by);

/* adopt.c */
enum pl_err adopt_adopted(struct step *s);
enum pl_err adopt_media_lost(struct step *s);
enum pl_err adopt_edge_lost(struct step *s);
void adopt_anchored(struct step *s, unsigned leg, const char *sdp);

/* result.c */
enum pl_err on_result(struct step *s);
#endif
