/** A small random company: makes inputs, some of them nonsense, from a seed and from what the effects said so far. */
#ifndef ACD_WORLD_H
#define ACD_WORLD_H
#include "acd.h"
#include "oracle.h"

struct world {
	uint64_t rng;
	int64_t now_us;
	unsigned n_queues, n_agents, n_items;
	uint64_t revision, next_item;
	struct oracle oracle;
	struct acd_id alive;
	struct acd_membership members[ACD_MEMBERSHIP_MAX];
};
void world_init(struct world *w, uint64_t seed, unsigned queues, unsigned agents);
uint64_t world_rnd(struct world *w);
struct acd_id world_queue_id(unsigned i);
struct acd_id world_agent_id(unsigned i);
/** i < n_queues + n_agents puts them up; then random ones. *in may point into *w. */
void world_next(struct world *w, const struct acd *e, uint64_t i, struct acd_in *in);
#endif
