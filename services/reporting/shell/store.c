/* What is in memory: hash tables of interactions, queues, agents, figures. */
#include "rep.h"

#include <stdlib.h>

struct store *store_new(void)
{
	struct store *st = calloc(1, sizeof(*st));
	if (!st)
		return NULL;
	pl_list_init(&st->dirty);
	pl_list_init(&st->settled);
	st->tmp = pl_arena_new(8 << 20);
	if (!st->tmp) {
		free(st);
		return NULL;
	}
	return st;
}

#define DROP_ALL(head, type, code)                                                                                     \
	do {                                                                                                           \
		type *x_, *tmp_;                                                                                       \
		HASH_ITER(hh, (head), x_, tmp_)                                                                        \
		{                                                                                                      \
			HASH_DEL((head), x_);                                                                          \
			code;                                                                                          \
			free(x_);                                                                                      \
		}                                                                                                      \
	} while (0)

void store_free(struct store *st)
{
	struct ix *x, *tmp;
	if (!st)
		return;
	HASH_ITER(hh, st->ixs, x, tmp)
	store_ix_drop(st, x);
	DROP_ALL(st->people, struct rep_person, {
		free(x_->queues);
		free(x_->status);
	});
	DROP_ALL(st->queues, struct rep_queue, {});
	DROP_ALL(st->qrows, struct qrow, {});
	DROP_ALL(st->arows, struct arow, {});
	store_recs_clear(st);
	free(st->spans);
	free(st->days.from_us);
	pl_arena_free(st->tmp);
	free(st);
}

void rec_free(struct rec *r)
{
	free(r->body);
	free(r->marks);
	free(r);
}

void store_recs_clear(struct store *st)
{
	struct rec *r, *tmp;
	HASH_ITER(hh, st->recs, r, tmp)
	{
		HASH_DEL(st->recs, r);
		rec_free(r);
	}
}

/* --- days --- */

int32_t store_day(const struct store *st, int64_t us)
{
	size_t lo = 0, hi = st->days.n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (st->days.from_us[mid] <= us)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0 && lo < st->days.n)
		return st->days.first + (int32_t)lo - 1;
	return (int32_t)(us / (86400 * PL_US_PER_S)); /* beyond the calendar that was read: years away */
}

int64_t store_midnight(const struct store *st, int32_t day)
{
	int64_t i = (int64_t)day - st->days.first;
	return i >= 0 && i < (int64_t)st->days.n ? st->days.from_us[i] : (int64_t)day * 86400 * PL_US_PER_S;
}

/* --- tables --- */

struct rep_queue *store_queue(struct store *st, const char *id)
{
	struct rep_queue *q;
	if (pl_empty(id) || strlen(id) >= REP_ID)
		return NULL;
	HASH_FIND_STR(st->queues, id, q);
	if (q || !(q = calloc(1, sizeof(*q))))
		return q;
	pl_strlcpy(q->id, id, sizeof(q->id));
	pl_list_init(&q->waiting);
	q->rt_dirty = q->db_dirty = true;
	HASH_ADD_STR(st->queues, id, q);
	return q;
}

struct rep_person *store_person(struct store *st, const char *id)
{
	struct rep_person *p;
	if (pl_empty(id) || strlen(id) >= REP_ID)
		return NULL;
	HASH_FIND_STR(st->people, id, p);
	if (p || !(p = calloc(1, sizeof(*p))))
		return p;
	pl_strlcpy(p->id, id, sizeof(p->id));
	p->rt_dirty = p->db_dirty = true;
	HASH_ADD_STR(st->people, id, p);
	return p;
}

static struct qkey key_of(const char *id, int64_t at)
{
	struct qkey k;
	memset(&k, 0, sizeof(k));
	pl_strlcpy(k.id, id, sizeof(k.id));
	k.at = at;
	return k;
}

