/** Judges a stream of effects from outside, knowing nothing of the engine's state: each item comes once and leaves
 *  once, no offer is without end or ends twice, nobody answers what was not offered, no agent holds more than it may.
 */
#ifndef ACD_ORACLE_H
#define ACD_ORACLE_H
#include "acd.h"

#define ORACLE_ITEMS 4096
#define ORACLE_OFFERS 8192

struct oracle_offer {
	struct acd_id item, agent, offer;
	uint64_t fence;
	bool connected;
};
struct oracle {
	struct acd_id items[ORACLE_ITEMS];
	size_t n_items;
	struct oracle_offer offers[ORACLE_OFFERS];
	size_t n_offers;
	uint64_t n_offered, n_answered, n_left, n_refused, n_states;
	uint64_t last_fence;
	unsigned most_in_hand; /* an agent may have so many */
};
/** NULL, or what is wrong. */
const char *oracle_see(struct oracle *o, const struct acd_fx_list *l);
#endif
