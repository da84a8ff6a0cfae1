#include <check.h>
#include <parley/rpc.h>
#include <sample.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#define DESC (&parley__rpctest__v1__sample__descriptor)

static struct pl_arena *a;
static struct pl_why why;

static void setup(void)
{
	a = pl_arena_new(0);
	memset(&why, 0, sizeof(why));
}
static void teardown(void)
{
	pl_arena_free(a);
}

static char *slurp(const char *name, const char *ext, size_t *ret_n)
{
	char *path = pl_arena_printf(a, "%s/%s%s", getenv("GOLDEN"), name, ext), *text = pl_arena_alloc(a, 8192);
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	size_t n = fread(text, 1, 8191, f);
	fclose(f);
	while (n && text[n - 1] == '\n')
		text[--n] = 0;
	*ret_n = n;
	return text;
}

static const char *const golden[] = { "scalars",
				      "defaults_are_left_out",
				      "nested",
				      "repeated",
				      "maps",
				      "times",
				      "durations",
				      "field_mask",
				      "struct",
				      "wrappers",
				      "null_is_absent",
				      "oneof_message",
				      "oneof_null_value",
				      "oneof_keeps_a_default_value" };

START_TEST(golden_files_read_and_write_the_same)
{
	ProtobufCMessage *m, *again;
	size_t n_in, n_out, n;
	char *in = slurp(golden[_i], ".in.json", &n_in), *out = slurp(golden[_i], ".out.json", &n_out), *json;

	ck_assert_msg(rpc_from_json(DESC, in, n_in, a, &m, &why) == PL_OK, "%s: %s %s", golden[_i], why.field,
		      why.text);
	size_t wire_n = protobuf_c_message_get_packed_size(m);
	uint8_t *wire = pl_arena_alloc(a, wire_n + 1);
	protobuf_c_message_pack(m, wire);
	ck_assert_int_eq(rpc_unpack(DESC, wire, wire_n, a, &again, &why), PL_OK);
	ck_assert_int_eq(rpc_to_json(again, a, &json, &n, &why), PL_OK);
	ck_assert_str_eq(json, out);
	ck_assert_uint_eq(n, n_out);
}
END_TEST

static const struct {
	const char *json, *field, *text; /* text: how the explanation begins */
} refused[] = {
	{ "", "", "no JSON: line 1" },
	{ "[]", "", "must be an object, not an array" },
	{ "{\"i32\":1}x", "", "no JSON" },
	{ "{\"i32\":1,\"i32\":2}", "", "no JSON" },
	{ "{\"big_numbers\":[1],\"bigNumbers\":[2]}", "bigNumbers", "given twice" },
	{ "{\"nonsense\":1}", "nonsense", "unknown field of parley.rpctest.v1.Sample" },
	{ "{\"inner\":{\"children\":[{},{\"nam\":1}]}}", "inner.children[1].nam", "unknown field" },
	{ "{\"inners\":[{\"weightG\":-1}]}", "inners[0].weightG", "must be a whole number from 0 to 4294967295" },
	{ "{\"inners\":[null]}", "inners[0]", "must be an object, not null" },
	{ "{\"i32\":2147483648}", "i32", "must be a whole number from -2147483648 to 2147483647" },
	{ "{\"i32\":1.5}", "i32", "must be a whole number" },
	{ "{\"i64\":\"9223372036854775808\"}", "i64", "must be a whole number" },
	{ "{\"u64\":\"18446744073709551616\"}", "u64", "must be a whole number" },
	{ "{\"u64\":\"-1\"}", "u64", "must be a whole number" },
	{ "{\"i64\":\"0x10\"}", "i64", "must be a whole number" },
	{ "{\"i64\":\" 1\"}", "i64", "must be a whole number" },
	{ "{\"twice\":\"inf\"}", "twice", "must be a number" },
	{ "{\"single\":1e39}", "single", "must be a number of single precision" },
	{ "{\"yes\":1}", "yes", "must be true or false, not a number" },
	{ "{\"text\":5}", "text", "must be a string, not a number" },
	{ "{\"text\":\"a\\u0000b\"}", "", "no JSON" },
	{ "{\"text\":\"\\ud800\"}", "", "no JSON" },
	{ "{\"text\":\"\xff\"}", "", "no JSON" },
	{ "{\"blob\":\"a\"}", "blob", "must be base64" },
	{ "{\"color\":\"RED\"}", "color", "\"RED\" is no value of parley.rpctest.v1.Color" },
	{ "{\"choiceText\":\"a\",\"choiceNumber\":1}", "choiceNumber", "only one of its group" },
	{ "{\"words\":{}}", "words", "must be an array, not an object" },
	{ "{\"labels\":[]}", "labels", "must be an object, not an array" },
	{ "{\"labels\":{\"k\":1}}", "labels.k", "must be a string" },
	{ "{\"innerById\":{\"1.0\":{}}}", "innerById.1.0", "a key must be a whole number" },
	{ "{\"odds\":{\"yes\":1}}", "odds.yes", "a key must be" },
	{ "{\"at\":\"yesterday\"}", "at", "must be a time" },
	{ "{\"at\":5}", "at", "must be a time" },
	{ "{\"at\":\"2026-11-22T15:04:05.1.5Z\"}", "at", "must be a time" },
	{ "{\"at\":\"0001-01-01T00:00:00+01:00\"}", "at", "must be a time" },
	{ "{\"lasted\":\"1.5\"}", "lasted", "must be a length of time" },
	{ "{\"lasted\":\"1.s\"}", "lasted", "must be a length of time" },
	{ "{\"mask\":\"a_b\"}", "mask", "must be names in lowerCamelCase" },
	{ "{\"nothing\":{\"x\":1}}", "nothing.x", "unknown field" },
};

