/* Workers take jobs from one queue and report on the loop. This mutex guards struct pg and nothing else; no callback
 * runs under it. */
#include "pg_int.h"

#include <errno.h>
#include <parley/obs.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define QUEUE_MAX 10000
#define CONNS_MAX 256
#define RETRIES 5
#define WAIT_FOR_CONN_US (10 * PL_US_PER_S)
#define BACKOFF_MIN_US (100 * PL_US_PER_MS)
#define BACKOFF_MAX_US (5 * PL_US_PER_S)
#define IDLE_LOOK_US PL_US_PER_S /* how often an idle connection is looked at */
#define CLOSE_PATIENCE_US (5 * PL_US_PER_S)
#define TMP_MAX_BYTES ((size_t)256 << 20)

struct job {
	struct pl_list link;
	pg_job_fn fn;
	pg_done_fn done;
	void *arg;
	bool read_only;
	int64_t queued_us;
	enum pl_err err;
	struct pl_why why;
};

struct worker {
	struct pg *pool;
	pthread_t thread;
	struct pg_conn conn;
	int64_t backoff_us;
	PGcancel *cancel; /* guarded by the pool's mutex; set while connected */
	bool busy;
};

/* Outlives the pool when a wake-up is still in the loop's queue; then it stays in the list until the loop delivers it,
 * if ever. */
struct gate {
	struct pl_list link;
	struct pg *pool; /* NULL: closed */
	bool posted;
};
static _Thread_local struct pl_list closed_gates;

struct pg {
	struct pl_loop *loop;
	struct obs_check *check;
	struct obs_metric *m_jobs, *m_failed, *m_time, *m_queue;
	struct pg_cfg cfg;
	struct pl_arena *arena;
	struct gate *gate;
	pthread_mutex_t mutex;
	pthread_cond_t wake;  /* for workers with a connection: a job, or closing */
	pthread_cond_t later; /* for those without: closing */
	struct pl_list queue, finished;
	size_t n_queue;
	int n_workers, n_up, n_busy;
	bool closing;
	char text[256]; /* why the last connection failed */
	struct worker workers[];
};

static void metric_add(struct obs_metric *m, int64_t n)
{
	if (m)
		obs_add(m, n);
}

static void count_locked(struct pg *p, int n)
{
	p->n_queue = (size_t)((ssize_t)p->n_queue + n);
	metric_add(p->m_queue, n);
}

/* --- on the loop --- */

static void deliver(struct pg *p)
{
	struct pl_list ready;
	char text[sizeof(p->text)];

	pl_list_init(&ready);
	pthread_mutex_lock(&p->mutex);
	p->gate->posted = false;
	while (!pl_list_empty(&p->finished)) {
		struct pl_list *it = p->finished.next;
		pl_list_remove(it);
		pl_list_push(&ready, it);
	}
	bool up = p->n_up > 0;
	pl_strlcpy(text, p->text, sizeof(text));
	pthread_mutex_unlock(&p->mutex);
	if (p->check)
		obs_check_set(p->check, up, up ? "" : text);
	while (!pl_list_empty(&ready)) {
		struct job *j = PL_CONTAINER(ready.next, struct job, link);
		pl_list_remove(&j->link);
		metric_add(j->err ? p->m_failed : p->m_jobs, 1);
		if (p->m_time)
			obs_observe(p->m_time, pl_mono_us() - j->queued_us);
		if (j->done)
			j->done(j->arg, j->err, j->err ? &j->why : NULL);
		free(j);
	}
}

static void on_post(void *arg)
{
	struct gate *g = arg;

	if (g->pool) {
		deliver(g->pool);
		return;
	}
	pl_list_remove(&g->link);
	free(g);
}

/* --- on a worker; those named _locked hold the mutex --- */

static void sleep_us(int64_t us)
{
	struct timespec ts = { us / PL_US_PER_S, us % PL_US_PER_S * 1000 };

	nanosleep(&ts, NULL);
}

