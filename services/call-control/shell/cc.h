/** The shell of call-control: what its files share.
 *  Threads    everything on the app's loop; SQL in jobs of libs/pg.
 *  Ownership  struct cc owns the calls; a callback that comes later finds its call by id, never by pointer. */
#ifndef CALL_CONTROL_CC_H
#define CALL_CONTROL_CC_H
#include "../engine/call.h"
#include "../engine/route.h"

#include <parley/actor.h>
#include <parley/app.h>
#include <parley/bus.h>
#include <parley/obs.h>
#include <parley/outbox.h>
#include <parley/pg.h>
#include <parley/rpc.h>
#include <stdio.h>
#include <uthash.h>

#include "proto.stamp.h"

#include "google/protobuf/timestamp.pb-c.h"
#include "parley/acd/v1/acd.pb-c.h"
#include "parley/auth/v1/auth.pb-c.h"
#include "parley/common/v1/common.pb-c.h"
#include "parley/flow/v1/flow.pb-c.h"
#include "parley/media/v1/media.pb-c.h"
#include "parley/telephony/v1/telephony.pb-c.h"
#include "parley/voice/v1/voice.pb-c.h"

#define CC_SCHEMA "voice"
#define CC_RPCS 8   /* commands of one call that wait for their answer */
#define CC_NODES 64 /* other copies of this service */

struct cc_cfg {
	char *sql_dir;
	int64_t max_calls, longest_call_s;
	bool record_out;
};

struct cc;
struct refs;
struct routes;
struct recordings;

struct leg_ref {
	UT_hash_handle hh;
	char id[CALL_ID];
	struct cc_call *call;
	struct leg_ref *next; /* of the same call */
};
struct cc_call {
	UT_hash_handle hh;
	struct call c;
	struct cc *cc;
	struct pl_timer *timer;
	struct leg_ref *refs;
	struct {
		uint64_t token;
		struct rpc_call *rpc;
	} rpcs[CC_RPCS];
	struct rpc_call *dial_rpc; /* DialNumber while the call is being made */
	uint32_t media_failed;     /* an Apply that could not even be sent */
	uint32_t flow_failed;      /* a step that could not even be sent */
	struct bus_tail *heal;     /* offers missed between two owners */
	char heal_reason[16];
	int64_t taken_us; /* when it became ours */
	bool saved;
};

struct cc_metrics {
	struct obs_metric *active, *outcome[END_CAUSE_N], *setup_us, *offer_dial_us, *rec_failed, *refused, *adopted,
		*asks, *emit_failed;
};
struct cc {
	struct pl_app *app;
	const struct cc_cfg *cfg;
	struct pg *pg;
	struct outbox *outbox;
	struct actors *actors;
	struct refs *names;
	struct routes *routes;
	struct recordings *recs;
	struct cc_call *calls;
	struct leg_ref *legs;
	struct call_fx fx; /* of the step being done */
	struct call_limits limits;
	struct cc_metrics m;
	struct obs_check *ready;
	struct pl_timer *second;
	struct bus_sub *subs[16];
	size_t n_subs;
	char peers[CC_NODES][CALL_NODE]; /* live call-control nodes, without us */
	size_t n_peers;
	unsigned ended_status; /* SIP status of the last call that ended */
	uint64_t tokens;
	int64_t wall_offset_us; /* wall clock minus the loop's monotonic clock */
	uint64_t seconds, audit_round;
	bool draining, drained;
	struct audit_from *audits;
	struct positions *positions;
	char rooms_at[CC_NODES][CALL_NODE]; /* media nodes with rooms of ours */
	size_t n_rooms_at;
};

/* cc.c */
PL_MUST enum pl_err cc_new(struct cc **ret, struct pl_app *app, const struct cc_cfg *cfg, struct pl_why *why);
void cc_free(struct cc *cc);
void cc_freep(struct cc **cc);
PL_MUST enum pl_err cc_subscribe(struct cc *cc, const char *subject, const char *queue, bus_fn fn, struct pl_why *why);
/** UTC in microseconds that never steps back within a process. */
int64_t cc_now(const struct cc *cc);

static inline const char *or_text(const char *s)
{
	return s ? s : "";
}
static inline char *cc_str(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
} /* protobuf-c fields are not const */

