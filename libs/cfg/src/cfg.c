#include "cfg_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct cfg {
	const struct cfg_opt *const *tables;
	void *const *structs;
	size_t n;
	struct pl_arena *a;
	struct pl_why *why;
};

static const struct cfg_opt *find(const struct cfg *c, const char *name, size_t len, size_t *ret_table)
{
	for (size_t t = 0; t < c->n; t++)
		for (const struct cfg_opt *o = c->tables[t]; o && o->name; o++)
			if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) {
				*ret_table = t;
				return o;
			}
	return NULL;
}

static enum pl_err read_file(const struct cfg *c, const char *name, const char *path, size_t max, char **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pl_why_field(c->why, PL_E_FORMAT, name, "%s: %s", path, strerror(errno));
	struct stat st;
	char *buf = NULL;
	size_t n = 0;
	enum pl_err err = PL_OK;
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size > (off_t)max))
		err = pl_why_field(c->why, PL_E_FORMAT, name, "%s: must be a file of at most %zu bytes", path, max);
	else if (!(buf = pl_arena_alloc(c->a, max + 1)))
		err = pl_why_field(c->why, PL_E_NOMEM, name, "%s: memory is out", path);
	while (!err && n < max) {
		ssize_t got = read(fd, buf + n, max - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = pl_why_field(c->why, PL_E_FORMAT, name, "%s: %s", path, strerror(errno));
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (!err && memchr(buf, 0, n))
		err = pl_why_field(c->why, PL_E_FORMAT, name, "%s: holds a zero byte, must be text", path);
	if (!err)
		*ret = buf;
	return err;
}

static enum pl_err set_int(const struct cfg *c, const struct cfg_opt *o, const char *v, int64_t *to)
{
	char *end;
	errno = 0;
	long long n = strtoll(v, &end, 10);
	if (errno || end == v || *end || n < o->min || n > o->max)
		return pl_why_field(c->why, PL_E_FORMAT, o->name,
				    "\"%.40s\" must be a whole number from %" PRId64 " to %" PRId64 "%s%s", v, o->min,
				    o->max, pl_empty(o->unit) ? "" : " ", o->unit ? o->unit : "");
	*to = n;
	return PL_OK;
}

static enum pl_err set_bool(const struct cfg *c, const struct cfg_opt *o, const char *v, bool *to)
{
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };
	for (size_t i = 0; i < PL_ARRAY_N(yes); i++)
		if (strcmp(v, yes[i]) == 0 || strcmp(v, no[i]) == 0) {
			*to = strcmp(v, yes[i]) == 0;
			return PL_OK;
		}
	return pl_why_field(c->why, PL_E_FORMAT, o->name, "\"%.40s\" must be yes or no", v);
}

static enum pl_err set_secret(const struct cfg *c, const struct cfg_opt *o, const char *path, char **to)
{
	char *text;
	if (!*path) { /* no file: no secret */
		*to = NULL;
		return PL_OK;
	}
	enum pl_err err = read_file(c, o->name, path, CFG_STR_MAX, &text);
	if (err)
		return err;
	size_t n = strlen(text);
	if (n && text[n - 1] == '\n')
		text[--n] = 0;
	if (n && text[n - 1] == '\r')
		text[--n] = 0;
	if (n == 0)
		return pl_why_field(c->why, PL_E_FORMAT, o->name, "%s: is empty", path);
	*to = text;
	return PL_OK;
}

static enum pl_err set_str(const struct cfg *c, const struct cfg_opt *o, const char *v, char **to)
{
	size_t max = o->max > 0 ? (size_t)o->max : CFG_STR_MAX;
	if (strlen(v) > max)
		return pl_why_field(c->why, PL_E_FORMAT, o->name, "is longer than %zu bytes", max);
	char *s = pl_arena_strdup(c->a, v);
	if (!s)
		return pl_why_field(c->why, PL_E_NOMEM, o->name, "memory is out");
	*to = s;
	return PL_OK;
}

static enum pl_err set(const struct cfg *c, const struct cfg_opt *o, size_t table, const char *v)
{
	void *to = (char *)c->structs[table] + o->offset;
	switch (o->kind) {
	case CFG_INT:
		return set_int(c, o, v, to);
	case CFG_BOOL:
		return set_bool(c, o, v, to);
	case CFG_SECRET:
		return set_secret(c, o, v, to);
	case CFG_STR:
		break;
	}
	return set_str(c, o, v, to);
}

