#include <parley/base.h>

#include <stdio.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * PL_US_PER_S + ts.tv_nsec / 1000;
}

int64_t pl_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t pl_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

#define DAY_S INT64_C(86400)

/* Days since 1970-01-01 in the proleptic Gregorian calendar. The year is taken to begin in March, so that the leap day
 * is its last; 146,097 days make 400 years. */
static int64_t days_of(int y, int m, int d)
{
	int64_t yy = m <= 2 ? y - 1 : y;
	int64_t era = (yy >= 0 ? yy : yy - 399) / 400, yoe = yy - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int *y, int *m, int *d)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

static const int64_t min_s = INT64_C(-62135596800); /* 0001-01-01T00:00:00Z */
static const int64_t max_s = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */

char *pl_time_format(int64_t wall_us, char out[PL_TIME_LEN])
{
	int64_t s = wall_us / PL_US_PER_S, us = wall_us % PL_US_PER_S;
	if (us < 0) {
		us += PL_US_PER_S;
		s--;
	}
	if (s < min_s || s > max_s) { /* cannot be written with four digits: the nearest that can */
		us = s < min_s ? 0 : PL_US_PER_S - 1;
		s = s < min_s ? min_s : max_s;
	}
	int64_t days = s / DAY_S, sod = s % DAY_S;
	if (sod < 0) {
		sod += DAY_S;
		days--;
	}
	int y, m, d;
	date_of(days, &y, &m, &d);
	const unsigned v[] = {
		(unsigned)y,          (unsigned)m, (unsigned)d, (unsigned)(sod / 3600), (unsigned)(sod / 60 % 60),
		(unsigned)(sod % 60), (unsigned)us
	};
	static const struct {
		uint8_t at, digits;
		char after;
	} put[] = { { 0, 4, '-' },  { 5, 2, '-' },  { 8, 2, 'T' }, { 11, 2, ':' },
		    { 14, 2, ':' }, { 17, 2, '.' }, { 20, 6, 'Z' } };
	for (size_t i = 0; i < PL_ARRAY_N(put); i++) { /* printf would be half the cost of a log line */
		unsigned n = v[i];
		for (int k = put[i].digits - 1; k >= 0; k--, n /= 10)
			out[put[i].at + k] = (char)('0' + n % 10);
		out[put[i].at + put[i].digits] = put[i].after;
	}
	out[PL_TIME_LEN - 1] = 0;
	return out;
}

static bool digits(const char **s, int n, int *ret)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return false;
		v = v * 10 + (*s)[i] - '0';
	}
	*s += n;
	*ret = v;
	return true;
}

static bool lit(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static int month_days(int y, int m)
{
	static const uint8_t n[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)) ? 29 : n[m - 1];
}

/* RFC 3339 5.6: Z or +hh:mm; the offset in seconds east of UTC. */
static bool zone(const char **s, int *ret)
{
	int h, m, sign = **s == '-' ? -1 : 1;
	*ret = 0;
	if (lit(s, 'Z') || lit(s, 'z'))
		return true;
	if ((!lit(s, '+') && !lit(s, '-')) || !digits(s, 2, &h) || !lit(s, ':') || !digits(s, 2, &m) || h > 23 ||
	    m > 59)
		return false;
	*ret = sign * (h * 3600 + m * 60);
	return true;
}

enum pl_err pl_time_parse(const char *s, int64_t *ret_us)
{
	int y, mo, d, h, mi, sec, off;
	if (!s || !digits(&s, 4, &y) || !lit(&s, '-') || !digits(&s, 2, &mo) || !lit(&s, '-') || !digits(&s, 2, &d))
		return PL_E_FORMAT;
	if (y < 1 || mo < 1 || mo > 12 || d < 1 || d > month_days(y, mo) || (!lit(&s, 'T') && !lit(&s, 't')))
		return PL_E_FORMAT;
	if (!digits(&s, 2, &h) || !lit(&s, ':') || !digits(&s, 2, &mi) || !lit(&s, ':') || !digits(&s, 2, &sec))
		return PL_E_FORMAT;
	if (h > 23 || mi > 59 || sec > 60) /* 60: a leap second, which is the next one's first for us */
		return PL_E_FORMAT;
	int64_t us = 0, unit = PL_US_PER_S / 10;
	if (lit(&s, '.')) {
		if (*s < '0' || *s > '9')
			return PL_E_FORMAT;
		for (; *s >= '0' && *s <= '9'; s++, unit /= 10)
			us += unit * (*s - '0');
	}
	if (!zone(&s, &off) || *s)
		return PL_E_FORMAT;
	int64_t at_s = days_of(y, mo, d) * DAY_S + h * 3600 + mi * 60 + sec - off;
	*ret_us = at_s * PL_US_PER_S + us;
	return PL_OK;
}
