#include "auth.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX 128

int64_t session_expires_us(const struct auth *a)
{
	return pl_wall_us() + a->cfg->session_s * PL_US_PER_S;
}

void session_hash(const char *token, char hash[65])
{
	crypto_sha256_hex(token, strlen(token), hash);
}

static const char *key(char out[KEY_MAX], const char *kind, const char *id)
{
	snprintf(out, KEY_MAX, "auth:%s:%.80s", kind, id);
	return out;
}

struct op {
	struct auth *a;
	session_fn fn;
	void *arg;
	char id[PL_ID_LEN], hash[65], user_id[PL_ID_LEN], except[PL_ID_LEN], reason[24];
	char *json; /* to be written */
};

static struct op *op_new(struct auth *a, session_fn fn, void *arg)
{
	struct op *o = calloc(1, sizeof(*o));

	if (o) {
		o->a = a;
		o->fn = fn;
		o->arg = arg;
	}
	return o;
}

/* Frees o and reports. */
static void op_end(struct op *o, enum pl_err err, const AU(CheckSessionResponse) * s)
{
	struct pl_why why = { 0 };
	session_fn fn = o->fn;
	void *arg = o->arg;

	if (err == PL_E_AUTH)
		pl_why_set(&why, err, "the session has ended");
	else if (err)
		pl_why_set(&why, err, "sessions are not available now");
	free(o->json);
	free(o);
	if (fn)
		fn(arg, err, s, err ? &why : NULL);
}

static void no_memory(session_fn fn, void *arg)
{
	struct pl_why why = { 0 };

	pl_why_set(&why, PL_E_NOMEM, "no memory");
	if (fn)
		fn(arg, PL_E_NOMEM, NULL, &why);
}

static AU(CheckSessionResponse) * parse(struct auth *a, const struct redis_val *v)
{
	ProtobufCMessage *m;
	struct pl_why why;

	if (v->kind != REDIS_STR || rpc_from_json(&parley__auth__v1__check_session_response__descriptor, v->s, v->len,
						  pl_loop_tmp(a->app->loop), &m, &why))
		return NULL;
	AU(CheckSessionResponse) *s = (void *)m;
	return s->user ? s : NULL;
}

static char *to_json(struct auth *a, const char *session_id, const AU(User) * user)
{
	AU(CheckSessionResponse) s = PARLEY__AUTH__V1__CHECK_SESSION_RESPONSE__INIT;
	struct pl_why why;
	char *json;
	size_t n;

	s.session_id = (char *)(uintptr_t)session_id;
	s.user = (AU(User) *)(uintptr_t)user;
	return rpc_to_json(&s.base, pl_loop_tmp(a->app->loop), &json, &n, &why) ? NULL : json;
}

/* --- start --- */

static void on_stored(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	op_end(arg, err, NULL);
}

void session_start(struct auth *a, struct session *s, const AU(User) * user, session_fn fn, void *arg)
{
	char k1[KEY_MAX], k2[KEY_MAX], k3[KEY_MAX], ttl[24];
	struct op *o = op_new(a, fn, arg);

	crypto_token_new(s->token);
	session_hash(s->token, s->hash);
	pl_id_new(s->id);
	const char *json = to_json(a, s->id, user);
	if (!o || !json) {
		free(o);
		no_memory(fn, arg);
		return;
	}
	snprintf(ttl, sizeof(ttl), "%" PRId64, a->cfg->session_s);
	key(k3, "of", user->id);
	/* one connection, so in order: when the last is stored, all are */
	enum pl_err err = REDIS_CMD(a->redis, NULL, NULL, "SADD", k3, s->hash);
	if (!err)
		err = REDIS_CMD(a->redis, NULL, NULL, "EXPIRE", k3, ttl);
	if (!err)
		err = REDIS_CMD(a->redis, NULL, NULL, "SET", key(k2, "sid", s->id), s->hash, "EX", ttl);
	if (!err)
		err = REDIS_CMD(a->redis, on_stored, o, "SET", key(k1, "session", s->hash), json, "EX", ttl);
	if (err)
		op_end(o, err, NULL);
}

/* --- check --- */

static void on_checked(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct op *o = arg;
	struct auth *a = o->a;
	AU(CheckSessionResponse) *s = err ? NULL : parse(a, v);
	char k[KEY_MAX], ttl[24];

	if (!err && !s)
		err = PL_E_AUTH;
	if (!err) {
		s->expires_at = rpc_ts(pl_loop_tmp(a->app->loop), session_expires_us(a));
		snprintf(ttl, sizeof(ttl), "%" PRId64, a->cfg->session_s);
		if (REDIS_CMD(a->redis, NULL, NULL, "EXPIRE", key(k, "sid", s->session_id), ttl) ||
		    REDIS_CMD(a->redis, NULL, NULL, "EXPIRE", key(k, "of", s->user->id), ttl))
			log_debug("session.slide-lost"); /* the next check slides it */
	}
	op_end(o, err, s);
}

void session_check(struct auth *a, const char *token, session_fn fn, void *arg)
{
	struct op *o = op_new(a, fn, arg);
	char k[KEY_MAX], ttl[24];

	if (!o) {
		no_memory(fn, arg);
		return;
	}
	session_hash(token, o->hash);
	snprintf(ttl, sizeof(ttl), "%" PRId64, a->cfg->session_s);
	enum pl_err err = REDIS_CMD(a->redis, on_checked, o, "GETEX", key(k, "session", o->hash), "EX", ttl);
	if (err)
		op_end(o, err, NULL);
}

