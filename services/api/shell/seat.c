#include "api.h"

#include <stdlib.h>

#define FRESH_US (10 * PL_US_PER_S)
#define SEATS_MAX 20000
#define ADDRS_MAX 20000
#define CHECK_MS 5000

struct seat {
	UT_hash_handle hh;
	char hash[65];
	struct who who;
	int64_t fresh_until_us;
	struct door_bucket bucket;
};

struct addr {
	UT_hash_handle hh;
	char address[64];
	struct door_bucket bucket;
};

const char *seat_token(struct http_req *r)
{
	const char *auth = http_header(r, "Authorization");

	if (auth)
		return strncasecmp(auth, "Bearer ", 7) == 0 ? auth + 7 : NULL;
	return http_cookie(r, "parley_session");
}

static struct seat *find(struct api *a, const char *hash)
{
	struct seat *s;

	HASH_FIND_STR(a->seats, hash, s);
	return s;
}

static void drop(struct api *a, struct seat *s)
{
	HASH_DEL(a->seats, s);
	free(s);
}

/* --- asking auth --- */

struct check {
	struct api *a;
	char hash[65];
	seat_fn fn;
	void *arg;
};

static bool ended_lately(const struct api *a, const char *session_id)
{
	for (size_t i = 0; i < PL_ARRAY_N(a->ended); i++)
		if (pl_streq(a->ended[i], session_id))
			return true;
	return false;
}

static struct seat *remember(struct api *a, const char *hash, const Parley__Auth__V1__CheckSessionResponse *in)
{
	static const enum perm_role roles[] = { [PARLEY__AUTH__V1__ROLE__ROLE_AGENT] = PERM_AGENT,
						[PARLEY__AUTH__V1__ROLE__ROLE_SUPERVISOR] = PERM_SUPERVISOR,
						[PARLEY__AUTH__V1__ROLE__ROLE_ADMIN] = PERM_ADMIN };
	struct seat *s = find(a, hash);

	if (!s && HASH_COUNT(a->seats) >= SEATS_MAX)
		drop(a, a->seats); /* the oldest; it is asked for again */
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		pl_strlcpy(s->hash, hash, sizeof(s->hash));
		HASH_ADD_STR(a->seats, hash, s);
	}
	s->who = (struct who){ .must_change = in->user->must_change_password };
	if ((unsigned)in->user->role < PL_ARRAY_N(roles))
		s->who.role = roles[in->user->role];
	pl_strlcpy(s->who.user_id, in->user->id, sizeof(s->who.user_id));
	pl_strlcpy(s->who.session_id, in->session_id, sizeof(s->who.session_id));
	s->fresh_until_us = pl_loop_now_us(a->app->loop) + FRESH_US;
	return s;
}

static void on_checked(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct check *k = arg;
	struct check c = *k;
	const Parley__Auth__V1__CheckSessionResponse *in = (const void *)out;
	struct pl_why here = { 0 };
	struct who who = { 0 };

	free(k);
	if (!err && (!in->user || ended_lately(c.a, in->session_id)))
		err = pl_why_set(&here, PL_E_AUTH, "the session has ended");
	struct seat *s = err ? NULL : remember(c.a, c.hash, in);
	if (!err && !s)
		err = pl_why_set(&here, PL_E_NOMEM, "no memory");
	if (s)
		who = s->who;
	else if (err == PL_E_AUTH && (s = find(c.a, c.hash)))
		drop(c.a, s);
	c.fn(c.arg, err, err ? NULL : &who, here.err ? &here : why);
}

void seat_check(struct api *a, const char *token, seat_fn fn, void *arg)
{
	const struct rpc_to to = { .service = &parley__auth__v1__session_internal_service__descriptor,
				   .method = "CheckSession",
				   .timeout_ms = CHECK_MS };
	Parley__Auth__V1__CheckSessionRequest in = PARLEY__AUTH__V1__CHECK_SESSION_REQUEST__INIT;
	struct pl_why why = { 0 };
	struct check *k = calloc(1, sizeof(*k));

	if (!k) {
		fn(arg, pl_why_set(&why, PL_E_NOMEM, "no memory"), NULL, &why);
		return;
	}
	*k = (struct check){ .a = a, .fn = fn, .arg = arg };
	crypto_sha256_hex(token, strlen(token), k->hash);
	in.token = (char *)(uintptr_t)token;
	if (!rpc_ask(a->app->bus, &to, &in.base, on_checked, k, &why)) {
		free(k);
		fn(arg, why.err ? why.err : PL_E_UNAVAIL, NULL, &why);
	}
}

