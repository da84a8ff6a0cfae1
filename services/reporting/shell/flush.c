/* The leader writes: one transaction at a time, as often as batch_ms or when batch_events wait. */
#include "batch.h"

#include <parley/log.h>

#define RETRY_US PL_US_PER_S
#define GIVE_UP_EVERY_US (60 * PL_US_PER_S)

static void reader_resume(struct rep *r)
{
	if (r->paused && HASH_COUNT(r->st->ixs) < REP_OPEN_MAX / 2)
		rep_load(r); /* from what has just been written */
}

static void on_written(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct flush *b = arg;
	struct rep *r = b->r;
	r->flushing = NULL;
	obs_observe(r->m_batch_us, pl_mono_us() - b->begun_us);
	if (err) {
		obs_add(r->m_batch_failed, 1);
		log_warn("batch.failed", LOG_I("from", b->from_seq), LOG_I("to", b->to_seq), LOG_WHY(why));
		batch_undo(b);
		pl_timer_set(r->flush_timer, RETRY_US);
		r->reload |= err == PL_E_CONFLICT; /* also when it was ours and only the answer was lost */
	} else {
		obs_add(r->m_batches, 1);
		r->st->saved_seq = b->to_seq;
		store_prune(r->st, false);
		apply_forget(r->st, r->cfg->linger_s * PL_US_PER_S);
		pl_timer_set(r->flush_timer, r->st->seq - b->to_seq >= (uint64_t)r->cfg->batch_events
						     ? 0
						     : r->cfg->batch_ms * PL_US_PER_MS);
	}
	batch_free(b);
	if (r->reload)
		rep_load(r);
	else
		reader_resume(r);
}

/* A database that is away must not fill memory: the ledger keeps what is not read. */
static void reader_pause(struct rep *r)
{
	if (r->paused || HASH_COUNT(r->st->ixs) < REP_OPEN_MAX)
		return;
	log_warn("ledger.paused", LOG_I("interactions", HASH_COUNT(r->st->ixs)));
	r->paused = true;
	bus_tail_close(r->tail);
	r->tail = NULL;
}

static bool due(const struct rep *r)
{
	return r->mode == REP_RUNNING && r->leader && !r->flushing && bus_lease_held(r->lease) &&
	       (r->st->seq != r->st->saved_seq || r->st->conf_dirty);
}

void flush_soon(struct rep *r)
{
	if (!r->flushing)
		pl_timer_set(r->flush_timer, 0);
}

static void on_timer(void *arg)
{
	struct rep *r = arg;
	pl_timer_set(r->flush_timer, r->cfg->batch_ms * PL_US_PER_MS);
	if (r->mode != REP_RUNNING)
		return;
	reader_pause(r);
	if (pl_mono_us() - r->gave_up_us > GIVE_UP_EVERY_US) {
		r->gave_up_us = pl_mono_us();
		apply_give_up(r->st);
	}
	if (!r->leader && !r->flushing) { /* the leader writes; what it has written needs no memory here */
		PL_LIST_EACH_SAFE (n, &r->st->dirty) {
			struct ix *x = PL_CONTAINER(n, struct ix, in_dirty);
			x->dirty = x->stored_open = false;
			pl_list_remove(&x->in_dirty);
		}
		r->st->n_spans = 0;
		store_recs_clear(r->st);
		r->st->saved_seq = r->st->seq;
		store_prune(r->st, true);
		apply_forget(r->st, r->cfg->linger_s * PL_US_PER_S);
	}
	if (!due(r))
		return;
	struct flush *b = batch_take(r);
	if (!b)
		return;
	r->st->conf_dirty = false;
	if (pg_tx(r->pg, batch_write, on_written, b) == PL_OK) {
		r->flushing = b;
		return;
	}
	batch_undo(b);
	batch_free(b);
}

enum pl_err flush_new(struct rep *r, struct pl_why *why)
{
	enum pl_err err = pl_timer_new(&r->flush_timer, r->app->loop, on_timer, r);
	if (err)
		return pl_why_set(why, err, "no timer");
	pl_timer_set(r->flush_timer, r->cfg->batch_ms * PL_US_PER_MS);
	return PL_OK;
}
