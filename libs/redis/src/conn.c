/* The connection: hiredis on our loop. What one turn sends is written once at its end. */
#include "redis_int.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MIN_US (100 * PL_US_PER_MS)
#define RETRY_MAX_US (2 * PL_US_PER_S)
#define PING_US (2 * PL_US_PER_S)
#define PINGS_OUT_MAX 3
#define CONNECT_US (3 * PL_US_PER_S)

/* A look-up that may outlive the client: freed by its own callback. */
struct resolve {
	uv_getaddrinfo_t uv;
	struct redis *r; /* NULL: closed meanwhile */
};

static void want(struct redis *r)
{
	/* While connecting, writable means connected; later we write at the end of the turn and poll only when that
	 * blocks. */
	bool w = r->want_write && (!r->connected || r->blocked);
	pl_fd_want(r->fd, (r->want_read ? PL_FD_READ : 0) | (w ? PL_FD_WRITE : 0));
}

static void ev_set(void *data, bool *which, bool on)
{
	struct redis *r = data;
	*which = on;
	if (r->fd)
		want(r);
}

static void ev_add_read(void *d)
{
	ev_set(d, &((struct redis *)d)->want_read, true);
}
static void ev_del_read(void *d)
{
	ev_set(d, &((struct redis *)d)->want_read, false);
}
static void ev_add_write(void *d)
{
	ev_set(d, &((struct redis *)d)->want_write, true);
}
static void ev_del_write(void *d)
{
	ev_set(d, &((struct redis *)d)->want_write, false);
}

/* hiredis is about to close the descriptor and to free the context. */
static void ev_cleanup(void *d)
{
	struct redis *r = d;
	pl_fd_free(r->fd);
	r->fd = NULL;
}

static void retry_later(struct redis *r)
{
	r->retry_us = PL_MAX(RETRY_MIN_US, PL_MIN(r->retry_us * 2, RETRY_MAX_US));
	pl_timer_set(r->timer, r->retry_us);
}

static void down(struct redis *r, const char *why)
{
	bool was = r->up;
	r->up = r->connected = r->want_read = r->want_write = r->blocked = false;
	r->ac = NULL;
	if (r->closing)
		return;
	obs_check_set(r->check, false, why);
	if (was || !r->told_down)
		log_warn("redis.down", LOG_S("why", why), LOG_S("host", r->host), LOG_I("port", r->port));
	r->told_down = true;
	retry_later(r);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct redis *r = ac->data;
	if (r->ac == ac) /* else we left it ourselves */
		down(r, status == REDIS_OK ? "closed" : ac->errstr);
}

static void drop(struct redis *r, const char *why)
{
	redisAsyncContext *ac = r->ac;
	down(r, why);
	redisAsyncFree(ac); /* ends what is in flight */
}

static void up(struct redis *r)
{
	r->up = true;
	r->retry_us = 0;
	r->pings_out = 0;
	r->told_down = false;
	obs_check_set(r->check, true, NULL);
	obs_add(r->m_reconnects, 1);
	log_info("redis.up", LOG_S("host", r->host), LOG_I("port", r->port), LOG_I("db", r->db));
	pl_timer_set(r->timer, PING_US);
	if (r->on_up)
		r->on_up(r->arg);
}

/* AUTH, SELECT and PING go out together; the first error ends the attempt, the answer to PING says that we are in. */
static void on_hello(redisAsyncContext *ac, void *reply, void *is_last)
{
	struct redis *r = ac->data;
	struct pl_why why = { 0 };
	if (!reply || r->ac != ac || r->closing)
		return;
	if (redis_reply_err(reply, &why) != PL_OK)
		drop(r, why.text);
	else if (is_last)
		up(r);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct redis *r = ac->data;
	char db[16];
	if (status != REDIS_OK) {
		down(r, ac->errstr); /* hiredis frees it */
		return;
	}
	r->connected = true;
	want(r);
	snprintf(db, sizeof(db), "%d", r->db);
	if (r->password && r->user)
		redisAsyncCommand(r->ac, on_hello, NULL, "AUTH %s %s", r->user, r->password);
	else if (r->password)
		redisAsyncCommand(r->ac, on_hello, NULL, "AUTH %s", r->password);
	if (r->db)
		redisAsyncCommand(r->ac, on_hello, NULL, "SELECT %s", db);
	redisAsyncCommand(r->ac, on_hello, r, "PING");
}

