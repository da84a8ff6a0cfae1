/** A change in PostgreSQL and the event that tells of it, in one transaction: outbox_add() inside the transaction, and the
 *  publisher sends it to JetStream after the commit, in order, with the row's id as Nats-Msg-Id, and deletes the row when the
 *  stream has it. Rows left by a process that died are sent by any other copy (it looks every second).
 *  Table      <schema>.outbox (id uuid primary key, at timestamptz, subject text, type text, body bytea); created by the
 *             service's first migration with the text OUTBOX_SQL. */
#ifndef PARLEY_OUTBOX_H
#define PARLEY_OUTBOX_H
#include <parley/bus.h>
#include <parley/pg.h>
#include <protobuf-c/protobuf-c.h>

struct outbox;
/** Publishes rows of <schema>.outbox; one per process. */
PL_MUST enum pl_err outbox_open(struct outbox **ret, struct bus *b, struct pg *pg, const char *schema, struct pl_why *why);
void outbox_close(struct outbox *o);
void outbox_kick(struct outbox *o);	/* on the loop, after a commit: send now instead of within a second */
/** In a pg worker, inside the transaction. */
PL_MUST enum pl_err outbox_add(struct pg_conn *c, const char *schema, const char *subject, const ProtobufCMessage *msg,
			       struct pl_why *why);
#endif
