/** One const table of options feeds the parser, --help and docs/configuration.md (pgbouncer's way).
 *  Sources, later wins: default; environment PARLEY_<NAME> ('-' becomes '_', upper case); file given by --config (name = value,
 *  # comments); --name=value. Secrets (CFG_SECRET) are never taken from the command line or the environment's value: the
 *  option names a file (`nats-password-file`), whose content without the final newline is the value.
 *  Errors     PL_E_FORMAT with the option's name in why->field and what would be right in why->text. */
#ifndef PARLEY_CFG_H
#define PARLEY_CFG_H
#include <parley/base.h>

enum cfg_kind { CFG_STR, CFG_INT, CFG_BOOL, CFG_SECRET };
struct cfg_opt {
	const char *name;	/* "sip-udp-port" */
	enum cfg_kind kind;
	size_t offset;		/* of a char* (STR, SECRET), int64_t (INT) or bool (BOOL) in the service's struct */
	const char *def;
	int64_t min, max;	/* INT only; STR: max length (0: 4096) */
	const char *unit;	/* "ms", "bytes", "" */
	const char *help;
};
#define CFG_END { NULL, CFG_STR, 0, NULL, 0, 0, NULL, NULL }

/** Values are owned by the arena. argv may hold --help or --options (JSON for the docs): then PL_E_CANCELLED, text printed. */
PL_MUST enum pl_err cfg_load(const struct cfg_opt *const *tables, void *const *structs, size_t n_tables,
			     int argc, char **argv, struct pl_arena *a, struct pl_why *why);
#endif
