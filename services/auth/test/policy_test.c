#include "../engine/policy.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *password, *username;
	enum password_fault fault;
} passwords[] = {
	/* FEATURES AD-02 */
	{ "Abcdef1!", "marta", PASSWORD_OK },
	{ "Abcde1!", "marta", PASSWORD_SHORT },
	{ "ABCDEF1!", "marta", PASSWORD_NO_LOWER },
	{ "abcdef1!", "marta", PASSWORD_NO_UPPER },
	{ "Abcdefg!", "marta", PASSWORD_NO_DIGIT },
	{ "Abcdefg1", "marta", PASSWORD_NO_SPECIAL },
	{ "xMarta1!yz", "marta", PASSWORD_HAS_USERNAME },
	{ "Ab1!\xc3\xa8\xc3\xa8\xc3\xa8", "marta", PASSWORD_SHORT },
	{ "Ab1\xc3\xa8\xc3\xa8\xc3\xa8\xc3\xa8\xc3\xa8", "marta", PASSWORD_OK },
	{ "", "", PASSWORD_SHORT },
};

START_TEST(a_password_meets_every_rule_or_names_the_broken_one)
{
	ck_assert_int_eq(password_check(passwords[_i].password, passwords[_i].username), passwords[_i].fault);
	ck_assert(passwords[_i].fault == PASSWORD_OK || *password_fault_text(passwords[_i].fault));
}
END_TEST

START_TEST(a_password_of_257_bytes_is_too_long)
{
	char long_one[258];

	memset(long_one, 'x', 257);
	memcpy(long_one, "Ab1!", 4);
	long_one[257] = 0;
	ck_assert_int_eq(password_check(long_one, "u"), PASSWORD_LONG);
	long_one[256] = 0;
	ck_assert_int_eq(password_check(long_one, "u"), PASSWORD_OK);
}
END_TEST

START_TEST(names_are_lower_cased_and_of_few_characters)
{
	char out[65];

	ck_assert(username_normalise("Marta.Rossi", out));
	ck_assert_str_eq(out, "marta.rossi");
	ck_assert(!username_normalise("m", out));
	ck_assert(!username_normalise("a b", out));
	ck_assert(!username_normalise("\xc3\xa8\xc3\xa8", out));
	ck_assert(!username_normalise("12345678901234567890123456789012345678901234567890123456789012345", out));
}
END_TEST

START_TEST(locale_zone_and_email_are_checked_for_form)
{
	ck_assert(locale_ok("it-IT") && locale_ok("") && !locale_ok("it_IT"));
	ck_assert(time_zone_ok("America/Argentina/Buenos_Aires") && !time_zone_ok("Rome;drop"));
	ck_assert(email_ok("a@b") && email_ok("") && !email_ok("a@") && !email_ok("@b") && !email_ok("a@b@c") &&
		  !email_ok("a b@c"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("policy");
	Suite *s = suite_create("auth policy");

	tcase_add_loop_test(tc, a_password_meets_every_rule_or_names_the_broken_one, 0,
			    (int)(sizeof(passwords) / sizeof(passwords[0])));
	tcase_add_test(tc, a_password_of_257_bytes_is_too_long);
	tcase_add_test(tc, names_are_lower_cased_and_of_few_characters);
	tcase_add_test(tc, locale_zone_and_email_are_checked_for_form);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
