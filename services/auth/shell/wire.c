#include "auth.h"

#include <stdlib.h>

#define O(field) offsetof(struct auth_cfg, field)
const struct cfg_opt auth_opts[] = {
	{ "sql-dir", CFG_STR, O(sql_dir), "services/auth/sql", 0, 4096, "",
	  "Folder with the migrations of the schema auth." },
	{ "bootstrap-admin-password-file", CFG_SECRET, O(bootstrap_admin_password), NULL, 0, 0, "",
	  "Where there is no user at all, the user admin is made with the password in this file." },
	{ "session-s", CFG_INT, O(session_s), "43200", 60, 2592000, "s",
	  "A session ends after so long without a request." },
	{ "password-days", CFG_INT, O(password_days), "90", 0, 3650, "days",
	  "A password older than this must be changed; 0: never." },
	CFG_END
};

static const struct rpc_entry auth_entries[] = { { "Login", rpc_login },
						 { "Logout", rpc_logout },
						 { "GetMe", rpc_get_me },
						 { "ChangePassword", rpc_change_password },
						 { NULL, NULL } };
static const struct rpc_entry user_entries[] = { { "ListUsers", rpc_list_users },   { "GetUser", rpc_get_user },
						 { "CreateUser", rpc_create_user }, { "UpdateUser", rpc_update_user },
						 { "DeleteUser", rpc_delete_user }, { NULL, NULL } };
static const struct rpc_entry audit_entries[] = { { "ListAuditEntries", rpc_list_audit_entries }, { NULL, NULL } };
static const struct rpc_entry session_entries[] = { { "CheckSession", rpc_check_session },
						    { "AddAuditEntry", rpc_add_audit_entry },
						    { NULL, NULL } };

void auth_kick(struct rpc_call *c)
{
	outbox_kick(((struct auth *)c->arg)->outbox);
}

/* --- the first administrator --- */

static enum pl_err boot_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt lock = { "boot_lock",
					     "SELECT pg_advisory_xact_lock(hashtextextended('parley.auth.boot', 0))" };
	static const struct pg_stmt any = { "boot_any", "SELECT 1 FROM users LIMIT 1" };
	struct auth *a = arg;
	AU(User) u = PARLEY__AUTH__V1__USER__INIT;
	char id[PL_ID_LEN];
	struct pg_rows *r;

	enum pl_err err = pg_exec(db, &lock, NULL, 0, NULL, why); /* two copies may start at once */
	if (!err)
		err = pg_exec(db, &any, NULL, 0, &r, why);
	if (err || pg_n(r))
		return err;
	u.id = pl_id_new(id);
	u.username = (char *)(uintptr_t) "admin";
	u.full_name = (char *)(uintptr_t) "Administrator";
	u.role = PARLEY__AUTH__V1__ROLE__ROLE_ADMIN;
	u.enabled = true;
	const struct audit entry = {
		.username = "bootstrap", .action = "user.create", .object_id = u.id, .after = &u.base
	};
	err = db_user_insert(db, &u, a->boot_hash, why);
	if (!err)
		err = db_audit_add(db, &entry, why);
	return err ? err : event_user_changed(db, pg_tmp(db), bus_node(a->app->bus), &u, false, why);
}

static void ready_if(struct auth *a)
{
	if (a->ledger_ready && a->boot_ready)
		obs_check_set(a->ready, true, "");
	else if (!a->ledger_ready)
		obs_check_set(a->ready, false, "the ledger is not there yet");
}

static void on_boot(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct auth *a = arg;

	if (err) {
		log_error("auth.bootstrap-failed", LOG_WHY(why));
		pl_timer_set(a->retry, PL_US_PER_S);
		return;
	}
	a->boot_ready = true;
	outbox_kick(a->outbox);
	ready_if(a);
}

static void on_ledger(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct auth *a = arg;

	if (err) {
		log_warn("auth.ledger-failed", LOG_WHY(why));
		pl_timer_set(a->retry, PL_US_PER_S);
		return;
	}
	a->ledger_ready = true;
	ready_if(a);
}

