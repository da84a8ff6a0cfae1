/** The api service's insides. Everything runs on the loop's thread. */
#ifndef API_H
#define API_H
#include "../engine/door.h"
#include "../engine/permission.h"

#include <parley/app.h>
#include <parley/auth/v1/auth.pb-c.h>
#include <parley/crypto.h>
#include <parley/http.h>
#include <parley/log.h>
#include <parley/rpc.h>
#include <uthash.h>

struct api_cfg {
	char *http_host;
	int64_t http_port;
	char *tls_cert, *tls_key;
	char *web_dir, *docs_dir;
	char *allowed_origins;
	int64_t max_conns, max_conns_per_ip;
	int64_t rate;       /* requests per second and session */
	int64_t login_rate; /* requests per second and address that come without a session */
	int64_t keep_events, keep_event_bytes;
};
extern const struct cfg_opt api_opts[];

/* --- who asks --- */
struct who {
	enum perm_role role;
	char user_id[40], session_id[40];
	bool must_change; /* the password, before anything else */
};

struct seat; /* a cached session */
struct ledger;
struct presence;

struct api {
	struct pl_app *app;
	const struct api_cfg *cfg;
	struct http_server *server;
	struct seat *seats;  /* by hash of the token */
	struct addr *addrs;  /* buckets of those without a session */
	char ended[256][40]; /* sessions that ended a moment ago: an answer about them may still be on its way */
	unsigned n_ended;
	struct ledger *ledger;
	struct pl_list clients; /* event streams */
	size_t n_clients;
	struct presence *present; /* by user */
	struct pl_timer *tick;
	struct obs_metric *m_requests, *m_refused, *m_streams, *m_slow, *m_time;
};

PL_MUST enum pl_err api_new(struct api **ret, struct pl_app *app, const struct api_cfg *cfg, struct pl_why *why);
void api_free(struct api *a);
void api_freep(struct api **a);
const char *api_actor(const struct who *w, char out[128]); /* the header Parley-Actor */

/* --- door.c --- */
void door_on_request(void *arg, struct http_req *r);
/** A Connect error: code, message, and the field as a detail. */
void answer_error(struct http_req *r, enum pl_err err, const struct pl_why *why);

/* --- seat.c: sessions, cached for 10 s, forgotten when the ledger says that they ended --- */
typedef void (*seat_fn)(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why);
/** By cookie or bearer token. Counts against the session's rate: PL_E_FULL. fn may run at once. */
void seat_find(struct api *a, struct http_req *r, seat_fn fn, void *arg);
/** The same without counting; PL_E_AUTH when the session has ended. */
void seat_check(struct api *a, const char *token, seat_fn fn, void *arg);
const char *seat_token(struct http_req *r); /* NULL: none */
void seat_ended(struct api *a, const char *session_id);
void seat_forget(struct api *a, const char *token);      /* ask again next time */
bool seat_addr_take(struct api *a, const char *address); /* false: too many */
void seat_tick(struct api *a);
void seat_free_all(struct api *a);

/* --- connect.c --- */
void connect_serve(struct api *a, struct http_req *r, const char *service, const char *method);

/* --- ledger.c: the newest events, in memory --- */
struct event {
	uint64_t seq;
	char *frame; /* as it is sent; NULL: not written yet */
	size_t frame_len;
	char *subject, *type; /* one block with data */
	uint8_t *data;
	size_t len;
	char agent_id[40]; /* whom it concerns; known with the frame */
};
PL_MUST enum pl_err ledger_open(struct api *a, struct pl_why *why);
void ledger_close(struct api *a);
uint64_t ledger_head(const struct api *a); /* 0: nothing known yet */
/** True when everything after seq is still here. */
bool ledger_has_after(const struct api *a, uint64_t seq);
/** The first event behind seq, with its frame; NULL: none. */
const struct event *ledger_next(struct api *a, uint64_t seq);

/* --- sse.c --- */
void sse_open(struct api *a, struct http_req *r);
void sse_on_event(struct api *a, const struct event *e); /* the newest one */
void sse_on_rt(void *arg, const struct bus_msg *m);
void sse_reload(struct api *a);
void sse_end_session(struct api *a, const char *session_id);
void sse_tick(struct api *a);
void sse_close_all(struct api *a);

/* --- presence.c: who has a desk open --- */
void presence_enter(struct api *a, const char *user_id);
void presence_leave(struct api *a, const char *user_id);
void presence_tick(struct api *a);
void presence_free(struct api *a);

/* --- recording.c --- */
void recording_serve(struct api *a, struct http_req *r, const char *id, const char *what);
#endif
