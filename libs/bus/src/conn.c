/* The connection: nats.c inside our loop, reconnecting, and what is kept while NATS is away.
 *
 * nats.c's own reconnect runs on a thread of its own and holds the connection's lock while it connects, which would
 * block a publish on the loop for seconds. So its reconnect is off: a lost connection is destroyed, a new one is made
 * by a pool thread that owns it until it is up, and subscriptions are made again. */
#include "bus_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 2000
#define RETRY_MIN_US (50 * PL_US_PER_MS)
#define RETRY_MAX_US (1000 * PL_US_PER_MS)
#define SERVERS_MAX 16
#define FLUSH_AT_BYTES (1u << 20) /* a turn that publishes more writes before its end */
#define CLOSE_FLUSH_US (2 * PL_US_PER_S)
#define PING_EVERY_US (2 * PL_US_PER_S)
#define PINGS_OUT_MAX 3
#define READS_PER_TURN 4

struct bus_sock {
	struct bus *b;
	int fd;
	struct pl_fd *poll;
	bool want_write, blocked;
};

struct attempt {
	struct bus *b; /* NULL: the bus was closed meanwhile */
	struct bus_sock *sock;
	natsOptions *opts;
	natsConnection *nc;
	natsStatus status;
	char err[200];
};

struct kept { /* a message that waits for the connection */
	struct pl_list node;
	natsMsg *m;
	size_t bytes;
	uint64_t req;
};

static void conn_lost(struct bus *b, const char *why);

/* --- the adapter: nats.c calls these from inside its own calls, so always on our thread --- */
static natsStatus el_attach(void **user, void *loop, natsConnection *nc, natsSock fd)
{
	(void)nc;
	struct bus_sock *s = loop; /* what we gave as "the loop" */
	s->fd = fd;                /* polled once the attempt is adopted */
	*user = s;
	return NATS_OK;
}

static natsStatus el_read(void *user, bool add)
{
	(void)user, (void)add; /* we stop polling when we see that the connection is closed */
	return NATS_OK;
}

static natsStatus el_write(void *user, bool add)
{
	((struct bus_sock *)user)->want_write = add; /* done at the end of the turn */
	return NATS_OK;
}

static natsStatus el_detach(void *user)
{
	(void)user;
	return NATS_OK;
}

static void on_nats_err(natsConnection *nc, natsSubscription *sub, natsStatus err, void *arg)
{
	(void)nc, (void)arg; /* on a thread of nats.c: log only */
	log_warn("bus.error", LOG_S("what", natsStatus_GetText(err)),
		 LOG_S("subject", sub ? natsSubscription_GetSubject(sub) : ""));
}

/* --- an attempt --- */
static natsStatus set_servers(natsOptions *opts, const char *url)
{
	char *list = strdup(url), *save = NULL;
	const char *servers[SERVERS_MAX];
	int n = 0;
	if (!list)
		return NATS_NO_MEMORY;
	for (char *p = strtok_r(list, ", ", &save); p && n < SERVERS_MAX; p = strtok_r(NULL, ", ", &save))
		servers[n++] = p;
	natsStatus s = n ? natsOptions_SetServers(opts, servers, n) : NATS_INVALID_ARG;
	free(list);
	return s;
}

static natsStatus set_options(const struct bus *b, natsOptions *o, struct bus_sock *sock)
{
	char name[128];
	snprintf(name, sizeof(name), "%s/%s", b->service, b->node);
	natsStatus s = set_servers(o, b->url);
	if (s == NATS_OK && b->user)
		s = natsOptions_SetUserInfo(o, b->user, b->password ? b->password : "");
	if (s == NATS_OK)
		s = natsOptions_SetName(o, name);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(o, CONNECT_TIMEOUT_MS);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(o, false);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(o, 0); /* its timer thread would write; we have our own */
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(o, true); /* no flusher thread: ask for a write at once, which we collect */
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(o, on_nats_err, NULL);
	if (s == NATS_OK)
		s = natsOptions_SetEventLoop(o, sock, el_attach, el_read, el_write, el_detach);
	return s;
}

static void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	natsConnection_Destroy(a->nc);
	natsOptions_Destroy(a->opts);
	free(a->sock);
	free(a);
}

static struct attempt *attempt_new(struct bus *b)
{
	struct attempt *a = calloc(1, sizeof(*a));
	if (!a || !(a->sock = calloc(1, sizeof(*a->sock))) || natsOptions_Create(&a->opts) != NATS_OK ||
	    set_options(b, a->opts, a->sock) != NATS_OK) {
		attempt_free(a);
		return NULL;
	}
	a->b = b;
	a->sock->b = b;
	a->sock->fd = -1;
	return a;
}