/* calls.c */
struct cc_call *cc_call_new(struct cc *cc, const char *id); /* NULL: max_calls or memory */
struct cc_call *cc_call_find(struct cc *cc, const char *id);
struct cc_call *cc_call_by_leg(struct cc *cc, const char *leg_id);
/** The event, its effects, and what follows from effects that failed at once. The call may be gone afterwards. */
enum pl_err cc_step(struct cc_call *k, const struct call_event *ev);
void cc_call_drop(struct cc_call *k);                          /* forgets it, without any effect */
uint64_t cc_rpc_keep(struct cc_call *k, struct rpc_call *rpc); /* 0: too many wait */
void cc_adopt(void *arg, const char *id, const void *body, size_t len);
void cc_lost(void *arg);

/* fx_*.c: one kind of effect each */
void fx_do_leg(struct cc_call *k, const struct call_effect *e);
void fx_do_media(struct cc_call *k, const struct call_fx *fx);
void fx_do_flow(struct cc_call *k, const struct call_effect *e);
void fx_do_acd(struct cc_call *k, const struct call_effect *e);
/** For a call that is over already. */
void fx_acd_cancel(struct cc *cc, const char *interaction_id, const char *reason);
void fx_do_emit(struct cc_call *k, const struct call_effect *e);
void fx_do_reply(struct cc_call *k, const struct call_effect *e);
void fx_ask_position(struct cc_call *k);
Parley__Common__V1__EventMeta *cc_meta(struct cc *cc, struct pl_arena *a, const char *event_id);

/* on_*.c: what comes in */
PL_MUST enum pl_err on_legs_open(struct cc *cc, struct pl_why *why);
void on_legs_audit(struct cc *cc);
void on_legs_close(struct cc *cc);
void cc_hang_up(struct cc *cc, const char *edge, const char *leg_id, uint32_t seq, const char *reason);
PL_MUST enum pl_err on_media_open(struct cc *cc, struct pl_why *why);
void on_media_keep(struct cc *cc);
PL_MUST enum pl_err on_acd_open(struct cc *cc, struct pl_why *why);
void on_acd_heal(struct cc_call *k);
void on_acd_close(struct cc *cc);
PL_MUST enum pl_err on_agent_open(struct cc *cc, struct pl_why *why);
Parley__Voice__V1__Call *cc_call_view(struct cc_call *k, const char *agent_id, struct pl_arena *a);

/* refs.c: queues, trunks, phones and agents' devices, kept as others told */
PL_MUST enum pl_err refs_open(struct refs **ret, struct cc *cc, struct pl_why *why);
void refs_close(struct refs *r);
void refs_refresh(struct refs *r);
/** What a number leads to when an agent or a phone of ours dials it: a route into a queue or to a phone, a phone, a
 * trunk. The result's strings live in a. NONE: nowhere. */
struct call_dest refs_resolve(struct refs *r, const char *number, struct pl_arena *a);
struct call_dest refs_queue(struct refs *r, const char *queue_id, struct pl_arena *a); /* known or not */
struct call_dest refs_phone_user(struct refs *r, const char *user, struct pl_arena *a);
struct call_dest refs_agent_phone(struct refs *r, const char *agent_id, struct pl_arena *a); /* NONE: not at a phone */
const char *refs_queue_name(struct refs *r, const char *queue_id);
const char *refs_trunk_caller_id(struct refs *r, const char *trunk_id);

/* routes.c, db_route.c */
PL_MUST enum pl_err routes_open(struct routes **ret, struct cc *cc, struct pl_why *why);
void routes_close(struct routes *r);
void routes_refresh(struct routes *r);
bool routes_loaded(const struct routes *r);
const struct route *routes_find(struct routes *r, const char *number, const char *trunk_id);
PL_MUST enum pl_err routes_serve(struct cc *cc, struct pl_why *why);

/* recordings.c, db_recording.c */
PL_MUST enum pl_err recordings_open(struct recordings **ret, struct cc *cc, struct pl_why *why);
void recordings_close(struct recordings *r);
void recordings_second(struct recordings *r);
/** The recorder's last word; the call may be over. */
void recordings_done(struct recordings *r, const char *room_id, const char *node,
		     const Parley__Media__V1__RecordingDone *d);
/** What is known of a recording while its call lives, for its last word. */
void recordings_note(struct recordings *r, const char *recording_id, const char *interaction_id, const char *agent_id,
		     const char *queue_id);
PL_MUST enum pl_err recordings_serve(struct cc *cc, struct pl_why *why);

#endif