static enum pl_err set_defaults(const struct cfg *c)
{
	for (size_t t = 0; t < c->n; t++)
		for (const struct cfg_opt *o = c->tables[t]; o && o->name; o++) {
			if (!o->def)
				continue;
			enum pl_err err = set(c, o, t, o->def);
			if (err)
				return err;
		}
	return PL_OK;
}

static const char *env_of(const char *name)
{
	char key[128] = "PARLEY_";
	size_t n = strlen(key);
	for (; *name && n < sizeof(key) - 1; name++)
		key[n++] = *name == '-' ? '_' : (char)(*name >= 'a' && *name <= 'z' ? *name - 32 : *name);
	key[n] = 0;
	return getenv(key);
}

static enum pl_err set_env(const struct cfg *c)
{
	for (size_t t = 0; t < c->n; t++)
		for (const struct cfg_opt *o = c->tables[t]; o && o->name; o++) {
			const char *v = env_of(o->name);
			enum pl_err err = v ? set(c, o, t, v) : PL_OK;
			if (err)
				return err;
		}
	return PL_OK;
}

static char *trim(char *s, char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
		s++;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*end = 0;
	return s;
}

/* A # begins a comment at the start of a line or after white space, so that a password or a URL may hold one. */
static char *comment_of(char *s)
{
	for (char *p = s; *p; p++)
		if (*p == '#' && (p == s || p[-1] == ' ' || p[-1] == '\t'))
			return p;
	return s + strlen(s);
}

static enum pl_err set_line(const struct cfg *c, const char *path, int no, char *line)
{
	size_t t;
	char *end = comment_of(line), *eq = memchr(line, '=', (size_t)(end - line));
	if (!*trim(line, end))
		return PL_OK;
	if (!eq)
		return pl_why_field(c->why, PL_E_FORMAT, "config", "%s:%d: must be `name = value`", path, no);
	char *value = trim(eq + 1, end), *name = trim(line, eq);
	const struct cfg_opt *o = find(c, name, strlen(name), &t);
	if (!o)
		return pl_why_field(c->why, PL_E_FORMAT, "config", "%s:%d: no option is called \"%.60s\"", path, no,
				    name);
	return set(c, o, t, value);
}

static enum pl_err set_file(const struct cfg *c, const char *path)
{
	char *text;
	enum pl_err err = read_file(c, "config", path, CFG_FILE_MAX_BYTES, &text);
	for (int no = 1; !err && text; no++) {
		char *nl = strchr(text, '\n');
		if (nl)
			*nl = 0;
		err = set_line(c, path, no, text);
		text = nl ? nl + 1 : NULL;
	}
	return err;
}

static enum pl_err set_arg(const struct cfg *c, const char *arg)
{
	const char *eq = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
	if (!eq)
		return pl_why_field(c->why, PL_E_FORMAT, "", "\"%.60s\" must be --name=value; try --help", arg);
	size_t t;
	const struct cfg_opt *o = find(c, arg + 2, (size_t)(eq - arg - 2), &t);
	if (!o)
		return pl_why_field(c->why, PL_E_FORMAT, "", "no option is called \"%.*s\"; try --help",
				    (int)PL_MIN(eq - arg, 60), arg);
	return set(c, o, t, eq + 1);
}

enum pl_err cfg_load(const struct cfg_opt *const *tables, void *const *structs, size_t n_tables, int argc, char **argv,
		     struct pl_arena *a, struct pl_why *why)
{
	static const char config[] = "--config=";
	const struct cfg c = { tables, structs, n_tables, a, why };
	for (int i = 1; i < argc; i++) {
		bool help = strcmp(argv[i], "--help") == 0;
		if (help)
			cfg_print_help(tables, n_tables, argv[0]);
		else if (strcmp(argv[i], "--options") == 0)
			cfg_print_json(tables, n_tables);
		else
			continue;
		return pl_why_set(why, PL_E_CANCELLED, "%s", argv[i]);
	}
	enum pl_err err = set_defaults(&c);
	if (!err)
		err = set_env(&c);
	const char *file = getenv("PARLEY_CONFIG");
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], config, sizeof(config) - 1) == 0)
			file = argv[i] + sizeof(config) - 1;
	if (!err && !pl_empty(file))
		err = set_file(&c, file);
	for (int i = 1; !err && i < argc; i++)
		if (strncmp(argv[i], config, sizeof(config) - 1) != 0)
			err = set_arg(&c, argv[i]);
	return err;
}
