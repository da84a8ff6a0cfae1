/* What graphs refer to: queues (owned by acd-router, followed by its events), schedules (ours), time zones (the
 * machine's). */
#include "parley/acd/v1/acd.pb-c.h"
#include "svc.h"

#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_US (60 * PL_US_PER_S)
#define RETRY_US (2 * PL_US_PER_S)
#define ASK_MS 5000
#define ZONE_FILE_MAX (256 * 1024)

struct zone {
	char name[64];
	struct flow_zone z;
	uint8_t *data;
	UT_hash_handle hh;
};
struct schedule {
	char id[PL_ID_LEN];
	struct zone *zone; /* NULL: cannot be read */
	struct pl_arena *a;
	struct flow_schedule s;
	UT_hash_handle hh;
};
struct refs {
	struct flow_svc *s;
	struct queue_info *queues;
	struct schedule *schedules;
	struct zone *zones;
	struct pl_timer *look_queues, *look_schedules;
	bool queues_known, schedules_known, busy, again;
	uint64_t asking;
	uint64_t queue_reads, schedule_reads; /* begun so far */
	struct pl_list waiters;
};
/* Who must see what others had changed before it asked: waits for a read of each kind that begins after it. */
struct waiter {
	struct pl_list node;
	uint64_t queue_read, schedule_read; /* 0: had */
	void (*fn)(void *arg);
	void *arg;
};

/* --- zones: read once, kept --- */

static bool zone_name_ok(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n >= 64 || *s == '/' || strstr(s, ".."))
		return false;
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == n;
}

static uint8_t *file_read(const char *dir, const char *name, size_t *ret_len)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rbe");
	uint8_t *data = f ? malloc(ZONE_FILE_MAX) : NULL;
	*ret_len = data ? fread(data, 1, ZONE_FILE_MAX, f) : 0;
	if (f)
		fclose(f);
	return data;
}

static struct zone *zone_get(struct refs *r, const char *name)
{
	struct zone *z;
	size_t len;
	if (!zone_name_ok(name))
		return NULL;
	HASH_FIND_STR(r->zones, name, z);
	if (z)
		return z;
	uint8_t *data = file_read(r->s->cfg->zone_dir, name, &len);
	z = data ? calloc(1, sizeof(*z)) : NULL;
	if (!z || flow_zone_parse(data, len, &z->z) != PL_OK) {
		free(data);
		free(z);
		return NULL;
	}
	z->data = data;
	pl_strlcpy(z->name, name, sizeof(z->name));
	HASH_ADD_STR(r->zones, name, z);
	return z;
}

bool refs_zone_ok(struct refs *r, const char *zone)
{
	return zone_get(r, zone) != NULL;
}

/* --- waiting for fresh reads --- */

static void read_ended(struct refs *r, uint64_t queue_read, uint64_t schedule_read)
{
	struct pl_list ready;
	pl_list_init(&ready);
	PL_LIST_EACH_SAFE (n, &r->waiters) {
		struct waiter *w = PL_CONTAINER(n, struct waiter, node);
		if (w->queue_read && queue_read >= w->queue_read)
			w->queue_read = 0;
		if (w->schedule_read && schedule_read >= w->schedule_read)
			w->schedule_read = 0;
		if (!w->queue_read && !w->schedule_read) {
			pl_list_remove(n);
			pl_list_push(&ready, n);
		}
	}
	PL_LIST_EACH_SAFE (n, &ready) {
		struct waiter *w = PL_CONTAINER(n, struct waiter, node);
		pl_list_remove(n);
		w->fn(w->arg);
		free(w);
	}
}

void refs_fresh(struct refs *r, void (*fn)(void *arg), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));
	if (!w) { /* what is known will do */
		fn(arg);
		return;
	}
	*w = (struct waiter){
		.queue_read = r->queue_reads + 1, .schedule_read = r->schedule_reads + 1, .fn = fn, .arg = arg
	};
	pl_list_push(&r->waiters, &w->node);
	refs_refresh_schedules(r);
	refs_refresh_queues(r);
}

/* --- schedules --- */

static void schedule_free(struct schedule *x)
{
	pl_arena_free(x->a);
	free(x);
}

static void schedules_clear(struct refs *r)
{
	struct schedule *x, *tmp;
	HASH_ITER(hh, r->schedules, x, tmp)
	{
		HASH_DEL(r->schedules, x);
		schedule_free(x);
	}
}

