/* What changed, as texts for the database. */
#include "batch.h"

#include <stdlib.h>

static uint64_t row_hash(const struct rep_ix *f, const struct rep_row *r)
{
	struct {
		int64_t a[14];
		char name[REP_TEXT], number[64], dialled[64];
	} h;
	memset(&h, 0, sizeof(h));
	int64_t a[14] = { r->started_us, r->ended_us, r->outcome, r->ended_by, r->queue,   r->agent,     r->agents,
			  r->menu_ms,    r->wait_ms,  r->talk_ms, r->held_ms,  r->wrap_ms, f->path_used, f->direction };
	memcpy(h.a, a, sizeof(a));
	memcpy(h.name, f->customer_name, sizeof(h.name));
	memcpy(h.number, f->customer_number, sizeof(h.number));
	memcpy(h.dialled, f->dialled_number, sizeof(h.dialled));
	return pl_hash(&h, sizeof(h)) | 1;
}

static void menu_path(struct sqltext *t, const struct rep_ix *f)
{
	struct sqltext j = { 0 };
	for (uint32_t at = 0; at < f->path_used;) {
		raw_text(&j, at ? "," : "[", 1);
		raw_text(&j, "{\"key\":", 7);
		json_text(&j, f->path + at);
		at += (uint32_t)strlen(f->path + at) + 1;
		raw_text(&j, ",\"value\":", 9);
		json_text(&j, f->path + at);
		at += (uint32_t)strlen(f->path + at) + 1;
		raw_text(&j, "}", 1);
	}
	raw_text(&j, f->path_used ? "]" : "[]", f->path_used ? 1 : 2);
	t->oom |= j.oom;
	arr_text(t, j.oom ? "[]" : j.p);
	sqltext_free(&j);
}

static void ix_row(struct flush *b, const struct ix *x, const struct rep_row *r)
{
	const struct rep_ix *f = &x->f;
	struct sqltext *c = b->ix;
	arr_text(&c[0], x->id);
	arr_int(&c[1], f->channel);
	arr_int(&c[2], f->direction);
	arr_text(&c[3], f->customer_number);
	arr_text(&c[4], f->customer_name);
	arr_text(&c[5], f->dialled_number);
	arr_time(&c[6], r->started_us);
	arr_time(&c[7], r->ended_us);
	arr_text(&c[8], rep_id(f, r->queue));
	arr_text(&c[9], rep_id(f, r->agent));
	arr_int(&c[10], r->agents);
	arr_text(&c[11], rep_result_name(r->outcome));
	arr_text(&c[12], rep_result_name(r->ended_by));
	arr_int(&c[13], r->menu_ms);
	arr_int(&c[14], r->wait_ms);
	arr_int(&c[15], r->talk_ms);
	arr_int(&c[16], r->held_ms);
	arr_int(&c[17], r->wrap_ms);
	arr_int(&c[18], r->duration_ms);
	arr_real(&c[19], f->mos);
	arr_real(&c[20], f->loss_pct);
	menu_path(&c[21], f);
	b->n_ix++;
}

static void ix_segments(struct flush *b, const struct ix *x, const struct rep_row *r)
{
	for (uint32_t i = 0; i < r->n_segs; i++) {
		const struct rep_seg *s = &r->segs[i];
		copy_text(b->segs, x->id, '\t');
		copy_int(b->segs, (int64_t)i + 1, '\t');
		copy_int(b->segs, s->kind, '\t');
		copy_time(b->segs, s->from_us, '\t');
		copy_time(b->segs, s->to_us ? s->to_us : PL_MAX(r->last_us, s->from_us), '\t');
		copy_text(b->segs, rep_id(&x->f, s->agent), '\t');
		copy_text(b->segs, rep_id(&x->f, s->queue), '\t');
		copy_text(b->segs, rep_result_name(s->result), '\n');
	}
}

