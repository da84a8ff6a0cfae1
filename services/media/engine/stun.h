/** STUN as an ICE-lite agent needs it: binding requests in, responses out (RFC 8489, RFC 8445 7.3). Pure: the HMAC is
 * given. Errors     stun_parse() is false for anything that is not a well-formed STUN message. */
#ifndef MEDIA_ENGINE_STUN_H
#define MEDIA_ENGINE_STUN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STUN_HDR_BYTES = 20, STUN_ID_BYTES = 12, STUN_REPLY_MAX = 160 };
enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

struct stun_msg {
	enum stun_class cls;
	uint16_t method;         /* 1: binding */
	const uint8_t *id;       /* transaction, 12 octets */
	const uint8_t *username; /* NULL: absent */
	size_t username_len;
	size_t integrity_at; /* offset of MESSAGE-INTEGRITY; 0: absent */
	bool has_fingerprint, fingerprint_ok;
	bool use_candidate, controlled;
	bool has_addr;
	uint16_t unknown; /* first comprehension-required attribute that we do not know; 0: none */
};
/** HMAC-SHA1 over two pieces; out has 20 octets. */
typedef void (*stun_hmac_fn)(const void *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[20]);

/** RFC 7983: first octet 0 to 3, cookie in place. */
bool stun_looks(const uint8_t *p, size_t n);
bool stun_parse(const uint8_t *p, size_t n, struct stun_msg *ret);
/** RFC 8489 14.5. p is the whole message as parsed; key: the short-term password. */
bool stun_integrity_ok(const uint8_t *p, size_t n, const struct stun_msg *m, const char *key, stun_hmac_fn hmac);

struct stun_addr {
	bool ip6;
	uint8_t ip[16];
	uint16_t port;
};
/** Binding success with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT. Returns its length. */
size_t stun_success(uint8_t out[STUN_REPLY_MAX], const uint8_t id[STUN_ID_BYTES], const struct stun_addr *from,
		    const char *key, stun_hmac_fn hmac);
/** Error response; key NULL: without integrity (400, 401). */
size_t stun_error(uint8_t out[STUN_REPLY_MAX], const uint8_t id[STUN_ID_BYTES], unsigned code, const char *reason,
		  const char *key, stun_hmac_fn hmac);
/** A binding request as a client makes it (tests and consent): username, integrity, fingerprint. out holds 512. */
size_t stun_request(uint8_t *out, const uint8_t id[STUN_ID_BYTES], const char *username, bool use_candidate,
		    const char *key, stun_hmac_fn hmac);
#endif
