/* parley-reporting: the ledger into history and real-time figures. */
#include "shell/rep.h"

static const struct cfg_opt opts[] = {
	{ "sql-dir", CFG_STR, offsetof(struct rep_cfg, sql_dir), "services/reporting/sql", 0, 0, "",
	  "folder of the schema's migrations" },
	{ "time-zone", CFG_STR, offsetof(struct rep_cfg, time_zone), "Europe/Rome", 0, 64, "",
	  "IANA zone whose midnight begins the company's day" },
	{ "batch-ms", CFG_INT, offsetof(struct rep_cfg, batch_ms), "200", 10, 10000, "ms",
	  "longest time between two transactions" },
	{ "batch-events", CFG_INT, offsetof(struct rep_cfg, batch_events), "500", 1, 100000, "",
	  "events after which one is written at once" },
	{ "linger-s", CFG_INT, offsetof(struct rep_cfg, linger_s), "10", 1, 600, "s",
	  "an interaction that is over stays in memory for stragglers" },
	{ "ledger-max-age-s", CFG_INT, offsetof(struct rep_cfg, ledger_age_s), "7776000", 3600, 315360000, "s",
	  "how long the ledger keeps events" },
	CFG_END,
};

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct rep_cfg cfg = { 0 };
	struct pl_app_spec spec = { .service = "reporting", .opts = opts, .cfg = &cfg };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	PL_AUTO(rep_freep) struct rep *rep = NULL;

	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = rep_new(&rep, app, &cfg, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
