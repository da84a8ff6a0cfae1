/* The core on the main loop: which worker has which room, jobs there and back, events, what the owner keeps. */
#include <parley/log.h>
#include <stdlib.h>

#include "clip.h"
#include "media.h"
#include "rec_writer.h"

enum { YOUNG_US = 20000000 };

struct place { /* a room, as the main thread knows it */
	UT_hash_handle hh;
	char id[ID_LEN], owner[ID_LEN];
	struct worker *w;
	uint64_t seq;
	unsigned jobs;  /* on their way */
	int recordings; /* whose end is still to be told; the end may overtake the answer: then below 0 for a moment */
	bool gone;
	int64_t made_us, heard_us;
};

struct core {
	struct pl_loop *main;
	struct core_cfg cfg;
	core_event_fn fn;
	void *arg;
	struct worker **workers;
	int n_workers;
	struct place *places;
	struct clips *clips;
	struct rec_writer *writer;
	struct wrtc_cert *cert;
	_Atomic uint64_t events_lost;
	bool closing, draining, salvaging;
};

struct pl_loop *core_loop(struct core *c)
{
	return c->main;
}
const struct core_cfg *core_config(const struct core *c)
{
	return &c->cfg;
}
struct rec_writer *core_writer(struct core *c)
{
	return c->writer;
}
struct wrtc_cert *core_cert(struct core *c)
{
	return c->cert;
}

static struct place *place_find(struct core *c, const char *id)
{
	struct place *p;
	HASH_FIND_STR(c->places, id, p);
	return p;
}

static void place_drop(struct core *c, struct place *p)
{
	if (!p || !p->gone || p->jobs || p->recordings)
		return;
	HASH_DEL(c->places, p);
	free(p);
}

static struct worker *idlest(struct core *c)
{
	struct worker *best = c->workers[0];
	for (int i = 1; i < c->n_workers; i++)
		if (atomic_load_explicit(&c->workers[i]->counts.endpoints, memory_order_relaxed) <
		    atomic_load_explicit(&best->counts.endpoints, memory_order_relaxed))
			best = c->workers[i];
	return best;
}

static struct place *place_new(struct core *c, const struct job *j)
{
	struct place *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	pl_strlcpy(p->id, j->room_id, sizeof(p->id));
	p->w = idlest(c);
	p->made_us = pl_mono_us();
	HASH_ADD_STR(c->places, id, p);
	return p;
}

/* --- jobs --- */
static void job_finish(void *arg)
{
	struct job *j = arg;
	struct core *c = j->core;
	struct place *p = place_find(c, j->room_id);
	if (p) {
		p->jobs--;
		p->gone = j->room_gone && p->jobs == 0;
		for (size_t i = 0; i < j->n_ops; i++)
			p->recordings += j->results[i].recording;
		place_drop(c, p);
	}
	for (size_t i = 0; i < j->n_ops; i++) { /* of plays that were not reached or are known already */
		play_list_free(j->ops[i].list);
		j->ops[i].list = NULL;
	}
	j->done(j);
}

void core_job_done(struct job *j) /* on the worker */
{
	while (pl_loop_post(j->core->main, job_finish, j) == PL_E_FULL)
		sched_yield(); /* an answer must not be lost; the main loop is far behind anyhow */
}

/* What a player was waiting for goes to it as a job of one operation. */
struct late {
	struct core *c;
	struct job job;
	struct op op;
	struct op_result result;
	char room[ID_LEN], player[ID_LEN];
	bool sync;
};

static void late_done(struct job *j)
{
	free(j->arg);
}

static void send_late(struct late *l)
{
	struct place *p = place_find(l->c, l->room);
	if (!p || p->gone || l->c->closing) {
		play_list_free(l->op.list);
		free(l);
		return;
	}
	p->jobs++;
	l->job.worker = p->w;
	if (pl_loop_post(p->w->loop, worker_run_job, &l->job)) {
		log_warn("player.lost", LOG_S("room", l->room), LOG_S("player", l->player));
		job_finish(&l->job);
	}
}