static void ix_agents(struct flush *b, struct ix *x, const struct rep_row *r)
{
	if (r->agents == x->n_agents_written)
		return;
	for (uint32_t i = 0; i < r->n_works; i++) {
		bool again = false; /* a row may stand in one statement only once */
		for (uint32_t p = 0; p < i; p++)
			again |= r->works[p].agent == r->works[i].agent;
		if (again)
			continue;
		arr_text(&b->agents[0], rep_id(&x->f, r->works[i].agent));
		arr_time(&b->agents[1], r->started_us);
		arr_text(&b->agents[2], x->id);
		b->n_agents++;
	}
	x->n_agents_written = r->agents;
}

static void ix_open(struct flush *b, struct ix *x, struct pl_arena *tmp)
{
	pl_arena_reset(tmp);
	const Parley__Report__V1__InteractionFacts *m = facts_message(x, tmp);
	size_t len = m ? parley__report__v1__interaction_facts__get_packed_size(m) : 0;
	uint8_t *p = m ? pl_arena_alloc(tmp, len + 1) : NULL;
	if (!p) {
		b->open[0].oom = true;
		return;
	}
	parley__report__v1__interaction_facts__pack(m, p);
	arr_text(&b->open[0], x->id);
	arr_bytes(&b->open[1], p, len);
	b->n_open++;
	x->stored_open = true;
}

static void ix_gone(struct flush *b, struct ix *x)
{
	if (!x->stored_open)
		return;
	arr_text(b->open_gone, x->id);
	b->n_open_gone++;
	x->stored_open = false;
}

static void ix_take(struct flush *b, struct ix *x)
{
	struct store *st = b->r->st;
	struct rep_row *row = &st->after;
	rep_build(&x->f, row);
	if (row->known) {
		uint64_t h = row_hash(&x->f, row);
		if (h != x->written)
			ix_row(b, x, row);
		x->written = h;
		ix_agents(b, x, row);
	}
	if (row->known && x->settled) {
		if (x->segs_written) {
			arr_text(b->segs_gone, x->id);
			b->n_segs_gone++;
		}
		ix_segments(b, x, row);
		x->segs_written = true;
		ix_gone(b, x);
	} else if (x->forget) {
		ix_gone(b, x);
	} else {
		ix_open(b, x, st->tmp);
	}
}

static bool all_ixs(struct flush *b)
{
	size_t n = 0;
	PL_LIST_EACH (at, &b->r->st->dirty)
		n++;
	b->undo = calloc(n + 1, sizeof(*b->undo));
	if (!b->undo)
		return false;
	PL_LIST_EACH_SAFE (at, &b->r->st->dirty) {
		struct ix *x = PL_CONTAINER(at, struct ix, in_dirty);
		b->undo[b->n_undo++] =
			(struct undo){ x, x->written, x->n_agents_written, x->stored_open, x->segs_written };
		x->dirty = false;
		pl_list_remove(&x->in_dirty);
		ix_take(b, x);
	}
	return true;
}

static bool figures(struct flush *b)
{
	struct store *st = b->r->st;
	b->qrows = calloc(HASH_COUNT(st->qrows) + 1, sizeof(*b->qrows));
	b->arows = calloc(HASH_COUNT(st->arows) + 1, sizeof(*b->arows));
	if (!b->qrows || !b->arows)
		return false;
	for (struct qrow *r = st->qrows; r; r = r->hh.next) {
		if (!r->dirty)
			continue;
		int64_t v[] = {
#define X(n) r->f.n,
			REP_QFIGS(X)
#undef X
		};
		arr_text(&b->q[0], r->key.id);
		arr_time(&b->q[1], r->key.at);
		arr_int(&b->q[2], store_day(st, r->key.at));
		for (size_t i = 0; i < PL_ARRAY_N(v); i++)
			arr_int(&b->q[3 + i], v[i]);
		r->dirty = false;
		b->qrows[b->n_q++] = r;
	}
	for (struct arow *r = st->arows; r; r = r->hh.next) {
		if (!r->dirty)
			continue;
		int64_t v[] = { r->f.handled,
				r->f.missed,
				r->f.talk_ms,
				r->f.held_ms,
				r->f.wrap_ms,
				r->f.ring_ms,
				r->state_ms[REP_A_READY],
				r->state_ms[REP_A_PAUSED],
				r->state_ms[REP_A_OFFERED],
				r->state_ms[REP_A_ON_CONTACT],
				r->state_ms[REP_A_WRAP_UP] };
		arr_text(&b->a[0], r->key.id);
		arr_int(&b->a[1], r->key.at);
		for (size_t i = 0; i < PL_ARRAY_N(v); i++)
			arr_int(&b->a[2 + i], v[i]);
		r->dirty = false;
		b->arows[b->n_a++] = r;
	}
	return true;
}

