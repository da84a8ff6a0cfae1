/* Shared by the files of libs/actor. */
#ifndef PARLEY_ACTOR_INT_H
#define PARLEY_ACTOR_INT_H
#include <parley/actor.h>
#include <parley/common/v1/common.pb-c.h>
#include <uthash.h>

#define ID_MAX 128
#define NODE_MAX 64

/* A machine of ours. It is in the table until its record is deleted or somebody else has it. */
struct machine {
	UT_hash_handle hh;
	struct actors *a;
	char id[ID_MAX];
	uint8_t *body; /* the newest state */
	size_t len;
	uint64_t rev; /* of the record as we know it; 0: not written yet */
	bool dirty;   /* body is newer than the record */
	bool busy;    /* a write, a look or a delete is on its way */
	bool ending;  /* delete it */
	bool verify;  /* written again after the lease came back, to learn whether it is still ours */
	bool gone;    /* not in the table any more; freed when not busy */
	void (*done)(void *arg);
	void *done_arg;
};

/* A node that holds the lease of this kind, as the lease bucket shows it. */
struct peer {
	UT_hash_handle hh;
	char node[NODE_MAX];
	int64_t seen_us;
};

struct scan;

struct actors {
	struct bus *bus;
	struct pl_loop *loop;
	struct actors_cfg cfg;
	char kind[32], bucket[48], lease_key[128];
	struct bus_lease *lease;
	struct bus_tail *peers_tail;
	struct pl_timer *flush_timer, *tick_timer;
	struct machine *machines;
	struct peer *peers;
	struct scan *scan;
	uint64_t fence;
	size_t n_verify;
	bool bucket_ready, bucket_asked, peers_known, taken, scan_again, was_held;
	bool closed;
	int refs; /* answers of the bus that still point here */
};

void actors_ref(struct actors *a);
bool actors_unref(struct actors *a); /* false: closed, and a may be gone */

struct machine *machine_find(struct actors *a, const char *id);
struct machine *machine_new(struct actors *a, const char *id);
void machine_drop(struct machine *m); /* out of the table */
PL_MUST enum pl_err machine_body(struct machine *m, const void *body, size_t len);
void machines_flush_soon(struct actors *a);
void machines_verify(struct actors *a); /* the lease is back */
/** The bytes of a record owned by us now; malloc. NULL: no memory. */
uint8_t *record_pack(struct actors *a, const char *id, const void *body, size_t body_len, size_t *ret_len);

void peer_seen(struct actors *a, const char *node);
bool peer_alive(struct actors *a, const char *node);
void scan_start(struct actors *a);
void scan_stop(struct actors *a);
#endif