static void tell_loop_locked(struct pg *p)
{
	if (p->gate->posted || p->closing) /* pg_close() delivers by itself */
		return;
	p->gate->posted = true;
	while (pl_loop_post(p->loop, on_post,
			    p->gate)) { /* the loop's queue is full: the loop is behind, wait for it */
		pthread_mutex_unlock(&p->mutex);
		sleep_us(PL_US_PER_MS);
		pthread_mutex_lock(&p->mutex);
		if (p->closing) {
			p->gate->posted = false;
			return;
		}
	}
}

static void finish_locked(struct pg *p, struct job *j)
{
	pl_list_push(&p->finished, &j->link);
	tell_loop_locked(p);
}

static void fail_locked(struct pg *p, struct job *j, enum pl_err err, const char *text)
{
	pl_list_remove(&j->link);
	count_locked(p, -1);
	j->err = pl_why_set(&j->why, err, "%s", text);
	finish_locked(p, j);
}

/* Jobs that waited too long for any connection. Returns when the next one will have. */
static int64_t expire_locked(struct pg *p, int64_t now_us)
{
	while (!pl_list_empty(&p->queue)) {
		struct job *j = PL_CONTAINER(p->queue.next, struct job, link);
		if (p->n_up > 0 || now_us - j->queued_us < WAIT_FOR_CONN_US)
			return j->queued_us + WAIT_FOR_CONN_US;
		fail_locked(p, j, PL_E_UNAVAIL, *p->text ? p->text : "no connection to the database");
	}
	return INT64_MAX;
}

static void wait_locked(struct pg *p, pthread_cond_t *cond, int64_t for_us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + for_us % PL_US_PER_S * 1000;
	until.tv_sec += for_us / PL_US_PER_S + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(cond, &p->mutex, &until);
}