/* --- a request's session --- */

struct find_state {
	struct api *a;
	seat_fn fn;
	void *arg;
	char hash[65];
};

static void admit(struct api *a, struct seat *s, seat_fn fn, void *arg)
{
	struct who who = s->who;
	struct pl_why why = { 0 };

	if (door_take(&s->bucket, pl_mono_us(), a->cfg->rate))
		fn(arg, PL_OK, &who, NULL);
	else
		fn(arg, pl_why_set(&why, PL_E_FULL, "more than %" PRId64 " requests a second", a->cfg->rate), NULL,
		   &why);
}

static void on_found(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why)
{
	struct find_state f = *(struct find_state *)arg;
	struct seat *s = err ? NULL : find(f.a, f.hash);

	free(arg);
	if (s)
		admit(f.a, s, f.fn, f.arg);
	else
		f.fn(f.arg, err ? err : PL_E_AUTH, NULL, why);
}

void seat_find(struct api *a, struct http_req *r, seat_fn fn, void *arg)
{
	const char *token = seat_token(r);
	struct pl_why why = { 0 };
	char hash[65];

	if (!token || strlen(token) != CRYPTO_TOKEN_LEN - 1) {
		fn(arg, pl_why_set(&why, PL_E_AUTH, "sign in first"), NULL, &why);
		return;
	}
	crypto_sha256_hex(token, strlen(token), hash);
	struct seat *s = find(a, hash);
	if (s && s->fresh_until_us > pl_loop_now_us(a->app->loop)) {
		admit(a, s, fn, arg);
		return;
	}
	/* guesses of tokens are harmless, but each costs auth a look: they are bounded per address */
	if (!s && !seat_addr_take(a, http_peer(r))) {
		fn(arg, pl_why_set(&why, PL_E_FULL, "too many requests from this address"), NULL, &why);
		return;
	}
	struct find_state *f = calloc(1, sizeof(*f));
	if (!f) {
		fn(arg, pl_why_set(&why, PL_E_NOMEM, "no memory"), NULL, &why);
		return;
	}
	*f = (struct find_state){ .a = a, .fn = fn, .arg = arg };
	memcpy(f->hash, hash, sizeof(f->hash));
	seat_check(a, token, on_found, f);
}

void seat_ended(struct api *a, const char *session_id)
{
	struct seat *s, *next;

	pl_strlcpy(a->ended[a->n_ended++ % PL_ARRAY_N(a->ended)], session_id, sizeof(a->ended[0]));
	HASH_ITER(hh, a->seats, s, next)
	if (pl_streq(s->who.session_id, session_id))
		drop(a, s);
}

void seat_forget(struct api *a, const char *token)
{
	char hash[65];

	crypto_sha256_hex(token, strlen(token), hash);
	struct seat *s = find(a, hash);
	if (s)
		drop(a, s);
}

bool seat_addr_take(struct api *a, const char *address)
{
	struct addr *d;

	HASH_FIND_STR(a->addrs, address, d);
	if (!d) {
		if (HASH_COUNT(a->addrs) >= ADDRS_MAX) {
			struct addr *old = a->addrs;
			HASH_DEL(a->addrs, old);
			free(old);
		}
		d = calloc(1, sizeof(*d));
		if (!d)
			return false;
		pl_strlcpy(d->address, address, sizeof(d->address));
		HASH_ADD_STR(a->addrs, address, d);
	}
	return door_take(&d->bucket, pl_mono_us(), a->cfg->login_rate);
}

/* Those nobody has asked about for a minute go. */
void seat_tick(struct api *a)
{
	int64_t old_us = pl_loop_now_us(a->app->loop) - 60 * PL_US_PER_S;
	struct seat *s, *next;
	struct addr *d, *next_d;

	HASH_ITER(hh, a->seats, s, next)
	if (s->fresh_until_us < old_us)
		drop(a, s);
	HASH_ITER(hh, a->addrs, d, next_d)
	if (d->bucket.at_us < old_us) {
		HASH_DEL(a->addrs, d);
		free(d);
	}
}

void seat_free_all(struct api *a)
{
	struct seat *s, *next;
	struct addr *d, *next_d;

	HASH_ITER(hh, a->seats, s, next)
	drop(a, s);
	HASH_ITER(hh, a->addrs, d, next_d)
	{
		HASH_DEL(a->addrs, d);
		free(d);
	}
}
