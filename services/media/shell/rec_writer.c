#include "rec_writer.h"

#include <parley/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "media.h"

struct rec_writer {
	struct core *core;
	const struct core_cfg *cfg;
	struct pl_loop *loop;
	pthread_t thread;
	bool started;
	char dir[400];
	_Atomic uint64_t queued, failures;
	_Atomic int open; /* files not reported yet */
	_Atomic bool closing;
};

struct rec_file {
	struct rec_writer *w;
	struct rec_out out; /* the writer's */
	struct rec_hdr hdr;
	bool reported;
	enum pl_err err;
	struct pl_why why;
	uint64_t packets[2];
	struct rec_result res;
	_Atomic bool failed; /* set by either side */
};

enum msg_kind { MSG_OPEN, MSG_SOUND, MSG_MARK, MSG_FAILED, MSG_CLOSE };
struct msg {
	struct rec_file *f;
	enum msg_kind kind;
	uint8_t *piece;
	size_t n;
	uint64_t at;
	bool paused;
	char reason[200];
};

uint64_t rec_writer_queued(const struct rec_writer *w)
{
	return w ? atomic_load(&w->queued) : 0;
}
uint64_t rec_writer_failures(const struct rec_writer *w)
{
	return w ? atomic_load(&w->failures) : 0;
}
const char *rec_writer_dir(const struct rec_writer *w)
{
	return w->dir;
}

static void report(struct rec_file *f)
{
	struct event *ev = calloc(1, sizeof(*ev));
	if (f->reported || !ev) {
		free(ev);
		return;
	}
	f->reported = true;
	ev->kind = EVENT_RECORDING_DONE;
	ev->wall_us = pl_wall_us();
	pl_strlcpy(ev->id, f->hdr.id, sizeof(ev->id));
	pl_strlcpy(ev->room_id, f->hdr.room_id, sizeof(ev->room_id));
	pl_strlcpy(ev->owner, f->hdr.owner, sizeof(ev->owner));
	pl_strlcpy(ev->path, f->out.path, sizeof(ev->path));
	pl_strlcpy(ev->sha256, f->res.sha256, sizeof(ev->sha256));
	ev->verified = !f->err;
	pl_strlcpy(ev->error, f->err ? f->why.text : "", sizeof(ev->error));
	ev->ms = f->out.samples * 1000 / REC_RATE;
	ev->bytes = f->out.bytes;
	ev->packets_left = f->packets[0];
	ev->packets_right = f->packets[1];
	ev->started_us = f->hdr.started_us;
	if (f->err) {
		atomic_fetch_add(&f->w->failures, 1);
		log_error("recording.failed", LOG_S("recording", f->hdr.id), LOG_WHY(&f->why));
	}
	core_post_event(f->w->core, ev);
}

/* Once: the first thing that went wrong is told at once, not at the end of the call. */
static void fail(struct rec_file *f, enum pl_err err)
{
	f->err = f->why.err = err;
	atomic_store(&f->failed, true);
	rec_out_abort(&f->out);
	report(f);
}

static void finish_work(void *arg)
{
	struct rec_file *f = arg;
	thread_background();
	f->err = rec_out_finish(&f->out, f->packets, f->w->cfg->master_key, &f->res, &f->why);
	/* Frames against packets: much fewer than came in means lost sound. The first second may be shorter than its
	 * packets. */
	uint64_t most = PL_MAX(f->packets[0], f->packets[1]), least = most > 50 ? (most - 50) * FRAME_8K / 4 : 0;
	if (!f->err && f->out.samples < least)
		f->err = pl_why_set(&f->why, PL_E_INTERNAL,
				    "%" PRIu64 " samples for %" PRIu64 " and %" PRIu64 " packets", f->out.samples,
				    f->packets[0], f->packets[1]);
}

static void finish_done(void *arg)
{
	struct rec_file *f = arg;
	struct rec_writer *w = f->w;
	report(f);
	free(f);
	if (atomic_fetch_sub(&w->open, 1) == 1 && atomic_load(&w->closing))
		pl_loop_stop(w->loop);
}

static void close_file(struct rec_file *f)
{
	if (f->err || pl_loop_work(f->w->loop, finish_work, finish_done, f)) {
		rec_out_abort(&f->out);
		finish_done(f);
	}
}

