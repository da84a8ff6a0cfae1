#include "shell/auth.h"

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct auth_cfg cfg = { 0 };
	const struct pl_app_spec spec = { .service = "auth", .opts = auth_opts, .cfg = &cfg };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL; /* closed last */
	PL_AUTO(auth_freep) struct auth *auth = NULL;

	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = auth_new(&auth, app, &cfg, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
