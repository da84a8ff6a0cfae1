/* An answer that is written as it comes. The connection is suspended while there is nothing to send; then libmicrohttpd
 * does not notice a client that leaves, so the socket is watched here. */
#include "http_int.h"

#include <stdlib.h>
#include <sys/socket.h>

#define BLOCK ((size_t)32 << 10)

struct chunk {
	struct chunk *next;
	size_t n, at;
	char p[];
};

struct http_stream {
	struct http_req *req; /* NULL: the connection has ended */
	struct chunk *first, **last;
	size_t queued, max_queue;
	struct pl_fd *watch;
	void (*gone)(void *arg);
	void (*drained)(void *arg);
	void *arg;
	bool ended;    /* by the writer, who may not touch it any more */
	bool fixed;    /* the length was promised */
	bool released; /* by libmicrohttpd */
};

static void drop_queue(struct http_stream *s)
{
	for (struct chunk *c = s->first, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	s->first = NULL;
	s->last = &s->first;
	s->queued = 0;
}

/* Three hold it: the writer until end or gone, the request until it completes, libmicrohttpd until it frees the
 * response. */
static void maybe_free(struct http_stream *s)
{
	if (!s->ended || s->req || !s->released)
		return;
	drop_queue(s);
	free(s);
}

static size_t take(struct http_stream *s, char *out, size_t max)
{
	size_t n = 0;

	while (s->first && n < max) {
		struct chunk *c = s->first;
		size_t part = PL_MIN(c->n - c->at, max - n);
		memcpy(out + n, c->p + c->at, part);
		c->at += part;
		n += part;
		if (c->at < c->n)
			break;
		s->first = c->next;
		if (!s->first)
			s->last = &s->first;
		free(c);
	}
	s->queued -= n;
	return n;
}

static ssize_t on_read(void *arg, uint64_t pos, char *out, size_t max)
{
	struct http_stream *s = arg;

	if (!s->first && !s->ended && s->drained)
		s->drained(s->arg); /* may write or end */
	size_t n = take(s, out, max);
	if (n)
		return (ssize_t)n;
	if (s->ended || !s->req || s->req->server->closing)
		return s->fixed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	s->req->suspended = true;
	MHD_suspend_connection(s->req->conn);
	return 0;
}

static void on_release(void *arg)
{
	struct http_stream *s = arg;

	s->released = true;
	maybe_free(s);
}

void http_stream_gone(struct http_stream *s)
{
	bool tell = !s->ended;

	pl_fd_free(s->watch);
	s->watch = NULL;
	s->req->stream = NULL;
	s->req = NULL;
	s->ended = true;
	if (tell && s->gone)
		s->gone(s->arg);
	maybe_free(s);
}

/* Readable while we send: either the end of the connection or the client's next request, which may wait. */
static void on_watch(void *arg, int events)
{
	struct http_stream *s = arg;
	struct http_req *r = s->req;
	char c;

	ssize_t n = recv(MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, &c, 1,
			 MSG_PEEK | MSG_DONTWAIT);
	pl_fd_want(s->watch, 0);
	if (n > 0)
		return;
	http_stream_gone(s);
	http_req_resume(r); /* libmicrohttpd finds out and frees the rest */
}

enum pl_err http_stream_begin(struct http_stream **ret, struct http_req *r, int status, const char *content_type,
			      int64_t length, size_t max_queue, void (*gone)(void *arg), void (*drained)(void *arg),
			      void *arg)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return PL_E_NOMEM;
	*s = (struct http_stream){
		.req = r, .max_queue = max_queue, .gone = gone, .drained = drained, .arg = arg, .fixed = length >= 0
	};
	s->last = &s->first;
	int fd = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	struct MHD_Response *resp = MHD_create_response_from_callback(length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length,
								      BLOCK, on_read, s, on_release);
	if (!resp || pl_fd_new(&s->watch, r->server->loop, fd, on_watch, s)) {
		if (resp) {
			s->ended = true;
			s->req = NULL;
			MHD_destroy_response(resp); /* frees s */
		} else {
			free(s);
		}
		return PL_E_NOMEM;
	}
	pl_fd_want(s->watch, PL_FD_READ);
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	r->stream = s;
	*ret = s;
	http_req_respond(r, status, resp);
	return PL_OK;
}

enum pl_err http_stream_write(struct http_stream *s, const void *p, size_t n)
{
	if (!n)
		return PL_OK;
	if (s->queued + n > s->max_queue)
		return PL_E_FULL;
	struct chunk *c = malloc(sizeof(*c) + n);
	if (!c)
		return PL_E_NOMEM;
	*c = (struct chunk){ .n = n };
	memcpy(c->p, p, n);
	*s->last = c;
	s->last = &c->next;
	s->queued += n;
	if (s->req)
		http_req_resume(s->req);
	return PL_OK;
}

size_t http_stream_queued(const struct http_stream *s)
{
	return s->queued;
}

void http_stream_end(struct http_stream *s)
{
	s->ended = true;
	if (s->req)
		http_req_resume(s->req);
	maybe_free(s);
}
