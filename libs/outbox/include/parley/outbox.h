/** A change in PostgreSQL and the event that tells of it, in one transaction: outbox_add() inside the transaction, and
 * the publisher sends it to JetStream after the commit, in order, with the row's id as Nats-Msg-Id, and deletes the row
 * when the stream has it. Rows left by a process that died are sent by any other copy (it looks every second). Table
 * <schema>.outbox (id uuid primary key, at timestamptz, subject text, type text, body bytea); created by the service's
 * first migration with the text OUTBOX_SQL. */
#ifndef PARLEY_OUTBOX_H
#define PARLEY_OUTBOX_H
#include <parley/bus.h>
#include <parley/pg.h>
#include <protobuf-c/protobuf-c.h>

/** The migration's text (names without schema mean the service's own). */
#define OUTBOX_SQL                                                                                                     \
	"CREATE TABLE outbox (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),"                 \
	" subject text NOT NULL, type text NOT NULL, body bytea NOT NULL);"

struct outbox;
/** Publishes rows of <schema>.outbox; one per process. */
PL_MUST enum pl_err outbox_open(struct outbox **ret, struct bus *b, struct pg *pg, const char *schema,
				struct pl_why *why);
void outbox_close(struct outbox *o);
void outbox_kick(struct outbox *o); /* on the loop, after a commit: send now instead of within a second */
/** In a pg worker, inside the transaction, after the change it tells of. The row's id is meta.event_id where the
 * message has one, else a new one. PL_E_FULL: larger than the bus carries (1 MiB). */
PL_MUST enum pl_err outbox_add(struct pg_conn *c, const char *schema, const char *subject, const ProtobufCMessage *msg,
			       struct pl_why *why);
#endif
