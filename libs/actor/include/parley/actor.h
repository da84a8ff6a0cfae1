/** Many small machines (a call, a flow session), each with one owner; state survives the owner.
 *  After each transition the owner hands over the machine's bytes; they go to the KV bucket of the kind, written back
 * at most once per loop turn and machine, in order. The lease actor.<kind>.<node> says that a node lives. When it ends,
 * the survivors share the dead node's machines by compare-and-set on each key: exactly one wins each, and gets adopt().
 * A node whose own lease was lost (it slept) gives all its machines up by lost(). Record     protobuf
 * parley.common.v1.ActorRecord: kind, id, owner, fence, version, body. Bounds     a body is at most 256 KiB; 100,000
 * machines per node. Failure    NATS away: checkpoints wait (only the newest per machine), the machines go on. */
#ifndef PARLEY_ACTOR_H
#define PARLEY_ACTOR_H
#include <parley/bus.h>

struct actors;
struct actors_cfg {
	const char *kind; /* "call", "flow" */
	int64_t keep_s;   /* a record not written for so long is dropped */
	/** A machine of a dead node is now ours. */
	void (*adopt)(void *arg, const char *id, const void *body, size_t len);
	/** All our machines belong to somebody else now: drop them without effects. */
	void (*lost)(void *arg);
	void *arg;
};
PL_MUST enum pl_err actors_open(struct actors **ret, struct bus *b, const struct actors_cfg *c, struct pl_why *why);
void actors_close(struct actors *a);
bool actors_held(const struct actors *a); /* our lease is alive: effects are allowed */
/** Saves (creates at first). body is copied. done (may be NULL) runs when the newest state is stored. */
PL_MUST enum pl_err actor_save(struct actors *a, const char *id, const void *body, size_t len, void (*done)(void *arg),
			       void *arg);
void actor_end(struct actors *a, const char *id); /* deletes the record */
/** Who owns it: fn gets the node, or "" when nobody does or it does not exist. Cached for local ones. */
void actor_owner(struct actors *a, const char *id, void (*fn)(void *arg, const char *node), void *arg);
/** Takes a machine whose owner is gone, on demand (a message for it came here). fn(true): adopt() has run. */
void actor_claim(struct actors *a, const char *id, void (*fn)(void *arg, bool ours), void *arg);
size_t actors_n(const struct actors *a);
#endif
