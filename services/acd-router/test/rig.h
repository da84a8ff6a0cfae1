/** Private NATS and PostgreSQL, copies of the router, and everybody else played by one bus client: flows that
 *  enqueue, call-control that answers offers, people at desks. */
#ifndef ACD_RIG_H
#define ACD_RIG_H
#include <check.h>
#include <parley/rpc.h>
#include <parley/testkit.h>

#include "parley/acd/v1/acd.pb-c.h"

#define RIG_COPIES 2
#define RIG_SEEN 60000

struct seen {
	char type[28]; /* "InteractionOffered" */
	char id[PL_ID_LEN], item[PL_ID_LEN], agent[PL_ID_LEN], queue[PL_ID_LEN], offer[PL_ID_LEN], text[32];
	uint64_t fence;
	int state;     /* outcome, or state of an agent */
	int64_t at_us; /* monotonic, when heard */
	bool again;    /* the same event id was heard before */
};
struct rig {
	struct tk *nats, *pg, *copy[RIG_COPIES];
	int health[RIG_COPIES];
	struct pl_loop *loop;
	struct bus *bus;
	struct bus_sub *sub;
	struct obs *obs;
	struct pl_arena *a;
	struct seen *seen;
	size_t n_seen, cap;
	bool answer; /* play call-control: accept every offer and end it at once */
	const char *presence_s;
};
extern struct rig rig;

void rig_start(int copies);
void rig_stop(void);
void rig_copy_start(int i); /* and waits until it is ready */
int rig_leader(void);       /* waits for one */
double rig_metric(int copy, const char *name);
bool rig_until(bool (*done)(void *arg), void *arg);
void rig_turn(int ms); /* for tests that show that nothing happens */

/** The answer, or NULL with rig_why. role: "admin", or "agent <id>". */
extern struct pl_why rig_why;
const ProtobufCMessage *rig_call(const ProtobufCServiceDescriptor *s, const char *method, const char *actor,
				 const ProtobufCMessage *in);
void rig_put(const Parley__Acd__V1__AcdInput *in, const char *msg_id); /* and waits for the stream */
const char *rig_queue(const char *name, int strategy);                 /* made by RPC; its id */
const char *rig_static(const char *name, const char *queue);
const char *rig_static_try(const char *name, const char *queue); /* NULL: refused */
const char *rig_person(const char *name, const char *queue);
const char *rig_enqueue(const char *queue); /* a new interaction; its id */
void rig_reply(const struct seen *offer, int outcome);
void rig_ended(const char *item, const char *agent);
size_t rig_count(const char *type);                      /* without repetitions */
const struct seen *rig_nth(const char *type, size_t n);  /* from 0; NULL */
const struct seen *rig_wait(const char *type, size_t n); /* for the n-th */
#endif
