/** Queues, agents and pause reasons are kept alike: id, name, revision and the whole message. One table of
 *  differences, one code.
 *  Threads    thing_db_* and valid() run on pg workers and touch only the arena of their call. */
#ifndef ACD_THING_H
#define ACD_THING_H
#include "router.h"

enum thing_kind { THING_QUEUE, THING_AGENT, THING_REASON, THING_N };
struct thing {
	enum thing_kind kind;
	const char *path;  /* of the field in requests: "queue" */
	const char *event; /* "queue-changed" */
	const ProtobufCMessageDescriptor *d;
	size_t id, name, revision; /* offsets in the message */
	struct pg_stmt get, list, insert, update, del;
	/** Fills in defaults; the field's path in why. */
	enum pl_err (*valid)(ProtobufCMessage *m, struct pl_arena *a, struct pl_why *why);
};
extern const struct thing things[THING_N];

static inline char **thing_id(const struct thing *t, ProtobufCMessage *m)
{
	return (char **)(void *)((char *)m + t->id);
}
static inline char **thing_name(const struct thing *t, ProtobufCMessage *m)
{
	return (char **)(void *)((char *)m + t->name);
}
static inline uint64_t *thing_revision(const struct thing *t, ProtobufCMessage *m)
{
	return (uint64_t *)(void *)((char *)m + t->revision);
}

/* Requests and answers with one message: Create, Update, Get; and lists. */
struct thing_one {
	ProtobufCMessage base;
	ProtobufCMessage *m;
};
struct thing_many {
	ProtobufCMessage base;
	size_t n;
	ProtobufCMessage **m;
};
struct thing_ref {
	ProtobufCMessage base;
	char *id;
};

struct change {
	const struct thing *t;
	ProtobufCMessage *m;
	bool deleted;
};
#define CHANGES_MAX 20000 /* a queue with all its members */
struct changes {
	struct pl_arena *a;
	struct change *list;
	size_t n, cap;
};
PL_MUST enum pl_err thing_db_get(struct pg_conn *db, const struct thing *t, const char *id, struct pl_arena *a,
				 ProtobufCMessage **ret, struct pl_why *why);
PL_MUST enum pl_err thing_db_list(struct pg_conn *db, const struct thing *t, struct pl_arena *a,
				  ProtobufCMessage ***ret, size_t *ret_n, struct pl_why *why);
/** The same by another statement of one parameter that gives bodies. */
PL_MUST enum pl_err thing_db_list_of(struct pg_conn *db, const struct pg_stmt *stmt, const char *param,
				     const ProtobufCMessageDescriptor *d, struct pl_arena *a, ProtobufCMessage ***ret,
				     size_t *ret_n, struct pl_why *why);
/* With their events into the outbox, and noted in ch. */
PL_MUST enum pl_err thing_db_create(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, struct changes *ch,
				    struct pl_why *why);
PL_MUST enum pl_err thing_db_update(struct pg_conn *db, const struct thing *t, ProtobufCMessage *m, struct changes *ch,
				    struct pl_why *why);
PL_MUST enum pl_err thing_db_delete(struct pg_conn *db, const struct thing *t, const char *id, struct changes *ch,
				    struct pl_why *why);

/** Into the router's log; fn as in inlog_put(). */
void change_put(struct router *r, const struct change *c, inlog_fn fn, void *arg);
#endif
