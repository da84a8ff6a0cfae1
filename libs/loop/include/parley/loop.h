/** One thread, one loop: timers, file descriptors, work from other threads (libuv underneath).
 *  Threads    only pl_loop_post() and pl_loop_stop() may be called from another thread than the one that runs the loop.
 *  Ownership  handles are freed by their free verb, from a callback too; free while a callback runs is safe.
 *  Bounds     the post queue holds PL_LOOP_POST_MAX entries; then pl_loop_post() says PL_E_FULL and counts it. */
#ifndef PARLEY_LOOP_H
#define PARLEY_LOOP_H
#include <parley/base.h>

#define PL_LOOP_POST_MAX 65536

struct pl_loop;
struct pl_timer;
struct pl_fd;
struct uv_loop_s;

PL_MUST enum pl_err pl_loop_new(struct pl_loop **ret, struct pl_why *why);
void pl_loop_free(struct pl_loop *l);		/* every handle must be freed before */
void pl_loop_freep(struct pl_loop **l);
void pl_loop_run(struct pl_loop *l);		/* until pl_loop_stop() */
void pl_loop_stop(struct pl_loop *l);
int64_t pl_loop_now_us(const struct pl_loop *l);	/* monotonic, read once per turn */
struct pl_arena *pl_loop_tmp(struct pl_loop *l);	/* wiped after each turn */
struct uv_loop_s *pl_loop_uv(struct pl_loop *l);

/** Runs fn(arg) on the loop's thread in a later turn. From any thread. */
PL_MUST enum pl_err pl_loop_post(struct pl_loop *l, void (*fn)(void *arg), void *arg);
uint64_t pl_loop_post_refused(const struct pl_loop *l);

/** Runs at the end of every turn, after all callbacks: flush what the turn has collected. Stays until it is taken off. */
PL_MUST enum pl_err pl_loop_on_turn(struct pl_loop *l, void (*fn)(void *arg), void *arg);
void pl_loop_off_turn(struct pl_loop *l, void (*fn)(void *arg), void *arg);

/** fn runs once per pl_timer_set(); a timer may be set again inside its callback. */
PL_MUST enum pl_err pl_timer_new(struct pl_timer **ret, struct pl_loop *l, void (*fn)(void *arg), void *arg);
void pl_timer_set(struct pl_timer *t, int64_t after_us);	/* from now; 0: next turn */
void pl_timer_every(struct pl_timer *t, int64_t every_us);	/* repeats, at least 1 ms */
void pl_timer_stop(struct pl_timer *t);
void pl_timer_free(struct pl_timer *t);

enum { PL_FD_READ = 1, PL_FD_WRITE = 2 };
PL_MUST enum pl_err pl_fd_new(struct pl_fd **ret, struct pl_loop *l, int fd, void (*fn)(void *arg, int events), void *arg);
void pl_fd_want(struct pl_fd *f, int events);	/* 0: pause */
void pl_fd_free(struct pl_fd *f);		/* does not close the descriptor */

/** Runs work(arg) on a pool thread, then done(arg) on the loop. The arg is the worker's until done. */
PL_MUST enum pl_err pl_loop_work(struct pl_loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Embedding in another loop (sip-edge runs inside sofia's su_root): poll the descriptor, wait no longer than the
 * timeout, then take one turn that does not block. */
int pl_loop_backend_fd(const struct pl_loop *l);
int pl_loop_backend_timeout_ms(const struct pl_loop *l);	/* -1: for ever */
void pl_loop_turn(struct pl_loop *l);
#endif