static void person_row(struct flush *b, const struct rep_person *p)
{
	struct sqltext list = { 0 };
	for (size_t i = 0; i < p->n_queues; i++)
		arr_text(&list, p->queues[i]->id);
	arr_text(&b->people[0], p->id);
	arr_text(&b->people[1], p->name);
	arr_text(&b->people[2], p->deleted ? "true" : "false");
	arr_text(&b->people[3], arr_end(&list));
	arr_int(&b->people[4], p->st.state);
	arr_time(&b->people[5], p->st.since_us);
	arr_text(&b->people[6], p->st.pause_id);
	arr_int(&b->people[7], (int64_t)p->st.version);
	arr_bytes(&b->people[8], p->status ? p->status : (const uint8_t *)"", p->status_len);
	b->n_people++;
	sqltext_free(&list);
}

static void others(struct flush *b)
{
	struct store *st = b->r->st;
	for (struct rep_person *p = st->people; p; p = p->hh.next)
		if (p->db_dirty) {
			person_row(b, p);
			p->db_dirty = false;
		}
	for (struct rep_queue *q = st->queues; q; q = q->hh.next) {
		if (!q->db_dirty)
			continue;
		arr_text(&b->queues[0], q->id);
		arr_text(&b->queues[1], q->name);
		arr_int(&b->queues[2], q->channel);
		arr_int(&b->queues[3], q->sl_ms);
		arr_int(&b->queues[4], q->target_pct);
		arr_text(&b->queues[5], q->deleted ? "true" : "false");
		q->db_dirty = false;
		b->n_queues++;
	}
	for (const struct rec *r = st->recs; r; r = r->hh.next) {
		if (r->marks) {
			arr_text(&b->marks[0], r->id);
			arr_bytes(&b->marks[1], r->marks, r->marks_len);
			b->n_marks++;
		}
		if (!r->body)
			continue;
		arr_text(&b->recs[0], r->id);
		arr_text(&b->recs[1], r->interaction_id);
		arr_text(&b->recs[2], r->agent_id);
		arr_int(&b->recs[3], r->status);
		arr_time(&b->recs[4], r->started_us);
		arr_bytes(&b->recs[5], r->body, r->len);
		b->n_recs++;
	}
	b->taken_recs = PL_TAKE(st->recs);
	for (size_t i = 0; i < st->n_spans; i++) {
		const struct span *s = &st->spans[i];
		copy_text(b->spans, s->agent_id, '\t');
		copy_int(b->spans, s->s.state, '\t');
		copy_text(b->spans, s->s.pause_id, '\t');
		copy_time(b->spans, s->s.from_us, '\t');
		copy_time(b->spans, s->s.to_us, '\n');
	}
	b->taken_spans = PL_TAKE(st->spans);
	b->n_taken_spans = st->n_spans;
	st->n_spans = st->cap_spans = 0;
}

/* Array texts get their last brace; those of COPY are complete. False: memory was out somewhere. */
static bool close_all(struct flush *b)
{
	bool oom = false;
	for (size_t i = 0; i < TEXT_N; i++) {
		if (i < TEXT_N - 2)
			arr_end(&b->text[i]);
		oom |= b->text[i].oom;
	}
	return !oom;
}

