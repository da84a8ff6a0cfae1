/* sip-edge: speaks SIP, reports legs, obeys leg commands. Options: shell/options.c; flows: README.md. */
#include "shell/edge.h"

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct edge_cfg cfg = { 0 };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL; /* loop, log, bus; closed last */
	PL_AUTO(edge_freep) struct edge *edge = NULL;     /* freed first */
	const struct pl_app_spec spec = { .service = "sip-edge", .opts = edge_opts, .cfg = &cfg, .no_loop_run = true };

	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = edge_new(&edge, app, &cfg, &why);
	if (!err)
		err = edge_run(edge, &why);
	return pl_app_exit_code(err, &why);
}
