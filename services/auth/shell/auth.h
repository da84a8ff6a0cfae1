/** The auth service's insides. Everything runs on the loop's thread except pg jobs and argon2 work. */
#ifndef AUTH_H
#define AUTH_H
#include <parley/app.h>
#include <parley/auth/v1/auth.pb-c.h>
#include <parley/crypto.h>
#include <parley/log.h>
#include <parley/outbox.h>
#include <parley/pg.h>
#include <parley/redis.h>
#include <parley/rpc.h>

#define AU(name) Parley__Auth__V1__##name

struct auth_cfg {
	char *sql_dir;
	char *bootstrap_admin_password;
	int64_t session_s;
	int64_t password_days;
};
extern const struct cfg_opt auth_opts[];

struct argon_job;

struct auth {
	struct pl_app *app;
	const struct auth_cfg *cfg;
	struct pg *pg;
	struct redis *redis;
	struct outbox *outbox;
	struct pl_list argon_queue;
	int argon_running, argon_waiting;
	char dummy_hash[CRYPTO_PASSWORD_LEN]; /* verified against when there is no such user, so that both take as long
					       */
	struct obs_check *ready;
	struct pl_timer *retry; /* of the start */
	char boot_hash[CRYPTO_PASSWORD_LEN];
	struct obs_metric *m_logins, *m_failed, *m_throttled;
	bool ledger_ready, boot_ready;
};

PL_MUST enum pl_err auth_new(struct auth **ret, struct pl_app *app, const struct auth_cfg *cfg, struct pl_why *why);
void auth_free(struct auth *a);
void auth_freep(struct auth **a);
void auth_kick(struct rpc_call *c); /* as `after` of rpc_on_db(): send the outbox */

/* --- argon.c: two hashes at a time, because each takes 64 MiB --- */
/** Runs on a pool thread what verify (hash given) or hash asks for; done on the loop. PL_E_FULL: 200 wait already. */
struct argon_job {
	struct pl_list link;
	struct auth *auth;
	const char *password;
	const char *hash; /* to verify against; NULL: make one */
	char made[CRYPTO_PASSWORD_LEN];
	bool ok;    /* verified, or made */
	bool stale; /* verified, but by parameters of yesterday */
	void (*done)(void *arg);
	void *arg;
};
PL_MUST enum pl_err argon_run(struct auth *a, struct argon_job *j, struct pl_why *why);

/* --- session.c: sessions in Redis ---
 * auth:session:<sha256 of token> JSON of CheckSessionResponse, auth:sid:<session id> that hash, auth:of:<user id> set
 * of hashes */
struct session {
	char token[CRYPTO_TOKEN_LEN]; /* only when just made */
	char hash[65];
	char id[PL_ID_LEN];
};
typedef void (*session_fn)(void *arg, enum pl_err err, const AU(CheckSessionResponse) * s, const struct pl_why *why);
void session_hash(const char *token, char hash[65]);
/** Makes id and token, stores it. fn: PL_OK or PL_E_UNAVAIL; s is NULL. */
void session_start(struct auth *a, struct session *s, const AU(User) * user, session_fn fn, void *arg);
/** By token; lengthens its life. PL_E_AUTH: no such session. s lives in the loop's tmp. */
void session_check(struct auth *a, const char *token, session_fn fn, void *arg);
/** Ends one session. fn may be NULL; PL_OK also when it was not there. */
void session_end(struct auth *a, const char *session_id, session_fn fn, void *arg);
/** Ends all of a user but `except` (may be NULL), telling the ledger. */
void session_end_all(struct auth *a, const char *user_id, const char *except, const char *reason);
/** Writes the user's facts anew into one session (after its password was changed). */
void session_refresh(struct auth *a, const char *session_id, const AU(User) * user);
int64_t session_expires_us(const struct auth *a);