static void attempt_run(void *arg)
{
	struct attempt *a = arg;
	a->status = natsConnection_Connect(&a->nc, a->opts);
	if (a->status != NATS_OK)
		pl_strlcpy(a->err, natsStatus_GetText(a->status), sizeof(a->err));
}

/* --- reading and writing --- */
void bus_drain_sub(struct bus_sub *s, uint64_t *left)
{
	int n = 0;
	if (!s->ns || natsSubscription_GetPending(s->ns, &n, NULL) != NATS_OK)
		return;
	for (natsMsg *m; n > 0 && s->ns && !s->dead; n--) {
		natsStatus st = natsSubscription_NextMsg(&m, s->ns, 0);
		*left -= *left > 0 && (st == NATS_OK || st == NATS_NO_RESPONDERS);
		if (st == NATS_OK) {
			bus_dispatch(s, m);
			natsMsg_Destroy(m);
		} else if (st != NATS_NO_RESPONDERS) {
			return;
		} else if (s->none && !s->b->closing) {
			s->none(s->arg);
		}
	}
}

/* nats.c has sorted what it read into the subscriptions. Its counter says how many messages there are, so the search
 * ends with the last one; who got messages last time is asked first. */
static void drain(struct bus *b)
{
	uint64_t in = 0, bytes, outm, outb, rec;
	natsConnection_GetStats(b->nc, b->stats);
	natsStatistics_GetCounts(b->stats, &in, &bytes, &outm, &outb, &rec);
	uint64_t left = in - b->in_seen;
	b->in_seen = in;
	if (left == 0)
		return;
	b->pings_out = 0;
	obs_add(b->m_in, (int64_t)left);
	b->draining = true;
	mux_drain(b, &left);
	PL_LIST_EACH_SAFE (n, &b->subs) {
		uint64_t before = left;
		if (left > 0)
			bus_drain_sub(PL_CONTAINER(n, struct bus_sub, node), &left);
		if (left != before && n != b->subs.next) { /* dead ones are still linked: n_next stays valid */
			pl_list_remove(n);
			pl_list_insert(b->subs.next, n);
		}
		if (left == 0)
			break;
	}
	b->draining = false;
	if (b->sweep)
		bus_subs_sweep(b);
}

/* Writes what nats.c has collected. Never loses the connection itself: it may run inside a handler's publish. */
static void conn_write(struct bus *b)
{
	struct bus_sock *s = b->sock;
	natsConnection_ProcessWriteEvent(b->nc);
	if (natsConnection_IsClosed(b->nc)) {
		b->broken = true;
		return;
	}
	if (!s->want_write)
		b->unsent_bytes = 0;
	if (s->want_write != s->blocked) {
		s->blocked = s->want_write;
		pl_fd_want(s->poll, PL_FD_READ | (s->blocked ? PL_FD_WRITE : 0));
	}
}

static void on_turn(void *arg)
{
	struct bus *b = arg;
	if (b->nc && !b->broken && b->sock->want_write && !b->sock->blocked)
		conn_write(b);
	if (b->nc && b->broken)
		conn_lost(b, "write failed");
}

static void conn_read(struct bus *b)
{
	natsConnection_ProcessReadEvent(b->nc);
	drain(b);
	if (b->nc && natsConnection_IsClosed(b->nc))
		conn_lost(b, natsStatus_GetText(natsConnection_GetLastError(b->nc, &(const char *){ NULL })));
}

