#include <parley/crypto.h>
#include <sodium.h>

/* sodium_init() says 1 when somebody else called it before; that is success too. */
enum pl_err crypto_open(void)
{
	return sodium_init() < 0 ? PL_E_INTERNAL : PL_OK;
}

/* --- passwords --- */

/* 64 MiB and two passes: RFC 9106 section 4 gives 64 MiB as its second recommended choice; libsodium calls it
 * INTERACTIVE. */
#define PW_OPS crypto_pwhash_OPSLIMIT_INTERACTIVE
#define PW_MEM crypto_pwhash_MEMLIMIT_INTERACTIVE
_Static_assert(CRYPTO_PASSWORD_LEN >= crypto_pwhash_STRBYTES, "the hash and its parameters must fit");

enum pl_err crypto_password_hash(const char *password, char out[CRYPTO_PASSWORD_LEN], struct pl_why *why)
{
	if (crypto_pwhash_str_alg(out, password, strlen(password), PW_OPS, PW_MEM, crypto_pwhash_ALG_ARGON2ID13))
		return pl_why_set(why, PL_E_NOMEM, "argon2id needs %zu MiB", (size_t)PW_MEM >> 20);
	return PL_OK;
}

bool crypto_password_ok(const char *hash, const char *password)
{
	return !pl_empty(hash) && crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

bool crypto_password_stale(const char *hash)
{
	return crypto_pwhash_str_needs_rehash(hash, PW_OPS, PW_MEM) != 0;
}

/* --- tokens and digests --- */

void crypto_token_new(char out[CRYPTO_TOKEN_LEN])
{
	uint8_t raw[32];

	_Static_assert(CRYPTO_TOKEN_LEN == sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
		       "length");
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(out, CRYPTO_TOKEN_LEN, raw, sizeof(raw), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(raw, sizeof(raw));
}

void crypto_sha256_hex(const void *p, size_t n, char out[65])
{
	uint8_t h[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(h, p, n);
	pl_hex(h, sizeof(h), out);
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[32])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, key, key_len);
	crypto_auth_hmacsha256_update(&st, p, n);
	crypto_auth_hmacsha256_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

/* --- sealed values --- */

#define NONCE_N crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_N crypto_aead_xchacha20poly1305_ietf_ABYTES
_Static_assert(CRYPTO_SEAL_EXTRA == NONCE_N + TAG_N, "nonce and tag");
_Static_assert(CRYPTO_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

void crypto_seal(const uint8_t key[CRYPTO_KEY_BYTES], const char *aad, const void *p, size_t n, uint8_t *out)
{
	/* 192 random bits: no counter to keep, no realistic chance of the same nonce twice under one key */
	randombytes_buf(out, NONCE_N);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_N, NULL, p, n, (const uint8_t *)aad, strlen(aad), NULL,
						   out, key);
}

enum pl_err crypto_unseal(const uint8_t key[CRYPTO_KEY_BYTES], const char *aad, const void *p, size_t n, uint8_t *out)
{
	const uint8_t *in = p;

	if (n < CRYPTO_SEAL_EXTRA ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in + NONCE_N, n - NONCE_N, (const uint8_t *)aad,
						       strlen(aad), in, key))
		return PL_E_FORMAT;
	return PL_OK;
}