START_TEST(what_is_not_right_is_refused_with_its_path)
{
	ProtobufCMessage *m;

	ck_assert_int_eq(rpc_from_json(DESC, refused[_i].json, strlen(refused[_i].json), a, &m, &why), PL_E_FORMAT);
	ck_assert_str_eq(why.field, refused[_i].field);
	ck_assert_msg(strncmp(why.text, refused[_i].text, strlen(refused[_i].text)) == 0, "%s: %s", refused[_i].json,
		      why.text);
}
END_TEST

static char *nested(const char *open, const char *middle, const char *close, int depth)
{
	char *s = pl_arena_alloc(a, (strlen(open) + strlen(close)) * (size_t)depth + strlen(middle) + 1), *p = s;
	for (int i = 0; i < depth; i++)
		p = stpcpy(p, open);
	p = stpcpy(p, middle);
	for (int i = 0; i < depth; i++)
		p = stpcpy(p, close);
	return s;
}

START_TEST(json_may_nest_64_messages_and_no_more)
{
	ProtobufCMessage *m;

	char *s = nested("{\"child\":", "{}", "}", 63);
	ck_assert_int_eq(rpc_from_json(&parley__rpctest__v1__inner__descriptor, s, strlen(s), a, &m, &why), PL_OK);
	s = nested("{\"child\":", "{}", "}", 64);
	ck_assert_int_eq(rpc_from_json(&parley__rpctest__v1__inner__descriptor, s, strlen(s), a, &m, &why),
			 PL_E_FORMAT);
	s = nested("[", "1", "]", 1000);
	s = pl_arena_printf(a, "{\"list\":%s}", s);
	ck_assert_int_eq(rpc_from_json(DESC, s, strlen(s), a, &m, &why), PL_E_FORMAT);
}
END_TEST

START_TEST(bytes_that_nest_deeper_than_64_are_refused_before_they_recurse)
{
	enum { DEEP = 100000 };
	uint8_t *p = pl_arena_alloc(a, DEEP * 5);
	size_t n = 0, len = 0;
	ProtobufCMessage *m;

	for (int i = 0; i < DEEP; i++) { /* built backwards: child = 3, length-delimited */
		uint8_t head[6] = { 3 << 3 | 2 };
		size_t h = 1, v = n;
		for (; v >= 0x80; v >>= 7)
			head[h++] = (uint8_t)(v | 0x80);
		head[h++] = (uint8_t)v;
		if (len + h > DEEP * 5)
			break;
		len += h;
		memcpy(p + DEEP * 5 - len, head, h);
		n = len;
	}
	ck_assert_int_eq(rpc_unpack(&parley__rpctest__v1__inner__descriptor, p + DEEP * 5 - len, len, a, &m, &why),
			 PL_E_FORMAT);
}
END_TEST

