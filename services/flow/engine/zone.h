/** Time zones, as the machine's tz database stores them: bytes of a TZif file in, offset from UTC at an instant out.
 * Needed because glibc knows one zone per process (TZ), and each schedule has its own. Pure; works on days when clocks
 * change. Source     RFC 8536 (TZif, versions 1 to 4); the footer is a POSIX TZ string (3.3.1) for instants after the
 * last transition. Ownership  struct flow_zone points into the bytes; they must live as long. Errors     PL_E_FORMAT:
 * not a TZif file, or one that contradicts itself; *ret is untouched. */
#ifndef FLOW_ZONE_H
#define FLOW_ZONE_H
#include <parley/base.h>

struct flow_zone_rule { /* when a clock changes, every year */
	enum { FLOW_RULE_NONE, FLOW_RULE_MWD, FLOW_RULE_JULIAN, FLOW_RULE_DAY } kind;
	int month, week, weekday; /* MWD: week 5 is the last; weekday 0 Sunday */
	int day;                  /* JULIAN 1 to 365 without leap days; DAY 0 to 365 */
	int32_t at_s;             /* local seconds from midnight; may be negative or beyond a day */
};
struct flow_zone {
	const uint8_t *times; /* n_times big endian seconds of time_size bytes */
	const uint8_t *kinds; /* index of the kind that begins at each time */
	const uint8_t *infos; /* n_infos times 6 bytes: offset (4), is_dst, name index */
	uint32_t n_times, n_infos, time_size;
	bool has_footer, has_dst;
	int32_t std_s, dst_s; /* east of Greenwich, of the footer */
	struct flow_zone_rule start, end;
};
PL_MUST enum pl_err flow_zone_parse(const uint8_t *data, size_t len, struct flow_zone *ret);
/** Seconds east of Greenwich at this instant (seconds since 1970, UTC). */
int32_t flow_zone_offset(const struct flow_zone *z, int64_t utc_s);

struct flow_local {
	int weekday;   /* 1 Monday .. 7 Sunday */
	int minute;    /* from local midnight, 0 to 1439 */
	char date[11]; /* "2026-12-25" */
};
/** What a wall clock shows there. utc_s of the years 1 to 9999. */
void flow_local_at(int64_t utc_s, int32_t offset_s, struct flow_local *ret);

/* --- opening hours --- */
struct flow_span {
	int weekday, from_minute, to_minute;
}; /* from <= t < to */
struct flow_schedule {
	const struct flow_span *spans;
	size_t n_spans;
	const char *const *closed_dates;
	size_t n_closed_dates;
};
bool flow_schedule_open(const struct flow_schedule *s, const struct flow_local *at);
/** "2026-02-29" is none. */
bool flow_date_ok(const char *s);
#endif