/* --- throttle.c: wrong passwords, counted in Redis --- */
typedef void (*throttle_fn)(void *arg, enum pl_err err, int64_t wait_ms, const struct pl_why *why);
/** Counts an attempt. wait_ms > 0: too many, refused. PL_E_UNAVAIL: Redis is away; then nobody may try. */
void throttle_attempt(struct auth *a, const char *username, const char *address, throttle_fn fn, void *arg);
void throttle_success(struct auth *a, const char *username, const char *address);

/* --- db_user.c, db_audit.c: inside pg jobs --- */
struct user_row {
	AU(User) * user;
	const char *password_hash;
	int64_t locked_until_us, password_changed_us;
};
/** All in a. PL_E_NOTFOUND. lock: FOR UPDATE. */
PL_MUST enum pl_err db_user_get(struct pg_conn *c, struct pl_arena *a, const char *id, bool lock, struct user_row *ret,
				struct pl_why *why);
PL_MUST enum pl_err db_user_find(struct pg_conn *c, struct pl_arena *a, const char *username, struct user_row *ret,
				 struct pl_why *why);
PL_MUST enum pl_err db_user_insert(struct pg_conn *c, const AU(User) * u, const char *hash, struct pl_why *why);
PL_MUST enum pl_err db_user_update(struct pg_conn *c, const AU(User) * u, struct pl_why *why); /* revision must match */
PL_MUST enum pl_err db_user_password(struct pg_conn *c, const char *id, const char *hash, bool keep_age,
				     struct pl_why *why);
PL_MUST enum pl_err db_user_delete(struct pg_conn *c, const char *id, struct pl_why *why);
PL_MUST enum pl_err db_user_login(struct pg_conn *c, const char *id, bool ok, struct pl_why *why);
/** PL_E_STATE when no enabled admin is left. */
PL_MUST enum pl_err db_user_admin_left(struct pg_conn *c, struct pl_why *why);
PL_MUST enum pl_err db_user_list(struct pg_conn *c, struct pl_arena *a, const AU(ListUsersRequest) * in,
				 AU(ListUsersResponse) * out, struct pl_why *why);

struct audit {
	const char *user_id, *username, *remote_address, *action,
		*object_id; /* NULL name or address: from the user and the session */
	const char *session_id;
	const ProtobufCMessage *before, *after; /* written as JSON; may be NULL */
	const char *before_json, *after_json;
};
PL_MUST enum pl_err db_audit_add(struct pg_conn *c, const struct audit *e, struct pl_why *why);
PL_MUST enum pl_err db_audit_list(struct pg_conn *c, struct pl_arena *a, const AU(ListAuditEntriesRequest) * in,
				  AU(ListAuditEntriesResponse) * out, struct pl_why *why);

/* --- events.c --- */
Parley__Common__V1__EventMeta *event_meta(struct pl_arena *a, const char *node, const char *agent_id);
PL_MUST enum pl_err event_user_changed(struct pg_conn *c, struct pl_arena *a, const char *node, const AU(User) * u,
				       bool deleted, struct pl_why *why);

/* --- handlers --- */
void rpc_login(struct rpc_call *c);
void rpc_logout(struct rpc_call *c);
void rpc_get_me(struct rpc_call *c);
void rpc_change_password(struct rpc_call *c);
void rpc_list_users(struct rpc_call *c);
void rpc_get_user(struct rpc_call *c);
void rpc_create_user(struct rpc_call *c);
void rpc_update_user(struct rpc_call *c);
void rpc_delete_user(struct rpc_call *c);
void rpc_list_audit_entries(struct rpc_call *c);
void rpc_check_session(struct rpc_call *c);
void rpc_add_audit_entry(struct rpc_call *c);
/** The one field a user's facts are wrong in; normalises the name in place (in the call's arena). */
PL_MUST enum pl_err user_check(AU(User) * u, struct pl_arena *a, struct pl_why *why);
PL_MUST enum pl_err password_need(const char *password, const char *username, const char *field, struct pl_why *why);
#endif