struct qrow *store_qrow(struct store *st, const char *id, int64_t at)
{
	struct qkey k = key_of(id, at);
	struct qrow *r;
	HASH_FIND(hh, st->qrows, &k, sizeof(k), r);
	if (r || !(r = calloc(1, sizeof(*r))))
		return r;
	r->key = k;
	HASH_ADD(hh, st->qrows, key, sizeof(r->key), r);
	return r;
}

struct arow *store_arow(struct store *st, const char *id, int32_t day)
{
	struct qkey k = key_of(id, day);
	struct arow *r;
	HASH_FIND(hh, st->arows, &k, sizeof(k), r);
	if (r || !(r = calloc(1, sizeof(*r))))
		return r;
	r->key = k;
	HASH_ADD(hh, st->arows, key, sizeof(r->key), r);
	return r;
}

/* --- interactions --- */

struct ix *store_ix(struct store *st, const char *id, bool make)
{
	struct ix *x;
	HASH_FIND_STR(st->ixs, id, x);
	if (x || !make || !pl_id_ok(id) || !(x = calloc(1, sizeof(*x))))
		return x;
	pl_strlcpy(x->id, id, sizeof(x->id));
	pl_list_init(&x->in_queue);
	pl_list_init(&x->in_dirty);
	pl_list_init(&x->in_settled);
	HASH_ADD_STR(st->ixs, id, x);
	return x;
}

void store_ix_drop(struct store *st, struct ix *x)
{
	store_place(st, x, NULL);
	pl_list_remove(&x->in_dirty);
	pl_list_remove(&x->in_settled);
	HASH_DEL(st->ixs, x);
	free(x->f.facts);
	free(x->f.ids);
	free(x->f.path);
	free(x);
}

static bool grow(void *array, uint32_t *cap, uint32_t need, size_t size, uint32_t first)
{
	void **p = array;
	uint32_t n = *cap ? *cap : first;
	if (need <= *cap)
		return true;
	while (n < need)
		n *= 2;
	void *q = realloc(*p, n * size);
	if (!q)
		return false;
	*p = q;
	*cap = n;
	return true;
}

bool store_ix_room(struct ix *x, const struct rep_event *ev)
{
	struct rep_room r = rep_room(&x->f, ev);
	return grow(&x->f.facts, &x->f.cap_facts, r.facts, sizeof(*x->f.facts), 12) &&
	       grow(&x->f.ids, &x->f.cap_ids, r.ids, sizeof(*x->f.ids), 2) &&
	       grow(&x->f.path, &x->f.cap_path, r.path, 1, 64);
}

void store_dirty(struct store *st, struct ix *x)
{
	if (x->dirty)
		return;
	x->dirty = true;
	pl_list_push(&st->dirty, &x->in_dirty);
}

static void wait_in(struct store *st, struct ix *x, struct rep_queue *q, int64_t since_us)
{
	if (x->waiting == q)
		return;
	if (x->waiting) {
		pl_list_remove(&x->in_queue);
		x->waiting->n_waiting--;
		x->waiting->rt_dirty = true;
	}
	x->waiting = q;
	if (!q)
		return;
	/* Who came last is at the end nearly always. */
	struct pl_list *at = q->waiting.prev;
	for (; at != &q->waiting; at = at->prev) {
		const struct ix *o = PL_CONTAINER(at, struct ix, in_queue);
		if (!o->f.n_facts || o->f.facts[o->f.n_facts - 1].time_us <= since_us)
			break;
	}
	pl_list_insert(at->next, &x->in_queue);
	q->n_waiting++;
	q->rt_dirty = true;
	rep_window_waiting(&q->window, q->n_waiting, st->clock_us);
}

void store_place(struct store *st, struct ix *x, const struct rep_row *row)
{
	wait_in(st, x, row ? store_queue(st, rep_id(&x->f, row->waiting)) : NULL, row ? row->waiting_since_us : 0);
	struct rep_queue *q = row ? store_queue(st, rep_id(&x->f, row->talking)) : NULL;
	if (q == x->talking)
		return;
	if (x->talking) {
		x->talking->n_talking--;
		x->talking->rt_dirty = true;
	}
	x->talking = q;
	if (q) {
		q->n_talking++;
		q->rt_dirty = true;
	}
}

