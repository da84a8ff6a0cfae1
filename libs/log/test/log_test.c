#include <parley/log.h>

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int out_fd;
static char *text;

static void setup(void)
{
	out_fd = memfd_create("log", 0);
	ck_assert_int_ge(out_fd, 0);
	fcntl(out_fd, F_SETFL, O_APPEND); /* lines of threads must not overwrite each other */
	ck_assert_int_eq(dup2(out_fd, 2), 2);
	log_open("auth", "auth-1", LOG_INFO);
}

/* All lines written so far. */
static char *lines(void)
{
	off_t n = lseek(out_fd, 0, SEEK_END);
	free(text);
	text = calloc(1, (size_t)n + 1);
	ck_assert_int_eq(pread(out_fd, text, (size_t)n, 0), n);
	return text;
}

static json_t *only_line(void)
{
	char *s = lines();
	ck_assert_ptr_eq(strchr(s, '\n'), s + strlen(s) - 1);
	json_t *j = json_loads(s, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(j != NULL, "%s", s);
	return j;
}

static const char *str(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

START_TEST(a_line_is_json_with_service_node_event_and_pairs)
{
	struct pl_why why = { 0 };
	pl_why_field(&why, PL_E_FULL, "max", "is %d", 7);
	log_info("login.failed", LOG_S("user", "a\"b\\c\nd\x01"), LOG_I("n", -5), LOG_B("ok", true), LOG_S("nil", NULL),
		 LOG_WHY(&why));
	json_t *j = only_line();
	int64_t us;
	ck_assert_int_eq(pl_time_parse(str(j, "t"), &us), PL_OK);
	ck_assert_str_eq(str(j, "lvl"), "info");
	ck_assert_str_eq(str(j, "svc"), "auth");
	ck_assert_str_eq(str(j, "node"), "auth-1");
	ck_assert_str_eq(str(j, "ev"), "login.failed");
	ck_assert_str_eq(str(j, "user"), "a\"b\\c\nd\x01");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "n")), -5);
	ck_assert(json_is_true(json_object_get(j, "ok")));
	ck_assert(json_is_null(json_object_get(j, "nil")));
	ck_assert_str_eq(str(j, "err"), "E_FULL");
	ck_assert_str_eq(str(j, "why"), "is 7");
	json_decref(j);
}
END_TEST

START_TEST(a_level_that_is_off_writes_nothing)
{
	log_debug("x");
	ck_assert_str_eq(lines(), "");
	ck_assert(!log_on(LOG_DEBUG) && log_on(LOG_ERROR));
	log_info("no.pairs");
	json_decref(only_line());
}
END_TEST

START_TEST(phone_numbers_are_masked)
{
	log_info("x", LOG_PHONE("a", "+393471234582"), LOG_PHONE("b", "1001"), LOG_PHONE("c", "5551234"),
		 LOG_PHONE("d", NULL), LOG_PHONE("e", ""));
	json_t *j = only_line();
	ck_assert_str_eq(str(j, "a"), "+39347•••••82");
	ck_assert_str_eq(str(j, "b"), "••••");
	ck_assert_str_eq(str(j, "c"), "555••34");
	ck_assert(json_is_null(json_object_get(j, "d")));
	ck_assert_str_eq(str(j, "e"), "");
	json_decref(j);
}
END_TEST

START_TEST(long_values_and_lines_are_cut_and_still_parse)
{
	char big[3000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	big[1500] = (char)0xff;
	log_info("x", LOG_S("a", big), LOG_S("b", big), LOG_S("c", big), LOG_S("d", big), LOG_S("e", "lost"));
	json_t *j = only_line();
	ck_assert_uint_le(strlen(lines()), 4096);
	ck_assert_uint_eq(strlen(str(j, "a")), 1024 + 3);
	ck_assert(json_is_true(json_object_get(j, "cut")));
	ck_assert_ptr_null(json_object_get(j, "e"));
	json_decref(j);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_replaced)
{
	log_info("x", LOG_S("a", "a\xff\xc3z\xe2\x82"));
	json_t *j = only_line();
	ck_assert_str_eq(str(j, "a"), "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(j);
}
END_TEST

static void *flood(void *arg)
{
	for (int i = 0; i < 5000; i++)
		log_info("flood", LOG_I("i", i));
	return arg;
}

START_TEST(a_flood_is_limited_and_the_loss_is_told)
{
	pthread_t t[4];
	int64_t from = pl_mono_us();
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, flood, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	int64_t seconds = pl_mono_us() / PL_US_PER_S - from / PL_US_PER_S + 1;
	int n = 0;
	for (const char *p = lines(); (p = strchr(p, '\n')); p++)
		n++;
	ck_assert_int_ge(n, 2000);
	ck_assert_int_le(n, 2001 * seconds);
	while (!strstr(lines(), "log.dropped")) { /* in the next second */
		usleep(20000);
		log_info("tick");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *c = tcase_create("log");
	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, a_line_is_json_with_service_node_event_and_pairs);
	tcase_add_test(c, a_level_that_is_off_writes_nothing);
	tcase_add_test(c, phone_numbers_are_masked);
	tcase_add_test(c, long_values_and_lines_are_cut_and_still_parse);
	tcase_add_test(c, bytes_that_are_no_utf8_are_replaced);
	tcase_add_test(c, a_flood_is_limited_and_the_loss_is_told);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
