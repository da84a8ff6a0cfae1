/** Timers of many legs: each hangs on the slot of its due time and is looked at when the hand passes. Setting, moving
 * and taking off are O(1); a due time beyond one turn of the wheel stays on its slot until the hand comes again. Units
 * microseconds of the caller's monotonic clock; resolution WHEEL_TICK_US, never early. Ownership  nodes are the
 * caller's; a node must be off the wheel before its memory goes. */
#ifndef SIP_EDGE_WHEEL_H
#define SIP_EDGE_WHEEL_H
#include <parley/base.h>

#define WHEEL_SLOTS 1024
#define WHEEL_TICK_US (20 * PL_US_PER_MS)
struct wheel {
	struct pl_list slots[WHEEL_SLOTS];
	int64_t tick; /* slots up to this one have been looked at */
	size_t n;
};
struct wheel_node {
	struct pl_list link; /* next NULL: not on the wheel */
	int64_t due_us;
};
void wheel_init(struct wheel *w, int64_t now_us);
/** due_us 0 takes it off. */
void wheel_set(struct wheel *w, struct wheel_node *n, int64_t due_us);
/** Takes one due node off and returns it; NULL when none is left at now_us. */
struct wheel_node *wheel_take(struct wheel *w, int64_t now_us);
#endif
