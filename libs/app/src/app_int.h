#ifndef APP_INT_H
#define APP_INT_H
#include <parley/app.h>

/** The options every service has, and what they must be beyond their type. */
extern const struct cfg_opt app_opts[];
PL_MUST enum pl_err app_options_check(struct pl_app *app, struct pl_why *why);
#endif
