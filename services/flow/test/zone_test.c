/* Time zones against glibc, which reads the same database by its own code. */
#include "zone.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint8_t file[256 << 10];

static size_t load(const char *zone)
{
	char path[256];
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s", path);
	size_t n = fread(file, 1, sizeof(file), f);
	fclose(f);
	return n;
}

static const char *const zones[] = { "Europe/Rome",  "America/New_York",  "Australia/Sydney",
				     "Asia/Kolkata", "America/Sao_Paulo", "UTC",
				     "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin",
				     "Asia/Tehran",  "America/Nuuk",      "Antarctica/Troll" };

START_TEST(offsets_are_those_of_glibc_at_any_instant)
{
	uint64_t seed = 42;
	for (size_t i = 0; i < PL_ARRAY_N(zones); i++) {
		struct flow_zone z;
		ck_assert_int_eq(flow_zone_parse(file, load(zones[i]), &z), PL_OK);
		setenv("TZ", zones[i], 1);
		tzset();
		for (int k = 0; k < 20000; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			time_t t = (time_t)(seed >> 33) * 2 - 1000000000; /* 1938 to 2210 */
			struct tm tm;
			localtime_r(&t, &tm);
			ck_assert_msg(flow_zone_offset(&z, t) == tm.tm_gmtoff, "%s at %lld: %d, not %ld", zones[i],
				      (long long)t, flow_zone_offset(&z, t), tm.tm_gmtoff);
			struct flow_local l;
			char date[16];
			flow_local_at(t, flow_zone_offset(&z, t), &l);
			strftime(date, sizeof(date), "%Y-%m-%d", &tm);
			ck_assert_str_eq(l.date, date);
			ck_assert_int_eq(l.minute, tm.tm_hour * 60 + tm.tm_min);
			ck_assert_int_eq(l.weekday % 7, tm.tm_wday);
		}
	}
}
END_TEST

START_TEST(the_footer_alone_gives_the_same_as_the_table)
{
	for (size_t i = 0; i < PL_ARRAY_N(zones); i++) {
		struct flow_zone z, rules;
		ck_assert_int_eq(flow_zone_parse(file, load(zones[i]), &z), PL_OK);
		rules = z;
		rules.n_times = 0;
		for (int64_t t = 1767225600; z.has_footer && i != 7 && t < 2100000000;
		     t += 3599) /* from 2026; not Morocco: Ramadan */
			ck_assert_int_eq(flow_zone_offset(&z, t), flow_zone_offset(&rules, t));
	}
}
END_TEST

static bool open_at(const char *zone, const struct flow_schedule *s, int64_t utc)
{
	struct flow_zone z;
	struct flow_local l;
	ck_assert_int_eq(flow_zone_parse(file, load(zone), &z), PL_OK);
	flow_local_at(utc, flow_zone_offset(&z, utc), &l);
	return flow_schedule_open(s, &l);
}

START_TEST(opening_hours_follow_the_local_clock_on_days_it_changes)
{
	static const struct flow_span spans[] = { { 7, 120, 240 },
						  { 7, 540, 1080 } }; /* Sundays 02:00-04:00, 09:00-18:00 */
	static const char *const closed[] = { "2026-12-20" };
	struct flow_schedule s = { spans, 2, closed, 1 };
	/* 29 March 2026 in Rome: 02:00 becomes 03:00 at 01:00 UTC */
	ck_assert(!open_at("Europe/Rome", &s, 1774745999)); /* 00:59:59 UTC = 01:59:59 */
	ck_assert(open_at("Europe/Rome", &s, 1774746000));  /* 01:00 UTC = 03:00 */
	ck_assert(open_at("Europe/Rome", &s, 1774749599));  /* 03:59:59 */
	ck_assert(!open_at("Europe/Rome", &s, 1774749600)); /* 04:00 */
	ck_assert(open_at("Europe/Rome", &s, 1774767600));  /* 07:00 UTC = 09:00 summer time */
	ck_assert(!open_at("Europe/Rome", &s, 1774767599));
	/* 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC: the hour from 2 to 3 comes twice, open both times */
	ck_assert(open_at("Europe/Rome", &s, 1792886400)); /* 00:00 UTC = 02:00 summer time */
	ck_assert(open_at("Europe/Rome", &s, 1792890000)); /* 01:00 UTC = 02:00 again */
	ck_assert(open_at("Europe/Rome", &s, 1792897199)); /* 02:59:59 UTC = 03:59:59 */
	ck_assert(!open_at("Europe/Rome", &s, 1792897200));
	ck_assert(!open_at("Europe/Rome", &s, 1797757200)); /* Sunday 20 December 2026, 10:00: closed that date */
	ck_assert(open_at("Europe/Rome", &s, 1798362000));  /* the Sunday after */
}
END_TEST

START_TEST(a_file_that_is_cut_or_no_zone_is_refused)
{
	struct flow_zone z;
	size_t n = load("Europe/Rome");
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(flow_zone_parse(file, i, &z), PL_E_FORMAT);
	ck_assert_int_eq(flow_zone_parse((const uint8_t *)"#!/bin/sh", 9, &z), PL_E_FORMAT);
}
END_TEST

START_TEST(dates_are_checked)
{
	ck_assert(flow_date_ok("2026-12-25") && flow_date_ok("2028-02-29") && flow_date_ok("2000-02-29"));
	ck_assert(!flow_date_ok("2026-02-29") && !flow_date_ok("1900-02-29") && !flow_date_ok("2026-13-01") &&
		  !flow_date_ok("2026-1-1"));
	ck_assert(!flow_date_ok("") && !flow_date_ok("2026-12-255") && !flow_date_ok("2026-12-00") &&
		  !flow_date_ok("0000-01-01"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow zone");
	TCase *t = tcase_create("zone");
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, offsets_are_those_of_glibc_at_any_instant);
	tcase_add_test(t, the_footer_alone_gives_the_same_as_the_table);
	tcase_add_test(t, opening_hours_follow_the_local_clock_on_days_it_changes);
	tcase_add_test(t, a_file_that_is_cut_or_no_zone_is_refused);
	tcase_add_test(t, dates_are_checked);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
