/* GET /api/events: one stream per browser. A client has a cursor: while it is behind, it is fed from the ring as fast
 * as it reads; once it has caught up, events are written to it as they come. One that does not read is cut off and
 * resumes by its last id. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUE_MAX ((size_t)1 << 20)
#define FEED_MAX ((size_t)256 << 10)
#define CLIENTS_PER_SESSION 12
#define CHECK_US (60 * PL_US_PER_S)

struct client {
	struct pl_list link;
	struct api *a;
	struct who who;
	char token[CRYPTO_TOKEN_LEN];
	struct http_stream *s;
	uint64_t cursor;  /* the last event it was given, seen or not */
	uint64_t told;    /* the last id it was told */
	int64_t check_us; /* when its session is looked at again */
	bool behind;
	bool checking, gone; /* gone: freed when the check has answered */
};

static void client_free(struct client *c)
{
	if (!c->checking)
		free(c);
}

static void leave(struct client *c)
{
	pl_list_remove(&c->link);
	c->a->n_clients--;
	obs_set(c->a->m_streams, (int64_t)c->a->n_clients);
	presence_leave(c->a, c->who.user_id);
	c->gone = true;
	client_free(c);
}

static void cut(struct client *c)
{
	http_stream_end(c->s);
	leave(c);
}

static void on_gone(void *arg)
{
	leave(arg);
}

/* --- what a client may see --- */

static bool may_see(const struct client *c, const struct event *e)
{
	return c->who.role >= PERM_SUPERVISOR || pl_streq(e->agent_id, c->who.user_id);
}

static bool may_see_rt(const struct client *c, const char *subject)
{
	const char *last = strrchr(subject, '.');

	return c->who.role >= PERM_SUPERVISOR || strncmp(subject, "rt.agent.", 9) == 0 ||
	       strncmp(subject, "rt.queue.", 9) == 0 || (last && pl_streq(last + 1, c->who.user_id));
}

/* --- writing; false: the client was cut --- */

static bool send_text(struct client *c, const char *p, size_t n)
{
	if (!http_stream_write(c->s, p, n))
		return true;
	obs_add(c->a->m_slow, 1);
	cut(c);
	return false;
}

static bool send_event(struct client *c, const struct event *e)
{
	c->cursor = e->seq;
	if (!e->frame || !may_see(c, e))
		return true;
	c->told = e->seq;
	return send_text(c, e->frame, e->frame_len);
}

static bool send_beat(struct client *c)
{
	char text[160], now[PL_TIME_LEN], id[40] = "";

	/* all up to the head was sent or is not for it: the next time it need not look at that again */
	if (!c->behind && c->cursor > c->told) {
		snprintf(id, sizeof(id), "id: %" PRIu64 "\n", c->cursor);
		c->told = c->cursor;
	}
	int n = snprintf(text, sizeof(text), ": beat\n\nevent: beat\n%sdata: {\"time\":\"%s\"}\n\n", id,
			 pl_time_format(pl_wall_us(), now));
	return send_text(c, text, (size_t)n);
}

static bool send_reload(struct client *c)
{
	char text[96];

	c->behind = false;
	c->cursor = c->told = ledger_head(c->a);
	int n = snprintf(text, sizeof(text), "event: reload\nid: %" PRIu64 "\ndata: {}\n\n", c->cursor);
	return send_text(c, text, (size_t)n);
}

static void feed(struct client *c)
{
	const struct event *e = NULL;

	if (!ledger_has_after(c->a, c->cursor)) { /* it read so slowly that the ring has moved on */
		send_reload(c);
		return;
	}
	while (http_stream_queued(c->s) < FEED_MAX && (e = ledger_next(c->a, c->cursor)))
		if (!send_event(c, e))
			return;
	c->behind = e != NULL;
}

static void on_drained(void *arg)
{
	struct client *c = arg;

	if (c->behind)
		feed(c);
}

/* --- events of the process --- */

void sse_on_event(struct api *a, const struct event *e)
{
	const struct event *written = NULL;

	PL_LIST_EACH_SAFE (it, &a->clients) {
		struct client *c = PL_CONTAINER(it, struct client, link);
		if (c->behind)
			continue;
		if (!written)
			written = ledger_next(a, e->seq - 1);
		if (written)
			send_event(c, written);
	}
}

void sse_on_rt(void *arg, const struct bus_msg *m)
{
	struct api *a = arg;
	ProtobufCMessage *msg;
	struct pl_why why;
	char *json, *text = NULL;
	size_t n;
	int len = 0;

	if (pl_list_empty(&a->clients) || strpbrk(m->subject, "\"\\\r\n"))
		return;
	struct pl_arena *tmp = pl_loop_tmp(a->app->loop);
	if (rpc_decode(m, tmp, &msg, &why) || rpc_to_json(msg, tmp, &json, &n, &why)) {
		log_debug("rt.undecodable", LOG_S("subject", m->subject), LOG_S("type", m->type));
		return;
	}
	len = asprintf(&text, "event: rt\ndata: {\"subject\":\"%s\",\"type\":\"%s\",\"event\":%s}\n\n", m->subject,
		       m->type, json);
	PL_LIST_EACH_SAFE (it, &a->clients) {
		struct client *c = PL_CONTAINER(it, struct client, link);
		if (len > 0 && !c->behind && may_see_rt(c, m->subject))
			send_text(c, text, (size_t)len);
	}
	if (len > 0)
		free(text);
}

