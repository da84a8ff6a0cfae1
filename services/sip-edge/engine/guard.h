/** Brute-force defence: failures counted per source address, then a ban that grows with each relapse. Pure.
 *  Bounds     n entries (a power of two times GUARD_WAYS) of the caller's memory; when the ways of an address are
 * taken, the one with the least to lose (no ban running, oldest) makes room. So an attacker with many addresses can
 * push out counters, never running bans while any other way is free of one. Units      monotonic microseconds. */
#ifndef SIP_EDGE_GUARD_H
#define SIP_EDGE_GUARD_H
#include <parley/base.h>

#define GUARD_WAYS 4
struct guard_entry {
	uint8_t addr[16];
	int64_t seen_us, banned_until_us;
	uint32_t points;
	uint8_t level;
};
struct guard_limits {
	uint32_t points; /* so many within window_us and the address is banned */
	int64_t window_us;
	int64_t ban_us, ban_max_us; /* first ban; doubles with each relapse up to the longest */
	int64_t forget_us;          /* a level is forgotten after so long without failure */
};
struct guard {
	struct guard_entry *e;
	size_t n;
	struct guard_limits lim;
};

/* Points: what an act costs. */
enum { GUARD_WRONG_SECRET = 4, GUARD_NO_SECRET = 1, GUARD_SCAN = 2 };

bool guard_banned(const struct guard *g, const uint8_t addr[16], int64_t now_us);
/** Returns the length of the ban that begins with this failure, 0 when none does. */
int64_t guard_fail(struct guard *g, const uint8_t addr[16], uint32_t points, int64_t now_us);
/** The address has proved who it is. */
void guard_ok(struct guard *g, const uint8_t addr[16]);
size_t guard_bans(const struct guard *g, int64_t now_us);
#endif