static void name_columns(struct flush *b)
{
	struct sqltext *t = b->text;
	b->ix = t;
	b->open = b->ix + IX_COLUMNS;
	b->open_gone = b->open + 2;
	b->segs_gone = b->open_gone + 1;
	b->agents = b->segs_gone + 1;
	b->q = b->agents + 3;
	b->a = b->q + Q_COLUMNS;
	b->people = b->a + A_COLUMNS;
	b->queues = b->people + PERSON_COLUMNS;
	b->recs = b->queues + QUEUE_COLUMNS;
	b->marks = b->recs + REC_COLUMNS;
	b->segs = b->marks + 2;
	b->spans = b->segs + 1;
}

struct flush *batch_take(struct rep *r)
{
	struct flush *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	name_columns(b);
	b->r = r;
	b->from_seq = r->st->saved_seq;
	b->to_seq = r->st->seq;
	b->begun_us = pl_mono_us();
	bool ok = all_ixs(b) && figures(b);
	others(b);
	ok &= close_all(b);
	if (ok)
		return b;
	batch_undo(b);
	batch_free(b);
	return NULL;
}

static void recs_back(struct flush *b)
{
	struct store *st = b->r->st;
	struct rec *r, *tmp, *newer;
	HASH_ITER(hh, b->taken_recs, r, tmp)
	{
		HASH_FIND_STR(st->recs, r->id, newer);
		HASH_DEL(b->taken_recs, r);
		if (!newer) {
			HASH_ADD_STR(st->recs, id, r);
			continue;
		}
		if (!newer->marks) {
			newer->marks = PL_TAKE(r->marks);
			newer->marks_len = r->marks_len;
		}
		if (!newer->body) {
			newer->body = PL_TAKE(r->body);
			newer->len = r->len;
			newer->status = r->status;
			newer->started_us = r->started_us;
			memcpy(newer->interaction_id, r->interaction_id, sizeof(r->interaction_id));
			memcpy(newer->agent_id, r->agent_id, sizeof(r->agent_id));
		}
		rec_free(r);
	}
}

void batch_undo(struct flush *b)
{
	struct store *st = b->r->st;
	for (size_t i = 0; i < b->n_undo; i++) {
		struct undo *u = &b->undo[i];
		u->x->written = u->written;
		u->x->n_agents_written = u->n_agents;
		u->x->stored_open = u->stored_open;
		u->x->segs_written = u->segs_written;
		store_dirty(st, u->x);
	}
	for (size_t i = 0; i < b->n_q; i++)
		b->qrows[i]->dirty = true;
	for (size_t i = 0; i < b->n_a; i++)
		b->arows[i]->dirty = true;
	for (struct rep_person *p = st->people; b->n_people && p; p = p->hh.next)
		p->db_dirty = true;
	for (struct rep_queue *q = st->queues; b->n_queues && q; q = q->hh.next)
		q->db_dirty = true;
	recs_back(b);
	if (b->n_taken_spans) {
		struct span *all = realloc(b->taken_spans, (b->n_taken_spans + st->n_spans) * sizeof(*all));
		if (all) {
			memcpy(all + b->n_taken_spans, st->spans, st->n_spans * sizeof(*all));
			free(st->spans);
			st->spans = all;
			st->n_spans += b->n_taken_spans;
			st->cap_spans = st->n_spans;
			b->taken_spans = NULL;
		} else {
			b->r->reload = true; /* the ledger still has it */
		}
	}
}

void batch_free(struct flush *b)
{
	struct rec *r, *tmp;
	if (!b)
		return;
	HASH_ITER(hh, b->taken_recs, r, tmp)
	{
		HASH_DEL(b->taken_recs, r);
		rec_free(r);
	}
	for (size_t i = 0; i < TEXT_N; i++)
		sqltext_free(&b->text[i]);
	free(b->undo);
	free(b->taken_spans);
	free(b->qrows);
	free(b->arows);
	free(b);
}
