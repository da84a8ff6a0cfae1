/* UserService: administrators keep users; supervisors read them. */
#include "../engine/policy.h"
#include "auth.h"

enum pl_err password_need(const char *password, const char *username, const char *field, struct pl_why *why)
{
	enum password_fault f = password_check(password, username);

	if (f)
		return pl_why_field(why, PL_E_STATE, field, "%s", password_fault_text(f));
	return pl_utf8_ok(password, strlen(password)) ? PL_OK : pl_why_field(why, PL_E_FORMAT, field, "is not UTF-8");
}

enum pl_err user_check(AU(User) * u, struct pl_arena *a, struct pl_why *why)
{
	char name[65];

	if (!username_normalise(u->username, name))
		return pl_why_field(why, PL_E_FORMAT, "user.username",
				    "must be 2 to 64 of a-z, 0-9, '.', '_', '@' and '-'");
	u->username = pl_arena_strdup(a, name);
	if (strlen(u->full_name) > 200)
		return pl_why_field(why, PL_E_FORMAT, "user.full_name", "must have at most 200 bytes");
	if (strlen(u->alias) > 100)
		return pl_why_field(why, PL_E_FORMAT, "user.alias", "must have at most 100 bytes");
	if (!email_ok(u->email))
		return pl_why_field(why, PL_E_FORMAT, "user.email", "must be an address like name@example.com");
	if (u->role < PARLEY__AUTH__V1__ROLE__ROLE_AGENT || u->role > PARLEY__AUTH__V1__ROLE__ROLE_ADMIN)
		return pl_why_field(why, PL_E_FORMAT, "user.role", "must be ROLE_AGENT, ROLE_SUPERVISOR or ROLE_ADMIN");
	if (!locale_ok(u->locale))
		return pl_why_field(why, PL_E_FORMAT, "user.locale", "must be a language like \"en\" or \"it-IT\"");
	if (!time_zone_ok(u->time_zone))
		return pl_why_field(why, PL_E_FORMAT, "user.time_zone", "must be a zone like \"Europe/Rome\"");
	return u->username ? PL_OK : PL_E_NOMEM;
}

/* --- reading --- */

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(ListUsersResponse) *answer = PL_NEW(c->arena, AU(ListUsersResponse));

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__list_users_response__init(answer);
	*out = &answer->base;
	return db_user_list(db, c->arena, (const void *)c->in, answer, why);
}

static enum pl_err get_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const AU(GetUserRequest) *in = (const void *)c->in;
	AU(GetUserResponse) *answer = PL_NEW(c->arena, AU(GetUserResponse));
	struct user_row row;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__get_user_response__init(answer);
	*out = &answer->base;
	enum pl_err err = db_user_get(db, c->arena, in->id, false, &row, why);
	answer->user = err ? NULL : row.user;
	return err;
}

static void read_with(struct rpc_call *c, rpc_job_fn job)
{
	struct auth *a = c->arg;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_SUPERVISOR, &why);

	if (err)
		rpc_fail(c, err, &why);
	else
		rpc_on_db(c, a->pg, true, job, NULL);
}

void rpc_list_users(struct rpc_call *c)
{
	read_with(c, list_job);
}
void rpc_get_user(struct rpc_call *c)
{
	read_with(c, get_job);
}

/* --- writing --- */

/* A change on its way: the password is hashed before the transaction begins. */
struct write {
	struct auth *a;
	struct rpc_call *call;
	AU(User) * user;      /* as wanted */
	const char *password; /* "": unchanged */
	struct argon_job argon;
	AU(User) * before, *now;
	rpc_job_fn job;
	bool end_sessions;
	const char *reason;
};

/* The row as it is now, told to the ledger and the audit log. */
static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, const char *action, struct pl_why *why)
{
	struct write *w = c->state;
	struct user_row row;

	enum pl_err err = db_user_get(db, c->arena, w->user->id, false, &row, why);
	if (err)
		return err;
	w->now = row.user;
	const struct audit entry = { .user_id = c->actor.user_id,
				     .session_id = c->actor.session_id,
				     .action = action,
				     .object_id = w->user->id,
				     .before = w->before ? &w->before->base : NULL,
				     .after = &w->now->base };
	err = db_audit_add(db, &entry, why);
	return err ? err : event_user_changed(db, c->arena, bus_node(w->a->app->bus), w->now, false, why);
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(CreateUserResponse) *answer = PL_NEW(c->arena, AU(CreateUserResponse));
	struct write *w = c->state;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__create_user_response__init(answer);
	enum pl_err err = db_user_insert(db, w->user, w->argon.made, why);
	if (!err)
		err = tell(c, db, "user.create", why);
	answer->user = w->now;
	*out = &answer->base;
	return err;
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(UpdateUserResponse) *answer = PL_NEW(c->arena, AU(UpdateUserResponse));
	struct write *w = c->state;
	struct user_row row;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__update_user_response__init(answer);
	enum pl_err err = db_user_get(db, c->arena, w->user->id, true, &row, why);
	if (err)
		return err;
	w->before = row.user;
	err = db_user_update(db, w->user, why);
	if (!err && *w->password)
		err = db_user_password(db, w->user->id, w->argon.made, false, why);
	if (!err && w->before->role == PARLEY__AUTH__V1__ROLE__ROLE_ADMIN)
		err = db_user_admin_left(db, why);
	if (!err)
		err = tell(c, db, "user.update", why);
	w->end_sessions = !w->user->enabled || w->user->role != w->before->role || *w->password;
	w->reason = !w->user->enabled ? "user-disabled" : *w->password ? "password-changed" : "replaced";
	answer->user = w->now;
	*out = &answer->base;
	return err;
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(DeleteUserResponse) *answer = PL_NEW(c->arena, AU(DeleteUserResponse));
	struct write *w = c->state;
	struct user_row row;

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__delete_user_response__init(answer);
	*out = &answer->base;
	enum pl_err err = db_user_get(db, c->arena, w->user->id, true, &row, why);
	if (err)
		return err;
	w->before = row.user;
	const struct audit entry = { .user_id = c->actor.user_id,
				     .session_id = c->actor.session_id,
				     .action = "user.delete",
				     .object_id = w->user->id,
				     .before = &w->before->base };
	err = db_user_delete(db, w->user->id, why);
	if (!err && w->before->role == PARLEY__AUTH__V1__ROLE__ROLE_ADMIN)
		err = db_user_admin_left(db, why);
	if (!err)
		err = db_audit_add(db, &entry, why);
	w->end_sessions = true;
	w->reason = "user-disabled";
	return err ? err : event_user_changed(db, c->arena, bus_node(w->a->app->bus), w->before, true, why);
}

