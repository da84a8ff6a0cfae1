/** Digest access authentication, server side, without its hash functions. Pure.
 *  Nonce      "<time><random><mac>" in hex: who issued it and when is in it, so nothing is kept per challenge. What is
 * kept is the highest nonce count seen per nonce that was used, in a bounded table (the oldest makes room). Units
 * seconds of wall clock for the age of nonces. Source     RFC 3261 22, RFC 7616 3.3 to 3.4.6 (qop=auth, nc, stale), RFC
 * 8760 2 (SHA-256 beside MD5). */
#ifndef SIP_EDGE_DIGEST_H
#define SIP_EDGE_DIGEST_H
#include <parley/base.h>

#define DIGEST_NONCE_LEN 57 /* 8 + 16 + 32 hex digits and 0 */
#define DIGEST_HEX_MAX 65

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256, DIGEST_ALGORITHM_N };
/** True for clients that give up at a challenge with an algorithm they do not know, although RFC 7616 3.7 has them skip
 * it: they get the MD5 challenge alone. user_agent may be NULL. */
bool digest_md5_only(const char *user_agent);
const char *digest_algorithm_name(enum digest_algorithm a); /* "MD5", "SHA-256" */
/** NULL and "" mean MD5 (RFC 7616 3.3). PL_E_UNSUPPORTED for others. */
PL_MUST enum pl_err digest_algorithm_parse(const char *name, enum digest_algorithm *ret);

/** The functions the caller brings: lower case hex of the hash over text, and a keyed MAC over bytes (first 16 are
 * used). */
struct digest_fns {
	void (*hash_hex)(enum digest_algorithm a, const char *text, size_t n, char out[DIGEST_HEX_MAX]);
	void (*mac)(const void *key, const void *p, size_t n, uint8_t out[32]);
	const void *key;
};

/** Fills nonce from time, 8 random bytes and the scope (what it is good for, e.g. the source address). */
void digest_nonce_make(const struct digest_fns *f, int64_t now_s, const uint8_t random[8], const char *scope,
		       char nonce[DIGEST_NONCE_LEN]);

enum digest_verdict {
	DIGEST_OK,
	DIGEST_STALE,  /* right secret, or a nonce of ours that is too old or used before: challenge again with
			  stale=true */
	DIGEST_WRONG,  /* this is a failed attempt */
	DIGEST_FORMAT, /* parameters missing: 400 */
};

/* Remembers nonce counts. n slots of the caller's memory, zeroed at first. */
struct digest_seen_slot {
	uint64_t nonce;
	uint32_t nc;
	uint32_t used_s;
};
struct digest_seen {
	struct digest_seen_slot *slots;
	size_t n;
};

/** Parameters as they came, quotes removed; NULL when absent. */
struct digest_answer {
	const char *username, *realm, *nonce, *uri, *response, *qop, *nc, *cnonce;
	enum digest_algorithm algorithm;
};
struct digest_check {
	const char *method;
	const char *realm; /* ours */
	const char *ha1;   /* hex of H(user:realm:password); NULL: no such user (the work is done all the same) */
	const char *scope;
	int64_t now_s, max_age_s;
};
enum digest_verdict digest_verify(const struct digest_fns *f, struct digest_seen *seen, const struct digest_answer *a,
				  const struct digest_check *c);
#endif
