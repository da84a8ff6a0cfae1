/* parley-flow: runs flow graphs for channels; keeps flows and opening hours. */
#include "shell/svc.h"

static const struct cfg_opt opts[] = {
	{ "sql-dir", CFG_STR, offsetof(struct flow_cfg, sql_dir), "services/flow/sql", 0, 0, "",
	  "folder of the schema's migrations" },
	{ "zone-dir", CFG_STR, offsetof(struct flow_cfg, zone_dir), "/usr/share/zoneinfo", 0, 0, "",
	  "the machine's tz database" },
	{ "session-idle-s", CFG_INT, offsetof(struct flow_cfg, idle_s), "43200", 60, 604800, "s",
	  "a session nobody steps for so long is dropped" },
	{ "session-ended-s", CFG_INT, offsetof(struct flow_cfg, ended_s), "60", 1, 3600, "s",
	  "an ended session answers repeated steps for so long" },
	{ "ledger-max-age-s", CFG_INT, offsetof(struct flow_cfg, ledger_age_s), "7776000", 3600, 315360000, "s",
	  "how long the ledger keeps events" },
	CFG_END,
};

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct flow_cfg cfg = { 0 };
	struct pl_app_spec spec = { .service = "flow", .opts = opts, .cfg = &cfg };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	PL_AUTO(flow_svc_freep) struct flow_svc *svc = NULL;

	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = flow_svc_new(&svc, app, &cfg, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
