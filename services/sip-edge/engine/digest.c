#include "digest.h"
#include "hash.h"

static const char hex_digits[] = "0123456789abcdef";
#define MAC_INPUT_MAX 128

bool digest_md5_only(const char *user_agent)
{
	/* libre before 2.2, in every Debian up to 12. */
	static const char *const names[] = { "baresip v0.", "baresip v1.", "baresip v2.0" };
	for (size_t i = 0; user_agent && i < sizeof names / sizeof *names; i++)
		if (strncmp(user_agent, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

const char *digest_algorithm_name(enum digest_algorithm a)
{
	return a == DIGEST_SHA256 ? "SHA-256" : "MD5";
}

static bool same_nocase(const char *a, const char *b)
{
	for (;; a++, b++) {
		unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
		if (x >= 'A' && x <= 'Z')
			x = (unsigned char)(x + 32);
		if (y >= 'A' && y <= 'Z')
			y = (unsigned char)(y + 32);
		if (x != y)
			return false;
		if (!x)
			return true;
	}
}

enum pl_err digest_algorithm_parse(const char *name, enum digest_algorithm *ret)
{
	if (pl_empty(name) || same_nocase(name, "MD5"))
		*ret = DIGEST_MD5;
	else if (same_nocase(name, "SHA-256"))
		*ret = DIGEST_SHA256;
	else
		return PL_E_UNSUPPORTED;
	return PL_OK;
}

static char *put_hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*out++ = hex_digits[p[i] >> 4];
		*out++ = hex_digits[p[i] & 15];
	}
	*out = 0;
	return out;
}

/* The first 24 digits (time and random) and the scope, cut to the buffer. */
static void nonce_mac(const struct digest_fns *f, const char *head, const char *scope, char out[33])
{
	uint8_t input[MAC_INPUT_MAX] = { 0 }, mac[32] = { 0 };
	size_t n = scope ? strlen(scope) : 0;
	if (n > MAC_INPUT_MAX - 24)
		n = MAC_INPUT_MAX - 24;
	memcpy(input, head, 24);
	if (n)
		memcpy(input + 24, scope, n);
	f->mac(f->key, input, 24 + n, mac);
	put_hex(out, mac, 16);
}

void digest_nonce_make(const struct digest_fns *f, int64_t now_s, const uint8_t random[8], const char *scope,
		       char nonce[DIGEST_NONCE_LEN])
{
	uint8_t t[4] = { (uint8_t)(now_s >> 24), (uint8_t)(now_s >> 16), (uint8_t)(now_s >> 8), (uint8_t)now_s };
	char *p = put_hex(put_hex(nonce, t, 4), random, 8);
	nonce_mac(f, nonce, scope, p);
}

/* Time does not depend on where the difference is. */
static bool same_secret(const char *a, const char *b, size_t n)
{
	unsigned diff = 0;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return !diff;
}

static bool hex_u32(const char *s, size_t n, uint32_t *ret)
{
	uint32_t v = 0;
	for (size_t i = 0; i < n; i++) {
		const char *d = s[i] ? strchr("0123456789abcdefABCDEF", s[i]) : NULL;
		if (!d)
			return false;
		unsigned digit = s[i] <= '9' ? (unsigned)(s[i] - '0') : (unsigned)((s[i] | 32) - 'a' + 10);
		v = v << 4 | digit;
	}
	*ret = v;
	return true;
}

/* -1: not ours; else its age in seconds, never negative. */
static int64_t nonce_age(const struct digest_fns *f, const char *nonce, const char *scope, int64_t now_s)
{
	char mac[33];
	uint32_t made;
	if (strlen(nonce) != DIGEST_NONCE_LEN - 1 || !hex_u32(nonce, 8, &made))
		return -1;
	nonce_mac(f, nonce, scope, mac);
	if (!same_secret(mac, nonce + 24, 32))
		return -1;
	int64_t age = now_s - (int64_t)made;
	return age < 0 ? 0 : age;
}

/* True when this nonce count has not been used. A nonce whose slot was taken by another is refused unless it is new (nc
 * 1). */
static bool count_fresh(struct digest_seen *seen, const char *nonce, uint32_t nc, int64_t now_s)
{
	uint64_t h = engine_hash(nonce, DIGEST_NONCE_LEN - 1);
	if (!h)
		h = 1;
	struct digest_seen_slot *oldest = NULL;
	for (size_t i = 0; i < 4; i++) {
		struct digest_seen_slot *s = &seen->slots[(h + i) % seen->n];
		if (s->nonce == h) {
			if (nc <= s->nc)
				return false;
			s->nc = nc;
			s->used_s = (uint32_t)now_s;
			return true;
		}
		if (!oldest || s->used_s < oldest->used_s)
			oldest = s;
	}
	if (nc != 1)
		return false;
	*oldest = (struct digest_seen_slot){ h, nc, (uint32_t)now_s };
	return true;
}

struct text {
	char buf[1024];
	size_t n;
	bool full;
};

static void add(struct text *t, const char *s)
{
	size_t n = strlen(s);
	if (t->n + n + 1 > sizeof t->buf) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->n, s, n);
	t->n += n;
}

static bool expected_response(const struct digest_fns *f, const struct digest_answer *a, const char *ha1,
			      const char *method, char out[DIGEST_HEX_MAX])
{
	char ha2[DIGEST_HEX_MAX];
	struct text t = { .n = 0 };
	add(&t, method), add(&t, ":"), add(&t, a->uri);
	if (t.full)
		return false;
	f->hash_hex(a->algorithm, t.buf, t.n, ha2);
	t.n = 0;
	add(&t, ha1), add(&t, ":"), add(&t, a->nonce), add(&t, ":"), add(&t, a->nc), add(&t, ":");
	add(&t, a->cnonce), add(&t, ":"), add(&t, a->qop), add(&t, ":"), add(&t, ha2);
	if (t.full)
		return false;
	f->hash_hex(a->algorithm, t.buf, t.n, out);
	return true;
}

enum digest_verdict digest_verify(const struct digest_fns *f, struct digest_seen *seen, const struct digest_answer *a,
				  const struct digest_check *c)
{
	uint32_t nc;
	char want[DIGEST_HEX_MAX];
	if (!a->username || !a->realm || !a->nonce || !a->uri || !a->response || !a->qop || !a->nc || !a->cnonce)
		return DIGEST_FORMAT;
	if (!same_nocase(a->qop, "auth") || strlen(a->nc) != 8 || !hex_u32(a->nc, 8, &nc) || !nc)
		return DIGEST_FORMAT;
	int64_t age = nonce_age(f, a->nonce, c->scope, c->now_s);
	/* An unknown user costs the same two hashes, so that the time of the answer tells nothing. */
	const char *ha1 = c->ha1 ? c->ha1 : "00000000000000000000000000000000";
	if (!expected_response(f, a, ha1, c->method, want))
		return DIGEST_FORMAT;
	size_t n = strlen(want);
	bool right = strlen(a->response) == n && same_secret(want, a->response, n) && c->ha1 &&
		     strcmp(a->realm, c->realm) == 0;
	if (age < 0)
		return right ? DIGEST_STALE : DIGEST_WRONG; /* another node's nonce, or from before our restart */
	if (!right)
		return DIGEST_WRONG;
	if (age > c->max_age_s || !count_fresh(seen, a->nonce, nc, c->now_s))
		return DIGEST_STALE;
	return DIGEST_OK;
}
