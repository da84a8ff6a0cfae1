/* media: speaks RTP, SRTP and DTLS: relays, mixes, plays, records. */
#include "shell/service.h"

int main(int argc, char **argv)
{
	struct pl_why why = { 0 };
	struct media_opts opts = { 0 };
	PL_AUTO(pl_app_closep) struct pl_app *app = NULL;
	PL_AUTO(media_freep)
	struct media *media = NULL; /* freed first: ends rooms and closes recordings while the bus is there */

	const struct pl_app_spec spec = { .service = "media", .opts = media_opt_table, .cfg = &opts };
	enum pl_err err = pl_app_open(&app, argc, argv, &spec, &why);
	if (!err)
		err = media_new(&media, app, &opts, &why);
	if (!err)
		err = pl_app_run(app, &why);
	return pl_app_exit_code(err, &why);
}
