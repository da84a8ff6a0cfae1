/* parley-call-control: decides what happens to the legs of calls; keeps inbound routes and recordings. */
#include "shell/cc.h"

static const struct cfg_opt opts[] = {
	{ "sql-dir", CFG_STR, offsetof(struct cc_cfg, sql_dir), "services/call-control/sql", 0, 0, "",
	  "folder of the schema's migrations" },
	{ "max-calls", CFG_INT, offsetof(struct cc_cfg, max_calls), "20000", 1, 100000, "",
	  "calls of this node; then new ones get 503" },
	{ "longest-call-s", CFG_INT, offsetof(struct cc_cfg, longest_call_s), "43200", 60, 604800, "s",
	  "a call is ended after so long" },
	{ "record-outbound", CFG_BOOL, offsetof(struct cc_cfg, record_out), "false", 0, 0, "",
	  "record the calls agents make" },
	CFG_END,
};

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct cc_cfg cfg = { 0 };
	struct pl_app_spec spec = { .service = "call-control", .opts = opts, .cfg = &cfg };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	PL_AUTO(cc_freep) struct cc *cc = NULL;

	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = cc_new(&cc, app, &cfg, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
