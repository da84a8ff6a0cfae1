/* A smallest service for app_test.c: answers rpc.victim.Echo, drains for a moment. */
#include <parley/app.h>

#include <stdio.h>

struct victim_cfg {
	int64_t drain_ms;
};
static const struct cfg_opt opts[] = { { "drain-ms", CFG_INT, offsetof(struct victim_cfg, drain_ms), "100", 0, 600000,
					 "ms", "How long it drains." },
				       CFG_END };

struct victim {
	struct pl_app *app;
	struct pl_timer *t;
	struct victim_cfg cfg;
};

static void on_echo(void *arg, const struct bus_msg *m)
{
	(void)arg;
	bus_answer(m->req, m->type, m->data, m->len);
}

static void on_drained(void *arg)
{
	struct victim *v = arg;
	pl_timer_free(PL_TAKE(v->t));
	pl_app_drained(v->app);
}

static void on_drain(void *arg, struct pl_app *app)
{
	struct victim *v = arg;
	v->app = app;
	if (pl_timer_new(&v->t, app->loop, on_drained, v) == PL_OK)
		pl_timer_set(v->t, v->cfg.drain_ms * PL_US_PER_MS);
}

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	static struct victim v;
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	enum pl_err err = pl_app_open(&app, argc, argv,
				      &(struct pl_app_spec){ .service = "victim", .opts = opts, .cfg = &v.cfg }, &why);
	if (!err)
		err = bus_subscribe(NULL, app->bus, "rpc.victim.Echo", "victim", on_echo, NULL, &why);
	if (!err)
		err = pl_app_on_drain(app, on_drain, &v);
	if (!err)
		err = pl_app_run(app, &why);
	pl_timer_free(PL_TAKE(v.t));
	return pl_app_exit_code(err, &why);
}