static void resolved(void *arg, struct play_list *list)
{
	struct late *l = arg;
	l->op.list = list ? list : calloc(1, sizeof(*list));
	if (!l->sync && l->op.list)
		send_late(l);
	else if (!l->sync)
		free(l);
}

static void resolve(struct core *c, const struct job *j, struct op *op)
{
	struct late *l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->c = c;
	pl_strlcpy(l->room, j->room_id, sizeof(l->room));
	pl_strlcpy(l->player, op->id, sizeof(l->player));
	l->op = (struct op){ .kind = OP_PLAY_READY, .id = l->player };
	l->job = (struct job){ .room_id = l->room,
			       .ops = &l->op,
			       .n_ops = 1,
			       .results = &l->result,
			       .done = late_done,
			       .arg = l,
			       .core = c };
	l->sync = true;
	if (clips_resolve(c->clips, op->sources, op->n_sources, resolved, l)) {
		op->list = l->op.list;
		free(l);
		return;
	}
	l->sync = false;
}

static void refuse(struct job *j, enum pl_err err)
{
	j->err = err;
	j->done(j);
}

static enum pl_err check(struct core *c, struct job *j)
{
	if (c->closing)
		return pl_why_set(&j->why, PL_E_UNAVAIL, "the media node is stopping");
	if (pl_empty(j->room_id) || strlen(j->room_id) >= ID_LEN)
		return pl_why_field(&j->why, PL_E_FORMAT, "room_id", "must have 1 to 63 characters");
	if (strlen(j->owner) >= ID_LEN)
		return pl_why_field(&j->why, PL_E_FORMAT, "owner", "must have at most 63 characters");
	for (size_t i = 0; i < j->n_ops; i++)
		if (j->ops[i].kind != OP_DESTROY_ROOM && (pl_empty(j->ops[i].id) || strlen(j->ops[i].id) >= ID_LEN))
			return pl_why_field(&j->why, PL_E_FORMAT, "operations",
					    "operation %zu: an id has 1 to 63 characters", i);
	return PL_OK;
}

void core_apply(struct core *c, struct job *j)
{
	enum pl_err err = check(c, j);
	j->core = c;
	j->results = err ? NULL : pl_arena_alloc(j->arena, (j->n_ops + 1) * sizeof(*j->results));
	if (err || !j->results) {
		refuse(j, err ? err : pl_why_set(&j->why, PL_E_NOMEM, "memory is out"));
		return;
	}
	struct place *p = place_find(c, j->room_id);
	if (!p && c->draining) {
		refuse(j, pl_why_set(&j->why, PL_E_UNAVAIL, "the media node is draining"));
		return;
	}
	if (!p && HASH_COUNT(c->places) >= (unsigned)c->cfg.max_rooms) {
		refuse(j, pl_why_set(&j->why, PL_E_FULL, "max-rooms=%" PRId64, c->cfg.max_rooms));
		return;
	}
	if (!p && !(p = place_new(c, j))) {
		refuse(j, pl_why_set(&j->why, PL_E_NOMEM, "memory is out"));
		return;
	}
	pl_strlcpy(p->owner, j->owner, sizeof(p->owner));
	p->heard_us = pl_mono_us();
	p->gone = false;
	j->worker = p->w;
	/* What a play waits for can only arrive after the play itself: both go through the same queue. */
	p->jobs++;
	for (size_t i = 0; i < j->n_ops; i++)
		if (j->ops[i].kind == OP_PLAY)
			resolve(c, j, &j->ops[i]);
	if (pl_loop_post(p->w->loop, worker_run_job, j)) {
		j->err = pl_why_set(&j->why, PL_E_FULL, "the worker's queue is full");
		job_finish(j);
	}
}

void core_drain(struct core *c)
{
	c->draining = true;
}

/* --- events --- */
static void deliver(void *arg)
{
	struct event *ev = arg;
	struct core *c = ev->core;
	struct place *p = place_find(c, ev->room_id);
	if (p) {
		ev->seq = ev->recovered ? 0 : ++p->seq;
		if (p->owner[0])
			pl_strlcpy(ev->owner, p->owner, sizeof(ev->owner));
	}
	c->fn(c->arg, ev);
	if (p && ev->kind == EVENT_RECORDING_DONE && !ev->recovered) {
		p->recordings--;
		place_drop(c, p);
	}
	free(ev);
}

