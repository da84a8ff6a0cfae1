/* From the command line to a running service and back. */
#include "app_int.h"

#include <parley/log.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define NATS_WAIT_MS 30000
#define DRAIN_HOOKS_MAX 16

enum app_state { APP_STARTING, APP_READY, APP_DRAINING, APP_STOPPED };

/* What the public struct does not show. It is the first member: a pl_app is the start of this. */
struct app {
	struct pl_app pub;
	enum app_state state;
	struct obs_check *check;
	struct {
		void (*hook)(void *arg, struct pl_app *app);
		void *arg;
	} drains[DRAIN_HOOKS_MAX];
	size_t n_drains, waiting;
	struct pl_timer *drain_timer;
	struct sig {
		uv_signal_t uv;
		struct app *app;
	} * sigs[2];
	void (*stop)(void *arg); /* of a service that drives the loop itself */
	void *stop_arg;
};

static struct app *priv(struct pl_app *p)
{
	return (struct app *)(void *)p;
}

/* sd_notify(3): one datagram of assignments to NOTIFY_SOCKET; a leading @ means the abstract name space. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	if (n < 2 || n >= sizeof(a.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn("app.notify", LOG_S("why", strerror(errno)));
	close(fd);
}

/* --- leaving --- */
static void stop_now(struct app *a)
{
	if (a->state == APP_STOPPED)
		return;
	a->state = APP_STOPPED;
	log_info("app.stop");
	if (a->stop)
		a->stop(a->stop_arg);
	else
		pl_loop_stop(a->pub.loop);
}

static void on_drain_limit(void *arg)
{
	struct app *a = arg;
	log_warn("app.drain.limit", LOG_I("waiting", a->waiting), LOG_I("drain_s", a->pub.cfg.drain_s));
	stop_now(a);
}

static void drain(struct app *a)
{
	if (a->state == APP_STARTING) { /* asked to leave before it was ready: pl_app_run() finds out */
		stop_now(a);
		return;
	}
	a->state = APP_DRAINING;
	log_info("app.drain", LOG_I("hooks", a->n_drains));
	notify("STOPPING=1");
	obs_check_set(a->check, false, "draining");
	a->waiting = a->n_drains + 1; /* ours: a hook that is done at once must not stop before the others began */
	pl_timer_set(a->drain_timer, PL_MAX(a->pub.cfg.drain_s * PL_US_PER_S, PL_US_PER_MS));
	for (size_t i = 0; i < a->n_drains; i++)
		a->drains[i].hook(a->drains[i].arg, &a->pub);
	pl_app_drained(&a->pub);
}

void pl_app_drained(struct pl_app *app)
{
	struct app *a = priv(app);
	if (a->state == APP_DRAINING && a->waiting > 0 && --a->waiting == 0)
		stop_now(a);
}

enum pl_err pl_app_on_drain(struct pl_app *app, void (*hook)(void *arg, struct pl_app *app), void *arg)
{
	struct app *a = priv(app);
	if (a->n_drains >= DRAIN_HOOKS_MAX)
		return PL_E_FULL;
	a->drains[a->n_drains].hook = hook;
	a->drains[a->n_drains++].arg = arg;
	return PL_OK;
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct app *a = ((struct sig *)h->data)->app;
	log_info("app.signal", LOG_I("signal", signum));
	if (a->state == APP_DRAINING)
		stop_now(a);
	else if (a->state != APP_STOPPED)
		drain(a);
}

/* --- start --- */
static void on_sig_closed(uv_handle_t *h)
{
	free(h->data);
}

static enum pl_err watch_signals(struct app *a)
{
	static const int which[] = { SIGTERM, SIGINT };
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < PL_ARRAY_N(which); i++) {
		struct sig *s = calloc(1, sizeof(*s));
		if (!s)
			return PL_E_NOMEM;
		s->app = a;
		uv_signal_init(pl_loop_uv(a->pub.loop), &s->uv);
		s->uv.data = s;
		a->sigs[i] = s;
		if (uv_signal_start(&s->uv, on_signal, which[i]) != 0)
			return PL_E_IO;
	}
	return PL_OK;
}

/* Sockets of calls and clients count in thousands; the soft limit is usually 1,024. */
static void raise_file_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max == RLIM_INFINITY ? 1 << 20 : PL_MIN(r.rlim_max, (rlim_t)1 << 20);
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		log_warn("app.files", LOG_S("why", strerror(errno)));
}