static enum pl_err run_once(struct pg_conn *c, const struct job *j, struct pl_why *why)
{
	enum pl_err err =
		pg_command(c, j->read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN", why);

	if (err)
		return err;
	err = j->fn(j->arg, c, why);
	if (!err && PQtransactionStatus(c->pg) == PQTRANS_INERROR) /* COMMIT would quietly roll back */
		err = pl_why_set(why, PL_E_INTERNAL, "the job went on after a failed statement");
	if (!err)
		return pg_command(c, "COMMIT", why);
	struct pl_why unused;
	if (PQstatus(c->pg) == CONNECTION_OK && pg_command(c, "ROLLBACK", &unused))
		pg_conn_drop(c);
	return err;
}

static void run_job(struct pg_conn *c, struct job *j)
{
	for (int try = 0;; try++) {
		memset(&j->why, 0, sizeof(j->why));
		c->retry = false;
		j->err = run_once(c, j, &j->why);
		bool again = j->err == PL_E_CONFLICT && c->retry && try < RETRIES && c->pg &&
			     PQstatus(c->pg) == CONNECTION_OK;
		pg_conn_forget(c);
		if (!again)
			break;
		sleep_us((PL_US_PER_MS << try) +
			 (int64_t)(pl_hash(&j, sizeof(j)) & 1023)); /* not in step with the other one */
	}
	if (j->err && !j->why.err) /* the job gave no reason */
		pl_why_set(&j->why, j->err, "%s", pl_err_connect(j->err));
}

static void set_up_locked(struct worker *w, bool up)
{
	struct pg *p = w->pool;

	if (up == (w->cancel != NULL))
		return;
	if (up)
		w->cancel = PQgetCancel(w->conn.pg);
	else
		PQfreeCancel(w->cancel);
	if (!up)
		w->cancel = NULL;
	p->n_up += up ? 1 : -1;
	tell_loop_locked(p);
}

static void connect_locked(struct worker *w)
{
	struct pg *p = w->pool;
	struct pl_why why = { 0 };

	pthread_mutex_unlock(&p->mutex);
	w->conn.pg = pg_connect(&p->cfg, &why);
	pthread_mutex_lock(&p->mutex);
	if (w->conn.pg) {
		w->backoff_us = BACKOFF_MIN_US;
		set_up_locked(w, true);
		return;
	}
	pl_strlcpy(p->text, why.text, sizeof(p->text));
	tell_loop_locked(p);
	int64_t expires_us = expire_locked(p, pl_mono_us()) - pl_mono_us();
	int64_t until_us = pl_mono_us() + w->backoff_us;
	if (expires_us > 0 && expires_us < w->backoff_us)
		until_us = pl_mono_us() + expires_us;
	for (int64_t left; !p->closing && (left = until_us - pl_mono_us()) > 0;)
		wait_locked(p, &p->later, left);
	w->backoff_us = PL_MIN(2 * w->backoff_us, BACKOFF_MAX_US);
}

/* A server that went away shows as a readable socket. */
static bool idle_conn_ok(struct pg_conn *c)
{
	struct pollfd pfd = { .fd = PQsocket(c->pg), .events = POLLIN };

	return poll(&pfd, 1, 0) == 0 || (PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK);
}

static void drop_locked(struct worker *w)
{
	set_up_locked(w, false);
	pg_conn_drop(&w->conn);
}

static void take_job_locked(struct worker *w)
{
	struct pg *p = w->pool;
	struct job *j = PL_CONTAINER(p->queue.next, struct job, link);

	pl_list_remove(&j->link);
	count_locked(p, -1);
	p->n_busy++;
	w->busy = true;
	pthread_mutex_unlock(&p->mutex);
	run_job(&w->conn, j);
	pthread_mutex_lock(&p->mutex);
	w->busy = false;
	p->n_busy--;
	if (!w->conn.pg || PQstatus(w->conn.pg) != CONNECTION_OK)
		drop_locked(w);
	finish_locked(p, j);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pg *p = w->pool;

	pthread_mutex_lock(&p->mutex);
	while (!p->closing) {
		if (!w->conn.pg)
			connect_locked(w);
		else if (!pl_list_empty(&p->queue))
			take_job_locked(w);
		else {
			wait_locked(p, &p->wake, IDLE_LOOK_US);
			if (pl_list_empty(&p->queue) && !idle_conn_ok(&w->conn))
				drop_locked(w);
		}
	}
	if (w->conn.pg)
		drop_locked(w);
	pthread_mutex_unlock(&p->mutex);
	pl_arena_free(w->conn.tmp);
	free(w->conn.prepared);
	return NULL;
}

/* --- the pool --- */

static void pool_free(struct pg *p)
{
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->later);
	pthread_mutex_destroy(&p->mutex);
	pl_arena_free(p->arena);
	free(p);
}

static void watch(struct pg *p, struct obs *o)
{
	p->check = obs_check_new(o, "postgresql");
	p->m_jobs = obs_metric_new(o, OBS_COUNTER, "pg_jobs_total", "result=\"ok\"", "database jobs that ended");
	p->m_failed = obs_metric_new(o, OBS_COUNTER, "pg_jobs_total", "result=\"error\"", "database jobs that ended");
	p->m_time = obs_metric_new(o, OBS_HISTOGRAM, "pg_job_seconds", NULL, "from queued to reported");
	p->m_queue = obs_metric_new(o, OBS_GAUGE, "pg_queue", NULL, "jobs that wait for a connection");
}

static enum pl_err cfg_copy(struct pg *p, const struct pg_cfg *cfg)
{
	p->arena = pl_arena_new(0);
	if (!p->arena)
		return PL_E_NOMEM;
	p->cfg = (struct pg_cfg){ pl_arena_strdup(p->arena, cfg->dsn), pl_arena_strdup(p->arena, cfg->password),
				  pl_arena_strdup(p->arena, cfg->schema), pl_arena_strdup(p->arena, cfg->app_name),
				  cfg->conns };
	return PL_OK;
}

enum pl_err pg_open(struct pg **ret, struct pl_loop *l, struct obs *o, const struct pg_cfg *cfg, struct pl_why *why)
{
	int n = PL_MIN(PL_MAX(cfg->conns, 1), CONNS_MAX);
	pthread_condattr_t attr;

