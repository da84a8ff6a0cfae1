/* One worker: epoll over its sockets, a clock of ten 2 ms slots for whatever makes sound itself, and its loop for
 * posts. Under load it lets packets gather for hold_us before it looks: one wake-up then serves many (docs in
 * README.md). */
#include "media.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, WINDOW_US = 100000, BUSY_PACKETS = 200, MAX_BEHIND_US = 200000, ROUNDS_MAX = 8 };

uint64_t worker_rnd(struct worker *w) /* sequence numbers, SSRCs: unpredictable enough (RFC 3550 5.1), no secrets */
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return w->rnd * UINT64_C(0x2545f4914f6cdd1d);
}

enum pl_err worker_watch(struct worker *w, struct sock *s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, s->fd, &ev) == 0 ? PL_OK : PL_E_IO;
}

/* --- slots --- */
void room_tick_on(struct room *r)
{
	struct worker *w = r->w;
	if (r->ticking)
		return;
	unsigned best = 0;
	for (unsigned i = 1; i < SLOTS; i++)
		if (w->slot_n[i] < w->slot_n[best])
			best = i;
	if (w->ticking++ == 0) {
		w->slot = 0;
		w->slot_due_us = w->now_us;
	}
	r->ticking = true;
	r->slot = best;
	w->slot_n[best]++;
	pl_list_push(&w->slots[best], &r->link);
}

void room_tick_off(struct room *r)
{
	if (!r->ticking)
		return;
	r->ticking = false;
	r->w->ticking--;
	r->w->slot_n[r->slot]--;
	pl_list_remove(&r->link);
}

static void note_lateness(struct worker *w, int64_t late_us)
{
	if (w->cfg->tick)
		w->cfg->tick(w->cfg->tick_arg, late_us);
	if (late_us > 5000)
		count_add(&w->counts.ticks_late, 1);
	if ((uint64_t)late_us > atomic_load_explicit(&w->counts.tick_max_us, memory_order_relaxed))
		atomic_store_explicit(&w->counts.tick_max_us, (uint64_t)late_us, memory_order_relaxed);
}

static void run_slots(struct worker *w)
{
	if (w->ticking && w->now_us - w->slot_due_us > MAX_BEHIND_US)
		w->slot_due_us = w->now_us; /* the machine slept: time lost is lost */
	while (w->ticking && w->now_us >= w->slot_due_us) {
		struct pl_list *h = &w->slots[w->slot];
		if (!pl_list_empty(h))
			note_lateness(w, pl_mono_us() - w->slot_due_us);
		PL_LIST_EACH_SAFE (it, h)
			room_tick(PL_CONTAINER(it, struct room, link));
		w->slot = (w->slot + 1) % SLOTS;
		w->slot_due_us += SLOT_US;
	}
}

/* --- the loop --- */
static void bury(struct worker *w)
{
	PL_LIST_EACH_SAFE (it, &w->grave) {
		pl_list_remove(it);
		ep_free(PL_CONTAINER(it, struct ep, live));
	}
	PL_LIST_EACH_SAFE (it, &w->room_grave) {
		pl_list_remove(it);
		free(PL_CONTAINER(it, struct room, grave));
	}
}

static void check_all(struct worker *w)
{
	if (w->now_us < w->check_due_us)
		return;
	w->check_due_us = w->now_us + CHECK_US;
	PL_LIST_EACH_SAFE (it, &w->eps)
		ep_check(PL_CONTAINER(it, struct ep, live));
}

static void measure(struct worker *w)
{
	if (w->now_us - w->window_us < WINDOW_US)
		return;
	w->busy = w->cfg->hold_us > 0 && w->window_packets >= BUSY_PACKETS;
	w->window_packets = 0;
	w->window_us = w->now_us;
}

static int64_t next_due(const struct worker *w)
{
	int64_t due = w->check_due_us;
	return w->ticking && w->slot_due_us < due ? w->slot_due_us : due;
}

static struct timespec until(int64_t due_us)
{
	int64_t us = PL_MAX(due_us - pl_mono_us(), 0);
	return (struct timespec){ .tv_sec = us / PL_US_PER_S, .tv_nsec = us % PL_US_PER_S * 1000 };
}

/* Sleeps without looking at the sockets; a post wakes it at once, so that no operation waits. */
static void hold(struct worker *w)
{
	struct pollfd p = { .fd = pl_loop_backend_fd(w->loop), .events = POLLIN };
	int64_t due = PL_MIN(next_due(w), w->now_us + w->cfg->hold_us);
	struct timespec ts = until(due);
	if (ppoll(&p, 1, &ts, NULL) > 0)
		pl_loop_turn(w->loop);
}

