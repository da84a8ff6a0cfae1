/* acd-router: decides who gets which interaction, of every channel. */
#include "shell/router.h"

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct router_opts opts = { 0 };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	PL_AUTO(router_freep)
	struct router *router = NULL; /* freed before the app: the bus is still there to give the lease up */

	const struct pl_app_spec spec = { .service = "acd-router", .opts = router_opt_table, .cfg = &opts };
	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = router_new(&router, app, &opts, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
