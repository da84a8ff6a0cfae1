/* The struct behind pl_loop, shared by the two files of this library. */
#ifndef LOOP_INT_H
#define LOOP_INT_H
#include <parley/loop.h>

#include <stdatomic.h>
#include <uv.h>

#define TURN_HOOKS_MAX 32

struct post {
	void (*fn)(void *arg);
	void *arg;
};
struct posts {
	struct post *v;
	size_t n, cap;
};

struct pl_loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t before_wait;
	struct pl_arena *tmp;
	int64_t now_us; /* 0: not read yet in this turn */
	struct {
		void (*fn)(void *arg);
		void *arg;
	} hooks[TURN_HOOKS_MAX];
	size_t n_hooks;
	atomic_bool stop;
	uv_mutex_t lock; /* guards posted */
	struct posts posted, running;
	_Atomic uint64_t refused;
};
#endif