void sse_reload(struct api *a)
{
	PL_LIST_EACH_SAFE (it, &a->clients)
		send_reload(PL_CONTAINER(it, struct client, link));
}

void sse_end_session(struct api *a, const char *session_id)
{
	PL_LIST_EACH_SAFE (it, &a->clients) {
		struct client *c = PL_CONTAINER(it, struct client, link);
		if (pl_streq(c->who.session_id, session_id))
			cut(c);
	}
}

static void on_check(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why)
{
	struct client *c = arg;

	c->checking = false;
	if (c->gone)
		client_free(c);
	else if (err == PL_E_AUTH)
		cut(c);
}

void sse_tick(struct api *a)
{
	int64_t now_us = pl_loop_now_us(a->app->loop);

	PL_LIST_EACH_SAFE (it, &a->clients) {
		struct client *c = PL_CONTAINER(it, struct client, link);
		if (!send_beat(c) || c->checking || now_us < c->check_us)
			continue;
		c->check_us = now_us + CHECK_US;
		c->checking = true;
		seat_check(a, c->token, on_check,
			   c); /* keeps the session alive while the desk is open; notices its end */
	}
}

/* A session is open in a dozen streams at most: a browser that forgot to close them must not fill the process. */
static void make_room(struct api *a, const char *session_id)
{
	struct client *oldest = NULL;
	int n = 0;

	PL_LIST_EACH (it, &a->clients) {
		struct client *c = PL_CONTAINER(it, struct client, link);
		if (!pl_streq(c->who.session_id, session_id))
			continue;
		oldest = oldest ? oldest : c;
		n++;
	}
	if (n >= CLIENTS_PER_SESSION)
		cut(oldest);
}

void sse_close_all(struct api *a)
{
	PL_LIST_EACH_SAFE (it, &a->clients)
		cut(PL_CONTAINER(it, struct client, link));
}

/* --- a new one --- */

struct opening {
	struct api *a;
	struct http_req *r;
};

static bool last_id(struct http_req *r, uint64_t *ret)
{
	const char *s = http_header(r, "Last-Event-ID");

	if (pl_empty(s))
		s = http_query(r, "lastEventId");
	if (pl_empty(s) || strlen(s) > 19 || strspn(s, "0123456789") != strlen(s))
		return false;
	*ret = strtoull(s, NULL, 10);
	return true;
}

static void start(struct client *c, bool resume, uint64_t from)
{
	if (resume && !ledger_has_after(c->a, from)) {
		send_reload(c);
		return;
	}
	c->cursor = c->told = resume ? from : ledger_head(c->a);
	if (!resume)
		c->told = 0; /* the first beat says where it is */
	if (send_beat(c) && resume)
		feed(c);
}

static void on_seat(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why)
{
	struct opening o = *(struct opening *)arg;
	struct pl_why here = { 0 };
	uint64_t from = 0;

	free(arg);
	if (!err && w->must_change) {
		err = pl_why_set(&here, PL_E_DENIED, "change your password first");
		why = &here;
	}
	struct client *c = err ? NULL : calloc(1, sizeof(*c));
	if (!err && !c)
		err = PL_E_NOMEM;
	if (err) {
		answer_error(o.r, err, why);
		return;
	}
	make_room(o.a, w->session_id);
	*c = (struct client){ .a = o.a, .who = *w, .check_us = pl_loop_now_us(o.a->app->loop) + CHECK_US };
	pl_strlcpy(c->token, seat_token(o.r), sizeof(c->token));
	bool resume = last_id(o.r, &from);
	http_add_header(o.r, "X-Accel-Buffering", "no"); /* proxies must not hold it back */
	if (http_stream_begin(&c->s, o.r, 200, "text/event-stream", -1, QUEUE_MAX, on_gone, on_drained, c)) {
		free(c);
		answer_error(o.r, PL_E_NOMEM, NULL);
		return;
	}
	pl_list_push(&o.a->clients, &c->link);
	obs_set(o.a->m_streams, (int64_t)++o.a->n_clients);
	presence_enter(o.a, c->who.user_id);
	start(c, resume, from);
}

void sse_open(struct api *a, struct http_req *r)
{
	struct opening *o = calloc(1, sizeof(*o));

	if (!o) {
		answer_error(r, PL_E_NOMEM, NULL);
		return;
	}
	*o = (struct opening){ a, r };
	seat_find(a, r, on_seat, o);
}