/* --- end --- */

static void on_ended(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	op_end(arg, err, NULL);
}

static void on_sid(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct op *o = arg;
	char k1[KEY_MAX], k2[KEY_MAX];

	if (!err && v->kind == REDIS_STR && v->len < sizeof(o->hash)) {
		memcpy(o->hash, v->s, v->len);
		err = REDIS_CMD(o->a->redis, on_ended, o, "DEL", key(k1, "session", o->hash), key(k2, "sid", o->id));
		if (!err)
			return;
	}
	op_end(o, err, NULL);
}

void session_end(struct auth *a, const char *session_id, session_fn fn, void *arg)
{
	struct op *o = op_new(a, fn, arg);
	char k[KEY_MAX];

	if (!o) {
		no_memory(fn, arg);
		return;
	}
	pl_strlcpy(o->id, session_id, sizeof(o->id));
	enum pl_err err = REDIS_CMD(a->redis, on_sid, o, "GET", key(k, "sid", session_id));
	if (err)
		op_end(o, err, NULL);
}

static void tell_ended(struct auth *a, const char *session_id, const char *user_id, const char *reason)
{
	AU(SessionEnded) e = PARLEY__AUTH__V1__SESSION_ENDED__INIT;
	struct pl_arena *tmp = pl_loop_tmp(a->app->loop);
	char *subject = pl_arena_printf(tmp, "ev.auth.session-ended.%s", session_id);

	e.meta = event_meta(tmp, bus_node(a->app->bus), user_id);
	e.session_id = (char *)(uintptr_t)session_id;
	e.user_id = (char *)(uintptr_t)user_id;
	e.reason = (char *)(uintptr_t)reason;
	if (!subject || !e.meta || rpc_emit(a->app->bus, subject, e.meta->event_id, &e.base, NULL, NULL))
		log_warn("session.ended-untold",
			 LOG_S("session", session_id)); /* api's cache forgets it within seconds all the same */
}

static void on_one_of_all(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct op *o = arg;
	AU(CheckSessionResponse) *s = err ? NULL : parse(o->a, v);
	char k1[KEY_MAX], k2[KEY_MAX], k3[KEY_MAX];

	if (s && !pl_streq(s->session_id, o->except)) {
		err = REDIS_CMD(o->a->redis, NULL, NULL, "DEL", key(k1, "session", o->hash),
				key(k2, "sid", s->session_id));
		if (!err)
			err = REDIS_CMD(o->a->redis, NULL, NULL, "SREM", key(k3, "of", o->user_id), o->hash);
		tell_ended(o->a, s->session_id, o->user_id, o->reason);
	}
	if (err)
		log_error("session.end-failed", LOG_S("user", o->user_id));
	op_end(o, err, NULL);
}

static void on_members(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct op *o = arg;
	char k[KEY_MAX];

	for (size_t i = 0; !err && v->kind == REDIS_ARRAY && i < v->n; i++) {
		struct op *one = op_new(o->a, NULL, NULL);
		if (!one || v->items[i].kind != REDIS_STR || v->items[i].len >= sizeof(one->hash)) {
			free(one);
			continue;
		}
		memcpy(one->hash, v->items[i].s, v->items[i].len);
		memcpy(one->user_id, o->user_id, sizeof(one->user_id));
		memcpy(one->except, o->except, sizeof(one->except));
		memcpy(one->reason, o->reason, sizeof(one->reason));
		if (REDIS_CMD(o->a->redis, on_one_of_all, one, "GET", key(k, "session", one->hash)))
			op_end(one, PL_E_UNAVAIL, NULL);
	}
	if (err)
		log_error("session.end-failed", LOG_S("user", o->user_id));
	op_end(o, err, NULL);
}

void session_end_all(struct auth *a, const char *user_id, const char *except, const char *reason)
{
	struct op *o = op_new(a, NULL, NULL);
	char k[KEY_MAX];

	if (!o)
		return;
	pl_strlcpy(o->user_id, user_id, sizeof(o->user_id));
	pl_strlcpy(o->except, except, sizeof(o->except));
	pl_strlcpy(o->reason, reason, sizeof(o->reason));
	enum pl_err err = REDIS_CMD(a->redis, on_members, o, "SMEMBERS", key(k, "of", user_id));
	if (err) {
		log_error("session.end-failed", LOG_S("user", user_id));
		op_end(o, err, NULL);
	}
}

/* --- refresh --- */

static void on_refresh_sid(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct op *o = arg;
	char k[KEY_MAX], hash[65] = "";

	if (!err && v->kind == REDIS_STR && v->len < sizeof(hash)) {
		memcpy(hash, v->s, v->len);
		err = REDIS_CMD(o->a->redis, NULL, NULL, "SET", key(k, "session", hash), o->json, "XX", "KEEPTTL");
	}
	op_end(o, err, NULL);
}

void session_refresh(struct auth *a, const char *session_id, const AU(User) * user)
{
	struct op *o = op_new(a, NULL, NULL);
	const char *json = to_json(a, session_id, user);
	char k[KEY_MAX];

	if (o && json)
		o->json = strdup(json);
	if (!o || !o->json || REDIS_CMD(a->redis, on_refresh_sid, o, "GET", key(k, "sid", session_id))) {
		if (o)
			free(o->json);
		free(o);
	}
}
