/* Timers, descriptors and work: libuv handles whose memory outlives a free inside their own callback. */
#include "loop_int.h"

#include <stdlib.h>

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

struct pl_timer {
	uv_timer_t uv;
	struct pl_loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t due_us, every_us; /* every_us 0: once */
};

/* libuv counts whole milliseconds from a clock it reads rarely. The time is computed from the real clock and rounded
 * up, so that a timer never runs before due_us. */
static void timer_cb(uv_timer_t *h);
static void timer_arm(struct pl_timer *t)
{
	uv_loop_t *uv = &t->loop->uv;
	uv_update_time(uv);
	uint64_t due_ms = (uint64_t)(t->due_us + 999) / 1000, now_ms = uv_now(uv);
	uv_timer_start(&t->uv, timer_cb, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void timer_cb(uv_timer_t *h)
{
	struct pl_timer *t = h->data;
	if (t->loop->now_us && t->loop->now_us < t->due_us)
		t->loop->now_us = 0; /* the turn's clock was read before we were due */
	if (t->every_us) {
		int64_t now = pl_mono_us();
		t->due_us += t->every_us;
		if (t->due_us < now) /* slept: no burst of what was missed */
			t->due_us = now + t->every_us;
		timer_arm(t);
	}
	t->fn(t->arg); /* may free t */
}

enum pl_err pl_timer_new(struct pl_timer **ret, struct pl_loop *l, void (*fn)(void *arg), void *arg)
{
	struct pl_timer *t = calloc(1, sizeof(*t));
	if (!t)
		return PL_E_NOMEM;
	uv_timer_init(&l->uv, &t->uv);
	t->uv.data = t;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	*ret = t;
	return PL_OK;
}

void pl_timer_set(struct pl_timer *t, int64_t after_us)
{
	t->every_us = 0;
	t->due_us = pl_mono_us();
	if (after_us > 0)
		t->due_us += PL_MIN(after_us, INT64_MAX / 4);
	if (after_us > 0) {
		timer_arm(t);
		return;
	}
	uv_timer_start(&t->uv, timer_cb, 0, 0);
}

void pl_timer_every(struct pl_timer *t, int64_t every_us)
{
	t->every_us = PL_MAX(every_us, PL_US_PER_MS);
	t->due_us = pl_mono_us() + t->every_us;
	timer_arm(t);
}

void pl_timer_stop(struct pl_timer *t)
{
	t->every_us = 0;
	uv_timer_stop(&t->uv);
}

void pl_timer_free(struct pl_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, on_closed);
}

struct pl_fd {
	uv_poll_t uv;
	void (*fn)(void *arg, int events);
	void *arg;
	int want;
};

static void fd_cb(uv_poll_t *h, int status, int events)
{
	struct pl_fd *f = h->data;
	int ev = (events & UV_READABLE ? PL_FD_READ : 0) | (events & UV_WRITABLE ? PL_FD_WRITE : 0);
	f->fn(f->arg, status < 0 ? f->want : ev); /* on an error the owner's read or write will say which */
}

enum pl_err pl_fd_new(struct pl_fd **ret, struct pl_loop *l, int fd, void (*fn)(void *arg, int events), void *arg)
{
	struct pl_fd *f = calloc(1, sizeof(*f));
	if (!f)
		return PL_E_NOMEM;
	if (uv_poll_init(&l->uv, &f->uv, fd) != 0) {
		free(f);
		return PL_E_IO;
	}
	f->uv.data = f;
	f->fn = fn;
	f->arg = arg;
	*ret = f;
	return PL_OK;
}

void pl_fd_want(struct pl_fd *f, int events)
{
	if (events == f->want)
		return;
	f->want = events;
	if (events)
		uv_poll_start(&f->uv,
			      (events & PL_FD_READ ? UV_READABLE : 0) | (events & PL_FD_WRITE ? UV_WRITABLE : 0),
			      fd_cb);
	else
		uv_poll_stop(&f->uv);
}

void pl_fd_free(struct pl_fd *f)
{
	if (f)
		uv_close((uv_handle_t *)&f->uv, on_closed);
}

struct work {
	uv_work_t uv;
	void (*work)(void *arg), (*done)(void *arg);
	void *arg;
};

static void work_cb(uv_work_t *uv)
{
	struct work *w = uv->data;
	w->work(w->arg);
}

static void work_done_cb(uv_work_t *uv, int status)
{
	(void)status; /* nobody cancels work */
	struct work w = *(struct work *)uv->data;
	free(uv->data);
	w.done(w.arg);
}

enum pl_err pl_loop_work(struct pl_loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct work *w = malloc(sizeof(*w));
	if (!w)
		return PL_E_NOMEM;
	*w = (struct work){ .work = work, .done = done, .arg = arg };
	w->uv.data = w;
	if (uv_queue_work(&l->uv, &w->uv, work_cb, work_done_cb) != 0) {
		free(w);
		return PL_E_INTERNAL;
	}
	return PL_OK;
}