static void take(void *arg)
{
	struct msg *m = arg;
	struct rec_file *f = m->f;
	enum pl_err err = PL_OK;
	if (atomic_load(&f->failed) && !f->err && m->kind != MSG_OPEN)
		fail(f, pl_why_set(&f->why, PL_E_FULL, "the disk is too slow: %" PRIu64 " bytes wait",
				   atomic_load(&f->w->queued)));
	if (!f->err && m->kind == MSG_OPEN)
		err = rec_out_open(&f->out, f->w->dir, &f->hdr, f->w->cfg->master_key, &f->why);
	else if (!f->err && m->kind == MSG_SOUND)
		err = rec_out_sound(&f->out, m->piece, m->n, &f->why);
	else if (!f->err && m->kind == MSG_MARK)
		err = rec_out_mark(&f->out, m->at, m->paused, m->reason, &f->why);
	if (err)
		fail(f, err);
	atomic_fetch_sub(&f->w->queued, m->n + sizeof(*m));
	if (m->kind == MSG_CLOSE)
		close_file(f);
	free(m->piece);
	free(m);
}

static bool post(struct rec_file *f, struct msg *m)
{
	size_t n = m->n + sizeof(*m);
	struct msg *copy = malloc(sizeof(*copy));
	bool must = m->kind == MSG_CLOSE || m->kind == MSG_OPEN || m->kind == MSG_FAILED;
	if (!copy || (!must && atomic_load(&f->w->queued) + n > (uint64_t)f->w->cfg->record_queue_bytes)) {
		free(copy);
		return false;
	}
	*copy = *m;
	copy->f = f;
	atomic_fetch_add(&f->w->queued, n);
	if (pl_loop_post(f->w->loop, take, copy) == PL_OK)
		return true;
	atomic_fetch_sub(&f->w->queued, n);
	free(copy);
	return false;
}

struct rec_file *rec_file_new(struct rec_writer *w, const struct rec_hdr *hdr)
{
	struct rec_file *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->w = w;
	f->hdr = *hdr;
	f->out.fd = -1;
	atomic_fetch_add(&w->open, 1);
	if (post(f, &(struct msg){ .kind = MSG_OPEN }))
		return f;
	atomic_fetch_sub(&w->open, 1);
	free(f);
	return NULL;
}

/* The writer tells of it now, not at the end of the call. */
static void give_up(struct rec_file *f)
{
	if (!atomic_exchange(&f->failed, true) && !post(f, &(struct msg){ .kind = MSG_FAILED }))
		log_error("recording.lost", LOG_S("recording", f->hdr.id));
}

bool rec_file_sound(struct rec_file *f, uint8_t *piece, size_t n)
{
	if (!atomic_load_explicit(&f->failed, memory_order_relaxed) &&
	    post(f, &(struct msg){ .kind = MSG_SOUND, .piece = piece, .n = n }))
		return true;
	free(piece);
	give_up(f);
	return false;
}

void rec_file_mark(struct rec_file *f, uint64_t at_sample, bool paused, const char *reason)
{
	struct msg m = { .kind = MSG_MARK, .at = at_sample, .paused = paused };
	pl_strlcpy(m.reason, reason ? reason : "", sizeof(m.reason));
	if (!post(f, &m))
		give_up(f);
}

void rec_file_close(struct rec_file *f, const uint64_t packets[2])
{
	f->packets[0] = packets[0];
	f->packets[1] = packets[1];
	if (!post(f, &(struct msg){ .kind = MSG_CLOSE }))
		log_error("recording.lost",
			  LOG_S("recording", f->hdr.id)); /* the post queue itself is full: salvage finds the .part */
}

static void *run(void *arg)
{
	thread_background();
	pl_loop_run(((struct rec_writer *)arg)->loop);
	return NULL;
}

enum pl_err rec_writer_open(struct rec_writer **ret, struct core *core, const struct core_cfg *cfg, struct pl_why *why)
{
	struct rec_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return pl_why_set(why, PL_E_NOMEM, "recorder: memory is out");
	*ret = w;
	w->core = core;
	w->cfg = cfg;
	snprintf(w->dir, sizeof(w->dir), "%s/recordings", cfg->data_dir);
	enum pl_err err = pl_loop_new(&w->loop, why);
	if (!err && pthread_create(&w->thread, NULL, run, w) != 0)
		err = pl_why_set(why, PL_E_IO, "recorder: no thread");
	w->started = !err;
	return err;
}

static void last(void *arg)
{
	struct rec_writer *w = arg;
	if (atomic_load(&w->open) == 0)
		pl_loop_stop(w->loop);
}

void rec_writer_close(struct rec_writer *w)
{
	if (!w)
		return;
	if (w->started) {
		atomic_store(&w->closing, true);
		while (pl_loop_post(w->loop, last, w) == PL_E_FULL)
			sched_yield();
		pthread_join(w->thread, NULL);
	}
	pl_loop_free(w->loop);
	free(w);
}
