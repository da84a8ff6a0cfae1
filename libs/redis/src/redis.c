/* Commands and replies. */
#include "redis_int.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 8

struct cmd {
	struct redis *r;
	redis_fn fn;
	void *arg;
};

/* redis://host[:port][/db]; an IPv6 address stands in brackets. */
static enum pl_err parse_url(struct redis *r, const char *url, struct pl_why *why)
{
	static const char scheme[] = "redis://";
	const char *p = url ? url : "", *end;
	r->port = 6379;
	if (strncmp(p, scheme, sizeof(scheme) - 1) != 0)
		goto bad;
	p += sizeof(scheme) - 1;
	bool v6 = *p == '[';
	p += v6;
	size_t n = strcspn(p, v6 ? "]" : ":/");
	if (n == 0 || n >= sizeof(r->host) || memchr(p, '@', n) || (v6 && p[n] != ']'))
		goto bad;
	memcpy(r->host, p, n);
	p += n + v6;
	char *e = NULL;
	if (*p == ':') {
		long port = strtol(p + 1, &e, 10);
		if (e == p + 1 || port < 1 || port > 65535)
			goto bad;
		r->port = (int)port;
		p = e;
	}
	if (*p == '/' && p[1]) {
		long db = strtol(p + 1, &e, 10);
		if (e == p + 1 || db < 0 || db > 1023)
			goto bad;
		r->db = (int)db;
		p = e;
	}
	end = *p == '/' ? p + 1 : p;
	if (!*end)
		return PL_OK;
bad:
	return pl_why_field(why, PL_E_FORMAT, "redis-url", "\"%.100s\" must be redis://host:port/db", url ? url : "");
}

static enum pl_err copy(const char *s, char **to)
{
	if (pl_empty(s))
		return PL_OK;
	*to = strdup(s);
	return *to ? PL_OK : PL_E_NOMEM;
}

enum pl_err redis_open(struct redis **ret, struct pl_loop *l, struct obs *o, const char *url, const char *user,
		       const char *password, void (*on_up)(void *arg), void *arg, struct pl_why *why)
{
	struct redis *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "redis: memory is out");
	r->loop = l;
	r->on_up = on_up;
	r->arg = arg;
	enum pl_err err = parse_url(r, url, why);
	if (!err && (copy(user, &r->user) || copy(password, &r->password) || redis_conn_init(r)))
		err = pl_why_set(why, PL_E_NOMEM, "redis: memory is out");
	if (err) {
		redis_close(r);
		return err;
	}
	r->check = obs_check_new(o, "redis");
	r->m_refused = obs_metric_new(o, OBS_COUNTER, "redis_refused_total", NULL,
				      "Redis commands refused: away or too many in flight.");
	r->m_reconnects = obs_metric_new(o, OBS_COUNTER, "redis_connects_total", NULL, "Connections to Redis made.");
	redis_conn_start(r);
	*ret = r;
	return PL_OK;
}

void redis_close(struct redis *r)
{
	if (!r)
		return;
	redis_conn_done(r);
	free(r->user);
	free(r->password);
	free(r);
}

bool redis_up(const struct redis *r)
{
	return r->up;
}

enum pl_err redis_reply_err(const redisReply *rep, struct pl_why *why)
{
	static const struct {
		const char *prefix;
		enum pl_err err;
	} map[] = { { "NOAUTH", PL_E_AUTH },       { "WRONGPASS", PL_E_AUTH },     { "NOPERM", PL_E_DENIED },
		    { "LOADING", PL_E_UNAVAIL },   { "BUSY", PL_E_UNAVAIL },       { "OOM", PL_E_FULL },
		    { "READONLY", PL_E_UNAVAIL },  { "MASTERDOWN", PL_E_UNAVAIL }, { "NOSCRIPT", PL_E_NOTFOUND },
		    { "EXECABORT", PL_E_CONFLICT } };
	if (rep->type != REDIS_REPLY_ERROR)
		return PL_OK;
	enum pl_err err = PL_E_INTERNAL;
	for (size_t i = 0; i < PL_ARRAY_N(map); i++)
		if (strncmp(rep->str, map[i].prefix, strlen(map[i].prefix)) == 0)
			err = map[i].err;
	return pl_why_set(why, err, "redis: %.200s", rep->str);
}

static enum pl_err convert(struct pl_arena *tmp, const redisReply *rep, struct redis_val *v, int depth)
{
	*v = (struct redis_val){ .kind = REDIS_NIL, .s = "" };
	switch (rep->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
	case REDIS_REPLY_ERROR: /* inside an array (EXEC): its text */
		v->kind = REDIS_STR;
		v->s = rep->str;
		v->len = (size_t)rep->len;
		return PL_OK;
	case REDIS_REPLY_INTEGER:
		v->kind = REDIS_INT;
		v->i = rep->integer;
		return PL_OK;
	case REDIS_REPLY_ARRAY:
		break;
	default:
		return PL_OK;
	}
	struct redis_val *items = depth < DEPTH_MAX ? pl_arena_alloc(tmp, rep->elements * sizeof(*items)) : NULL;
	if (!items)
		return PL_E_NOMEM;
	v->kind = REDIS_ARRAY;
	v->items = items;
	v->n = rep->elements;
	for (size_t i = 0; i < rep->elements; i++)
		if (convert(tmp, rep->element[i], &items[i], depth + 1) != PL_OK)
			return PL_E_NOMEM;
	return PL_OK;
}

static void on_reply(redisAsyncContext *ac, void *reply, void *arg)
{
	(void)ac;
	struct cmd c = *(struct cmd *)arg;
	struct pl_why why = { 0 };
	struct redis_val v;
	free(arg);
	c.r->inflight--;
	if (!c.fn || c.r->closing)
		return;
	if (!reply) {
		pl_why_set(&why, PL_E_UNAVAIL, "redis: the connection was lost");
		c.fn(c.arg, PL_E_UNAVAIL, NULL, &why);
		return;
	}
	enum pl_err err = redis_reply_err(reply, &why);
	if (!err && convert(pl_loop_tmp(c.r->loop), reply, &v, 0) != PL_OK)
		err = pl_why_set(&why, PL_E_NOMEM, "redis: the reply is too large or too deep");
	c.fn(c.arg, err, err ? NULL : &v, &why);
}

enum pl_err redis_cmd(struct redis *r, redis_fn fn, void *arg, int argc, const char *const *argv, const size_t *len)
{
	if (!r->up || r->inflight >= REDIS_INFLIGHT_MAX) {
		obs_add(r->m_refused, 1);
		return r->up ? PL_E_FULL : PL_E_UNAVAIL;
	}
	struct cmd *c = malloc(sizeof(*c));
	if (!c)
		return PL_E_NOMEM;
	*c = (struct cmd){ r, fn, arg };
	r->inflight++;
	/* hiredis takes char ** and only reads */
	if (redisAsyncCommandArgv(r->ac, on_reply, c, argc, (const char **)(uintptr_t)argv, len) == REDIS_OK)
		return PL_OK;
	r->inflight--;
	free(c);
	return PL_E_UNAVAIL;
}
