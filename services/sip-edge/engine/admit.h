/** Whether one more call may come in. Pure. A call is refused when too many legs exist, when calls come faster than the
 * bucket fills, or when call-control answers so slowly that taking more would only let them all time out; then one call
 * in eight is let through to see whether it has recovered. Units      monotonic microseconds. */
#ifndef SIP_EDGE_ADMIT_H
#define SIP_EDGE_ADMIT_H
#include <parley/base.h>

struct admit_limits {
	int64_t max_legs;           /* 0: none */
	int64_t calls_per_s, burst; /* 0: no limit */
	int64_t slow_us;            /* mean answer time of call-control above which it counts as overloaded; 0: never */
};
struct admit {
	int64_t tokens_us; /* bucket, in microseconds worth of calls: 1 call = 1e6 / calls_per_s */
	int64_t last_us;
	int64_t mean_us; /* moving mean of the last ~16 answers */
	uint32_t probes;
	bool begun;
};
enum admit_verdict { ADMIT_OK, ADMIT_LEGS, ADMIT_RATE, ADMIT_SLOW, ADMIT_N };
enum admit_verdict admit_call(struct admit *a, const struct admit_limits *lim, int64_t legs, int64_t now_us);
/** call-control took so long for one LegIncoming (a timeout counts as its whole length). */
void admit_answered(struct admit *a, int64_t took_us);
/** 5 to 15 s, so that those refused do not come back together (RFC 3261 20.33). random is any number. */
int admit_retry_after_s(uint32_t random);
const char *admit_name(enum admit_verdict v);
#endif
