#include "zone.h"

#include <string.h>

enum { HEADER = 44, INFO = 6 };
struct header {
	uint32_t isut, isstd, leap, times, infos, chars;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t time_at(const struct flow_zone *z, uint32_t i)
{
	const uint8_t *p = z->times + (size_t)i * z->time_size;
	if (z->time_size == 4)
		return (int32_t)be32(p);
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool header_read(const uint8_t *p, size_t len, struct header *h)
{
	if (len < HEADER || memcmp(p, "TZif", 4) != 0)
		return false;
	*h = (struct header){ be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40) };
	return h->isut < 65536 && h->isstd < 65536 && h->leap < 65536 && h->times < 65536 && h->chars < 65536 &&
	       h->infos > 0 && h->infos <= 256;
}

static size_t body_size(const struct header *h, size_t time_size)
{
	return h->times * (time_size + 1) + h->infos * INFO + h->chars + h->leap * (time_size + 4) + h->isstd + h->isut;
}

/* --- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" --- */

static bool number(const char **s, int max, int *ret)
{
	int v = 0;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; ++*s)
		if ((v = v * 10 + (**s - '0')) > max)
			return false;
	*ret = v;
	return true;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool clock_read(const char **s, int max_h, int32_t *ret)
{
	int h, m = 0, sec = 0, sign = 1;
	if (**s == '+' || **s == '-')
		sign = *(*s)++ == '-' ? -1 : 1;
	if (!number(s, max_h, &h))
		return false;
	if (**s == ':') {
		++*s;
		if (!number(s, 59, &m))
			return false;
	}
	if (**s == ':') {
		++*s;
		if (!number(s, 59, &sec))
			return false;
	}
	*ret = sign * (h * 3600 + m * 60 + sec);
	return true;
}

static bool name_skip(const char **s)
{
	const char *from = *s;
	if (*from == '<') {
		const char *end = strchr(from, '>');
		if (!end)
			return false;
		*s = end + 1;
		return true;
	}
	while ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z'))
		++*s;
	return *s - from >= 3;
}

static bool rule_read(const char **s, struct flow_zone_rule *r)
{
	r->at_s = 7200;
	if (**s == 'M') {
		++*s;
		r->kind = FLOW_RULE_MWD;
		if (!number(s, 12, &r->month) || r->month < 1 || *(*s)++ != '.' || !number(s, 5, &r->week) ||
		    r->week < 1 || *(*s)++ != '.' || !number(s, 6, &r->weekday))
			return false;
	} else if (**s == 'J') {
		++*s;
		r->kind = FLOW_RULE_JULIAN;
		if (!number(s, 365, &r->day) || r->day < 1)
			return false;
	} else {
		r->kind = FLOW_RULE_DAY;
		if (!number(s, 365, &r->day))
			return false;
	}
	if (**s != '/')
		return true;
	++*s;
	return clock_read(s, 167, &r->at_s);
}

static bool footer_read(const char *s, struct flow_zone *z)
{
	int32_t off;
	if (!*s)
		return true; /* nothing is said about later times */
	if (!name_skip(&s) || !clock_read(&s, 24, &off))
		return false;
	z->has_footer = true;
	z->std_s = -off; /* POSIX counts west of Greenwich */
	if (!*s)
		return true;
	if (!name_skip(&s))
		return false;
	z->has_dst = true;
	z->dst_s = z->std_s + 3600;
	if (*s && *s != ',') {
		if (!clock_read(&s, 24, &off))
			return false;
		z->dst_s = -off;
	}
	return *s++ == ',' && rule_read(&s, &z->start) && *s++ == ',' && rule_read(&s, &z->end) && !*s;
}

static bool footer_find(const uint8_t *p, size_t len, struct flow_zone *z)
{
	char text[128];
	const uint8_t *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
	size_t n = end ? (size_t)(end - p - 1) : 0;
	if (!end || n >= sizeof(text) || memchr(p + 1, 0, n))
		return false;
	memcpy(text, p + 1, n);
	text[n] = 0;
	return footer_read(text, z);
}

enum pl_err flow_zone_parse(const uint8_t *data, size_t len, struct flow_zone *ret)
{
	struct header h;
	struct flow_zone z = { .time_size = 4 };
	if (!header_read(data, len, &h) || body_size(&h, 4) > len - HEADER)
		return PL_E_FORMAT;
	const uint8_t *p = data + HEADER;
	if (data[4] >= '2') { /* the 64-bit data follow the 32-bit ones */
		const uint8_t *second = p + body_size(&h, 4);
		size_t left = len - HEADER - body_size(&h, 4);
		if (!header_read(second, left, &h) || body_size(&h, 8) > left - HEADER)
			return PL_E_FORMAT;
		z.time_size = 8;
		p = second + HEADER;
		if (!footer_find(p + body_size(&h, 8), left - HEADER - body_size(&h, 8), &z))
			return PL_E_FORMAT;
	}
	z.n_times = h.times;
	z.n_infos = h.infos;
	z.times = p;
	z.kinds = p + (size_t)h.times * z.time_size;
	z.infos = z.kinds + h.times;
	for (uint32_t i = 0; i < z.n_times; i++)
		if (z.kinds[i] >= z.n_infos || (i > 0 && time_at(&z, i) <= time_at(&z, i - 1)))
			return PL_E_FORMAT;
	*ret = z;
	return PL_OK;
}

/* --- the calendar --- Days since 1970-01-01 of the proleptic Gregorian calendar; a year is counted from March, so that
 * the leap day is its last. */

static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of(int64_t days, int64_t *y, int *m, int *d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int month_days(int64_t y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return m == 2 && leap(y) ? 29 : days[m - 1];
}

/* The local second, counted as if it were UTC, at which the rule strikes in a year. */
static int64_t rule_at(const struct flow_zone_rule *r, int64_t y)
{
	int64_t day;
	if (r->kind == FLOW_RULE_MWD) {
		int64_t first = days_of(y, r->month, 1);
		int wd = (int)((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
		int d = (r->weekday - wd + 7) % 7 + (r->week - 1) * 7;
		while (d >= month_days(y, r->month))
			d -= 7;
		day = first + d;
	} else {
		day = days_of(y, 1, 1) +
		      (r->kind == FLOW_RULE_JULIAN ? r->day - 1 + (leap(y) && r->day >= 60) : r->day);
	}
	return day * 86400 + r->at_s;
}

static int32_t footer_offset(const struct flow_zone *z, int64_t utc_s)
{
	int64_t y;
	int m, d;
	if (!z->has_dst)
		return z->std_s;
	civil_of(floor_div(utc_s + z->std_s, 86400), &y, &m, &d);
	int64_t start = rule_at(&z->start, y) - z->std_s, end = rule_at(&z->end, y) - z->dst_s;
	bool dst = start < end ? utc_s >= start && utc_s < end : utc_s >= start || utc_s < end;
	return dst ? z->dst_s : z->std_s;
}

static int32_t info_offset(const struct flow_zone *z, uint32_t i)
{
	return (int32_t)be32(z->infos + (size_t)i * INFO);
}

int32_t flow_zone_offset(const struct flow_zone *z, int64_t utc_s)
{
	uint32_t lo = 0, hi = z->n_times;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (time_at(z, mid) <= utc_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == z->n_times && z->has_footer)
		return footer_offset(z, utc_s);
	return info_offset(z, lo == 0 ? 0 : z->kinds[lo - 1]); /* before the first one: the first kind (RFC 8536 3.2) */
}

static void put(char *at, int n, int64_t v)
{
	while (n-- > 0) {
		at[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void flow_local_at(int64_t utc_s, int32_t offset_s, struct flow_local *ret)
{
	int64_t local = utc_s + offset_s, days = floor_div(local, 86400), y;
	int m, d;
	civil_of(days, &y, &m, &d);
	ret->weekday = (int)((days + 3) % 7 + 7) % 7 + 1;
	ret->minute = (int)((local - days * 86400) / 60);
	memcpy(ret->date, "0000-00-00", sizeof(ret->date));
	put(ret->date, 4, y);
	put(ret->date + 5, 2, m);
	put(ret->date + 8, 2, d);
}

bool flow_schedule_open(const struct flow_schedule *s, const struct flow_local *at)
{
	for (size_t i = 0; i < s->n_closed_dates; i++)
		if (strcmp(s->closed_dates[i], at->date) == 0)
			return false;
	for (size_t i = 0; i < s->n_spans; i++)
		if (s->spans[i].weekday == at->weekday && at->minute >= s->spans[i].from_minute &&
		    at->minute < s->spans[i].to_minute)
			return true;
	return false;
}

bool flow_date_ok(const char *s)
{
	for (int i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? s[i] != '-' : s[i] < '0' || s[i] > '9')
			return false; /* stops at the terminating 0 too */
	int y = (s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0';
	int m = (s[5] - '0') * 10 + s[6] - '0', d = (s[8] - '0') * 10 + s[9] - '0';
	return !s[10] && y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= month_days(y, m);
}