static enum pl_err connect_bus(struct app *a, struct pl_why *why)
{
	const struct pl_app_cfg *c = &a->pub.cfg;
	const struct bus_cfg bc = { .url = c->nats_url,
				    .user = c->nats_user,
				    .password = c->nats_password,
				    .service = a->pub.service,
				    .node = c->node,
				    .connect_wait_ms = NATS_WAIT_MS };
	return bus_open(&a->pub.bus, a->pub.loop, a->pub.obs, &bc, why);
}

static enum pl_err start(struct app *a, struct pl_why *why)
{
	struct pl_app *p = &a->pub;
	raise_file_limit();
	enum pl_err err = pl_loop_new(&p->loop, why);
	if (!err)
		err = obs_new(&p->obs, p->loop, p->service, p->cfg.node, why);
	if (!err)
		err = obs_listen(p->obs, p->cfg.health_host, (int)p->cfg.health_port, why);
	if (err)
		return err;
	a->check = obs_check_new(p->obs, "app");
	obs_check_set(a->check, false, "starting");
	err = pl_timer_new(&a->drain_timer, p->loop, on_drain_limit, a);
	if (err)
		return pl_why_set(why, err, "drain timer: %s", pl_err_name(err));
	err = connect_bus(a, why);
	if (err)
		return err;
	err = watch_signals(a); /* from here on; before, a signal ends the process at once */
	if (err)
		return pl_why_set(why, err, "signals: %s", pl_err_name(err));
	log_info("app.open", LOG_I("pid", getpid()), LOG_S("health_host", p->cfg.health_host),
		 LOG_I("health_port", obs_port(p->obs)));
	return PL_OK;
}

enum pl_err pl_app_open(struct pl_app **ret, int argc, char **argv, const struct pl_app_spec *spec, struct pl_why *why)
{
	static const struct cfg_opt no_opts[] = { CFG_END };
	log_open(spec->service, "", LOG_INFO); /* until the options are known */
	struct pl_arena *arena = pl_arena_new(0);
	struct app *a = calloc(1, sizeof(*a));
	if (!arena || !a) {
		pl_arena_free(arena);
		free(a);
		return pl_why_set(why, PL_E_NOMEM, "memory is out");
	}
	a->pub.service = spec->service;
	a->pub.arena = arena;
	const struct cfg_opt *const tables[] = { app_opts, spec->opts ? spec->opts : no_opts };
	void *const structs[] = { &a->pub.cfg, spec->cfg };
	enum pl_err err = cfg_load(tables, structs, 2, argc, argv, arena, why);
	if (!err)
		err = app_options_check(&a->pub, why);
	if (!err)
		err = start(a, why);
	if (err) {
		pl_app_close(&a->pub);
		return err;
	}
	*ret = &a->pub;
	return PL_OK;
}

static void say_ready(struct app *a)
{
	a->state = APP_READY;
	obs_check_set(a->check, true, NULL);
	notify("READY=1");
	log_info("app.ready");
}

enum pl_err pl_app_run(struct pl_app *app, struct pl_why *why)
{
	struct app *a = priv(app);
	(void)why;
	if (a->state == APP_STARTING)
		say_ready(a);
	pl_loop_run(app->loop);
	return PL_OK;
}

void pl_app_ready(struct pl_app *app, void (*stop)(void *arg), void *arg)
{
	struct app *a = priv(app);
	a->stop = stop;
	a->stop_arg = arg;
	if (a->state == APP_STARTING)
		say_ready(a);
	else if (a->state == APP_STOPPED) /* the signal came while it started */
		stop(arg);
}

void pl_app_close(struct pl_app *app)
{
	if (!app)
		return;
	struct app *a = priv(app);
	a->state = APP_STOPPED;
	bus_close(app->bus);
	pl_timer_free(a->drain_timer);
	for (size_t i = 0; i < PL_ARRAY_N(a->sigs); i++)
		if (a->sigs[i])
			uv_close((uv_handle_t *)&a->sigs[i]->uv, on_sig_closed);
	obs_free(app->obs);
	pl_loop_free(app->loop);
	pl_arena_free(app->arena);
	free(a);
}

void pl_app_closep(struct pl_app **app)
{
	pl_app_close(*app);
	*app = NULL;
}

int pl_app_exit_code(enum pl_err err, const struct pl_why *why)
{
	if (err == PL_OK || err == PL_E_CANCELLED)
		return 0;
	log_error("app.failed", LOG_S("err", pl_err_name(err)), LOG_S("field", why ? why->field : ""),
		  LOG_S("why", why ? why->text : ""));
	return err == PL_E_FORMAT ? 2 : 1;
}
