/* What one transaction writes: filled on the loop (batch.c), executed on a worker (write.c). */
#ifndef REP_BATCH_H
#define REP_BATCH_H
#include "rep.h"
#include "sqltext.h"

#define IX_COLUMNS 22
#define Q_COLUMNS 13
#define A_COLUMNS 13
#define PERSON_COLUMNS 9
#define QUEUE_COLUMNS 6
#define REC_COLUMNS 6
#define TEXT_N                                                                                                         \
	(IX_COLUMNS + 2 + 1 + 1 + 3 + Q_COLUMNS + A_COLUMNS + PERSON_COLUMNS + QUEUE_COLUMNS + REC_COLUMNS + 2 + 2)

/* What was said of an interaction, to take it back when the transaction fails. */
struct undo {
	struct ix *x;
	uint64_t written;
	uint32_t n_agents;
	bool stored_open, segs_written;
};

struct flush {
	struct rep *r;
	uint64_t from_seq, to_seq;
	int64_t begun_us;
	struct undo *undo;
	size_t n_undo;
	size_t n_ix, n_open, n_open_gone, n_segs_gone, n_agents, n_q, n_a, n_people, n_queues, n_recs, n_marks;
	struct sqltext text[TEXT_N]; /* all columns; the names below point into it */
	struct sqltext *ix, *open, *open_gone, *segs_gone, *agents, *q, *a, *people, *queues, *recs,
		*marks;               /* arrays */
	struct sqltext *segs, *spans; /* lines for COPY: the last two */
	struct rec *taken_recs;       /* put back when the transaction fails */
	struct span *taken_spans;
	size_t n_taken_spans;
	struct qrow **qrows;
	struct arow **arows;
};
/** Everything that changed since the last one. NULL: memory is out (nothing is lost, it is tried again). */
struct flush *batch_take(struct rep *r);
void batch_undo(struct flush *f); /* the transaction failed: all is dirty again */
void batch_free(struct flush *f);
/** In a worker. PL_E_CONFLICT: another copy has written. */
enum pl_err batch_write(void *arg, struct pg_conn *db, struct pl_why *why);
#endif