static int take_events(struct worker *w, const struct timespec *ts)
{
	struct epoll_event ev[EVENTS_MAX];
	int n = epoll_pwait2(w->epfd, ev, EVENTS_MAX, ts, NULL);
	w->now_us = pl_mono_us();
	for (int i = 0; i < n; i++) {
		if (i + 2 < n &&
		    ev[i + 2].data.ptr) /* a sock is the head of its endpoint: its lines come while others are served */
			for (int line = 0; line < 5; line++)
				__builtin_prefetch((const char *)ev[i + 2].data.ptr + 64 * line);
		if (ev[i].data.ptr)
			ep_readable(ev[i].data.ptr);
		else
			pl_loop_turn(w->loop);
	}
	return n;
}

static void turn(struct worker *w)
{
	static const struct timespec zero;
	struct timespec ts = { 0 };
	w->now_us = pl_mono_us();
	measure(w);
	if (w->busy)
		hold(w);
	else
		ts = until(next_due(w));
	int n = take_events(w, &ts);
	for (int round = 1; n > 0 && w->busy && round < ROUNDS_MAX; round++)
		n = take_events(w, &zero);
	w->now_us = pl_mono_us();
	run_slots(w);
	check_all(w);
	bury(w);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	pl_loop_turn(w->loop); /* registers its wake-up with the descriptor that we poll */
	while (!atomic_load_explicit(&w->stop, memory_order_acquire))
		turn(w);
	struct room *r, *next;
	HASH_ITER(hh, w->rooms, r, next)
	room_end(r);
	bury(w);
	return NULL;
}

static enum pl_err open_epoll(struct worker *w, struct pl_why *why)
{
	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };
	if (w->epfd < 0 || epoll_ctl(w->epfd, EPOLL_CTL_ADD, pl_loop_backend_fd(w->loop), &ev) != 0)
		return pl_why_set(why, PL_E_IO, "epoll: %s", strerror(errno));
	return PL_OK;
}

static void init_lists(struct worker *w)
{
	pl_list_init(&w->eps);
	pl_list_init(&w->grave);
	pl_list_init(&w->room_grave);
	for (int i = 0; i < SLOTS; i++)
		pl_list_init(&w->slots[i]);
}

enum pl_err worker_open(struct worker **ret, struct core *core, const struct core_cfg *cfg, int index,
			struct pl_why *why)
{
	struct worker *w = calloc(1, sizeof(*w));
	union addr a;
	if (!w)
		return pl_why_set(why, PL_E_NOMEM, "worker: memory is out");
	*ret = w;
	w->core = core;
	w->cfg = cfg;
	w->index = index;
	w->epfd = -1;
	w->sdp_addr = pl_empty(cfg->public_address) ? cfg->rtp_address : cfg->public_address;
	init_lists(w);
	if (!addr_parse(&a, w->sdp_addr, 0))
		return pl_why_field(why, PL_E_FORMAT, "public-address", "must be an IP address");
	w->sdp_ip6 = a.sa.sa_family == AF_INET6;
	if (pl_random(&w->rnd, sizeof(w->rnd)) || w->rnd == 0)
		w->rnd = 1;
	w->ports = ports_new(cfg->rtp_port_min, cfg->rtp_port_max, index, cfg->workers);
	if (!w->ports)
		return pl_why_set(why, PL_E_NOMEM, "worker: memory is out");
	enum pl_err err = pl_loop_new(&w->loop, why);
	if (!err)
		err = open_epoll(w, why);
	if (!err && pthread_create(&w->thread, NULL, run, w) != 0)
		err = pl_why_set(why, PL_E_IO, "worker: no thread");
	w->started = !err;
	return err;
}

static void nudge(void *arg)
{
	(void)arg;
}

void worker_close(struct worker *w)
{
	if (!w)
		return;
	if (w->started) {
		atomic_store_explicit(&w->stop, true, memory_order_release);
		if (pl_loop_post(w->loop, nudge, NULL)) { /* full: it is awake anyhow */
		}
		pthread_join(w->thread, NULL);
	}
	if (w->loop)
		pl_loop_turn(w->loop); /* jobs that came too late still answer */
	pl_loop_free(w->loop);
	if (w->epfd >= 0)
		close(w->epfd);
	ports_free(w->ports);
	free(w);
}