/* --- figures --- */

static void share_visit(struct store *st, const char *queue, const struct rep_visit *v, int sign)
{
	struct rep_qfig f;
	struct rep_queue *q = store_queue(st, queue);
	struct qrow *r = q && v->from_us >= st->oldest_us ? store_qrow(st, queue, rep_interval_of(v->from_us)) : NULL;
	if (!r)
		return;
	rep_visit_fig(v, &f);
	rep_qfig_add(&r->f, &f, sign);
	r->dirty = true;
	if (store_day(st, v->from_us) == st->today)
		rep_qfig_add(&q->today, &f, sign);
	rep_window_visit(&q->window, v, sign, st->clock_us);
	q->rt_dirty = true;
}

static void share_person(struct store *st, const char *agent, int64_t from_us, const struct rep_afig *f, int sign)
{
	struct rep_person *p = rep_afig_zero(f) || from_us < st->oldest_us ? NULL : store_person(st, agent);
	struct arow *r = p ? store_arow(st, agent, store_day(st, from_us)) : NULL;
	if (!r)
		return;
	rep_afig_add(&r->f, f, sign);
	r->dirty = true;
	p->rt_dirty = true;
}

void store_share(struct store *st, const struct ix *x, const struct rep_row *row, int sign)
{
	struct rep_afig f;
	for (uint32_t i = 0; i < row->n_visits; i++)
		share_visit(st, rep_id(&x->f, row->visits[i].queue), &row->visits[i], sign);
	for (uint32_t i = 0; i < row->n_works; i++) {
		rep_work_fig(&row->works[i], &f);
		share_person(st, rep_id(&x->f, row->works[i].agent), row->works[i].from_us, &f, sign);
	}
	for (uint32_t i = 0; i < row->n_segs; i++) {
		if (row->segs[i].kind != REP_SEG_RING)
			continue;
		rep_ring_fig(&row->segs[i], &f);
		share_person(st, rep_id(&x->f, row->segs[i].agent), row->segs[i].from_us, &f, sign);
	}
}

/* A new company day: what is counted "today" begins at the rows of that day. */
void store_new_day(struct store *st, int64_t now_us)
{
	int32_t day = store_day(st, now_us);
	if (day == st->today)
		return;
	st->today = day;
	for (struct rep_queue *q = st->queues; q; q = q->hh.next) {
		memset(&q->today, 0, sizeof(q->today));
		q->rt_dirty = true;
	}
	for (const struct qrow *r = st->qrows; r; r = r->hh.next)
		if (store_day(st, r->key.at) == day) {
			struct rep_queue *q = store_queue(st, r->key.id);
			if (q)
				rep_qfig_add(&q->today, &r->f, 1);
		}
	for (struct rep_person *p = st->people; p; p = p->hh.next)
		p->rt_dirty = true;
}

void store_prune(struct store *st, bool dirty_too)
{
	if (st->pruned == st->today)
		return;
	st->pruned = st->today;
	int64_t oldest = store_midnight(st, st->today - 1);
	for (const struct ix *x = st->ixs; x; x = x->hh.next)
		if (x->f.n_facts)
			oldest = PL_MIN(oldest, rep_interval_of(x->f.facts[0].time_us));
	st->oldest_us = PL_MAX(st->oldest_us, oldest);
	int32_t day = store_day(st, st->oldest_us);
	struct qrow *q, *qtmp;
	struct arow *a, *atmp;
	HASH_ITER(hh, st->qrows, q, qtmp)
	{
		if (q->key.at >= st->oldest_us || (q->dirty && !dirty_too))
			continue;
		HASH_DEL(st->qrows, q);
		free(q);
	}
	HASH_ITER(hh, st->arows, a, atmp)
	{
		if (a->key.at >= day || (a->dirty && !dirty_too))
			continue;
		HASH_DEL(st->arows, a);
		free(a);
	}
}
