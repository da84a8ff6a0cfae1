/* The pure parts beside the legs: timers, digest, bans, admission, bindings, sources, key presses. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../engine/admit.h"
#include "../engine/digest.h"
#include "../engine/guard.h"
#include "../engine/info.h"
#include "../engine/registrar.h"
#include "../engine/source.h"
#include "../engine/wheel.h"

/* --- timers --- */

START_TEST(timers_come_in_time_never_early_and_can_be_moved)
{
	static struct wheel w;
	static struct wheel_node n[500];
	wheel_init(&w, 5000000);
	for (int i = 0; i < 500; i++)
		wheel_set(&w, &n[i], 5000000 + (int64_t)i * 100000);
	wheel_set(&w, &n[10], 0);
	wheel_set(&w, &n[20], 5000001);
	int taken = 0;
	for (int64_t now = 5000000; now < 60000000; now += 7000) {
		struct wheel_node *t;
		while ((t = wheel_take(&w, now))) {
			int64_t due = t == &n[20] ? 5000001 : 5000000 + (t - n) * 100000;
			ck_assert_int_ge(now, due);
			ck_assert_int_le(now - due, WHEEL_TICK_US + 7000);
			taken++;
		}
	}
	ck_assert_int_eq(taken, 499);
	ck_assert_uint_eq(w.n, 0);
}
END_TEST

START_TEST(a_wheel_that_slept_gives_all_that_is_due)
{
	static struct wheel w;
	static struct wheel_node n[3];
	wheel_init(&w, 1);
	wheel_set(&w, &n[0], 1000000);
	wheel_set(&w, &n[1], 50000000);
	wheel_set(&w, &n[2], INT64_C(900000000));
	int k = 0;
	while (wheel_take(&w, 100000000))
		k++;
	ck_assert_int_eq(k, 2);
	ck_assert_ptr_nonnull(wheel_take(&w, INT64_C(900000000)));
}
END_TEST

/* --- digest: a toy hash stands in, so that the rules are what is tested --- */

static void toy_hex(enum digest_algorithm a, const char *text, size_t n, char out[DIGEST_HEX_MAX])
{
	uint64_t h = a == DIGEST_MD5 ? 1 : 2;
	for (size_t i = 0; i < n; i++)
		h = h * 1099511628211u + (unsigned char)text[i];
	snprintf(out, DIGEST_HEX_MAX, "%016llx%016llx", (unsigned long long)h, (unsigned long long)~h);
}

static void toy_mac(const void *key, const void *p, size_t n, uint8_t out[32])
{
	uint64_t h = *(const uint8_t *)key;
	for (size_t i = 0; i < n; i++)
		h = h * 1099511628211u + ((const uint8_t *)p)[i];
	for (int i = 0; i < 32; i++)
		out[i] = (uint8_t)(h >> (i % 8 * 8)) ^ (uint8_t)i;
}

static const uint8_t key = 7;
static const struct digest_fns fns = { toy_hex, toy_mac, &key };
static struct digest_seen_slot slots[64];

struct
try {
	char ha1[DIGEST_HEX_MAX], response[DIGEST_HEX_MAX], nonce[DIGEST_NONCE_LEN], nc[16];
	struct digest_seen seen;
	struct digest_answer a;
	struct digest_check c;
};

static void respond(struct try *t)
{
	char ha2[DIGEST_HEX_MAX], text[512];
	toy_hex(t->a.algorithm, "REGISTER:sip:parley", 19, ha2);
	int n = snprintf(text, sizeof text, "%s:%s:%s:%s:auth:%s", t->ha1, t->nonce, t->a.nc, t->a.cnonce, ha2);
	toy_hex(t->a.algorithm, text, (size_t)n, t->response);
}

