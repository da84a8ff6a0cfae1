/* Login: throttle (Redis), look up (PostgreSQL), verify (argon2 on a pool thread), session (Redis), record
 * (PostgreSQL), answer. A wrong name and a wrong password take the same way and the same time. */
#include "../engine/policy.h"
#include "auth.h"

struct login {
	struct auth *a;
	struct rpc_call *call;
	const AU(LoginRequest) * in;
	char username[65];
	const char *address;
	struct user_row row; /* row.user NULL: no such user */
	struct argon_job argon;
	struct session session;
	const char *failed; /* reason as in LoginFailed; NULL: signed in */
	int64_t wait_ms;
	char rehash[CRYPTO_PASSWORD_LEN];
};

/* --- the end: tell the ledger, then the caller --- */

static enum pl_err record_failure(struct login *l, struct pg_conn *db, struct pl_why *why)
{
	AU(LoginFailed) e = PARLEY__AUTH__V1__LOGIN_FAILED__INIT;
	const char *user_id = l->row.user ? l->row.user->id : NULL;
	const struct audit entry = { .user_id = user_id,
				     .username = l->username,
				     .remote_address = l->address,
				     .action = "login.failed",
				     .after_json = pl_arena_printf(l->call->arena, "{\"reason\":\"%s\"}", l->failed) };
	char *subject = pl_arena_printf(l->call->arena, "ev.auth.login-failed.%s", user_id ? user_id : "unknown");

	e.meta = event_meta(l->call->arena, bus_node(l->a->app->bus), user_id);
	e.username = l->username;
	e.remote_address = (char *)(uintptr_t)l->address;
	e.reason = (char *)(uintptr_t)l->failed;
	if (!subject || !e.meta)
		return PL_E_NOMEM;
	enum pl_err err = PL_OK;
	if (user_id && pl_streq(l->failed, "wrong-password"))
		err = db_user_login(db, user_id, false, why);
	if (!err)
		err = db_audit_add(db, &entry, why);
	return err ? err : outbox_add(db, "auth", subject, &e.base, why);
}

static enum pl_err record_success(struct login *l, struct pg_conn *db, struct pl_why *why)
{
	AU(SessionStarted) e = PARLEY__AUTH__V1__SESSION_STARTED__INIT;
	const AU(User) *u = l->row.user;
	const struct audit entry = { .user_id = u->id,
				     .username = u->username,
				     .remote_address = l->address,
				     .action = "login",
				     .object_id = l->session.id };
	char *subject = pl_arena_printf(l->call->arena, "ev.auth.session-started.%s", l->session.id);

	e.meta = event_meta(l->call->arena, bus_node(l->a->app->bus), u->id);
	e.session_id = l->session.id;
	e.user_id = u->id;
	e.username = u->username;
	e.remote_address = (char *)(uintptr_t)l->address;
	if (!subject || !e.meta)
		return PL_E_NOMEM;
	enum pl_err err = db_user_login(db, u->id, true, why);
	if (!err && *l->rehash)
		err = db_user_password(db, u->id, l->rehash, true, why);
	if (!err)
		err = db_audit_add(db, &entry, why);
	return err ? err : outbox_add(db, "auth", subject, &e.base, why);
}

static enum pl_err record_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct login *l = arg;

	return l->failed ? record_failure(l, db, why) : record_success(l, db, why);
}

static void answer(struct login *l)
{
	AU(LoginResponse) out = PARLEY__AUTH__V1__LOGIN_RESPONSE__INIT;
	struct pl_why why = { 0 };

	if (pl_streq(l->failed, "throttled")) {
		obs_add(l->a->m_throttled, 1);
		pl_why_set(&why, PL_E_FULL, "too many attempts; try again in %" PRId64 " s", (l->wait_ms + 999) / 1000);
	} else if (l->failed) {
		obs_add(l->a->m_failed, 1);
		pl_why_set(&why, PL_E_AUTH, "the user name or the password is wrong");
	}
	if (l->failed) {
		rpc_fail(l->call, why.err, &why);
		return;
	}
	obs_add(l->a->m_logins, 1);
	throttle_success(l->a, l->username, l->address);
	out.user = l->row.user;
	out.token = l->session.token;
	out.expires_at = rpc_ts(l->call->arena, session_expires_us(l->a));
	rpc_reply(l->call, &out.base);
}