static void start_steps(void *arg)
{
	struct auth *a = arg;

	if (!a->ledger_ready)
		rpc_ledger_ensure(a->app->bus, on_ledger, a);
	if (!a->boot_ready && pg_tx(a->pg, boot_job, on_boot, a))
		pl_timer_set(a->retry, PL_US_PER_S);
}

/* --- wiring --- */

static enum pl_err open_stores(struct auth *a, struct pl_why *why)
{
	const struct pl_app_cfg *c = &a->app->cfg;
	const struct pg_cfg pc = { .dsn = c->pg_dsn,
				   .password = c->pg_password,
				   .schema = "auth",
				   .app_name = c->node,
				   .conns = (int)c->pg_conns };

	enum pl_err err = pg_migrate(&pc, a->cfg->sql_dir, why);
	if (!err)
		err = pg_open(&a->pg, a->app->loop, a->app->obs, &pc, why);
	if (!err)
		err = redis_open(&a->redis, a->app->loop, a->app->obs, c->redis_url, c->redis_user, c->redis_password,
				 NULL, NULL, why);
	return err ? err : outbox_open(&a->outbox, a->app->bus, a->pg, "auth", why);
}

/* About 200 ms of argon2 before anybody waits. */
static enum pl_err make_hashes(struct auth *a, struct pl_why *why)
{
	const char *first = a->cfg->bootstrap_admin_password;

	enum pl_err err = crypto_password_hash("nobody has this password", a->dummy_hash, why);
	if (err || !first) {
		a->boot_ready = true;
		return err;
	}
	err = password_need(first, "admin", "bootstrap-admin-password-file", why);
	return err ? err : crypto_password_hash(first, a->boot_hash, why);
}

static enum pl_err serve(struct auth *a, struct pl_why *why)
{
	struct bus *b = a->app->bus;

	enum pl_err err = rpc_serve(b, &parley__auth__v1__auth_service__descriptor, auth_entries, a, why);
	if (!err)
		err = rpc_serve(b, &parley__auth__v1__user_service__descriptor, user_entries, a, why);
	if (!err)
		err = rpc_serve(b, &parley__auth__v1__audit_service__descriptor, audit_entries, a, why);
	return err ? err
		   : rpc_serve(b, &parley__auth__v1__session_internal_service__descriptor, session_entries, a, why);
}

enum pl_err auth_new(struct auth **ret, struct pl_app *app, const struct auth_cfg *cfg, struct pl_why *why)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (!a)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = a; /* the caller frees what is half built */
	*a = (struct auth){ .app = app, .cfg = cfg };
	pl_list_init(&a->argon_queue);
	a->ready = obs_check_new(app->obs, "auth");
	a->m_logins = obs_metric_new(app->obs, OBS_COUNTER, "logins_total", "result=\"ok\"", "attempts to sign in");
	a->m_failed = obs_metric_new(app->obs, OBS_COUNTER, "logins_total", "result=\"failed\"", "attempts to sign in");
	a->m_throttled =
		obs_metric_new(app->obs, OBS_COUNTER, "logins_total", "result=\"throttled\"", "attempts to sign in");
	if (!a->ready || !a->m_logins || !a->m_failed || !a->m_throttled)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	enum pl_err err = crypto_open();
	if (!err)
		err = make_hashes(a, why);
	if (!err)
		err = open_stores(a, why);
	if (!err)
		err = pl_timer_new(&a->retry, app->loop, start_steps, a);
	if (!err)
		err = serve(a, why);
	if (!err)
		start_steps(a);
	return err;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	outbox_close(a->outbox);
	pg_close(a->pg);
	redis_close(a->redis);
	pl_timer_free(a->retry);
	free(a);
}

void auth_freep(struct auth **a)
{
	auth_free(*a);
	*a = NULL;
}