static void on_sock(void *arg, int events)
{
	struct bus *b = arg;
	struct bus_sock *s = b->sock;
	if (events & PL_FD_WRITE)
		conn_write(b);
	/* nats.c reads 32 kB at a time; a burst is read on while there is more, so that one turn can answer it with one
	 * write, but other descriptors get their turn too. */
	for (int i = 0; (events & PL_FD_READ) && i < READS_PER_TURN && b->sock == s; i++) {
		uint64_t before = b->in_seen;
		conn_read(b);
		char peek;
		if (b->sock != s || b->in_seen - before < 64 || recv(s->fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
	}
}

/* --- up and down --- */
bool bus_up(const struct bus *b)
{
	return b->nc != NULL;
}

bool bus_connected(const struct bus *b)
{
	return b->nc != NULL;
}

enum pl_err bus_sub_attach(struct bus_sub *s)
{
	if (!s->b->nc || s->dead)
		return PL_OK; /* when the connection is up */
	natsStatus st = s->queue ? natsConnection_QueueSubscribeSync(&s->ns, s->b->nc, s->subject, s->queue)
				 : natsConnection_SubscribeSync(&s->ns, s->b->nc, s->subject);
	if (st == NATS_OK) /* each read is drained at once: the limit can only be met by a single read of 32 kB */
		st = natsSubscription_SetPendingLimits(s->ns, 1 << 20, 256 << 20);
	return st == NATS_OK ? PL_OK : st == NATS_NO_MEMORY ? PL_E_NOMEM : PL_E_UNAVAIL;
}

static void kept_free(struct bus *b, struct kept *k)
{
	b->queue_bytes -= k->bytes;
	pl_list_remove(&k->node);
	natsMsg_Destroy(k->m);
	free(k);
}

static void send_kept(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->queue) {
		struct kept *k = PL_CONTAINER(n, struct kept, node);
		if ((!k->req || mux_waits(b, k->req)) && bus_send_now(b, k->m, k->bytes) == PL_E_UNAVAIL)
			return; /* lost again: the rest waits for the next connection */
		kept_free(b, k);
	}
}

static enum pl_err adopt(struct bus *b, struct attempt *a)
{
	enum pl_err err = pl_fd_new(&a->sock->poll, b->loop, a->sock->fd, on_sock, b);
	if (err)
		return err;
	b->nc = PL_TAKE(a->nc);
	b->sock = PL_TAKE(a->sock);
	b->in_seen = 0;
	b->unsent_bytes = 0;
	b->pings_out = 0;
	b->broken = false;
	b->retry_us = 0;
	b->retries = 0;
	b->up_since_us = pl_mono_us();
	pl_fd_want(b->sock->poll, PL_FD_READ);
	PL_LIST_EACH (n, &b->subs)
		if (bus_sub_attach(PL_CONTAINER(n, struct bus_sub, node)) != PL_OK)
			b->broken = true; /* tried again with the next connection */
	if (mux_up(b) != PL_OK)
		b->broken = true;
	send_kept(b);
	obs_check_set(b->check, true, NULL);
	return PL_OK;
}

static void retry_later(struct bus *b)
{
	uint16_t r = 0;
	b->retry_us = PL_MAX(RETRY_MIN_US, PL_MIN(b->retry_us * 2, RETRY_MAX_US));
	if (pl_random(&r, sizeof(r)) != PL_OK) /* jitter: a fleet must not come back in step */
		r = 0;
	pl_timer_set(b->retry, b->retry_us / 2 + b->retry_us * r / 131072);
}

static void on_attempt_done(void *arg)
{
	struct attempt *a = arg;
	struct bus *b = a->b;
	if (b) {
		b->attempt = NULL;
		if (a->status == NATS_OK && adopt(b, a) == PL_OK) {
			obs_add(b->m_reconnects, 1);
			bus_tell_up(b);
		} else {
			if (b->retries++ % 30 == 0)
				log_warn("bus.retry", LOG_S("err", a->err), LOG_I("tries", b->retries));
			retry_later(b);
		}
	}
	attempt_free(a);
}

static void on_retry(void *arg)
{
	struct bus *b = arg;
	if (b->attempt || b->nc)
		return;
	b->attempt = attempt_new(b);
	if (b->attempt && pl_loop_work(b->loop, attempt_run, on_attempt_done, b->attempt) == PL_OK)
		return;
	attempt_free(b->attempt);
	b->attempt = NULL;
	retry_later(b);
}

static void conn_drop(struct bus *b)
{
	PL_LIST_EACH (n, &b->subs) {
		struct bus_sub *s = PL_CONTAINER(n, struct bus_sub, node);
		natsSubscription_Destroy(s->ns);
		s->ns = NULL;
	}
	mux_detach(b);
	pl_fd_free(b->sock->poll); /* before nats.c closes the descriptor */
	natsConnection_Destroy(b->nc);
	free(b->sock);
	b->sock = NULL;
	b->nc = NULL;
	b->broken = false;
}

static void conn_lost(struct bus *b, const char *why)
{
	log_warn("bus.down", LOG_S("why", why));
	conn_drop(b);
	obs_check_set(b->check, false, "no connection to NATS");
	mux_down(b);
	tail_down(b);
	consume_down(b);
	retry_later(b);
}

void conn_tick(struct bus *b, int64_t now_us)
{
	static const int64_t ticks = PING_EVERY_US / BUS_TICK_US;
	if (!b->nc || (now_us / BUS_TICK_US) % ticks != 0)
		return;
	char subject[BUS_REPLY_MAX];
	natsMsg *m = NULL;
	if (++b->pings_out > PINGS_OUT_MAX) {
		conn_lost(b, "silent");
		return;
	}
	if (natsMsg_Create(&m, mux_reply(b, 0, subject), NULL, NULL, 0) == NATS_OK)
		bus_send(b, m, 0, 0);
}

/* --- sending --- */
enum pl_err bus_send_now(struct bus *b, natsMsg *m, size_t bytes)
{
	if (!b->nc || b->broken)
		return PL_E_UNAVAIL;
	if (b->unsent_bytes + bytes > BUS_BUFFER_MAX_BYTES) {
		obs_add(b->m_refused, 1);
		return PL_E_FULL;
	}
	natsStatus st = natsConnection_PublishMsg(b->nc, m);
	if (st == NATS_CONNECTION_CLOSED) {
		b->broken = true;
		return PL_E_UNAVAIL;
	}
	if (st != NATS_OK)
		return st == NATS_NO_MEMORY ? PL_E_NOMEM : st == NATS_MAX_PAYLOAD ? PL_E_FULL : PL_E_FORMAT;
	obs_add(b->m_out, 1);
	b->unsent_bytes += bytes;
	if (b->unsent_bytes > FLUSH_AT_BYTES && !b->sock->blocked)
		conn_write(b);
	return PL_OK;
}

static enum pl_err keep(struct bus *b, natsMsg *m, size_t bytes, uint64_t req)
{
	if (b->queue_bytes + bytes > BUS_BUFFER_MAX_BYTES) {
		obs_add(b->m_refused, 1);
		return PL_E_FULL;
	}
	struct kept *k = malloc(sizeof(*k));
	if (!k)
		return PL_E_NOMEM;
	*k = (struct kept){ .m = m, .bytes = bytes, .req = req };
	b->queue_bytes += bytes;
	pl_list_push(&b->queue, &k->node);
	return PL_OK;
}

enum pl_err bus_send(struct bus *b, natsMsg *m, size_t bytes, uint64_t req)
{
	enum pl_err err = bus_send_now(b, m, bytes);
	if (err == PL_E_UNAVAIL && !b->closing && (err = keep(b, m, bytes, req)) == PL_OK)
		return PL_OK; /* kept: not ours to destroy */
	natsMsg_Destroy(m);
	return err;
}

/* --- first and last --- */
enum pl_err conn_first(struct bus *b, int64_t wait_ms, struct pl_why *why)
{
	int64_t from = pl_mono_us(), told = from;
	for (;;) {
		struct attempt *a = attempt_new(b);
		if (!a)
			return pl_why_field(why, PL_E_FORMAT, "nats-url", "\"%.100s\" must be nats://host:port[,...]",
					    b->url);
		attempt_run(a);
		enum pl_err err = a->status == NATS_OK ? adopt(b, a) : PL_E_UNAVAIL;
		if (err)
			pl_why_field(why, err, "nats-url", "%.100s: %.100s", b->url, a->err);
		bool refused = a->status == NATS_CONNECTION_AUTH_FAILED;
		attempt_free(a);
		int64_t now = pl_mono_us();
		if (!err || refused || now - from >= wait_ms * PL_US_PER_MS)
			return err && refused ? PL_E_AUTH : err;
		if (now - told > 2 * PL_US_PER_S) {
			told = now;
			log_info("bus.wait", LOG_S("url", b->url));
		}
		usleep(50 * 1000);
	}
}

/* Writes what is buffered and waits for the acknowledgements of stream publishes. Handlers are not called any more. */
static void flush_for_close(struct bus *b)
{
	int64_t end = pl_mono_us() + CLOSE_FLUSH_US;
	b->closing = true;
	node_goodbye(b);
	while (b->nc && !natsConnection_IsClosed(b->nc) && pl_mono_us() < end) {
		jspub_tick(b, pl_mono_us());
		if (b->sock->want_write)
			natsConnection_ProcessWriteEvent(b->nc);
		if (!b->sock->want_write && b->n_pubs == 0)
			break;
		struct pollfd p = { .fd = b->sock->fd,
				    .events = (short)(POLLIN | (b->sock->want_write ? POLLOUT : 0)) };
		if (poll(&p, 1, 50) > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR))) {
			natsConnection_ProcessReadEvent(b->nc);
			drain(b);
		}
	}
	if (!b->nc || natsConnection_IsClosed(b->nc))
		return;
	/* A close with unread bytes resets the connection and the server would lose what it has not read yet. */
	shutdown(b->sock->fd, SHUT_WR);
	char sink[4096];
	struct pollfd p = { .fd = b->sock->fd, .events = POLLIN };
	while (pl_mono_us() < end && poll(&p, 1, 200) > 0 && recv(b->sock->fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

void conn_done(struct bus *b)
{
	if (b->nc) {
		flush_for_close(b);
		conn_drop(b);
	}
	b->closing = true;
	if (b->attempt)
		b->attempt->b = NULL; /* its thread ends by itself */
	pl_loop_off_turn(b->loop, on_turn, b);
	pl_timer_free(b->retry);
	PL_LIST_EACH_SAFE (n, &b->queue)
		kept_free(b, PL_CONTAINER(n, struct kept, node));
	natsStatistics_Destroy(b->stats);
}

enum pl_err conn_init(struct bus *b)
{
	if (natsStatistics_Create(&b->stats) != NATS_OK)
		return PL_E_NOMEM;
	enum pl_err err = pl_timer_new(&b->retry, b->loop, on_retry, b);
	return err ? err : pl_loop_on_turn(b->loop, on_turn, b);
}