static void schedule_add(struct refs *r, const Parley__Flow__V1__Schedule *m)
{
	struct schedule *x = calloc(1, sizeof(*x));
	if (!x || !(x->a = pl_arena_new(1 << 20))) {
		free(x);
		return;
	}
	struct flow_span *spans = pl_arena_alloc(x->a, (m->n_weekly + 1) * sizeof(*spans));
	const char **dates = pl_arena_alloc(x->a, (m->n_closed_dates + 1) * sizeof(*dates));
	if (!spans || !dates) {
		schedule_free(x);
		return;
	}
	for (size_t i = 0; i < m->n_weekly; i++)
		spans[i] = (struct flow_span){ (int)m->weekly[i]->weekday, (int)m->weekly[i]->from_minute,
					       (int)m->weekly[i]->to_minute };
	for (size_t i = 0; i < m->n_closed_dates; i++)
		dates[i] = pl_arena_strdup(x->a, m->closed_dates[i]);
	x->s = (struct flow_schedule){ spans, m->n_weekly, dates, m->n_closed_dates };
	x->zone = zone_get(r, m->time_zone);
	if (!x->zone)
		log_error("schedule.zone-missing", LOG_S("schedule", m->id), LOG_S("zone", m->time_zone));
	pl_strlcpy(x->id, m->id, sizeof(x->id));
	HASH_ADD_STR(r->schedules, id, x);
}

struct read {
	struct refs *r;
	struct pl_arena *a;
	size_t n;
	const Parley__Flow__V1__Schedule **rows;
};

static enum pl_err read_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt all = { "schedule_bodies", "SELECT body FROM schedule LIMIT 10000" };
	struct read *k = arg;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &all, NULL, 0, &rows, why);
	k->rows = err ? NULL : pl_arena_alloc(k->a, ((size_t)pg_n(rows) + 1) * sizeof(*k->rows));
	if (!k->rows)
		return err ? err : PL_E_NOMEM;
	for (k->n = 0; k->n < (size_t)pg_n(rows) && !err; k->n++) {
		size_t len;
		const uint8_t *p = pg_bytes(db, rows, (int)k->n, 0, &len);
		err = rpc_unpack(&parley__flow__v1__schedule__descriptor, p, len, k->a,
				 (ProtobufCMessage **)(void *)&k->rows[k->n], why);
	}
	return err;
}

static void read_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct read *k = arg;
	struct refs *r = k->r;
	if (err) {
		log_warn("schedule.list-failed", LOG_WHY(why));
	} else {
		schedules_clear(r);
		for (size_t i = 0; i < k->n; i++)
			schedule_add(r, k->rows[i]);
		r->schedules_known = true;
	}
	pl_arena_free(k->a);
	free(k);
	r->busy = false;
	bool again = r->again;
	r->again = false;
	pl_timer_set(r->look_schedules, err ? RETRY_US : LOOK_US);
	if (again)
		refs_refresh_schedules(r);
	read_ended(r, 0, r->schedule_reads - r->busy);
}

void refs_refresh_schedules(struct refs *r)
{
	if (r->busy) {
		r->again = true;
		return;
	}
	struct read *k = calloc(1, sizeof(*k));
	if (k && (k->a = pl_arena_new(64 << 20))) {
		k->r = r;
		r->schedule_reads++;
		if (pg_read(r->s->pg, read_job, read_done, k) == PL_OK) {
			r->busy = true;
			return;
		}
		pl_arena_free(k->a);
	}
	free(k);
	pl_timer_set(r->look_schedules, RETRY_US);
	read_ended(r, 0, UINT64_MAX); /* what is known will do */
}

bool refs_open(struct refs *r, const char *schedule_id, int64_t wall_us)
{
	struct schedule *x;
	struct flow_local at;
	HASH_FIND_STR(r->schedules, schedule_id, x);
	if (!x || !x->zone) {
		log_warn("schedule.missing", LOG_S("schedule", schedule_id));
		return false;
	}
	int64_t utc_s = wall_us / PL_US_PER_S;
	flow_local_at(utc_s, flow_zone_offset(&x->zone->z, utc_s), &at);
	return flow_schedule_open(&x->s, &at);
}

/* --- queues --- */

static void queues_clear(struct refs *r)
{
	struct queue_info *q, *tmp;
	HASH_ITER(hh, r->queues, q, tmp)
	{
		HASH_DEL(r->queues, q);
		free(q);
	}
}

static void queue_add(struct refs *r, const Parley__Acd__V1__Queue *m)
{
	struct queue_info *q = calloc(1, sizeof(*q));
	if (!q)
		return;
	pl_strlcpy(q->id, m->id, sizeof(q->id));
	pl_strlcpy(q->name, m->name, sizeof(q->name));
	pl_strlcpy(q->music, m->music, sizeof(q->music));
	q->record = m->record;
	HASH_ADD_STR(r->queues, id, q);
}

static void on_queues(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct refs *r = arg;
	const Parley__Acd__V1__ListQueuesResponse *m = (const void *)out;
	r->asking = 0;
	if (err) {
		log_debug("queue.list-failed", LOG_WHY(why));
		pl_timer_set(r->look_queues, RETRY_US);
		read_ended(r, UINT64_MAX, 0); /* what is known will do */
		return;
	}
	queues_clear(r);
	for (size_t i = 0; i < m->n_queues && i < 10000; i++)
		queue_add(r, m->queues[i]);
	r->queues_known = true;
	pl_timer_set(r->look_queues, LOOK_US);
	read_ended(r, r->queue_reads, 0);
}

