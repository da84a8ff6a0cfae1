/** A company in one line each, for tests of the engine. Time is in milliseconds since the beginning of the test. */
#ifndef ACD_KIT_H
#define ACD_KIT_H
#include <check.h>

#include "acd.h"

struct kit {
	struct acd *e;
	struct acd_fx_list fx;
	int64_t now_ms;
	uint64_t seq, revision;
};
extern struct kit kit;

void kit_start(void);
void kit_stop(void);
void kit_apply(const struct acd_in *in); /* and checks the invariants */
void kit_at(int64_t ms);                 /* time passes; every tick that becomes due is given */

/* Defaults, then what the test says otherwise. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define QUEUE(n, ...)                                                                                                  \
	kit_queue((n), (struct acd_queue_cfg){ .enabled = true,                                                        \
					       .join_when_empty = true,                                                \
					       .channel = ACD_CH_VOICE,                                                \
					       .strategy = ACD_S_LONGEST_IDLE,                                         \
					       .ring_us = 20 * PL_US_PER_S,                                            \
					       ##__VA_ARGS__ })
void kit_queue(unsigned n, struct acd_queue_cfg cfg);
struct kit_member {
	unsigned queue, penalty, rank;
};
/** Members end with queue 0. cap NULL: one call. */
void kit_agent(unsigned n, enum acd_agent_kind kind, const uint8_t *cap, const struct kit_member *m);
#define AGENT(n, ...) kit_agent((n), ACD_AK_PERSON, NULL, (const struct kit_member[]){ __VA_ARGS__, { 0, 0, 0 } })
void kit_state(unsigned agent, enum acd_state st); /* signs in with a device */
void kit_enqueue(unsigned item, unsigned queue);
void kit_enqueue_for(unsigned item, unsigned queue, unsigned agent);
void kit_enqueue_more(unsigned item, unsigned queue, int32_t priority, int64_t queued_ms);
void kit_cancel(unsigned item);
void kit_ended(unsigned item);
void kit_reply(unsigned item, enum acd_outcome outcome); /* to the newest offer of the item that is open */
void kit_reply_of(unsigned item, unsigned agent, enum acd_outcome outcome);

/* What the last input led to (kit_at: its last tick that led to anything). */
unsigned kit_offered(unsigned item);                              /* to whom now, by all that happened; 0: nobody */
unsigned kit_offers(unsigned item);                               /* how many ring now */
const struct acd_fx *kit_fx(enum acd_fx_kind kind, unsigned nth); /* NULL: none */
enum acd_state kit_state_of(unsigned agent);
struct acd_status kit_status(unsigned agent);
struct acd_id kit_queue_id(unsigned n);
struct acd_id kit_agent_id(unsigned n);
struct acd_id kit_item_id(unsigned n);
/** Offers an item, has it answered and ended at once; gives the agent. */
unsigned kit_turn(unsigned item, unsigned queue);
/** Queue 1 with agents 1 to 3, ready a second after each other; their rank is their number. */
void three_agents(enum acd_strategy s);
/** Each test in a company of its own; what main() returns. */
int kit_run(const char *name, const TTest *const *tests, size_t n);
#endif
