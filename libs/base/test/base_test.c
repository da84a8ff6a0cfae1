#include <parley/base.h>

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

START_TEST(every_error_has_names_and_codes)
{
	for (int i = 0; i < PL_ERR_N; i++) {
		ck_assert_int_eq(pl_err_from_name(pl_err_name((enum pl_err)i)), i);
		ck_assert_int_ge(pl_err_http((enum pl_err)i), 200);
		ck_assert_int_ge(pl_err_sip((enum pl_err)i), 200);
		ck_assert_ptr_nonnull(pl_err_connect((enum pl_err)i));
	}
	ck_assert_str_eq(pl_err_name(PL_E_FORMAT), "E_FORMAT");
	ck_assert_int_eq(pl_err_from_name("E_NEW_IN_A_LATER_VERSION"), PL_E_INTERNAL);
	ck_assert_int_eq(pl_err_from_name(NULL), PL_E_INTERNAL);
	ck_assert_str_eq(pl_err_name((enum pl_err)4711), "E_INTERNAL");
}
END_TEST

START_TEST(a_reason_may_wrap_itself_and_is_always_terminated)
{
	struct pl_why why = { 0 };
	ck_assert_int_eq(pl_why_field(&why, PL_E_FORMAT, "queue.name", "is empty"), PL_E_FORMAT);
	ck_assert_int_eq(pl_why_field(&why, why.err, why.field, "line 7: %s", why.text), PL_E_FORMAT);
	ck_assert_str_eq(why.text, "line 7: is empty");
	ck_assert_str_eq(why.field, "queue.name");
	pl_why_set(&why, PL_E_IO, "%0300d", 1);
	ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
	ck_assert_str_eq(why.field, "");
	ck_assert_int_eq(pl_why_set(NULL, PL_E_IO, "x"), PL_E_IO);
}
END_TEST

START_TEST(an_arena_gives_zeroed_aligned_memory_after_reset_too)
{
	struct pl_arena *a = pl_arena_new(0);
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 20000; n += 97) {
			char *p = pl_arena_alloc(a, n);
			ck_assert_ptr_nonnull(p);
			ck_assert_uint_eq((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < n; i++)
				ck_assert_int_eq(p[i], 0);
			memset(p, 0xff, n);
		}
		ck_assert_uint_gt(pl_arena_used(a), 1000000);
		pl_arena_reset(a);
		ck_assert_uint_eq(pl_arena_used(a), 0);
	}
	ck_assert_ptr_null(pl_arena_strdup(a, NULL));
	ck_assert_str_eq(pl_arena_printf(a, "%d-%s", 7, "x"), "7-x");
	ck_assert_mem_eq(pl_arena_dup(a, "abc", 3), "abc", 3);
	pl_arena_freep(&a);
	ck_assert_ptr_null(a);
	pl_arena_free(NULL);
}
END_TEST

START_TEST(an_arena_refuses_more_than_its_bound)
{
	struct pl_arena *a = pl_arena_new(1000);
	ck_assert_ptr_null(pl_arena_alloc(a, 1001));
	ck_assert_ptr_null(pl_arena_alloc(a, SIZE_MAX));
	ck_assert_ptr_null(pl_arena_alloc(a, SIZE_MAX - 15));
	int got = 0;
	while (pl_arena_alloc(a, 100))
		got++;
	ck_assert_int_eq(got, 8); /* 112 each */
	ck_assert_uint_le(pl_arena_used(a), 1000);
	pl_arena_reset(a);
	ck_assert_ptr_nonnull(pl_arena_alloc(a, 1000 - 8));
	pl_arena_free(a);
}
END_TEST

START_TEST(a_list_keeps_order_and_survives_removal_while_it_is_walked)
{
	struct item {
		int v;
		struct pl_list node;
	} it[5];
	struct pl_list head;
	pl_list_init(&head);
	for (int i = 0; i < 5; i++) {
		it[i].v = i;
		pl_list_push(&head, &it[i].node);
	}
	int sum = 0;
	PL_LIST_EACH_SAFE (n, &head) {
		struct item *x = PL_CONTAINER(n, struct item, node);
		sum = sum * 10 + x->v;
		if (x->v % 2)
			pl_list_remove(n);
	}
	ck_assert_int_eq(sum, 1234);
	sum = 0;
	PL_LIST_EACH (n, &head)
		sum = sum * 10 + PL_CONTAINER(n, struct item, node)->v;
	ck_assert_int_eq(sum, 24);
}
END_TEST

START_TEST(times_are_written_and_read_back)
{
	char s[PL_TIME_LEN];
	int64_t us;
	ck_assert_str_eq(pl_time_format(0, s), "1970-01-01T00:00:00.000000Z");
	ck_assert_str_eq(pl_time_format(-1, s), "1969-12-31T23:59:59.999999Z");
	ck_assert_str_eq(pl_time_format(INT64_C(1795359845123456), s), "2026-11-22T15:04:05.123456Z");
	ck_assert_str_eq(pl_time_format(INT64_MIN, s), "0001-01-01T00:00:00.000000Z");
	ck_assert_str_eq(pl_time_format(INT64_MAX, s), "9999-12-31T23:59:59.999999Z");
	ck_assert_int_eq(pl_time_parse("2026-11-22T16:04:05.1234569+01:00", &us), PL_OK);
	ck_assert_int_eq(us, INT64_C(1795359845123456));
	for (int64_t t = -INT64_C(60000000000000000); t < INT64_C(200000000000000000); t += INT64_C(12345678901234)) {
		ck_assert_int_eq(pl_time_parse(pl_time_format(t, s), &us), PL_OK);
		ck_assert_int_eq(us, t);
	}
}
END_TEST

