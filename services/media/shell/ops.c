/* Operations of a job, on the worker that owns the room. */
#include "media.h"

#include <stdlib.h>

struct step {
	struct worker *w;
	struct job *j;
	struct room *r;
	struct op *op;
	struct op_result *res;
};

static enum pl_err find(const struct step *s, const char *id, struct ep **ret)
{
	*ret = s->r ? room_ep(s->r, id) : NULL;
	return *ret ? PL_OK : pl_why_field(&s->j->why, PL_E_NOTFOUND, "endpoint_id", "%s is not in the room", id);
}

static const char *keep(struct step *s, const char *text)
{
	return text ? pl_arena_strdup(s->j->arena, text) : NULL;
}

static enum pl_err do_create(struct step *s)
{
	struct ep *e = NULL;
	const char *sdp = NULL;
	enum pl_err err = ep_new(&e, s->r, s->op, &sdp, &s->j->why);
	s->res->sdp = keep(s, sdp);
	return err;
}

static void stats_of(struct step *s, const struct ep *e)
{
	ep_stats(e, &s->res->stats);
	s->res->has_stats = true;
}

static enum pl_err do_remote(struct step *s)
{
	struct ep *e;
	const char *sdp = NULL;
	enum pl_err err = find(s, s->op->id, &e);
	if (!err)
		err = ep_set_remote(e, s->op, &sdp, &s->j->why);
	if (!err)
		stats_of(s, e);
	s->res->sdp = keep(s, sdp);
	return err;
}

static enum pl_err do_mix(struct step *s)
{
	struct ep *e, *other;
	uint32_t hears = 0;
	enum pl_err err = find(s, s->op->id, &e);
	for (size_t i = 0; !err && i < s->op->n_ids; i++) {
		err = find(s, s->op->ids[i], &other);
		hears |= err ? 0 : 1u << other->idx;
	}
	if (!err)
		e->hears = hears;
	return err;
}

static enum pl_err do_play(struct step *s)
{
	return player_start(s->r, s->op, &s->j->why);
}

static enum pl_err do_ready(struct step *s)
{
	player_ready(s->r, s->op);
	return PL_OK;
}

static enum pl_err do_stop_play(struct step *s)
{
	struct player *p = player_find(s->r, s->op->id);
	if (p) /* one that has ended by itself is no error */
		player_end(s->r, p, "stopped", "");
	return PL_OK;
}

static enum pl_err do_record(struct step *s)
{
	unsigned before = s->r->n_recs;
	enum pl_err err = rec_start(s->r, s->op, &s->j->why);
	s->res->recording = s->r->n_recs > before;
	return err;
}

static enum pl_err do_pause(struct step *s)
{
	return rec_pause(s->r, s->op, &s->j->why);
}

static enum pl_err do_stop_record(struct step *s)
{
	struct rec *k = rec_find(s->r, s->op->id);
	if (k)
		rec_stop(s->r, k);
	return PL_OK;
}

static enum pl_err do_destroy_ep(struct step *s)
{
	struct ep *e = room_ep(s->r, s->op->id);
	if (e) {
		stats_of(s, e);
		ep_end(e);
	}
	return PL_OK;
}

static enum pl_err do_destroy_room(struct step *s)
{
	room_end(s->r);
	s->r = NULL;
	s->j->room_gone = true;
	return PL_OK;
}

static enum pl_err do_digits(struct step *s)
{
	struct ep *e;
	enum pl_err err = find(s, s->op->id, &e);
	for (const char *d = s->op->text; !err && d && *d; d++)
		if (!te_tx_add(&e->te_out, *d))
			err = pl_why_field(&s->j->why, PL_E_FORMAT, "send_digits.digits", "at most %d of 0-9 A-D * #",
					   TE_DIGITS_MAX);
	return err;
}

static enum pl_err (*const verbs[])(struct step *) = {
	[OP_CREATE_ENDPOINT] = do_create,
	[OP_SET_REMOTE] = do_remote,
	[OP_MIX] = do_mix,
	[OP_PLAY] = do_play,
	[OP_STOP_PLAY] = do_stop_play,
	[OP_START_RECORDING] = do_record,
	[OP_PAUSE_RECORDING] = do_pause,
	[OP_STOP_RECORDING] = do_stop_record,
	[OP_DESTROY_ENDPOINT] = do_destroy_ep,
	[OP_DESTROY_ROOM] = do_destroy_room,
	[OP_SEND_DIGITS] = do_digits,
	[OP_PLAY_READY] = do_ready,
};

static enum pl_err run_op(struct step *s)
{
	enum op_kind kind = s->op->kind;
	if ((unsigned)kind >= PL_ARRAY_N(verbs))
		return pl_why_set(&s->j->why, PL_E_FORMAT, "unknown operation");
	if (!s->r && (kind == OP_DESTROY_ROOM || kind == OP_DESTROY_ENDPOINT || kind == OP_STOP_PLAY ||
		      kind == OP_STOP_RECORDING || kind == OP_PLAY_READY))
		return PL_OK; /* it is gone already: asked twice, or too late */
	if (!s->r && kind != OP_CREATE_ENDPOINT)
		return pl_why_field(&s->j->why, PL_E_NOTFOUND, "room_id", "no such room on this node");
	if (!s->r && !(s->r = room_new(s->w, s->j->room_id, s->j->owner)))
		return pl_why_set(&s->j->why, PL_E_NOMEM, "room: memory is out");
	return verbs[kind](s);
}

void worker_run_job(void *arg)
{
	struct job *j = arg;
	struct worker *w = j->worker;
	struct step s = { .w = w, .j = j };
	w->now_us = pl_mono_us();
	HASH_FIND_STR(w->rooms, j->room_id, s.r);
	if (atomic_load_explicit(&w->stop, memory_order_relaxed))
		j->err = pl_why_set(&j->why, PL_E_UNAVAIL, "the media node is stopping");
	if (s.r && !pl_empty(j->owner))
		pl_strlcpy(s.r->owner, j->owner, sizeof(s.r->owner)); /* adopted by another node: events follow */
	for (size_t i = 0; i < j->n_ops && !j->err; i++) {
		s.op = &j->ops[i];
		s.res = &j->results[i];
		j->err = run_op(&s);
	}
	if (s.r && s.r->used == 0 && s.r->n_players == 0 &&
	    j->err) { /* the first endpoint failed: leave nothing behind */
		room_end(s.r);
		s.r = NULL;
	}
	j->room_gone = !s.r;
	if (s.r)
		room_graph(s.r);
	core_job_done(j);
}
