/* The options as people read them (--help) and as docs/configuration.md is made from (--options). */
#include "cfg_int.h"

#include <stdio.h>

static const char *kind_name(enum cfg_kind k)
{
	static const char *const names[] = { "text", "number", "yes/no", "file" };
	return names[k];
}

void cfg_print_help(const struct cfg_opt *const *tables, size_t n, const char *program)
{
	printf("Usage: %s [--config=FILE] [--name=value ...]\n\n"
	       "Each option may also be set in the environment as PARLEY_<NAME> (upper case, '-' becomes '_')\n"
	       "and in FILE as a line `name = value`. The command line wins over FILE, FILE over the environment.\n\n",
	       program ? program : "parley");
	for (size_t t = 0; t < n; t++)
		for (const struct cfg_opt *o = tables[t]; o && o->name; o++) {
			printf("  --%s=%s\n        %s", o->name, kind_name(o->kind), o->help ? o->help : "");
			if (!pl_empty(o->unit))
				printf(" [%s]", o->unit);
			if (o->kind == CFG_INT)
				printf(" (%" PRId64 " to %" PRId64 ")", o->min, o->max);
			if (!pl_empty(o->def))
				printf(" Default: %s", o->def);
			printf("\n");
		}
}

static void put_json(const char *key, const char *s)
{
	printf(", \"%s\": \"", key);
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

void cfg_print_json(const struct cfg_opt *const *tables, size_t n)
{
	const char *sep = "";
	printf("[");
	for (size_t t = 0; t < n; t++)
		for (const struct cfg_opt *o = tables[t]; o && o->name; o++) {
			printf("%s\n  {\"table\": %zu", sep, t);
			put_json("name", o->name);
			put_json("kind", kind_name(o->kind));
			put_json("default", o->def);
			if (o->kind == CFG_INT)
				printf(", \"min\": %" PRId64 ", \"max\": %" PRId64, o->min, o->max);
			put_json("unit", o->unit);
			put_json("help", o->help);
			printf("}");
			sep = ",";
		}
	printf("\n]\n");
}
