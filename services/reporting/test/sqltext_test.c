#include "sqltext.h"

#include <check.h>
#include <stdlib.h>

START_TEST(array_literals_quote_whatever_stands_in_a_name)
{
	struct sqltext t = { 0 };
	arr_text(&t, "plain");
	arr_text(&t, "a \"b\" \\c, {d}");
	arr_text(&t, "");
	arr_text(&t, NULL);
	ck_assert_str_eq(arr_end(&t), "{\"plain\",\"a \\\"b\\\" \\\\c, {d}\",\"\",\"\"}");
	sqltext_free(&t);
	ck_assert_str_eq(arr_end(&t), "{}");
	sqltext_free(&t);
}
END_TEST

START_TEST(bytes_that_are_no_text_become_question_marks)
{
	struct sqltext t = { 0 };
	arr_text(&t, "Caf\xc3\xa9");
	arr_text(&t, "Caf\xe9");
	copy_text(&t, "x\ty", '\t');
	ck_assert_str_eq(t.p, "{\"Caf\xc3\xa9\",\"Caf?\"?\t");
	sqltext_free(&t);
}
END_TEST

START_TEST(numbers_times_and_bytes_are_written_as_postgresql_reads_them)
{
	struct sqltext t = { 0 };
	arr_int(&t, INT64_MIN);
	arr_int(&t, 0);
	arr_int(&t, INT64_MAX);
	arr_real(&t, 4.25);
	arr_time(&t, 0);
	arr_time(&t, INT64_C(1792886400000001));
	arr_bytes(&t, "\x00\xff", 2);
	ck_assert_str_eq(
		arr_end(&t),
		"{-9223372036854775808,0,9223372036854775807,4.25,NULL,2026-10-25T00:00:00.000001Z,\"\\\\x00ff\"}");
	sqltext_free(&t);
}
END_TEST

START_TEST(json_escapes_what_it_must)
{
	struct sqltext t = { 0 };
	json_text(&t, "a\"b\\c\nd\xe9");
	ck_assert_str_eq(t.p, "\"a\\\"b\\\\c\\u000ad?\"");
	sqltext_free(&t);
}
END_TEST

START_TEST(long_lists_grow)
{
	struct sqltext t = { 0 };
	for (int i = 0; i < 100000; i++)
		arr_int(&t, i % 10);
	arr_end(&t);
	ck_assert(!t.oom);
	ck_assert_uint_eq(t.n, 200001);
	ck_assert_uint_eq(strlen(t.p), t.n);
	sqltext_free(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reporting sqltext");
	TCase *t = tcase_create("sqltext");
	suite_add_tcase(s, t);
	tcase_add_test(t, array_literals_quote_whatever_stands_in_a_name);
	tcase_add_test(t, bytes_that_are_no_text_become_question_marks);
	tcase_add_test(t, numbers_times_and_bytes_are_written_as_postgresql_reads_them);
	tcase_add_test(t, json_escapes_what_it_must);
	tcase_add_test(t, long_lists_grow);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