static void after_write(struct rpc_call *c)
{
	struct write *w = c->state;

	if (w->end_sessions)
		session_end_all(w->a, w->user->id, NULL, w->reason);
	auth_kick(c);
}

static void store(struct write *w)
{
	w->call->state = w;
	rpc_on_db(w->call, w->a->pg, false, w->job, after_write);
}

static void on_hashed(void *arg)
{
	struct write *w = arg;

	if (w->argon.ok)
		store(w);
	else
		rpc_fail(w->call, PL_E_NOMEM, NULL);
}

static struct write *write_new(struct rpc_call *c, AU(User) * user, const char *password, rpc_job_fn job,
			       struct pl_why *why)
{
	struct write *w = PL_NEW(c->arena, struct write);

	if (rpc_need(&c->actor, RPC_ADMIN, why))
		return NULL;
	if (!user) {
		pl_why_field(why, PL_E_FORMAT, "user", "is missing");
		return NULL;
	}
	if (!w)
		pl_why_set(why, PL_E_NOMEM, "no memory");
	else
		*w = (struct write){ .a = c->arg, .call = c, .user = user, .password = password, .job = job };
	return w;
}

static void write_go(struct write *w)
{
	struct pl_why why = { 0 };

	if (!*w->password) {
		store(w);
		return;
	}
	w->argon = (struct argon_job){ .password = w->password, .done = on_hashed, .arg = w };
	enum pl_err err = argon_run(w->a, &w->argon, &why);
	if (err)
		rpc_fail(w->call, err, &why);
}

void rpc_create_user(struct rpc_call *c)
{
	AU(CreateUserRequest) *in = (void *)(uintptr_t)c->in;
	struct pl_why why = { 0 };
	char id[PL_ID_LEN];

	struct write *w = write_new(c, in->user, in->password, create_job, &why);
	enum pl_err err = w ? user_check(w->user, c->arena, &why) : why.err;
	if (!err && !pl_empty(w->user->id) && !pl_id_ok(w->user->id))
		err = pl_why_field(&why, PL_E_FORMAT, "user.id", "must be a UUID in lower case");
	if (!err && pl_empty(w->user->id)) {
		w->user->id = pl_arena_strdup(c->arena, pl_id_new(id));
		err = w->user->id ? PL_OK : PL_E_NOMEM;
	}
	if (!err)
		err = password_need(in->password, w->user->username, "password", &why);
	if (err)
		rpc_fail(c, err, &why);
	else
		write_go(w);
}

void rpc_update_user(struct rpc_call *c)
{
	AU(UpdateUserRequest) *in = (void *)(uintptr_t)c->in;
	struct pl_why why = { 0 };

	struct write *w = write_new(c, in->user, in->password, update_job, &why);
	enum pl_err err = w ? user_check(w->user, c->arena, &why) : why.err;
	if (!err && !pl_id_ok(w->user->id))
		err = pl_why_field(&why, PL_E_NOTFOUND, "user.id", "there is no such user");
	if (!err && *in->password)
		err = password_need(in->password, w->user->username, "password", &why);
	if (err)
		rpc_fail(c, err, &why);
	else
		write_go(w);
}

void rpc_delete_user(struct rpc_call *c)
{
	const AU(DeleteUserRequest) *in = (const void *)c->in;
	AU(User) *u = PL_NEW(c->arena, AU(User));
	struct pl_why why = { 0 };
	enum pl_err err = u ? PL_OK : PL_E_NOMEM;

	if (!err) {
		parley__auth__v1__user__init(u);
		u->id = in->id;
	}
	struct write *w = err ? NULL : write_new(c, u, "", delete_job, &why);
	if (!err && !w)
		err = why.err;
	if (!err && pl_streq(in->id, c->actor.user_id))
		err = pl_why_field(&why, PL_E_STATE, "id", "nobody can delete the own user");
	if (err)
		rpc_fail(c, err, &why);
	else
		store(w);
}
