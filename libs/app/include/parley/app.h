/** A service's frame: options, log, loop, bus, health, drain and stop. See any services/<name>/main.c.
 *  Life       open (reads options, connects, starts health port) -> the service wires itself -> run (READY=1 by sd_notify
 *             protocol, /readyz turns 200) -> SIGTERM or SIGINT: drain (not ready; on_drain hooks may ask for time) -> stop.
 *             A second signal stops at once. */
#ifndef PARLEY_APP_H
#define PARLEY_APP_H
#include <parley/base.h>
#include <parley/bus.h>
#include <parley/cfg.h>
#include <parley/loop.h>
#include <parley/obs.h>

struct pl_app_cfg {	/* options every service has */
	char *node;		/* --node: unique id of this process, [a-z0-9-]{1,48}; default <service>-<random> */
	char *nats_url;		/* --nats-url */
	char *nats_user;	/* --nats-user; default the service's name */
	char *nats_password;	/* --nats-password-file */
	char *redis_url;	/* --redis-url redis://host:port/db */
	char *redis_user, *redis_password;
	char *pg_dsn;		/* --pg-dsn: libpq keyword string without password */
	char *pg_password;	/* --pg-password-file */
	int64_t pg_conns;	/* --pg-conns: database connections = worker threads */
	char *health_host;	/* --health-host */
	int64_t health_port;	/* --health-port, 0: pick a free one and log it */
	char *log_level;	/* --log-level error|warn|info|debug */
	int64_t drain_s;	/* --drain-s: longest drain */
	char *data_dir;		/* --data-dir */
};

struct pl_app {
	const char *service;
	struct pl_app_cfg cfg;
	struct pl_loop *loop;
	struct bus *bus;
	struct obs *obs;
	struct pl_arena *arena;	/* lives as long as the app */
};

struct pl_app_spec {
	const char *service;		/* "auth" */
	const struct cfg_opt *opts;	/* the service's own table, or NULL */
	void *cfg;			/* the service's own struct */
	bool no_loop_run;		/* the service drives the loop itself (sip-edge) */
};
PL_MUST enum pl_err pl_app_open(struct pl_app **ret, int argc, char **argv, const struct pl_app_spec *spec, struct pl_why *why);
/** Says ready, runs until drained. */
PL_MUST enum pl_err pl_app_run(struct pl_app *app, struct pl_why *why);
/** done(app) must be called when the hook has finished; the app stops when all have, or after drain_s. */
PL_MUST enum pl_err pl_app_on_drain(struct pl_app *app, void (*hook)(void *arg, struct pl_app *app), void *arg);
void pl_app_drained(struct pl_app *app);
/** For a service that drives the loop itself: call after wiring; fn runs (on the loop) when it is time to leave. */
void pl_app_ready(struct pl_app *app, void (*stop)(void *arg), void *arg);
void pl_app_close(struct pl_app *app);
void pl_app_closep(struct pl_app **app);
int pl_app_exit_code(enum pl_err err, const struct pl_why *why);	/* logs why; 0, 1 failure, 2 bad options */
#endif