void refs_refresh_queues(struct refs *r)
{
	Parley__Acd__V1__ListQueuesRequest in = PARLEY__ACD__V1__LIST_QUEUES_REQUEST__INIT;
	struct rpc_to to = { &parley__acd__v1__queue_service__descriptor, "ListQueues", NULL, NULL, ASK_MS };
	struct pl_why why = { 0 };
	if (r->asking)
		rpc_cancel(r->s->app->bus, r->asking);
	r->queue_reads++;
	r->asking = rpc_ask(r->s->app->bus, &to, &in.base, on_queues, r, &why);
	if (r->asking)
		return;
	pl_timer_set(r->look_queues, RETRY_US);
	read_ended(r, UINT64_MAX, 0);
}

const struct queue_info *refs_queue(const struct refs *r, const char *id)
{
	struct queue_info *q;
	HASH_FIND_STR(r->queues, id, q);
	return q;
}

bool refs_loaded(const struct refs *r)
{
	return r->schedules_known;
}

struct ids {
	const char **v;
	size_t n;
};
struct snapshot {
	struct ids queues, schedules, flows;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has(const struct ids *ids, const char *id)
{
	return bsearch(&id, ids->v, ids->n, sizeof(*ids->v), by_text) != NULL;
}

static bool queue_known(const void *arg, const char *id)
{
	return has(&((const struct snapshot *)arg)->queues, id);
}

static bool schedule_known(const void *arg, const char *id)
{
	return has(&((const struct snapshot *)arg)->schedules, id);
}

static bool flow_known(const void *arg, const char *id)
{
	return has(&((const struct snapshot *)arg)->flows, id);
}

static bool ids_take(struct ids *ids, struct pl_arena *a)
{
	for (size_t i = 0; i < ids->n; i++)
		if (!(ids->v[i] = pl_arena_strdup(a, ids->v[i])))
			return false;
	qsort(ids->v, ids->n, sizeof(*ids->v), by_text);
	return true;
}

enum pl_err refs_snapshot(const struct flow_svc *s, struct pl_arena *a, struct flow_refs *ret)
{
	const struct refs *r = s->refs;
	enum { FLOWS_MAX = 10000 };
	struct snapshot *x = PL_NEW(a, struct snapshot);
	if (!x || !(x->queues.v = pl_arena_alloc(a, (HASH_COUNT(r->queues) + 1) * sizeof(char *))) ||
	    !(x->schedules.v = pl_arena_alloc(a, (HASH_COUNT(r->schedules) + 1) * sizeof(char *))) ||
	    !(x->flows.v = pl_arena_alloc(a, FLOWS_MAX * sizeof(char *))))
		return PL_E_NOMEM;
	for (const struct queue_info *q = r->queues; q; q = q->hh.next)
		x->queues.v[x->queues.n++] = q->id;
	for (const struct schedule *k = r->schedules; k; k = k->hh.next)
		x->schedules.v[x->schedules.n++] = k->id;
	x->flows.n = graphs_flow_ids(s->graphs, x->flows.v, FLOWS_MAX);
	if (!ids_take(&x->queues, a) || !ids_take(&x->schedules, a) || !ids_take(&x->flows, a))
		return PL_E_NOMEM;
	*ret = (struct flow_refs){ r->queues_known ? queue_known : NULL, schedule_known, flow_known, x };
	return PL_OK;
}

static void on_look_queues(void *arg)
{
	refs_refresh_queues(arg);
}

static void on_look_schedules(void *arg)
{
	refs_refresh_schedules(arg);
}

enum pl_err refs_new(struct refs **ret, struct flow_svc *s, struct pl_why *why)
{
	struct refs *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	r->s = s;
	pl_list_init(&r->waiters);
	enum pl_err err = pl_timer_new(&r->look_queues, s->app->loop, on_look_queues, r);
	if (!err)
		err = pl_timer_new(&r->look_schedules, s->app->loop, on_look_schedules, r);
	if (err) {
		refs_free(r);
		return pl_why_set(why, err, "no timer");
	}
	*ret = r;
	return PL_OK;
}

void refs_free(struct refs *r)
{
	struct zone *z, *tmp;
	if (!r)
		return;
	if (r->asking)
		rpc_cancel(r->s->app->bus, r->asking);
	PL_LIST_EACH_SAFE (n, &r->waiters)
		free(PL_CONTAINER(n, struct waiter, node));
	queues_clear(r);
	schedules_clear(r);
	HASH_ITER(hh, r->zones, z, tmp)
	{
		HASH_DEL(r->zones, z);
		free(z->data);
		free(z);
	}
	pl_timer_free(r->look_queues);
	pl_timer_free(r->look_schedules);
	free(r);
}
