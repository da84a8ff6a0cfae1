#ifndef REDIS_INT_H
#define REDIS_INT_H
#include <parley/log.h>
#include <parley/obs.h>
#include <parley/redis.h>

#include <hiredis/async.h>
#include <uv.h>

#define REDIS_INFLIGHT_MAX 100000u

struct resolve;
struct redis {
	struct pl_loop *loop;
	char host[256], *user, *password;
	int port, db;
	void (*on_up)(void *arg);
	void *arg;
	bool up, closing;

	redisAsyncContext *ac; /* NULL: between two attempts */
	struct pl_fd *fd;
	bool connected, want_read, want_write, blocked;
	struct resolve *resolve;
	struct pl_timer *timer; /* the next attempt, or the next ping */
	int64_t retry_us;
	int pings_out;
	size_t inflight;
	bool told_down;

	struct obs_check *check;
	struct obs_metric *m_refused, *m_reconnects;
};

/* conn.c */
enum pl_err redis_conn_init(struct redis *r);
void redis_conn_start(struct redis *r);
void redis_conn_done(struct redis *r);
/* redis.c */
enum pl_err redis_reply_err(const redisReply *rep, struct pl_why *why);
#endif