static void right_answer(struct try *t)
{
	static const uint8_t random[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	memset(slots, 0, sizeof slots);
	*t = (struct try){ .seen = { slots, 64 } };
	toy_hex(DIGEST_MD5, "anna:parley:secret", 18, t->ha1);
	digest_nonce_make(&fns, 1000, random, "10.0.0.1", t->nonce);
	strcpy(t->nc, "00000001");
	t->a = (struct digest_answer){ .username = "anna",
				       .realm = "parley",
				       .nonce = t->nonce,
				       .uri = "sip:parley",
				       .response = t->response,
				       .qop = "auth",
				       .nc = t->nc,
				       .cnonce = "c" };
	t->c = (struct digest_check){ .method = "REGISTER",
				      .realm = "parley",
				      .ha1 = t->ha1,
				      .scope = "10.0.0.1",
				      .now_s = 1010,
				      .max_age_s = 300 };
	respond(t);
}

static enum digest_verdict judge(struct try *t)
{
	return digest_verify(&fns, &t->seen, &t->a, &t->c);
}

START_TEST(the_right_secret_is_accepted_once_per_nonce_count)
{
	struct try t;
	right_answer(&t);
	ck_assert_int_eq(judge(&t), DIGEST_OK);
	ck_assert_int_eq(judge(&t), DIGEST_STALE); /* replayed */
	strcpy(t.nc, "00000002");
	respond(&t);
	ck_assert_int_eq(judge(&t), DIGEST_OK);
}
END_TEST

START_TEST(an_old_or_foreign_nonce_is_stale_only_with_the_right_secret)
{
	struct try t;
	right_answer(&t);
	t.c.now_s = 1000 + 301;
	ck_assert_int_eq(judge(&t), DIGEST_STALE);
	t.response[0] ^= 1;
	ck_assert_int_eq(judge(&t), DIGEST_WRONG);
	right_answer(&t);
	t.c.scope = "10.0.0.2";
	ck_assert_int_eq(judge(&t), DIGEST_STALE);
	right_answer(&t);
	t.nonce[30] = t.nonce[30] == '0' ? '1' : '0';
	respond(&t);
	ck_assert_int_eq(judge(&t), DIGEST_STALE);
}
END_TEST

START_TEST(wrong_secrets_users_and_realms_are_wrong)
{
	struct try t;
	right_answer(&t);
	t.response[31] = t.response[31] == '0' ? '1' : '0';
	ck_assert_int_eq(judge(&t), DIGEST_WRONG);
	right_answer(&t);
	t.c.ha1 = NULL;
	ck_assert_int_eq(judge(&t), DIGEST_WRONG);
	right_answer(&t);
	t.a.realm = "other";
	ck_assert_int_eq(judge(&t), DIGEST_WRONG);
	right_answer(&t);
	t.c.method = "INVITE";
	ck_assert_int_eq(judge(&t), DIGEST_WRONG);
}
END_TEST

START_TEST(missing_or_broken_parameters_are_a_format_error)
{
	struct try t;
	right_answer(&t);
	t.a.qop = NULL;
	ck_assert_int_eq(judge(&t), DIGEST_FORMAT);
	right_answer(&t);
	t.a.nc = "1";
	ck_assert_int_eq(judge(&t), DIGEST_FORMAT);
	right_answer(&t);
	t.a.nc = "0000000g";
	ck_assert_int_eq(judge(&t), DIGEST_FORMAT);
	right_answer(&t);
	static char huge[2000];
	memset(huge, 'x', sizeof huge - 1);
	t.a.uri = huge;
	ck_assert_int_eq(judge(&t), DIGEST_FORMAT);
}
END_TEST

START_TEST(algorithms_are_known_by_name_without_case)
{
	enum digest_algorithm a;
	ck_assert_int_eq(digest_algorithm_parse(NULL, &a), PL_OK);
	ck_assert_int_eq(a, DIGEST_MD5);
	ck_assert_int_eq(digest_algorithm_parse("sha-256", &a), PL_OK);
	ck_assert_int_eq(a, DIGEST_SHA256);
	ck_assert_int_eq(digest_algorithm_parse("MD5-sess", &a), PL_E_UNSUPPORTED);
}
END_TEST

/* --- bans --- */

static struct guard_entry mem[64];
static struct guard guard_new(void)
{
	memset(mem, 0, sizeof mem);
	return (struct guard){
		mem, 64, { .points = 12, .window_us = 1000, .ban_us = 5000, .ban_max_us = 15000, .forget_us = 1000000 }
	};
}

START_TEST(bans_grow_with_each_relapse_up_to_the_longest)
{
	struct guard g = guard_new();
	const uint8_t a[16] = { 1 };
	int64_t now = 10, want[] = { 5000, 10000, 15000, 15000 };
	for (int round = 0; round < 4; round++) {
		ck_assert_int_eq(guard_fail(&g, a, GUARD_WRONG_SECRET, now), 0);
		ck_assert_int_eq(guard_fail(&g, a, GUARD_WRONG_SECRET, now), 0);
		ck_assert_int_eq(guard_fail(&g, a, GUARD_WRONG_SECRET, now), want[round]);
		ck_assert(guard_banned(&g, a, now + want[round] - 1));
		now += want[round] + 1;
		ck_assert(!guard_banned(&g, a, now));
	}
}
END_TEST

START_TEST(success_and_time_forgive)
{
	struct guard g = guard_new();
	const uint8_t a[16] = { 1 };
	guard_fail(&g, a, 11, 10);
	guard_ok(&g, a);
	ck_assert_int_eq(guard_fail(&g, a, 11, 20), 0);
	ck_assert_int_eq(guard_fail(&g, a, 11, 2000), 0); /* another window */
}
END_TEST

START_TEST(many_addresses_cannot_push_out_a_running_ban)
{
	struct guard g = guard_new();
	const uint8_t bad[16] = { 9, 9 };
	ck_assert_int_gt(guard_fail(&g, bad, 12, 10), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		uint8_t a[16] = { 0 };
		memcpy(a, &i, sizeof i);
		a[15] = 1;
		guard_fail(&g, a, 1, 20 + i / 100);
	}
	ck_assert(guard_banned(&g, bad, 1000));
	ck_assert_uint_eq(guard_bans(&g, 1000), 1);
}
END_TEST

/* --- admission --- */

START_TEST(the_bucket_lets_a_burst_in_and_then_the_rate)
{
	struct admit a = { 0 };
	struct admit_limits l = { .calls_per_s = 10, .burst = 5 };
	int ok = 0;
	for (int i = 0; i < 20; i++)
		ok += admit_call(&a, &l, 0, 1000) == ADMIT_OK;
	ck_assert_int_eq(ok, 5);
	ok = 0;
	for (int64_t t = 1000; t < 2001000; t += 10000)
		ok += admit_call(&a, &l, 0, t) == ADMIT_OK;
	ck_assert_int_ge(ok, 19);
	ck_assert_int_le(ok, 20);
}
END_TEST

START_TEST(too_many_legs_or_a_slow_call_control_refuse)
{
	struct admit a = { 0 };
	struct admit_limits l = { .max_legs = 3, .slow_us = 1000 };
	ck_assert_int_eq(admit_call(&a, &l, 3, 0), ADMIT_LEGS);
	ck_assert_int_eq(admit_call(&a, &l, 2, 0), ADMIT_OK);
	for (int i = 0; i < 100; i++)
		admit_answered(&a, 50000);
	int ok = 0;
	for (int i = 0; i < 80; i++)
		ok += admit_call(&a, &l, 0, 0) == ADMIT_OK;
	ck_assert_int_eq(ok, 10);
	for (int i = 0; i < 200; i++)
		admit_answered(&a, 100);
	ck_assert_int_eq(admit_call(&a, &l, 0, 0), ADMIT_OK);
	for (uint32_t r = 0; r < 100; r++)
		ck_assert(admit_retry_after_s(r) >= 5 && admit_retry_after_s(r) <= 15);
}
END_TEST

/* --- bindings --- */

static const struct reg_limits rl = { .min_s = 30, .max_s = 3600, .default_s = 300 };

static int put(struct reg_aor *aor, const char *uri, int64_t s, uint32_t cseq, bool *changed)
{
	struct reg_contact c = { uri, s };
	struct reg_request r = {
		.contacts = &c, .n = 1, .expires_s = -1, .call_id = "x", .cseq = cseq, .next_hop = "sip:h", .node = "n"
	};
	return reg_apply(aor, &r, &rl, 1000000, changed);
}

START_TEST(bindings_are_added_renewed_removed_and_expire)
{
	struct reg_aor aor = { .n = 0 };
	bool ch;
	ck_assert_int_eq(put(&aor, "sip:a@h", -1, 1, &ch), 200);
	ck_assert(ch);
	ck_assert_int_eq(reg_left_s(&aor.b[0], 1000000), 300);
	ck_assert_int_eq(put(&aor, "sip:a@h", 99999, 2, &ch), 200);
	ck_assert_int_eq(reg_left_s(&aor.b[0], 1000000), 3600);
	ck_assert_int_eq(put(&aor, "sip:b@h", 60, 3, &ch), 200);
	ck_assert_uint_eq(aor.n, 2);
	ck_assert_uint_eq(reg_expire(&aor, 62 * PL_US_PER_S), 1);
	ck_assert_str_eq(aor.b[0].contact, "sip:a@h");
	ck_assert_int_eq(put(&aor, "sip:a@h", 0, 4, &ch), 200);
	ck_assert_uint_eq(aor.n, 0);
}
END_TEST

START_TEST(a_refused_register_changes_nothing)
{
	struct reg_aor aor = { .n = 0 };
	bool ch;
	ck_assert_int_eq(put(&aor, "sip:a@h", 300, 5, &ch), 200);
	struct reg_contact c[2] = { { "sip:b@h", 300 }, { "sip:c@h", 10 } };
	struct reg_request r = { .contacts = c, .n = 2, .expires_s = -1, .call_id = "y", .cseq = 1 };
	ck_assert_int_eq(reg_apply(&aor, &r, &rl, 0, &ch), 423);
	ck_assert(!ch);
	ck_assert_uint_eq(aor.n, 1);
	ck_assert_int_eq(put(&aor, "sip:a@h", 300, 5, &ch), 500); /* same Call-ID, not newer */
	for (int i = 0; i < REG_BINDINGS_MAX - 1; i++) {
		char uri[16];
		snprintf(uri, sizeof uri, "sip:%d@h", i);
		ck_assert_int_eq(put(&aor, uri, 300, 10, &ch), 200);
	}
	ck_assert_int_eq(put(&aor, "sip:more@h", 300, 11, &ch), 403);
	ck_assert_uint_eq(aor.n, REG_BINDINGS_MAX);
}
END_TEST

START_TEST(star_removes_all_and_only_with_expires_0)
{
	struct reg_aor aor = { .n = 0 };
	bool ch;
	put(&aor, "sip:a@h", 300, 1, &ch);
	put(&aor, "sip:b@h", 300, 2, &ch);
	struct reg_request r = { .star = true, .expires_s = 60, .call_id = "x", .cseq = 9 };
	ck_assert_int_eq(reg_apply(&aor, &r, &rl, 0, &ch), 400);
	r.expires_s = 0;
	ck_assert_int_eq(reg_apply(&aor, &r, &rl, 0, &ch), 200);
	ck_assert(ch);
	ck_assert_uint_eq(aor.n, 0);
}
END_TEST

START_TEST(removing_one_contact_twice_in_a_request_cannot_overfill_the_table)
{
	struct reg_aor aor = { .n = 0 };
	bool ch;
	char uri[16];
	for (int i = 0; i < REG_BINDINGS_MAX; i++) {
		snprintf(uri, sizeof uri, "sip:%d@h", i);
		ck_assert_int_eq(put(&aor, uri, 300, 1, &ch), 200);
	}
	struct reg_contact c[4] = { { "sip:0@h", 0 }, { "sip:0@h", 0 }, { "sip:x@h", 300 }, { "sip:y@h", 300 } };
	struct reg_request r = { .contacts = c, .n = 4, .expires_s = -1, .call_id = "z", .cseq = 1 };
	reg_apply(&aor, &r, &rl, 0, &ch);
	ck_assert_uint_le(aor.n, REG_BINDINGS_MAX);
}
END_TEST

/* --- sources --- */

START_TEST(source_patterns_are_split)
{
	struct source_text t;
	ck_assert_int_eq(source_split("127.0.0.1:5080-5099", &t), PL_OK);
	ck_assert_str_eq(t.addr, "127.0.0.1");
	ck_assert(t.port_lo == 5080 && t.port_hi == 5099 && t.prefix == -1 && !t.v6);
	ck_assert_int_eq(source_split("10.0.0.0/24", &t), PL_OK);
	ck_assert_int_eq(t.prefix, 24);
	ck_assert_int_eq(source_split("10.0.0.0/24:5060", &t), PL_OK);
	ck_assert(!t.v6 && t.port_lo == 5060);
	ck_assert_int_eq(source_split("2001:db8::/32", &t), PL_OK);
	ck_assert(t.v6 && t.prefix == 32);
	ck_assert_int_eq(source_split("[2001:db8::1]:5060", &t), PL_OK);
	ck_assert(t.v6 && t.port_hi == 5060);
	static const char *const bad[] = {
		"",          "x",    "10.0.0.1:", "10.0.0.1:0",     "10.0.0.1:9-8", "10.0.0.1:70000", "10.0.0.0/33",
		"10.0.0.1 ", "[::1", "::1/129",   "10.0.0.1:5060x", "host.example"
	};
	for (size_t i = 0; i < PL_ARRAY_N(bad); i++)
		ck_assert_msg(source_split(bad[i], &t) == PL_E_FORMAT, "%s", bad[i]);
}
END_TEST

START_TEST(the_most_exact_source_wins)
{
	struct source_rule r[3] = {
		{ .addr = { [10] = 0xff, 0xff, 10, 0, 0, 0 }, .prefix = 104, .port_hi = 65535, .owner = 1 },
		{ .addr = { [10] = 0xff, 0xff, 10, 0, 0, 5 }, .prefix = 128, .port_hi = 65535, .owner = 2 },
		{ .addr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		  .prefix = 128,
		  .port_lo = 5060,
		  .port_hi = 5069,
		  .owner = 3 },
	};
	const uint8_t a[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 }, b[16] = { [10] = 0xff, 0xff, 10, 9, 9, 9 },
		      c[16] = { [10] = 0xff, 0xff, 11 };
	ck_assert_uint_eq(source_find(r, 3, a, 5060)->owner, 3);
	ck_assert_uint_eq(source_find(r, 3, a, 5070)->owner, 2);
	ck_assert_uint_eq(source_find(r, 3, b, 1)->owner, 1);
	ck_assert_ptr_null(source_find(r, 3, c, 1));
	r[0].prefix = 103;
	ck_assert_uint_eq(source_find(r, 3, c, 1)->owner, 1); /* 10.0.0.0/7 holds 11.x */
}
END_TEST

START_TEST(key_presses_in_info_bodies_are_read)
{
	static const struct {
		const char *body;
		bool relay;
		char want;
	} t[] = {
		{ "Signal=5\r\nDuration=160\r\n", true, '5' },
		{ "Duration=160\r\nSignal= #\r\n", true, '#' },
		{ "signal=10", true, '*' },
		{ "Signal=a", true, 'A' },
		{ "Signal=12", true, 0 },
		{ "Signal", true, 0 },
		{ "", true, 0 },
		{ "7", false, '7' },
		{ " 11\r\n", false, '#' },
		{ "x", false, 0 },
		{ "\r\n\r\n", true, 0 },
	};
	for (size_t i = 0; i < PL_ARRAY_N(t); i++)
		ck_assert_msg(info_digit(t[i].body, strlen(t[i].body), t[i].relay) == t[i].want, "%s", t[i].body);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge engine");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 60);
#define T(name) tcase_add_test(c, name)
	T(timers_come_in_time_never_early_and_can_be_moved);
	T(a_wheel_that_slept_gives_all_that_is_due);
	T(the_right_secret_is_accepted_once_per_nonce_count);
	T(an_old_or_foreign_nonce_is_stale_only_with_the_right_secret);
	T(wrong_secrets_users_and_realms_are_wrong);
	T(missing_or_broken_parameters_are_a_format_error);
	T(algorithms_are_known_by_name_without_case);
	T(bans_grow_with_each_relapse_up_to_the_longest);
	T(success_and_time_forgive);
	T(many_addresses_cannot_push_out_a_running_ban);
	T(the_bucket_lets_a_burst_in_and_then_the_rate);
	T(too_many_legs_or_a_slow_call_control_refuse);
	T(bindings_are_added_renewed_removed_and_expire);
	T(a_refused_register_changes_nothing);
	T(star_removes_all_and_only_with_expires_0);
	T(removing_one_contact_twice_in_a_request_cannot_overfill_the_table);
	T(source_patterns_are_split);
	T(the_most_exact_source_wins);
	T(key_presses_in_info_bodies_are_read);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