void core_post_event(struct core *c, struct event *ev) /* from any thread */
{
	ev->core = c;
	if (pl_loop_post(c->main, deliver, ev) == PL_OK)
		return;
	atomic_fetch_add(&c->events_lost, 1);
	free(ev);
}

/* --- whose rooms --- */
struct ending {
	struct job job;
	struct op op;
	struct op_result result;
	char room[ID_LEN];
};

static void ending_done(struct job *j)
{
	free(j->arg);
}

static void end_room(struct core *c, struct place *p, const char *reason)
{
	struct ending *e = calloc(1, sizeof(*e));
	if (!e)
		return;
	log_info("room.ended", LOG_S("room", p->id), LOG_S("reason", reason), LOG_S("owner", p->owner));
	pl_strlcpy(e->room, p->id, sizeof(e->room));
	e->op.kind = OP_DESTROY_ROOM;
	e->job = (struct job){ .room_id = e->room,
			       .ops = &e->op,
			       .n_ops = 1,
			       .results = &e->result,
			       .done = ending_done,
			       .arg = e,
			       .core = c,
			       .worker = p->w };
	p->jobs++;
	if (pl_loop_post(p->w->loop, worker_run_job, &e->job)) {
		p->jobs--; /* again at the next look */
		free(e);
	}
}

void core_keep_rooms(struct core *c, const char *owner, const char *const *ids, size_t n,
		     void (*unknown)(void *arg, const char *id), void *arg)
{
	struct place *p, *next;
	struct keep {
		UT_hash_handle hh;
		const char *id;
	} *want = NULL, *k, *kn, *all = calloc(n + 1, sizeof(*all));
	int64_t now = pl_mono_us();
	for (size_t i = 0; all && i < n; i++) {
		p = place_find(c, ids[i]);
		if (!p || p->gone) {
			unknown(arg, ids[i]);
			continue;
		}
		pl_strlcpy(p->owner, owner, sizeof(p->owner));
		p->heard_us = now;
		all[i].id = p->id;
		HASH_FIND_STR(want, p->id, k);
		if (!k)
			HASH_ADD_KEYPTR(hh, want, p->id, strlen(p->id), &all[i]);
	}
	HASH_ITER(hh, c->places, p, next)
	{
		HASH_FIND_STR(want, p->id, k);
		if (all && !k && !p->gone && !p->jobs && strcmp(p->owner, owner) == 0 && now - p->made_us > YOUNG_US)
			end_room(c, p, "its owner does not know it");
	}
	HASH_ITER(hh, want, k, kn)
	HASH_DEL(want, k);
	free(all);
}

void core_expire(struct core *c, int64_t timeout_us)
{
	struct place *p, *next;
	int64_t now = pl_mono_us();
	HASH_ITER(hh, c->places, p, next)
	if (!p->gone && !p->jobs && now - p->heard_us > timeout_us)
		end_room(c, p, "its owner is silent");
}

/* --- figures --- */
void core_count(struct core *c, struct core_counts *ret)
{
	*ret = (struct core_counts){ .events_lost = atomic_load(&c->events_lost),
				     .clips_bytes = clips_bytes(c->clips),
				     .record_queue_bytes = rec_writer_queued(c->writer),
				     .recorder_failures = rec_writer_failures(c->writer) };
	for (int i = 0; i < c->n_workers; i++) {
		struct worker_counts *w = &c->workers[i]->counts;
		ret->endpoints += atomic_load(&w->endpoints);
		ret->rooms += atomic_load(&w->rooms);
		ret->packets_in += atomic_load(&w->packets_in);
		ret->packets_out += atomic_load(&w->packets_out);
		ret->packets_late += atomic_load(&w->late);
		ret->jb_dropped += atomic_load(&w->jb_dropped);
		ret->bad_packets += atomic_load(&w->bad);
		ret->send_errors += atomic_load(&w->send_errors);
		ret->ticks_late += atomic_load(&w->ticks_late);
		uint64_t latest = atomic_exchange(&w->tick_max_us, 0); /* PL_MAX would do it twice */
		ret->tick_max_us = PL_MAX(ret->tick_max_us, latest);
	}
}