static void on_fd(void *arg, int events)
{
	struct redis *r = arg;
	if ((events & PL_FD_WRITE) && r->ac) {
		r->blocked = false;
		redisAsyncHandleWrite(r->ac);
	}
	if ((events & PL_FD_READ) && r->ac)
		redisAsyncHandleRead(r->ac);
	if (r->fd)
		want(r);
}

static void on_turn(void *arg)
{
	struct redis *r = arg;
	if (!r->ac || !r->connected || !r->want_write || r->blocked)
		return;
	redisAsyncHandleWrite(r->ac);
	if (r->ac && r->fd && r->want_write) {
		r->blocked = true;
		want(r);
	}
}

static void connect_to(struct redis *r, const char *ip)
{
	redisAsyncContext *ac = redisAsyncConnect(ip, r->port);
	if (!ac || ac->err) {
		down(r, ac ? ac->errstr : "memory is out");
		if (ac)
			redisAsyncFree(ac);
		return;
	}
	if (pl_fd_new(&r->fd, r->loop, ac->c.fd, on_fd, r) != PL_OK) {
		redisAsyncFree(ac);
		down(r, "cannot be polled");
		return;
	}
	r->ac = ac;
	ac->data = r;
	ac->ev.data = r;
	ac->ev.addRead = ev_add_read;
	ac->ev.delRead = ev_del_read;
	ac->ev.addWrite = ev_add_write;
	ac->ev.delWrite = ev_del_write;
	ac->ev.cleanup = ev_cleanup;
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	redisAsyncSetConnectCallback(ac, on_connect);
	pl_timer_set(r->timer, CONNECT_US);
}

static void on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *ai)
{
	struct resolve *v = uv->data;
	struct redis *r = v->r;
	char ip[64] = "";
	if (status == 0)
		uv_ip_name(ai->ai_addr, ip, sizeof(ip));
	uv_freeaddrinfo(ai);
	free(v);
	if (!r)
		return;
	r->resolve = NULL;
	if (status == 0)
		connect_to(r, ip);
	else
		down(r, uv_strerror(status));
}

void redis_conn_start(struct redis *r)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM };
	struct resolve *v = calloc(1, sizeof(*v));
	if (!v) {
		down(r, "memory is out");
		return;
	}
	v->r = r;
	v->uv.data = v;
	r->resolve = v;
	int rc = uv_getaddrinfo(pl_loop_uv(r->loop), &v->uv, on_resolved, r->host, NULL, &hint);
	if (rc != 0) {
		r->resolve = NULL;
		free(v);
		down(r, uv_strerror(rc));
	}
}

static void on_pong(redisAsyncContext *ac, void *reply, void *arg)
{
	(void)arg;
	if (reply)
		((struct redis *)ac->data)->pings_out = 0;
}

static void on_timer(void *arg)
{
	struct redis *r = arg;
	if (!r->ac && !r->resolve) {
		redis_conn_start(r);
	} else if (!r->up && r->ac) {
		drop(r, "does not answer");
	} else if (r->up && ++r->pings_out > PINGS_OUT_MAX) {
		drop(r, "silent");
	} else if (r->up) {
		redisAsyncCommand(r->ac, on_pong, NULL, "PING");
		pl_timer_set(r->timer, PING_US);
	}
}

enum pl_err redis_conn_init(struct redis *r)
{
	enum pl_err err = pl_timer_new(&r->timer, r->loop, on_timer, r);
	return err ? err : pl_loop_on_turn(r->loop, on_turn, r);
}

void redis_conn_done(struct redis *r)
{
	r->closing = true;
	if (r->resolve)
		r->resolve->r = NULL;
	if (r->up && r->want_write && !r->blocked)
		redisAsyncHandleWrite(r->ac); /* what was said last is worth one try */
	if (r->ac)
		redisAsyncFree(r->ac);
	pl_loop_off_turn(r->loop, on_turn, r);
	pl_timer_free(r->timer);
}