START_TEST(bytes_that_are_cut_short_are_refused)
{
	const uint8_t wire[] = { 14 << 3 | 2, 5, 'h', 'e', 'l', 'l', 'o' };
	ProtobufCMessage *m;

	ck_assert_int_eq(rpc_unpack(DESC, wire, sizeof(wire), a, &m, &why), PL_OK);
	ck_assert_str_eq(((Parley__Rpctest__V1__Sample *)(void *)m)->text, "hello");
	for (size_t n = 1; n < sizeof(wire); n++)
		ck_assert_int_eq(rpc_unpack(DESC, wire, n, a, &m, &why), PL_E_FORMAT);
	ck_assert_int_eq(rpc_unpack(DESC, NULL, 0, a, &m, &why), PL_OK);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_found_and_written_as_a_replacement)
{
	Parley__Rpctest__V1__Inner bad = PARLEY__RPCTEST__V1__INNER__INIT, *list[] = { &bad };
	Parley__Rpctest__V1__Sample s = PARLEY__RPCTEST__V1__SAMPLE__INIT;
	char *json;
	size_t n;

	bad.name = (char *)"Jos\xe9 \xf0\x9f\x98\x80 \xe2\x82";
	s.n_inners = 1;
	s.inners = list;
	ck_assert_int_eq(rpc_text_ok(&s.base, &why), PL_E_FORMAT);
	ck_assert_str_eq(why.field, "inners[0].name");
	ck_assert_int_eq(rpc_to_json(&s.base, a, &json, &n, &why), PL_OK);
	ck_assert_str_eq(json,
			 "{\"inners\":[{\"name\":\"Jos\xEF\xBF\xBD \xf0\x9f\x98\x80 \xEF\xBF\xBD\xEF\xBF\xBD\"}]}");
}
END_TEST

START_TEST(a_copy_shares_nothing_with_its_original)
{
	ProtobufCMessage *m;
	struct pl_arena *other = pl_arena_new(0);

	ck_assert_int_eq(rpc_from_json(DESC, "{\"words\":[\"a\",\"b\"]}", 19, other, &m, &why), PL_OK);
	Parley__Rpctest__V1__Sample *copy = (void *)rpc_dup(m, a);
	pl_arena_free(other);
	ck_assert_uint_eq(copy->n_words, 2);
	ck_assert_str_eq(copy->words[1], "b");
}
END_TEST

START_TEST(json_larger_than_4_mib_is_refused)
{
	size_t n = (size_t)4 << 20;
	char *s = pl_arena_alloc(a, n + 2);
	ProtobufCMessage *m;

	memset(s, ' ', n + 1);
	s[0] = '{';
	s[n] = '}';
	ck_assert_int_eq(rpc_from_json(DESC, s, n + 1, a, &m, &why), PL_E_FULL);
	s[n - 1] = '}';
	ck_assert_int_eq(rpc_from_json(DESC, s, n, a, &m, &why), PL_OK);
}
END_TEST

START_TEST(memory_that_runs_out_is_an_error_not_a_crash)
{
	size_t n;
	char *in = slurp("nested", ".in.json", &n);
	ProtobufCMessage *m;

	for (size_t max = 0; max < 3000; max += 32) {
		PL_AUTO(pl_arena_freep) struct pl_arena *small = pl_arena_new(max + 1);
		if (!small)
			continue;
		enum pl_err err = rpc_from_json(DESC, in, n, small, &m, &why);
		ck_assert(err == PL_OK || err == PL_E_NOMEM);
	}
}
END_TEST

START_TEST(the_contract_is_found_by_name)
{
	size_t n;
	const ProtobufCServiceDescriptor *const *s = rpc_services(&n);

	ck_assert(rpc_find_message("parley.auth.v1.LoginRequest") != NULL);
	ck_assert(rpc_find_message("parley.auth.v1.Nothing") == NULL);
	ck_assert(rpc_find_service("parley.auth.v1.AuthService") != NULL);
	ck_assert_uint_gt(n, 3);
	for (size_t i = 1; i < n; i++)
		ck_assert_int_lt(strcmp(s[i - 1]->name, s[i]->name), 0);
}
END_TEST

START_TEST(times_convert_both_ways)
{
	ck_assert(rpc_ts(a, 0) == NULL);
	ck_assert_int_eq(rpc_ts_us(NULL), 0);
	ck_assert_int_eq(rpc_ts_us(rpc_ts(a, INT64_C(1700000000123456))), INT64_C(1700000000123456));
	ck_assert_int_eq(rpc_ts_us(rpc_ts(a, -1)), -1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("json");
	Suite *s = suite_create("rpc json");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, golden_files_read_and_write_the_same, 0, (int)PL_ARRAY_N(golden));
	tcase_add_loop_test(tc, what_is_not_right_is_refused_with_its_path, 0, (int)PL_ARRAY_N(refused));
	tcase_add_test(tc, json_may_nest_64_messages_and_no_more);
	tcase_add_test(tc, bytes_that_nest_deeper_than_64_are_refused_before_they_recurse);
	tcase_add_test(tc, bytes_that_are_cut_short_are_refused);
	tcase_add_test(tc, text_that_is_not_utf8_is_found_and_written_as_a_replacement);
	tcase_add_test(tc, a_copy_shares_nothing_with_its_original);
	tcase_add_test(tc, json_larger_than_4_mib_is_refused);
	tcase_add_test(tc, memory_that_runs_out_is_an_error_not_a_crash);
	tcase_add_test(tc, the_contract_is_found_by_name);
	tcase_add_test(tc, times_convert_both_ways);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
