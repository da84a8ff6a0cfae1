/* The loop itself: turns, posts from other threads, embedding. */
#include "loop_int.h"

#include <assert.h>
#include <stdlib.h>

static void run_posts(struct pl_loop *l)
{
	uv_mutex_lock(&l->lock);
	struct posts batch = l->posted;
	l->posted = l->running; /* the emptied array of the last batch */
	l->running = batch;
	uv_mutex_unlock(&l->lock);
	for (size_t i = 0; i < batch.n; i++) /* what is posted now runs in the next turn */
		batch.v[i].fn(batch.v[i].arg);
	l->running.n = 0;
}

static void on_wake(uv_async_t *h)
{
	run_posts(h->data);
}

static void end_turn(struct pl_loop *l)
{
	for (size_t i = 0; i < l->n_hooks; i++)
		l->hooks[i].fn(l->hooks[i].arg);
	if (pl_arena_used(l->tmp))
		pl_arena_reset(l->tmp);
	l->now_us = 0;
}

/* Timers run before libuv waits for I/O: what they published must not wait with it. */
static void on_before_wait(uv_prepare_t *h)
{
	end_turn(h->data);
}

static enum pl_err loop_init(struct pl_loop *l, struct pl_why *why)
{
	int rc = uv_loop_init(&l->uv);
	if (rc != 0)
		return pl_why_set(why, PL_E_IO, "event loop: %s", uv_strerror(rc));
	rc = uv_mutex_init(&l->lock);
	if (rc != 0) {
		uv_loop_close(&l->uv);
		return pl_why_set(why, PL_E_NOMEM, "event loop: %s", uv_strerror(rc));
	}
	uv_prepare_init(&l->uv, &l->before_wait);
	uv_prepare_start(&l->before_wait, on_before_wait);
	l->before_wait.data = l;
	rc = uv_async_init(&l->uv, &l->wake, on_wake);
	if (rc != 0) {
		uv_close((uv_handle_t *)&l->before_wait, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);
		uv_loop_close(&l->uv);
		uv_mutex_destroy(&l->lock);
		return pl_why_set(why, PL_E_IO, "event loop: %s", uv_strerror(rc));
	}
	l->wake.data = l;
	return PL_OK;
}

enum pl_err pl_loop_new(struct pl_loop **ret, struct pl_why *why)
{
	struct pl_loop *l = calloc(1, sizeof(*l));
	struct pl_arena *tmp = pl_arena_new(0);
	enum pl_err err = l && tmp ? loop_init(l, why) : pl_why_set(why, PL_E_NOMEM, "event loop: memory is out");
	if (err) {
		pl_arena_free(tmp);
		free(l);
		return err;
	}
	l->tmp = tmp;
	*ret = l;
	return PL_OK;
}

void pl_loop_free(struct pl_loop *l)
{
	if (!l)
		return;
	uv_close((uv_handle_t *)&l->before_wait, NULL);
	uv_close((uv_handle_t *)&l->wake, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT); /* ends when the close callbacks of all freed handles have run */
	int rc = uv_loop_close(&l->uv);
	assert(rc == 0 && "a handle was not freed before its loop");
	(void)rc;
	uv_mutex_destroy(&l->lock);
	free(l->posted.v);
	free(l->running.v);
	pl_arena_free(l->tmp);
	free(l);
}

void pl_loop_freep(struct pl_loop **l)
{
	pl_loop_free(*l);
	*l = NULL;
}

void pl_loop_run(struct pl_loop *l)
{
	while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
		uv_run(&l->uv, UV_RUN_ONCE);
		end_turn(l);
	}
	atomic_store_explicit(&l->stop, false, memory_order_relaxed); /* it may run again */
}

void pl_loop_stop(struct pl_loop *l)
{
	atomic_store_explicit(&l->stop, true, memory_order_release);
	uv_async_send(&l->wake);
}

int64_t pl_loop_now_us(const struct pl_loop *l)
{
	if (l->now_us == 0)
		((struct pl_loop *)(uintptr_t)l)->now_us = pl_mono_us(); /* a cache: the loop is logically unchanged */
	return l->now_us;
}

struct pl_arena *pl_loop_tmp(struct pl_loop *l)
{
	return l->tmp;
}

struct uv_loop_s *pl_loop_uv(struct pl_loop *l)
{
	return &l->uv;
}

static bool posts_room(struct posts *p)
{
	if (p->n < p->cap)
		return true;
	size_t cap = p->cap ? PL_MIN(p->cap * 2, (size_t)PL_LOOP_POST_MAX) : 64;
	struct post *v = cap > p->cap ? realloc(p->v, cap * sizeof(*v)) : NULL;
	if (!v)
		return false;
	p->v = v;
	p->cap = cap;
	return true;
}

enum pl_err pl_loop_post(struct pl_loop *l, void (*fn)(void *arg), void *arg)
{
	uv_mutex_lock(&l->lock);
	bool room = posts_room(&l->posted);
	if (room)
		l->posted.v[l->posted.n++] = (struct post){ fn, arg };
	uv_mutex_unlock(&l->lock);
	if (!room) {
		atomic_fetch_add_explicit(&l->refused, 1, memory_order_relaxed);
		return PL_E_FULL;
	}
	return uv_async_send(&l->wake) == 0 ? PL_OK : PL_E_IO;
}

uint64_t pl_loop_post_refused(const struct pl_loop *l)
{
	return atomic_load_explicit(&l->refused, memory_order_relaxed);
}

enum pl_err pl_loop_on_turn(struct pl_loop *l, void (*fn)(void *arg), void *arg)
{
	if (l->n_hooks >= TURN_HOOKS_MAX)
		return PL_E_FULL;
	l->hooks[l->n_hooks].fn = fn;
	l->hooks[l->n_hooks++].arg = arg;
	return PL_OK;
}

void pl_loop_off_turn(struct pl_loop *l, void (*fn)(void *arg), void *arg)
{
	for (size_t i = 0; i < l->n_hooks; i++)
		if (l->hooks[i].fn == fn && l->hooks[i].arg == arg) {
			l->n_hooks--;
			memmove(&l->hooks[i], &l->hooks[i + 1], (l->n_hooks - i) * sizeof(l->hooks[0]));
			return;
		}
}

int pl_loop_backend_fd(const struct pl_loop *l)
{
	return uv_backend_fd(&l->uv);
}

int pl_loop_backend_timeout_ms(const struct pl_loop *l)
{
	uv_loop_t *uv = (uv_loop_t *)(uintptr_t)&l->uv; /* the libuv calls lack const */
	uv_update_time(uv);
	return uv_backend_timeout(uv);
}

void pl_loop_turn(struct pl_loop *l)
{
	uv_run(&l->uv, UV_RUN_NOWAIT);
	end_turn(l);
}