static void on_recorded(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct login *l = arg;

	if (err) { /* what is not in the audit log has not happened */
		if (!l->failed)
			session_end(l->a, l->session.id, NULL, NULL);
		rpc_fail(l->call, err, why);
		return;
	}
	outbox_kick(l->a->outbox);
	answer(l);
}

static void record(struct login *l, const char *failed)
{
	struct pl_why why = { 0 };

	l->failed = failed;
	enum pl_err err = pg_tx(l->a->pg, record_job, on_recorded, l);
	if (err) {
		pl_why_set(&why, err, "the database has too much to do");
		on_recorded(l, err, &why);
	}
}

/* --- the way there --- */

static void on_session(void *arg, enum pl_err err, const AU(CheckSessionResponse) * s, const struct pl_why *why)
{
	struct login *l = arg;

	if (err)
		rpc_fail(l->call, err, why);
	else
		record(l, NULL);
}

static void start_session(struct login *l)
{
	AU(User) *u = l->row.user;
	int64_t age_us = pl_wall_us() - l->row.password_changed_us;

	if (l->a->cfg->password_days && age_us > l->a->cfg->password_days * 86400 * PL_US_PER_S)
		u->must_change_password = true;
	session_start(l->a, &l->session, u, on_session, l);
}

static void on_rehashed(void *arg)
{
	struct login *l = arg;

	if (l->argon.ok)
		memcpy(l->rehash, l->argon.made, sizeof(l->rehash));
	start_session(l);
}

static void on_verified(void *arg)
{
	struct login *l = arg;
	struct pl_why why;

	if (!l->row.user || !l->argon.ok) {
		record(l, l->row.user ? "wrong-password" : "unknown-user");
	} else if (!l->row.user->enabled) {
		record(l, "disabled");
	} else if (l->argon.stale) {
		l->argon.hash = NULL;
		l->argon.done = on_rehashed;
		if (argon_run(l->a, &l->argon, &why))
			start_session(l); /* another time */
	} else {
		start_session(l);
	}
}

static enum pl_err find_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct login *l = arg;

	enum pl_err err = db_user_find(db, l->call->arena, l->username, &l->row, why);
	return err == PL_E_NOTFOUND ? PL_OK : err;
}

static void on_found(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct login *l = arg;
	struct pl_why here = { 0 };

	if (!err && l->row.locked_until_us > pl_wall_us()) {
		l->wait_ms = (l->row.locked_until_us - pl_wall_us()) / 1000;
		record(l, "throttled");
		return;
	}
	if (!err) {
		l->argon = (struct argon_job){ .password = l->in->password,
					       .done = on_verified,
					       .arg = l,
					       .hash = l->row.user ? l->row.password_hash : l->a->dummy_hash };
		err = argon_run(l->a, &l->argon, &here);
		why = &here;
	}
	if (err)
		rpc_fail(l->call, err, why);
}

static void on_throttle(void *arg, enum pl_err err, int64_t wait_ms, const struct pl_why *why)
{
	struct login *l = arg;
	struct pl_why here = { 0 };

	if (!err && wait_ms > 0) { /* no audit row: whoever is throttled could fill the table. The counter tells. */
		l->wait_ms = wait_ms;
		l->failed = "throttled";
		answer(l);
		return;
	}
	if (!err) {
		err = pg_read(l->a->pg, find_job, on_found, l);
		pl_why_set(&here, err, "the database has too much to do");
		why = err ? &here : why;
	}
	if (err)
		rpc_fail(l->call, err, why);
}

void rpc_login(struct rpc_call *c)
{
	const AU(LoginRequest) *in = (const void *)c->in;
	struct login *l = PL_NEW(c->arena, struct login);
	struct pl_why why = { 0 };

	if (!l) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	*l = (struct login){ .a = c->arg, .call = c, .in = in, .address = in->remote_address };
	if (strlen(in->password) > PASSWORD_MAX || strlen(in->remote_address) > 64) {
		rpc_fail(c, pl_why_field(&why, PL_E_FORMAT, "password", "is too long"), &why);
		return;
	}
	if (!username_normalise(in->username, l->username)) /* cannot exist; goes the same way as one that does not */
		pl_strlcpy(l->username, "?", sizeof(l->username));
	throttle_attempt(l->a, l->username, l->address, on_throttle, l);
}