START_TEST(malformed_times_are_refused)
{
	static const char *const bad[] = { "",
					   "2026",
					   "2026-11-22",
					   "2026-11-22 15:04:05Z",
					   "2026-02-29T00:00:00Z",
					   "2100-02-29T00:00:00Z",
					   "2026-13-01T00:00:00Z",
					   "2026-00-01T00:00:00Z",
					   "2026-04-31T00:00:00Z",
					   "2026-11-22T24:00:00Z",
					   "2026-11-22T00:60:00Z",
					   "2026-11-22T00:00:61Z",
					   "2026-11-22T00:00:00",
					   "2026-11-22T00:00:00.Z",
					   "2026-11-22T00:00:00Zx",
					   "2026-11-22T00:00:00+1:00",
					   "2026-11-22T00:00:00+24:00",
					   "+026-11-22T00:00:00Z",
					   "0000-11-22T00:00:00Z" };
	for (size_t i = 0; i < PL_ARRAY_N(bad); i++) {
		int64_t us = 42;
		ck_assert_msg(pl_time_parse(bad[i], &us) == PL_E_FORMAT, "%s", bad[i]);
		ck_assert_int_eq(us, 42);
	}
	ck_assert_int_eq(pl_time_parse(NULL, &(int64_t){ 0 }), PL_E_FORMAT);
}
END_TEST

enum { IDS = 20000 };
static char ids[4][IDS][PL_ID_LEN];

static void *make_ids(void *arg)
{
	for (int i = 0; i < IDS; i++)
		pl_id_new(((char(*)[PL_ID_LEN])arg)[i]);
	return NULL;
}

static int cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

START_TEST(ids_are_in_order_per_thread_and_unique_over_threads)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, make_ids, ids[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		for (int k = 1; k < IDS; k++)
			ck_assert_int_lt(strcmp(ids[i][k - 1], ids[i][k]), 0);
	qsort(ids, 4 * IDS, PL_ID_LEN, cmp);
	for (int k = 1; k < 4 * IDS; k++)
		ck_assert_int_lt(strncmp(ids[0][k - 1], ids[0][k], 18), 0);
	const char *id = ids[0][0];
	ck_assert(pl_id_ok(id));
	ck_assert_int_eq(id[14], '7');
	ck_assert(strchr("89ab", id[19]) != NULL);
	ck_assert(!pl_id_ok("0192E3A0-0000-7000-8000-000000000000"));
	ck_assert(!pl_id_ok("0192e3a0-0000-7000-8000-00000000000"));
	ck_assert(!pl_id_ok(""));
	ck_assert(!pl_id_ok(NULL));
}
END_TEST

START_TEST(text_helpers_hold_their_bounds)
{
	char b[4], h[7];
	uint8_t raw[3];
	ck_assert_uint_eq(pl_strlcpy(b, "abcdef", sizeof(b)), 6);
	ck_assert_str_eq(b, "abc");
	ck_assert_uint_eq(pl_strlcpy(b, NULL, sizeof(b)), 0);
	ck_assert_str_eq(b, "");
	ck_assert_str_eq(pl_hex("\x00\xff\x10", 3, h), "00ff10");
	ck_assert_int_eq(pl_unhex("00FF10", raw, 3), PL_OK);
	ck_assert_mem_eq(raw, "\x00\xff\x10", 3);
	ck_assert_int_eq(pl_unhex("00ff1", raw, 3), PL_E_FORMAT);
	ck_assert_int_eq(pl_unhex("00ff1g", raw, 3), PL_E_FORMAT);
	ck_assert_uint_eq(pl_hash("foobar", 6), UINT64_C(0x85944171f73967e8)); /* FNV's published test vector */
	ck_assert(pl_utf8_ok("gr\xc3\xbc\xc3\x9f", 6));
	ck_assert(!pl_utf8_ok("\xc3", 1));
	ck_assert(!pl_utf8_ok("\xed\xa0\x80", 3));
	ck_assert(!pl_utf8_ok("\xc0\x80", 2));
	ck_assert(pl_streq("a", "a") && !pl_streq(NULL, "a") && pl_empty(NULL) && pl_empty("") && !pl_empty(" "));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base");
	TCase *c = tcase_create("base");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, every_error_has_names_and_codes);
	tcase_add_test(c, a_reason_may_wrap_itself_and_is_always_terminated);
	tcase_add_test(c, an_arena_gives_zeroed_aligned_memory_after_reset_too);
	tcase_add_test(c, an_arena_refuses_more_than_its_bound);
	tcase_add_test(c, a_list_keeps_order_and_survives_removal_while_it_is_walked);
	tcase_add_test(c, times_are_written_and_read_back);
	tcase_add_test(c, malformed_times_are_refused);
	tcase_add_test(c, ids_are_in_order_per_thread_and_unique_over_threads);
	tcase_add_test(c, text_helpers_hold_their_bounds);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
