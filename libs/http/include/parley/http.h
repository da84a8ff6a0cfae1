/** HTTP: a server on the loop (libmicrohttpd, external epoll) and a client (libcurl multi on the loop).
 *  Threads    the loop's. Bounds: stated per server; header block 32 KiB. */
#ifndef PARLEY_HTTP_H
#define PARLEY_HTTP_H
#include <parley/base.h>
#include <parley/loop.h>

struct http_server;
struct http_req; /* lives until it is answered, even when the client is gone; each must be answered once */
struct http_server_cfg {
	const char *host;
	int port;                         /* 0: any free */
	const char *cert_file, *key_file; /* NULL: plain */
	int64_t max_body_bytes;
	int max_conns;
	int max_conns_per_ip;
	int64_t idle_s;
	/** Called when the whole request is there. Answer now or later, once. */
	void (*fn)(void *arg, struct http_req *r);
	void *arg;
};
PL_MUST enum pl_err http_server_open(struct http_server **ret, struct pl_loop *l, const struct http_server_cfg *cfg,
				     struct pl_why *why);
int http_server_port(const struct http_server *s);
/** Requests without an answer get 503, streams end with gone(); pointers to either are invalid afterwards. */
void http_server_close(struct http_server *s);

const char *http_method(const struct http_req *r);
const char *http_path(const struct http_req *r);                     /* decoded, without query */
const char *http_query(const struct http_req *r, const char *name);  /* NULL: absent */
const char *http_header(const struct http_req *r, const char *name); /* NULL: absent */
const char *http_cookie(const struct http_req *r, const char *name);
const char *http_peer(const struct http_req *r); /* address without port */
const void *http_body(const struct http_req *r, size_t *ret_len);
struct pl_arena *http_arena(struct http_req *r);                               /* dies with the request */
void http_add_header(struct http_req *r, const char *name, const char *value); /* of the answer, before it */
void http_answer(struct http_req *r, int status, const char *content_type, const void *body, size_t len); /* copies */
/** Sends a file with ETag, Last-Modified, Range; 404 when it is not below root or no regular file. */
void http_answer_file(struct http_req *r, const char *root, const char *rel_path, const char *cache_control);

/** A Range header against a size (RFC 9110 14.1.2): 0: none or one we may ignore, send all; 1: *from and *to
 * (inclusive) are set; -1: 416. */
int http_range(const char *header, uint64_t size, uint64_t *from, uint64_t *to);

/* Streaming (SSE, recordings): begin, write as data comes, end. When more than max_queue bytes wait, write says
 * PL_E_FULL. */
/* gone(): the client has left, the stream may not be used again. drained(): all was sent; may write or end. Either may
 * be NULL; without gone() the writer must end the stream in bounded time. */
struct http_stream;
PL_MUST enum pl_err http_stream_begin(struct http_stream **ret, struct http_req *r, int status,
				      const char *content_type, int64_t length /* -1: unknown, chunked */,
				      size_t max_queue, void (*gone)(void *arg), void (*drained)(void *arg), void *arg);
PL_MUST enum pl_err http_stream_write(struct http_stream *s, const void *p, size_t n);
size_t http_stream_queued(const struct http_stream *s);
void http_stream_end(struct http_stream *s); /* gone() is not called after this */

/* --- client --- */
struct http_client;
struct http_ask {
	const char *method, *url;
	const char *const *headers;
	const void *body;
	size_t len;
	int64_t timeout_ms;
	size_t max_answer;
};
struct http_said {
	int status;
	const char *body;
	size_t len;
	const char *content_type;
};
typedef void (*http_said_fn)(void *arg, enum pl_err err, const struct http_said *s, const struct pl_why *why);
PL_MUST enum pl_err http_client_open(struct http_client **ret, struct pl_loop *l, struct pl_why *why);
void http_client_close(struct http_client *c);
PL_MUST enum pl_err http_ask(struct http_client *c, const struct http_ask *a, http_said_fn fn, void *arg);
#endif
