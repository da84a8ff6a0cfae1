/* What everybody may do about the own session and password. */
#include "../engine/policy.h"
#include "auth.h"

/* --- Logout --- */

static enum pl_err logout_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	struct auth *a = c->arg;
	AU(SessionEnded) e = PARLEY__AUTH__V1__SESSION_ENDED__INIT;
	AU(LogoutResponse) *answer = PL_NEW(c->arena, AU(LogoutResponse));
	const struct audit entry = { .user_id = c->actor.user_id,
				     .session_id = c->actor.session_id,
				     .action = "logout",
				     .object_id = c->actor.session_id };
	char *subject = pl_arena_printf(c->arena, "ev.auth.session-ended.%s", c->actor.session_id);

	e.meta = event_meta(c->arena, bus_node(a->app->bus), c->actor.user_id);
	e.session_id = c->actor.session_id;
	e.user_id = c->actor.user_id;
	e.reason = (char *)(uintptr_t) "logout";
	if (!answer || !subject || !e.meta)
		return PL_E_NOMEM;
	parley__auth__v1__logout_response__init(answer);
	*out = &answer->base;
	enum pl_err err = db_audit_add(db, &entry, why);
	return err ? err : outbox_add(db, "auth", subject, &e.base, why);
}

static void on_ended(void *arg, enum pl_err err, const AU(CheckSessionResponse) * s, const struct pl_why *why)
{
	struct rpc_call *c = arg;
	struct auth *a = c->arg;

	if (err)
		rpc_fail(c, err, why);
	else
		rpc_on_db(c, a->pg, false, logout_job, auth_kick);
}

static bool has_session(struct rpc_call *c)
{
	struct pl_why why = { 0 };

	if (pl_id_ok(c->actor.session_id) && pl_id_ok(c->actor.user_id))
		return true;
	rpc_fail(c, pl_why_set(&why, PL_E_AUTH, "sign in first"), &why);
	return false;
}

void rpc_logout(struct rpc_call *c)
{
	if (has_session(c))
		session_end(c->arg, c->actor.session_id, on_ended,
			    c); /* first of all: afterwards nobody gets in with it */
}

/* --- GetMe --- */

static enum pl_err get_me_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(GetMeResponse) *answer = PL_NEW(c->arena, AU(GetMeResponse));
	struct user_row row;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__get_me_response__init(answer);
	enum pl_err err = db_user_get(db, c->arena, c->actor.user_id, false, &row, why);
	answer->user = err ? NULL : row.user;
	answer->session_id = c->actor.session_id;
	*out = &answer->base;
	return err;
}

void rpc_get_me(struct rpc_call *c)
{
	struct auth *a = c->arg;

	if (has_session(c))
		rpc_on_db(c, a->pg, true, get_me_job, NULL);
}

/* --- ChangePassword --- */

struct change {
	struct auth *a;
	struct rpc_call *call;
	const AU(ChangePasswordRequest) * in;
	struct user_row row;
	struct argon_job argon;
};

static enum pl_err store_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(ChangePasswordResponse) *answer = PL_NEW(c->arena, AU(ChangePasswordResponse));
	struct auth *a = c->arg;
	struct change *k = c->state;
	const struct audit entry = { .user_id = c->actor.user_id,
				     .session_id = c->actor.session_id,
				     .action = "user.password",
				     .object_id = c->actor.user_id };
	struct user_row row;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__change_password_response__init(answer);
	*out = &answer->base;
	enum pl_err err = db_user_password(db, c->actor.user_id, k->argon.made, false, why);
	if (!err)
		err = db_audit_add(db, &entry, why);
	if (!err)
		err = db_user_get(db, c->arena, c->actor.user_id, false, &row, why);
	if (err)
		return err;
	k->row.user = row.user;
	return event_user_changed(db, c->arena, bus_node(a->app->bus), row.user, false, why);
}

static void after_store(struct rpc_call *c)
{
	struct auth *a = c->arg;
	struct change *k = c->state;

	session_end_all(a, c->actor.user_id, c->actor.session_id, "password-changed");
	session_refresh(a, c->actor.session_id, k->row.user);
	auth_kick(c);
}

static void on_hashed(void *arg)
{
	struct change *k = arg;
	struct rpc_call *c = k->call;

	if (!k->argon.ok) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	c->state = k;
	rpc_on_db(c, k->a->pg, false, store_job, after_store);
}

static void on_old_verified(void *arg)
{
	struct change *k = arg;
	struct pl_why why = { 0 };
	enum pl_err err = PL_OK;

	if (!k->argon.ok)
		err = pl_why_field(&why, PL_E_DENIED, "old_password", "is wrong");
	if (!err) {
		throttle_success(k->a, k->row.user->username, "");
		err = password_need(k->in->new_password, k->row.user->username, "new_password", &why);
	}
	if (!err && pl_streq(k->in->old_password, k->in->new_password))
		err = pl_why_field(&why, PL_E_STATE, "new_password", "must not be the old one");
	if (!err) {
		k->argon = (struct argon_job){ .password = k->in->new_password, .done = on_hashed, .arg = k };
		err = argon_run(k->a, &k->argon, &why);
	}
	if (err)
		rpc_fail(k->call, err, &why);
}

static void on_throttle(void *arg, enum pl_err err, int64_t wait_ms, const struct pl_why *why)
{
	struct change *k = arg;
	struct pl_why here = { 0 };

	if (!err && wait_ms > 0) {
		err = pl_why_set(&here, PL_E_FULL, "too many attempts; try again in %" PRId64 " s",
				 (wait_ms + 999) / 1000);
		why = &here;
	}
	if (!err) {
		k->argon = (struct argon_job){
			.password = k->in->old_password, .hash = k->row.password_hash, .done = on_old_verified, .arg = k
		};
		err = argon_run(k->a, &k->argon, &here);
		why = &here;
	}
	if (err)
		rpc_fail(k->call, err, why);
}

static enum pl_err read_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct change *k = arg;

	return db_user_get(db, k->call->arena, k->call->actor.user_id, false, &k->row, why);
}

static void on_read(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct change *k = arg;

	if (err)
		rpc_fail(k->call, err, why);
	else
		throttle_attempt(k->a, k->row.user->username, "", on_throttle,
				 k); /* a stolen session must not guess the password */
}

void rpc_change_password(struct rpc_call *c)
{
	struct change *k = PL_NEW(c->arena, struct change);
	struct pl_why why = { 0 };

	if (!has_session(c))
		return;
	if (!k) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	*k = (struct change){ .a = c->arg, .call = c, .in = (const void *)c->in };
	enum pl_err err = strlen(k->in->old_password) > PASSWORD_MAX
				  ? pl_why_field(&why, PL_E_DENIED, "old_password", "is wrong")
				  : pg_read(k->a->pg, read_job, on_read, k);
	if (err)
		rpc_fail(c, err, &why);
}
