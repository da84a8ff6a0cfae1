#include "../engine/route.h"
#include "../engine/source.h"

#include <check.h>

static const struct route table[] = {
	{ .id = "1", .number = "100", .kind = ROUTE_FLOW, .dest = "f1", .enabled = true },
	{ .id = "2", .number = "100", .trunk_id = "t2", .kind = ROUTE_QUEUE, .dest = "q2", .enabled = true },
	{ .id = "3", .number = "10*", .kind = ROUTE_QUEUE, .dest = "q3", .enabled = true },
	{ .id = "4", .number = "1*", .trunk_id = "t1", .kind = ROUTE_QUEUE, .dest = "q4", .enabled = true },
	{ .id = "5",
	  .number = "echo-*",
	  .kind = ROUTE_URI,
	  .dest = "sip:{rest}@127.0.0.1:5090;n={number}",
	  .enabled = true },
	{ .id = "6", .number = "200", .kind = ROUTE_QUEUE, .dest = "q6", .enabled = false },
	{ .id = "8", .number = "300", .kind = ROUTE_QUEUE, .dest = "later", .enabled = true },
	{ .id = "7", .number = "300", .kind = ROUTE_QUEUE, .dest = "sooner", .enabled = true },
};

static const char *find(const char *number, const char *trunk)
{
	const struct route *r = route_find(table, PL_ARRAY_N(table), number, trunk);
	return r ? r->id : "none";
}

START_TEST(exact_goes_before_longest_pattern_before_trunk)
{
	ck_assert_str_eq(find("100", "t1"), "1");
	ck_assert_str_eq(find("100", "t2"), "2");
	ck_assert_str_eq(find("101", "t1"), "3");
	ck_assert_str_eq(find("11", "t1"), "4");
	ck_assert_str_eq(find("11", "t2"), "none");
	ck_assert_str_eq(find("11", NULL), "none");
	ck_assert_str_eq(find("200", ""), "none");
	ck_assert_str_eq(find("300", ""), "7");
	ck_assert_str_eq(find("", ""), "none");
}
END_TEST

START_TEST(a_uri_is_filled_in_but_never_written_by_the_caller)
{
	char out[64];
	ck_assert_int_eq(route_uri(&table[4], "echo-42", out, sizeof(out)), PL_OK);
	ck_assert_str_eq(out, "sip:42@127.0.0.1:5090;n=echo-42");
	ck_assert_int_eq(route_uri(&table[4], "echo-@evil.example;x", out, sizeof(out)), PL_E_FORMAT);
	ck_assert_int_eq(route_uri(&table[4], "echo-1 2", out, sizeof(out)), PL_E_FORMAT);
	ck_assert_int_eq(route_uri(&table[4], "echo-42", out, 31), PL_E_FULL);
}
END_TEST

START_TEST(a_route_number_is_digits_or_a_pattern)
{
	ck_assert(route_number_ok("390432900100"));
	ck_assert(route_number_ok("echo-*"));
	ck_assert(route_number_ok("*"));
	ck_assert(!route_number_ok(""));
	ck_assert(!route_number_ok("1*2"));
	ck_assert(!route_number_ok("1**"));
	ck_assert(!route_number_ok("1@2"));
}
END_TEST

START_TEST(positions_are_spoken_in_the_language_of_the_queue)
{
	char buf[200];
	size_t len = 0, at = 0;
	struct call_source s;
	ck_assert_int_eq(source_position(buf, sizeof(buf), &len, "it-IT", 12), PL_OK);
	ck_assert(source_next(buf, len, &at, &s));
	ck_assert_str_eq(s.text, "Lei \xc3\xa8 il numero 12 in coda.");
	ck_assert_str_eq(s.language, "it");
	ck_assert(!source_next(buf, len, &at, &s));
	len = at = 0;
	ck_assert_int_eq(source_position(buf, sizeof(buf), &len, "xx", 1), PL_OK);
	ck_assert(source_next(buf, len, &at, &s));
	ck_assert_str_eq(s.text, "You are next in the queue.");
	ck_assert_int_eq(source_position(buf, 10, &(size_t){ 0 }, "en", 1), PL_E_FULL);
}
END_TEST

START_TEST(sources_come_back_as_they_went_in)
{
	const struct call_source in[] = { { .kind = SOURCE_FILE, .text = "prompts/a" },
					  { .kind = SOURCE_SAY, .text = "hello", .language = "en" },
					  { .kind = SOURCE_SILENCE, .a = 500 },
					  { .kind = SOURCE_TONE, .a = 425, .b = 0, .c = 1000, .d = 4294967295u } };
	char buf[128];
	size_t len = 0, at = 0;
	struct call_source s;
	for (size_t i = 0; i < PL_ARRAY_N(in); i++)
		ck_assert_int_eq(source_put(buf, sizeof(buf), &len, &in[i]), PL_OK);
	for (size_t i = 0; i < PL_ARRAY_N(in); i++) {
		ck_assert(source_next(buf, len, &at, &s));
		ck_assert_int_eq(s.kind, in[i].kind);
		if (in[i].text)
			ck_assert_str_eq(s.text, in[i].text);
		ck_assert_uint_eq(s.a, in[i].a);
		ck_assert_uint_eq(s.d, in[i].d);
	}
	ck_assert(!source_next(buf, len - 1, &(size_t){ 0 }, &s) || len > 1);
	ck_assert_int_eq(source_put(buf, 5, &(size_t){ 0 }, &in[0]), PL_E_FULL);
}
END_TEST

START_TEST(hold_is_seen_in_sdp)
{
	ck_assert(sdp_holds("v=0\r\nm=audio 1 RTP/AVP 8\r\na=sendonly\r\n"));
	ck_assert(sdp_holds("a=inactive"));
	ck_assert(sdp_holds("v=0\nc=IN IP4 0.0.0.0\n"));
	ck_assert(!sdp_holds("v=0\r\na=sendrecv\r\n"));
	ck_assert(!sdp_holds("v=0\r\na=recvonly\r\n"));
	ck_assert(!sdp_holds(""));
	ck_assert(!sdp_holds(NULL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parts");
	TCase *t = tcase_create("parts");
	tcase_add_test(t, exact_goes_before_longest_pattern_before_trunk);
	tcase_add_test(t, a_uri_is_filled_in_but_never_written_by_the_caller);
	tcase_add_test(t, a_route_number_is_digits_or_a_pattern);
	tcase_add_test(t, positions_are_spoken_in_the_language_of_the_queue);
	tcase_add_test(t, sources_come_back_as_they_went_in);
	tcase_add_test(t, hold_is_seen_in_sdp);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
