/** Secrets: password hashes, tokens, sealed values, keyed digests (libsodium), wrapped so that no service sees a
 * parameter. Threads    any, after crypto_open(). Passwords take 64 MiB and about 100 ms: call crypto_password_* on a
 * worker. */
#ifndef PARLEY_CRYPTO_H
#define PARLEY_CRYPTO_H
#include <parley/base.h>

#define CRYPTO_PASSWORD_LEN 128
#define CRYPTO_TOKEN_LEN 44 /* 256 random bits, base64url without padding, and 0 */
#define CRYPTO_KEY_BYTES 32
PL_MUST enum pl_err crypto_open(void);
PL_MUST enum pl_err crypto_password_hash(const char *password, char out[CRYPTO_PASSWORD_LEN],
					 struct pl_why *why); /* argon2id */
bool crypto_password_ok(const char *hash, const char *password);
bool crypto_password_stale(const char *hash); /* parameters are below today's: hash again at next login */
void crypto_token_new(char out[CRYPTO_TOKEN_LEN]);
/** Hex of SHA-256; how tokens are stored. */
void crypto_sha256_hex(const void *p, size_t n, char out[65]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[32]);
bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */
/** Reads a 32-byte key as 64 hex digits from a file readable by the owner only. */
PL_MUST enum pl_err crypto_key_load(const char *path, uint8_t key[CRYPTO_KEY_BYTES], struct pl_why *why);
/** XChaCha20-Poly1305: nonce | ciphertext | tag. out holds n + CRYPTO_SEAL_EXTRA. aad binds it to its place (table,
 * id). */
#define CRYPTO_SEAL_EXTRA 40
void crypto_seal(const uint8_t key[CRYPTO_KEY_BYTES], const char *aad, const void *p, size_t n, uint8_t *out);
PL_MUST enum pl_err crypto_unseal(const uint8_t key[CRYPTO_KEY_BYTES], const char *aad, const void *p, size_t n,
				  uint8_t *out);
size_t crypto_b64(const void *p, size_t n, char *out); /* standard, padded; out holds 4*((n+2)/3)+1 */
PL_MUST enum pl_err crypto_unb64(const char *s, size_t n, void *out, size_t max,
				 size_t *ret_len); /* standard or url, padding optional */
#endif
