#include "app_int.h"

#include <parley/log.h>

#include <stdio.h>

#define O(field) offsetof(struct pl_app_cfg, field)
const struct cfg_opt app_opts[] = {
	{ "node", CFG_STR, O(node), "", 0, 48, "",
	  "Unique name of this process: a-z, 0-9 and -. Empty: the service's name and a random part." },
	{ "nats-url", CFG_STR, O(nats_url), "nats://127.0.0.1:4222", 0, 0, "", "NATS servers, separated by commas." },
	{ "nats-user", CFG_STR, O(nats_user), "", 0, 64, "",
	  "NATS user. Empty: the service's name if there is a password, else none." },
	{ "nats-password-file", CFG_SECRET, O(nats_password), NULL, 0, 0, "", "File with the NATS password." },
	{ "redis-url", CFG_STR, O(redis_url), "redis://127.0.0.1:6379/0", 0, 0, "", "Redis server and database." },
	{ "redis-user", CFG_STR, O(redis_user), "", 0, 64, "",
	  "Redis ACL user. Empty: the service's name if there is a password." },
	{ "redis-password-file", CFG_SECRET, O(redis_password), NULL, 0, 0, "", "File with the Redis password." },
	{ "pg-dsn", CFG_STR, O(pg_dsn), "", 0, 0, "",
	  "PostgreSQL connection (libpq keywords, no password). Empty: no database." },
	{ "pg-password-file", CFG_SECRET, O(pg_password), NULL, 0, 0, "", "File with the PostgreSQL password." },
	{ "pg-conns", CFG_INT, O(pg_conns), "4", 1, 64, "", "Database connections, each with a thread." },
	{ "health-host", CFG_STR, O(health_host), "127.0.0.1", 0, 255, "",
	  "Address of /healthz, /readyz and /metrics." },
	{ "health-port", CFG_INT, O(health_port), "0", 0, 65535, "",
	  "Port of /healthz, /readyz and /metrics. 0: a free one, logged." },
	{ "log-level", CFG_STR, O(log_level), "info", 0, 8, "", "error, warn, info or debug." },
	{ "drain-s", CFG_INT, O(drain_s), "30", 0, 86400, "s", "Longest time from SIGTERM to the end." },
	{ "data-dir", CFG_STR, O(data_dir), "/var/lib/parley", 0, 1024, "", "Directory for files of this service." },
	CFG_END
};

static enum pl_err check_node(struct pl_app *app, struct pl_why *why)
{
	struct pl_app_cfg *c = &app->cfg;
	if (pl_empty(c->node)) {
		uint8_t r[4];
		char hex[9];
		if (pl_random(r, sizeof(r)) != PL_OK)
			return pl_why_set(why, PL_E_IO, "no random numbers");
		c->node = pl_arena_printf(app->arena, "%s-%s", app->service, pl_hex(r, sizeof(r), hex));
		if (!c->node)
			return pl_why_set(why, PL_E_NOMEM, "memory is out");
	}
	size_t n = strspn(c->node, "abcdefghijklmnopqrstuvwxyz0123456789-");
	if (c->node[n] || n > 48)
		return pl_why_field(why, PL_E_FORMAT, "node", "\"%.48s\" must be 1 to 48 of a-z, 0-9 and -", c->node);
	return PL_OK;
}

static enum pl_err check_level(struct pl_app *app, struct pl_why *why)
{
	static const char *const names[LOG_LEVEL_N] = { "error", "warn", "info", "debug" };
	for (int i = 0; i < LOG_LEVEL_N; i++)
		if (strcmp(app->cfg.log_level, names[i]) == 0) {
			log_open(app->service, app->cfg.node, (enum log_level)i);
			return PL_OK;
		}
	return pl_why_field(why, PL_E_FORMAT, "log-level", "\"%.20s\" must be error, warn, info or debug",
			    app->cfg.log_level);
}

/* A user without a password is nobody at a server without users. */
static char *user_of(struct pl_app *app, char *user, const char *password)
{
	if (!pl_empty(user))
		return user;
	return password ? pl_arena_strdup(app->arena, app->service) : NULL;
}

enum pl_err app_options_check(struct pl_app *app, struct pl_why *why)
{
	struct pl_app_cfg *c = &app->cfg;
	enum pl_err err = check_node(app, why);
	if (!err)
		err = check_level(app, why);
	c->nats_user = user_of(app, c->nats_user, c->nats_password);
	c->redis_user = user_of(app, c->redis_user, c->redis_password);
	return err;
}
