/** PostgreSQL: a pool of worker threads with one connection each. A job runs whole on one worker with blocking calls
 * and then reports on the loop, so that service code is straight SQL and no loop ever waits. Bounds     queue of 10,000
 * jobs, then PL_E_FULL. statement_timeout 30 s by default. Failure    connection lost: the job fails with PL_E_UNAVAIL,
 * the worker reconnects with back-off (0.1 s to 5 s); a job that has not started waits up to 10 s for a connection.
 * Serialization failures and deadlocks are retried up to 5 times by pg_tx jobs. /readyz check "postgresql". */
#ifndef PARLEY_PG_H
#define PARLEY_PG_H
#include <parley/base.h>
#include <parley/loop.h>

struct pg;
struct pg_conn;
struct pg_rows;
struct obs;
struct pg_cfg {
	const char *dsn, *password, *schema, *app_name;
	int conns;
};

PL_MUST enum pl_err pg_open(struct pg **ret, struct pl_loop *l, struct obs *o, const struct pg_cfg *cfg,
			    struct pl_why *why);
void pg_close(struct pg *p);

/** job runs on a worker, inside BEGIN..COMMIT (rolled back when it fails); done runs on the loop. arg and what it
 * points to belong to the job until done. job may run again from the start after a serialization failure: it must only
 * write its results. */
typedef enum pl_err (*pg_job_fn)(void *arg, struct pg_conn *c, struct pl_why *why);
typedef void (*pg_done_fn)(void *arg, enum pl_err err, const struct pl_why *why);
PL_MUST enum pl_err pg_tx(struct pg *p, pg_job_fn job, pg_done_fn done, void *arg);
PL_MUST enum pl_err pg_read(struct pg *p, pg_job_fn job, pg_done_fn done, void *arg); /* read only transaction */

/* --- inside a job --- */
struct pg_stmt {
	const char *name, *sql;
}; /* prepared on first use per connection */
/** All parameters as text; NULL is SQL NULL. Bytes: pg_bytea(). Rows are freed with the job. ret may be NULL.
 *  unique_violation gives PL_E_EXISTS (field = constraint), foreign key and check violations PL_E_STATE (field =
 * constraint). */
PL_MUST enum pl_err pg_exec(struct pg_conn *c, const struct pg_stmt *s, const char *const *params, int n_params,
			    struct pg_rows **ret, struct pl_why *why);
PL_MUST enum pl_err pg_exec_text(struct pg_conn *c, const char *sql,
				 struct pl_why *why); /* several statements, no result */
/** COPY table (columns) FROM STDIN in text format: feed lines, then end. */
PL_MUST enum pl_err pg_copy(struct pg_conn *c, const char *copy_sql, const char *data, size_t len, struct pl_why *why);
struct pl_arena *pg_tmp(struct pg_conn *c); /* dies with the job */
int pg_n(const struct pg_rows *r);
int pg_affected(const struct pg_rows *r);
const char *pg_str(const struct pg_rows *r, int row, int col); /* NULL for SQL NULL */
int64_t pg_int(const struct pg_rows *r, int row, int col);     /* NULL gives 0 */
bool pg_bool(const struct pg_rows *r, int row, int col);
bool pg_null(const struct pg_rows *r, int row, int col);
int64_t pg_time_us(const struct pg_rows *r, int row, int col); /* of a timestamptz column; 0 for NULL */
const uint8_t *pg_bytes(struct pg_conn *c, const struct pg_rows *r, int row, int col, size_t *ret_len); /* of bytea */
const char *pg_int_param(struct pg_conn *c, int64_t v);
const char *pg_time_param(struct pg_conn *c, int64_t wall_us); /* 0 gives NULL */
const char *pg_bytea_param(struct pg_conn *c, const void *p, size_t n);

/* --- migrations --- */
/** Applies dir/NNNN_what.sql in order that are not in <schema>.migration yet, under an advisory lock, each in its own
 *  transaction; refuses a file whose text changed after it ran. Blocking; called before the service is ready. */
PL_MUST enum pl_err pg_migrate(const struct pg_cfg *cfg, const char *dir, struct pl_why *why);
#endif
