/** sip-edge, the whole process: what its parts share. One thread; sofia's su_root and the Parley loop are turned
 * together (stack.c). Ownership  struct edge owns everything below it; edge_free() accepts a half-built one. Bounds
 * legs: --max-legs. Sources under watch: GUARD_N. Nonces whose count is remembered: NONCES_N. */
#ifndef SIP_EDGE_EDGE_H
#define SIP_EDGE_EDGE_H
#include <parley/app.h>
#include <parley/log.h>
#include <parley/obs.h>
#include <parley/outbox.h>
#include <parley/pg.h>
#include <parley/redis.h>
#include <parley/rpc.h>

#include "../engine/admit.h"
#include "../engine/digest.h"
#include "../engine/guard.h"
#include "../engine/leg.h"
#include "../engine/registrar.h"
#include "../engine/wheel.h"
#include "options.h"
#include "sofia.h"

#define GUARD_N 16384
#define NONCES_N 32768
#define USER_AGENT "Parley"
#define ALLOW "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"

struct leg;
struct directory;
struct owner_round;

enum call_result { CALL_ANSWERED, CALL_ENDED_EARLY, CALL_REFUSED, CALL_RESULT_N };
enum refusal { REFUSE_LEGS, REFUSE_RATE, REFUSE_SLOW, REFUSE_DRAIN, REFUSE_CHANNELS, REFUSE_N };

struct edge_metrics {
	struct obs_metric *legs, *phones_registered, *bans_running;
	struct obs_metric *calls[2][CALL_RESULT_N]; /* [incoming][result] */
	struct obs_metric *overload[REFUSE_N];
	struct obs_metric *register_ok, *register_refused, *challenges, *auth_failures, *bans, *dropped;
	struct obs_metric *tx_timeouts, *retransmissions_in, *retransmissions_out, *bad_messages;
	struct obs_metric *leg_incoming_us, *commands, *commands_refused, *events, *events_lost;
};

struct edge {
	struct pl_app *app;
	const struct edge_cfg *cfg;
	bool draining, stopping;

	/* stack.c */
	su_root_t *root;
	nta_agent_t *agent;
	int root_fd; /* su_root's epoll descriptor; borrowed */
	su_home_t home[1];
	sip_contact_t *contact[2]; /* UDP, TCP */
	char host[96];             /* how we call ourselves in From, Contact and Via, with port */
	struct trace *trace;

	/* legs.c */
	struct leg *legs; /* by id */
	int64_t n_legs;
	struct leg_limits limits;
	struct wheel wheel;
	struct pl_timer *wheel_timer;
	struct pl_list dead; /* freed at the end of the turn */
	struct pl_list asks; /* LegIncoming on their way */

	struct directory *dir; /* phones and trunks in memory */
	struct pg *pg;
	struct redis *redis;
	bool bindings_read; /* what Redis held at our start is in memory */
	struct outbox *outbox;
	struct pl_timer *second; /* ticks once a second: expiry, orphans, audits */
	uint64_t seconds;

	struct guard guard;
	struct guard_entry *guard_mem;
	struct admit admit;
	struct admit_limits admit_lim;
	struct digest_seen seen;
	uint8_t nonce_key[32];
	uint32_t random; /* state of a cheap generator for spreading, not for secrets */

	struct bus_sub *sub_commands, *sub_audit, *sub_bindings, *sub_changes[2];
	uint64_t audit_round, marks;
	struct owner_round *rounds; /* audits of the owners, by node */
	struct obs_check *ready_config, *ready_bindings;
	struct edge_metrics m;
};

PL_MUST enum pl_err edge_new(struct edge **ret, struct pl_app *app, const struct edge_cfg *cfg, struct pl_why *why);
/** Runs until the app says stop and the last leg is gone or the drain time is over. */
PL_MUST enum pl_err edge_run(struct edge *e, struct pl_why *why);
void edge_free(struct edge *e);
void edge_freep(struct edge **e);

static inline int64_t edge_now_us(const struct edge *e)
{
	return pl_loop_now_us(e->app->loop);
}
uint32_t edge_random(struct edge *e);

/* metrics.c */
PL_MUST enum pl_err metrics_new(struct edge *e, struct pl_why *why);

/* stack.c */
PL_MUST enum pl_err stack_open(struct edge *e, struct pl_why *why);
void stack_close(struct edge *e);
void stack_run(struct edge *e);

/** Where a message came from. */
struct peer {
	uint8_t addr[16]; /* IPv4 as mapped IPv6 */
	uint16_t port;
	bool stream;   /* TCP or TLS */
	char host[48]; /* as in a URI: [v6] in brackets */
	char uri[96];  /* sip:host:port;transport=... : back to where it came from */
};
void peer_of(struct edge *e, msg_t *msg, struct peer *ret);
/** Contact for a dialog that goes by this transport. */
const sip_contact_t *stack_contact(const struct edge *e, bool stream);

/* dispatch.c: requests outside a dialog */
int dispatch(void *edge, nta_agent_t *agent, msg_t *msg, sip_t *sip);
#endif
