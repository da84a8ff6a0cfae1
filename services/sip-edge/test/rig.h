/* What the call tests stand on: private NATS, Redis and PostgreSQL, the real sip-edge, a call-control that does what
 * the test says, and SIP user agents made of plain sockets, so that a test can send what no stack would. */
#ifndef SIP_EDGE_RIG_H
#define SIP_EDGE_RIG_H
#include <parley/base.h>
#include <parley/bus.h>
#include <parley/rpc.h>
#include <parley/testkit.h>

#include "parley/telephony/v1/telephony.pb-c.h"

#define LIMIT_S 20
#define EVENTS_MAX 8192
#define CARRIER_PORTS 8

#define KIND(k) PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_##k

struct rig_event {
	char leg[PL_ID_LEN];
	int kind, state;
	unsigned status, seq;
	bool by_remote, taken;
	char sdp[1024], reason[128], digits[8], refer_to[256], contact[256];
};

/* What the fake call-control does with a new call. */
enum rig_policy { RIG_WAIT, RIG_ANSWER, RIG_NOT_FOUND, RIG_SILENT, RIG_BRIDGE /* to rig.far, both ends together */ };

struct rig {
	struct tk *nats, *redis, *pg, *edge;
	struct pl_loop *loop;
	struct bus *bus;
	struct obs *obs;
	int sip_port, health_port;
	enum rig_policy policy;
	struct rig_event events[EVENTS_MAX];
	size_t n_events;
	char leg[PL_ID_LEN]; /* of the last LegIncoming */
	char from[64], to[64], source_id[64], header[128], offer[1024];
	int source, n_incoming;
	uint32_t seq;
	uint64_t n_ended; /* all ENDED events, also those that no longer fit */
	int n_registered, n_unregistered;
	char trunk_id[PL_ID_LEN];
	int carrier_ports[CARRIER_PORTS]; /* the trunk's source ports; the last one is for SIPp */
	char carrier_sources[CARRIER_PORTS][32];
	struct rpc_call *unanswered[8]; /* of RIG_SILENT */
	size_t n_unanswered;
	char far[96];      /* where RIG_BRIDGE dials */
	bool list_nothing; /* the audit of this call-control lists no leg */
};
extern struct rig rig;

/** Starts everything once per process; extra options of sip-edge end with NULL. */
void rig_open(const char *const *options);
/** SIGTERM to sip-edge; fails unless it ends well (under AddressSanitizer also: without a leak). Then everything else
 * ends. */
void rig_close(void);
void rig_turn(void); /* one turn of the loop, at most 10 ms */
bool rig_until(bool (*done)(void *arg), void *arg);
/** The next event of this kind for the leg (NULL: any); fails the test after LIMIT_S. */
const struct rig_event *rig_event(const char *leg, int kind);
bool rig_has_event(const char *leg, int kind);
void rig_wait_incoming(int n);
/** Commands to a leg. */
void rig_progress(const char *leg, unsigned status, const char *sdp);
void rig_answer(const char *leg, const char *sdp);
void rig_hangup(const char *leg, unsigned status);
void rig_reinvite(const char *leg, const char *sdp);
void rig_answer_reinvite(const char *leg, const char *sdp);
void rig_adopt(const char *leg, const char *owner);
void rig_refer_result(const char *leg, unsigned status);
/** Fills leg with a new id and dials a URI or (uri NULL) a phone. */
void rig_dial(char leg[PL_ID_LEN], const char *uri, const char *phone_id, unsigned ring_ms);
/** RPC to the edge as an admin; returns the error, *out lives in the rig's arena. */
enum pl_err rig_rpc(const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
		    const ProtobufCMessage *in, const ProtobufCMessage **out);
/** Creates a phone; id is filled. */
void rig_phone(const char *user, const char *password, char id[PL_ID_LEN]);
/** A metric's value from /metrics, -1 when absent. name as published, with labels. */
double rig_metric(const char *name);
/** The end of what sip-edge has logged; in a static buffer. */
const char *rig_log(void);
long rig_edge_rss_kb(void);
double rig_edge_cpu_s(void);

/* --- user agents --- */
struct ua {
	int fd, port;
	bool tcp;
	char buf[65536];
	size_t n;
	char msg[16384]; /* the last message taken */
};
struct ua *ua_new(bool carrier, bool tcp); /* carrier: at one of the trunk's ports */
void ua_free(struct ua *u);
void ua_send(struct ua *u, const char *fmt, ...) PL_PRINTF(2, 3);
/** The next message whose first line begins with `start`; others are dropped. Fails the test after LIMIT_S. */
const char *ua_want(struct ua *u, const char *start);
bool ua_quiet(struct ua *u, int ms); /* nothing comes for so long */
/** Header of u->msg, in a ring of static buffers; "" when absent. n-th occurrence. */
const char *ua_header(const struct ua *u, const char *name);
const char *ua_header_n(const struct ua *u, const char *name, int n);
const char *ua_body(const struct ua *u);

/** One dialog as a test sees it, either direction. */
struct dlg {
	struct ua *ua;
	char call_id[64], local[200], remote[200], target[160], branch[64];
	char via[512], cseq_line[64], from_line[256], to_line[256]; /* of the request to answer */
	unsigned cseq;
	char extra[1024]; /* headers added to each request, with CRLF */
};
void dlg_invite(struct dlg *d, struct ua *u, const char *to, const char *sdp); /* begins a new one */
void dlg_request(struct dlg *d, const char *method, const char *sdp);          /* in the dialog, new CSeq */
void dlg_ack(struct dlg *d);                                                   /* of the 2xx in ua->msg */
void dlg_ack_fail(struct dlg *d);                                              /* of a non-2xx */
void dlg_cancel(struct dlg *d);
void dlg_take(struct dlg *d); /* learns the far tag and target from ua->msg (a response) */
/** UAS side: takes the INVITE in ua->msg, then answers requests. */
void dlg_incoming(struct dlg *d, struct ua *u);
void dlg_reply(struct dlg *d, int status, const char *phrase,
	       const char *sdp); /* to the request in ua->msg when called, see dlg_mark */
void dlg_mark(struct dlg *d);    /* the request in ua->msg is the one dlg_reply answers */

/** Authorization header for the challenge in u->msg ("MD5" or "SHA-256"), into out. */
void ua_authorize(const struct ua *u, const char *algorithm, const char *user, const char *password, const char *method,
		  const char *uri, char *out, size_t size);
/** REGISTER with digest; returns the final status. expires 0 removes. */
int ua_register(struct ua *u, const char *user, const char *password, const char *algorithm, int expires);
extern const char sdp_a[], sdp_b[];
#endif
