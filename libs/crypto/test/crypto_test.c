#include <check.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(a_password_verifies_against_its_own_hash_only)
{
	char h1[CRYPTO_PASSWORD_LEN], h2[CRYPTO_PASSWORD_LEN];
	struct pl_why why;

	ck_assert_int_eq(crypto_password_hash("Tr0ub4dor&3", h1, &why), PL_OK);
	ck_assert_int_eq(crypto_password_hash("Tr0ub4dor&3", h2, &why), PL_OK);
	ck_assert_str_ne(h1, h2); /* salted */
	ck_assert_int_eq(strncmp(h1, "$argon2id$", 10), 0);
	ck_assert(crypto_password_ok(h1, "Tr0ub4dor&3"));
	ck_assert(!crypto_password_ok(h1, "Tr0ub4dor&4"));
	ck_assert(!crypto_password_ok("", "Tr0ub4dor&3"));
	ck_assert(!crypto_password_ok("nonsense", "Tr0ub4dor&3"));
	ck_assert(!crypto_password_stale(h1));
}
END_TEST

START_TEST(a_hash_with_weaker_parameters_is_stale)
{
	ck_assert(crypto_password_stale("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$"
					"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
}
END_TEST

START_TEST(tokens_are_url_safe_and_differ)
{
	char a[CRYPTO_TOKEN_LEN], b[CRYPTO_TOKEN_LEN];

	crypto_token_new(a);
	crypto_token_new(b);
	ck_assert_uint_eq(strlen(a), CRYPTO_TOKEN_LEN - 1);
	ck_assert_uint_eq(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(a));
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(digests_match_the_published_vectors) /* FIPS 180-2 B.1; RFC 4231 4.3 */
{
	char hex[65];
	uint8_t mac[32];

	crypto_sha256_hex("abc", 3, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
	ck_assert_str_eq(pl_hex(mac, 32, hex), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

START_TEST(a_sealed_value_opens_only_in_its_place)
{
	uint8_t key[CRYPTO_KEY_BYTES] = { 1, 2, 3 }, other[CRYPTO_KEY_BYTES] = { 9 };
	uint8_t sealed[6 + CRYPTO_SEAL_EXTRA];
	char out[7] = { 0 };

	crypto_seal(key, "account:7", "secret", 6, sealed);
	ck_assert_int_eq(crypto_unseal(key, "account:7", sealed, sizeof(sealed), (uint8_t *)out), PL_OK);
	ck_assert_str_eq(out, "secret");
	ck_assert_int_eq(crypto_unseal(key, "account:8", sealed, sizeof(sealed), (uint8_t *)out), PL_E_FORMAT);
	ck_assert_int_eq(crypto_unseal(other, "account:7", sealed, sizeof(sealed), (uint8_t *)out), PL_E_FORMAT);
	ck_assert_int_eq(crypto_unseal(key, "account:7", sealed, CRYPTO_SEAL_EXTRA - 1, (uint8_t *)out), PL_E_FORMAT);
	sealed[30] ^= 1;
	ck_assert_int_eq(crypto_unseal(key, "account:7", sealed, sizeof(sealed), (uint8_t *)out), PL_E_FORMAT);
}
END_TEST

START_TEST(base64_matches_rfc_4648_section_10)
{
	static const char *const v[][2] = { { "", "" },
					    { "f", "Zg==" },
					    { "fo", "Zm8=" },
					    { "foo", "Zm9v" },
					    { "foob", "Zm9vYg==" },
					    { "fooba", "Zm9vYmE=" },
					    { "foobar", "Zm9vYmFy" } };
	char text[16], bin[16];
	size_t len;

	for (size_t i = 0; i < PL_ARRAY_N(v); i++) {
		ck_assert_uint_eq(crypto_b64(v[i][0], strlen(v[i][0]), text), strlen(v[i][1]));
		ck_assert_str_eq(text, v[i][1]);
		ck_assert_int_eq(crypto_unb64(text, strlen(text), bin, sizeof(bin), &len), PL_OK);
		ck_assert_uint_eq(len, strlen(v[i][0]));
		ck_assert_mem_eq(bin, v[i][0], len);
	}
}
END_TEST

START_TEST(base64_takes_both_alphabets_and_refuses_nonsense)
{
	char bin[16];
	size_t len;

	ck_assert_int_eq(crypto_unb64("-_-_", 4, bin, sizeof(bin), &len), PL_OK);
	ck_assert_int_eq(crypto_unb64("Zg", 2, bin, sizeof(bin), &len), PL_OK);
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(crypto_unb64("Zh", 2, bin, sizeof(bin), &len), PL_E_FORMAT); /* left-over bits */
	ck_assert_int_eq(crypto_unb64("Z", 1, bin, sizeof(bin), &len), PL_E_FORMAT);
	ck_assert_int_eq(crypto_unb64("Z===", 4, bin, sizeof(bin), &len), PL_E_FORMAT);
	ck_assert_int_eq(crypto_unb64("Zm 9v", 5, bin, sizeof(bin), &len), PL_E_FORMAT);
	ck_assert_int_eq(crypto_unb64("Zm9vYmFy", 8, bin, 5, &len), PL_E_FULL);
}
END_TEST

START_TEST(a_key_file_that_others_can_read_is_refused)
{
	char path[] = "/tmp/parley-key-XXXXXX";
	uint8_t key[CRYPTO_KEY_BYTES];
	struct pl_why why = { 0 };
	int fd = mkstemp(path);

	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(dprintf(fd, "%02x", i), 2);
	ck_assert_int_eq(dprintf(fd, "\n"), 1);
	ck_assert_int_eq(crypto_key_load(path, key, &why), PL_OK);
	ck_assert_uint_eq(key[31], 31);
	ck_assert_int_eq(fchmod(fd, 0640), 0);
	ck_assert_int_eq(crypto_key_load(path, key, &why), PL_E_DENIED);
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_assert_int_eq(ftruncate(fd, 63), 0);
	ck_assert_int_eq(crypto_key_load(path, key, &why), PL_E_FORMAT);
	close(fd);
	unlink(path);
	ck_assert_int_eq(crypto_key_load(path, key, &why), PL_E_NOTFOUND);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("crypto");
	Suite *s = suite_create("crypto");

	if (crypto_open())
		return 1;
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_password_verifies_against_its_own_hash_only);
	tcase_add_test(tc, a_hash_with_weaker_parameters_is_stale);
	tcase_add_test(tc, tokens_are_url_safe_and_differ);
	tcase_add_test(tc, digests_match_the_published_vectors);
	tcase_add_test(tc, a_sealed_value_opens_only_in_its_place);
	tcase_add_test(tc, base64_matches_rfc_4648_section_10);
	tcase_add_test(tc, base64_takes_both_alphabets_and_refuses_nonsense);
	tcase_add_test(tc, a_key_file_that_others_can_read_is_refused);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