	struct pg *p = calloc(1, sizeof(*p) + (size_t)n * sizeof(p->workers[0]));
	struct gate *g = calloc(1, sizeof(*g));
	if (!p || !g || cfg_copy(p, cfg)) {
		free(p);
		free(g);
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	}
	p->loop = l;
	p->gate = g;
	g->pool = p;
	pl_list_init(&p->queue);
	pl_list_init(&p->finished);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_cond_init(&p->later, &attr);
	pthread_condattr_destroy(&attr);
	if (o)
		watch(p, o);
	for (int i = 0; i < n; i++) {
		struct worker *w = &p->workers[i];
		*w = (struct worker){ .pool = p,
				      .backoff_us = BACKOFF_MIN_US,
				      .conn = { .tmp = pl_arena_new(TMP_MAX_BYTES) } };
		if (!w->conn.tmp || pthread_create(&w->thread, NULL, worker_main, w)) {
			pl_arena_free(w->conn.tmp);
			pg_close(p);
			return pl_why_set(why, PL_E_NOMEM, "cannot start database worker %d", i);
		}
		p->n_workers++;
	}
	*ret = p;
	return PL_OK;
}

/* Running jobs may end; after CLOSE_PATIENCE_US the server is asked to stop them. */
static void stop_workers(struct pg *p)
{
	int64_t until_us = pl_mono_us() + CLOSE_PATIENCE_US;
	bool cancelled = false;
	char unused[256];

	pthread_mutex_lock(&p->mutex);
	p->closing = true;
	while (!pl_list_empty(&p->queue)) {
		struct job *j = PL_CONTAINER(p->queue.next, struct job, link);
		pl_list_remove(&j->link);
		count_locked(p, -1);
		j->err = pl_why_set(&j->why, PL_E_CANCELLED, "the service stops");
		pl_list_push(&p->finished, &j->link);
	}
	pthread_cond_broadcast(&p->wake);
	pthread_cond_broadcast(&p->later);
	while (p->n_busy && !cancelled) {
		cancelled = pl_mono_us() > until_us;
		for (int i = 0; i < p->n_workers && cancelled; i++)
			if (p->workers[i].busy && p->workers[i].cancel)
				PQcancel(p->workers[i].cancel, unused, sizeof(unused));
		pthread_mutex_unlock(&p->mutex);
		sleep_us(PL_US_PER_MS);
		pthread_mutex_lock(&p->mutex);
	}
	pthread_mutex_unlock(&p->mutex);
	for (int i = 0; i < p->n_workers; i++)
		pthread_join(p->workers[i].thread, NULL);
}

void pg_close(struct pg *p)
{
	if (!p)
		return;
	stop_workers(p);
	bool posted = p->gate->posted;
	deliver(p); /* what ended but was not reported; done() may only free now */
	p->gate->pool = NULL;
	if (!closed_gates.next)
		pl_list_init(&closed_gates);
	if (posted)
		pl_list_push(&closed_gates, &p->gate->link);
	else
		free(p->gate);
	pool_free(p);
}

static enum pl_err enqueue(struct pg *p, pg_job_fn fn, pg_done_fn done, void *arg, bool read_only)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return PL_E_NOMEM;
	*j = (struct job){ .fn = fn, .done = done, .arg = arg, .read_only = read_only, .queued_us = pl_mono_us() };
	pthread_mutex_lock(&p->mutex);
	enum pl_err err = p->closing ? PL_E_CANCELLED : p->n_queue >= QUEUE_MAX ? PL_E_FULL : PL_OK;
	if (!err) {
		pl_list_push(&p->queue, &j->link);
		count_locked(p, 1);
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->mutex);
	if (err)
		free(j);
	return err;
}

enum pl_err pg_tx(struct pg *p, pg_job_fn job, pg_done_fn done, void *arg)
{
	return enqueue(p, job, done, arg, false);
}
enum pl_err pg_read(struct pg *p, pg_job_fn job, pg_done_fn done, void *arg)
{
	return enqueue(p, job, done, arg, true);
}