/* --- life --- */
static void salvaged(void *arg, const struct rec_salvaged *s)
{
	struct core *c = arg;
	struct event *ev = calloc(1, sizeof(*ev));
	if (!ev)
		return;
	log_warn("recording.salvaged", LOG_S("recording", s->hdr.id), LOG_S("path", s->path),
		 LOG_S("err", pl_err_name(s->err)));
	ev->kind = EVENT_RECORDING_DONE;
	ev->recovered = true;
	ev->wall_us = pl_wall_us();
	pl_strlcpy(ev->id, s->hdr.id, sizeof(ev->id));
	pl_strlcpy(ev->room_id, s->hdr.room_id, sizeof(ev->room_id));
	pl_strlcpy(ev->owner, s->hdr.owner, sizeof(ev->owner));
	pl_strlcpy(ev->path, s->err ? "" : s->path, sizeof(ev->path));
	pl_strlcpy(ev->sha256, s->res.sha256, sizeof(ev->sha256));
	pl_strlcpy(ev->error, s->err ? s->why.text : "the media node ended while it recorded; what was written is kept",
		   sizeof(ev->error));
	ev->ms = s->res.samples * 1000 / REC_RATE;
	ev->bytes = s->res.bytes;
	ev->started_us = s->hdr.started_us;
	core_post_event(c, ev);
}

static void salvage_work(void *arg)
{
	struct core *c = arg;
	rec_salvage(rec_writer_dir(c->writer), c->cfg.master_key, salvaged, c);
}

static void salvage_done(void *arg)
{
	((struct core *)arg)->salvaging = false;
}

static enum pl_err open_workers(struct core *c, struct pl_why *why)
{
	c->workers = calloc((size_t)c->cfg.workers, sizeof(struct worker *));
	if (!c->workers)
		return pl_why_set(why, PL_E_NOMEM, "memory is out");
	enum pl_err err = PL_OK;
	for (int i = 0; i < c->cfg.workers && !err; i++) {
		err = worker_open(&c->workers[i], c, &c->cfg, i, why);
		c->n_workers += c->workers[i] != NULL;
	}
	return err;
}

enum pl_err core_open(struct core **ret, struct pl_loop *main, const struct core_cfg *cfg, core_event_fn fn, void *arg,
		      struct pl_why *why)
{
	struct core *c = calloc(1, sizeof(*c));
	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "memory is out");
	c->main = main;
	c->cfg = *cfg;
	c->fn = fn;
	c->arg = arg;
	enum pl_err err = clips_open(&c->clips, main, &c->cfg, why);
	if (!err)
		err = rec_writer_open(&c->writer, c, &c->cfg, why);
	if (!err)
		err = wrtc_cert_new(&c->cert, why);
	if (!err)
		err = open_workers(c, why);
	if (!err && cfg->master_key) {
		err = pl_loop_work(main, salvage_work, salvage_done, c);
		c->salvaging = !err;
	}
	if (err) {
		core_close(c);
		return err;
	}
	*ret = c;
	return PL_OK;
}

void core_close(struct core *c)
{
	struct place *p, *next;
	if (!c)
		return;
	c->closing = true;
	while (c->salvaging)
		loop_wait(c->main);
	for (int i = 0; i < c->n_workers; i++)
		worker_close(c->workers[i]);
	free(c->workers);
	c->n_workers = 0;
	rec_writer_close(c->writer);
	clips_close(c->clips);
	for (int i = 0; i < 4; i++)
		pl_loop_turn(c->main); /* answers and events on their way */
	HASH_ITER(hh, c->places, p, next)
	{
		HASH_DEL(c->places, p);
		free(p);
	}
	wrtc_cert_free(c->cert);
	free(c);
}
