/* Hundreds of thousands of random events over thousands of calls, from fixed seeds. */
#include "chaos.h"

#include "../engine/pack.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS 8000
#define EVENTS 120

static uint8_t rnd(void *arg)
{
	uint64_t *s = arg;
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint8_t)(*s >> 24);
}

START_TEST(claims_hold_over_random_events)
{
	static struct chaos x;
	unsigned steps = 0, refused = 0, talked = 0;
	for (uint64_t k = 0; k < CALLS; k++) {
		uint64_t seed = (k + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)_i;
		bool talk = false;
		chaos_init(&x, rnd, &seed);
		for (int i = 0; i < EVENTS && chaos_step(&x); i++)
			talk |= x.c.phase == CALL_TALK;
		chaos_finish(&x);
		ck_assert_msg(!x.broken, "call %u, step %u, phase %u to %u by %s: %s", (unsigned)k, x.steps, x.before,
			      x.c.phase, call_event_name(x.event), x.broken ? x.broken : "");
		steps += x.steps;
		refused += x.refused;
		talked += talk;
	}
	printf("%u events, %u refused, %u calls with a talk\n", steps, refused, talked);
	ck_assert_uint_gt(steps, 100000); /* else the generator has gone blind */
	ck_assert_uint_gt(talked, CALLS / 20);
}
END_TEST

START_TEST(derived_ids_are_uuids_that_stay_and_differ)
{
	char a[CALL_ID], b[CALL_ID], c[CALL_ID];
	const char *id = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001";
	call_derive_id(id, 'l', 1, a);
	call_derive_id(id, 'l', 1, b);
	call_derive_id(id, 'l', 2, c);
	ck_assert(pl_id_ok(a));
	ck_assert_str_eq(a, b);
	ck_assert_str_ne(a, c);
	ck_assert_int_eq(strncmp(a, id, 13), 0); /* in time order with the call */
	call_derive_id(id, 'r', 1, b);
	ck_assert_str_ne(a, b);
	call_derive_id("not a uuid", 'r', 1, b);
	ck_assert(pl_id_ok(b));
}
END_TEST

START_TEST(a_checkpoint_that_is_cut_or_of_another_version_is_refused)
{
	static struct call c, back;
	static uint8_t buf[CALL_PACK_MAX];
	size_t len;
	call_init(&c, "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001");
	memset(c.from, 'x', 10);
	ck_assert_int_eq(call_pack(&c, buf, sizeof(buf), &len), PL_OK);
	ck_assert_int_eq(call_unpack(&back, buf, len), PL_OK);
	ck_assert_mem_eq(&c, &back, sizeof(c));
	ck_assert_int_eq(call_unpack(&back, buf, len - 1), PL_E_FORMAT);
	ck_assert_int_eq(call_unpack(&back, buf, 0), PL_E_FORMAT);
	ck_assert_int_eq(call_pack(&c, buf, len - 1, &len), PL_E_FULL);
	buf[0]++;
	ck_assert_int_eq(call_unpack(&back, buf, len), PL_E_FORMAT);
}
END_TEST

START_TEST(a_call_that_is_full_fits_its_checkpoint)
{
	static struct call c, back;
	static uint8_t buf[CALL_PACK_MAX];
	size_t len;
	memset(&c, 0x7f, sizeof(c)); /* every number large, every text full */
	c.far = -1;
	c.phase = CALL_QUEUE;
	c.n_acts = CALL_ACTIONS;
	c.n_marks = CALL_MARKS;
	c.text_len = CALL_TEXT;
	c.vars_len = CALL_VARS;
	ck_assert_int_eq(call_pack(&c, buf, sizeof(buf), &len), PL_OK);
	(void)back;
}
END_TEST

START_TEST(a_field_of_a_newer_version_is_skipped)
{
	static struct call c, back;
	static uint8_t buf[CALL_PACK_MAX];
	size_t len;
	call_init(&c, "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001");
	ck_assert_int_eq(call_pack(&c, buf, sizeof(buf), &len), PL_OK);
	const uint8_t newer[] = { 0xd0, 0x0f, 0x05, 0xd3, 0x0f, 0x03, 'a', 'b', 'c' }; /* 1000: 5, 1001: "abc" */
	memcpy(buf + len, newer, sizeof(newer));
	ck_assert_int_eq(call_unpack(&back, buf, len + sizeof(newer)), PL_OK);
	ck_assert_mem_eq(&c, &back, sizeof(c));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("properties");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, claims_hold_over_random_events, 0, 2);
	tcase_add_test(t, derived_ids_are_uuids_that_stay_and_differ);
	tcase_add_test(t, a_checkpoint_that_is_cut_or_of_another_version_is_refused);
	tcase_add_test(t, a_call_that_is_full_fits_its_checkpoint);
	tcase_add_test(t, a_field_of_a_newer_version_is_skipped);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
