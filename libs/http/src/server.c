#include "http_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONN_MEMORY ((size_t)64 << 10) /* of which headers may take half */
#define BACKLOG 512

/* --- a request's life --- */

static void peer_name(struct MHD_Connection *conn, char *out, socklen_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info ? info->client_addr : NULL;

	out[0] = 0;
	if (!sa)
		return;
	getnameinfo(sa, sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), out, size,
		    NULL, 0, NI_NUMERICHOST);
	if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.')) /* IPv4 on a socket for both */
		memmove(out, out + 7, strlen(out + 7) + 1);
}

static struct http_req *req_new(struct http_server *s, struct MHD_Connection *conn, const char *url, const char *method)
{
	struct http_req *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct http_req){ .server = s, .conn = conn, .arena = pl_arena_new(0) };
	pl_list_push(&s->reqs, &r->link);
	r->method = r->arena ? pl_arena_strdup(r->arena, method) : NULL;
	r->path = r->arena ? pl_arena_strdup(r->arena, url) : NULL;
	peer_name(conn, r->peer, sizeof(r->peer));
	return r;
}

static void req_free(struct http_req *r)
{
	pl_list_remove(&r->link);
	if (r->stream)
		http_stream_gone(r->stream);
	if (r->response)
		MHD_destroy_response(r->response);
	free(r->body);
	pl_arena_free(r->arena);
	free(r);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
	if (*con_cls)
		req_free(*con_cls);
	*con_cls = NULL;
}

/* What is too big is read and dropped, so that the client gets to read its 413; but not for ever. */
static bool body_add(struct http_req *r, const char *p, size_t n)
{
	size_t max = (size_t)r->server->cfg.max_body_bytes;

	if (r->too_big || r->body_len + n > max) {
		r->too_big = true;
		r->dropped += n;
		return r->dropped <= 4 * max;
	}
	if (r->body_len + n > r->body_cap) {
		size_t cap = PL_MAX(r->body_len + n, PL_MIN(2 * r->body_cap, max));
		char *body = realloc(r->body, cap);
		if (!body)
			return false;
		r->body = body;
		r->body_cap = cap;
	}
	memcpy(r->body + r->body_len, p, n);
	r->body_len += n;
	return true;
}

static bool length_too_big(struct http_req *r)
{
	const char *s = http_header(r, "Content-Length");

	return s && strtoll(s, NULL, 10) > r->server->cfg.max_body_bytes;
}

static enum MHD_Result queue(struct http_req *r)
{
	r->state = REQ_QUEUED;
	return MHD_queue_response(r->conn, (unsigned)r->status, r->response);
}

static enum MHD_Result ask_handler(struct http_req *r)
{
	r->state = REQ_ASKED;
	r->in_handler = true;
	if (r->server->closing)
		http_answer(r, 503, "text/plain", "the service stops\n", 18);
	else if (r->too_big)
		http_answer(r, 413, "text/plain", "the request is too large\n", 25);
	else
		r->server->cfg.fn(r->server->cfg.arg, r);
	r->in_handler = false;
	if (r->state == REQ_ANSWERED)
		return queue(r);
	r->suspended = true;
	MHD_suspend_connection(r->conn);
	return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
				 const char *version, const char *data, size_t *data_len, void **con_cls)
{
	struct http_req *r = *con_cls;

	if (!r) { /* the headers have come */
		r = *con_cls = req_new(cls, conn, url, method);
		if (!r || !r->path)
			return MHD_NO;
		if (!length_too_big(r))
			return MHD_YES;
		r->too_big = true;
		http_add_header(r, "Connection", "close");
		return ask_handler(r); /* answered before the body: the client need not send it */
	}
	if (r->state == REQ_ANSWERED) /* resumed */
		return queue(r);
	if (*data_len) {
		bool ok = r->state != REQ_READING || body_add(r, data, *data_len);
		*data_len = 0;
		return ok ? MHD_YES : MHD_NO;
	}
	return r->state == REQ_READING ? ask_handler(r) : MHD_YES;
}

void http_req_resume(struct http_req *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->conn);
	http_server_soon(r->server);
}

void http_req_respond(struct http_req *r, int status, struct MHD_Response *resp)
{
	for (const struct header *h = r->headers; h; h = h->next)
		MHD_add_response_header(resp, h->name, h->value);
	r->status = status;
	r->response = resp;
	r->state = REQ_ANSWERED;
	http_req_resume(r);
}

/* --- the loop --- */

static void plan(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		pl_timer_set(s->timer, (int64_t)PL_MIN(ms, 60000) * PL_US_PER_MS);
	else
		pl_timer_stop(s->timer);
}

static void run(struct http_server *s)
{
	s->running = true;
	MHD_run(s->daemon);
	s->running = false;
	plan(s);
}

static void on_fd(void *arg, int events)
{
	run(arg);
}
static void on_timer(void *arg)
{
	run(arg);
}

void http_server_soon(struct http_server *s)
{
	if (!s->running) /* else plan() will see it */
		pl_timer_set(s->timer, 0);
}

/* --- open and close --- */

static int listen_on(const char *host, int port, int *ret_port, struct pl_why *why)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
			*ai;
	struct sockaddr_storage at;
	socklen_t at_len = sizeof(at);
	char service[12], bound[12] = "";

	snprintf(service, sizeof(service), "%d", port);
	int err = getaddrinfo(pl_empty(host) ? NULL : host, service, &hints, &ai);
	if (err) {
		pl_why_set(why, PL_E_FORMAT, "%s: %s", host, gai_strerror(err));
		return -1;
	}
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&at, &at_len)) {
		pl_why_set(why, PL_E_IO, "%s:%d: %s", host ? host : "*", port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	} else {
		getnameinfo((struct sockaddr *)&at, at_len, NULL, 0, bound, sizeof(bound), NI_NUMERICSERV);
		*ret_port = atoi(bound);
	}
	freeaddrinfo(ai);
	return fd;
}

static char *slurp(const char *path, struct pl_why *why)
{
	FILE *f = fopen(path, "re");
	char *text = f ? calloc(1, 65537) : NULL;

	size_t n = text ? fread(text, 1, 65536, f) : 0;
	if (f)
		fclose(f);
	if (n)
		return text;
	free(text);
	pl_why_set(why, PL_E_IO, "%s cannot be read", path);
	return NULL;
}

static void log_nothing(void *arg, const char *fmt, va_list ap)
{
	(void)arg, (void)fmt, (void)ap;
} /* what clients do wrong is no news */

static struct MHD_Daemon *start(struct http_server *s, int fd)
{
	const struct http_server_cfg *c = &s->cfg;
	struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, s->cert },
					{ MHD_OPTION_HTTPS_MEM_KEY, 0, s->key },
					{ MHD_OPTION_END, 0, NULL } };
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (s->cert ? MHD_USE_TLS : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL,
				MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)c->idle_s, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)(c->max_conns ? c->max_conns : 1000), MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				(unsigned)c->max_conns_per_ip, MHD_OPTION_ARRAY, s->cert ? tls : none, MHD_OPTION_END);
}

enum pl_err http_server_open(struct http_server **ret, struct pl_loop *l, const struct http_server_cfg *cfg,
			     struct pl_why *why)
{
	struct http_server *s = calloc(1, sizeof(*s));
	enum pl_err err = PL_OK;
	int fd = -1;

	if (!s)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*s = (struct http_server){ .loop = l, .cfg = *cfg };
	pl_list_init(&s->reqs);
	if (cfg->cert_file && (!(s->cert = slurp(cfg->cert_file, why)) || !(s->key = slurp(cfg->key_file, why))))
		err = PL_E_IO;
	if (!err && (fd = listen_on(cfg->host, cfg->port, &s->port, why)) < 0)
		err = PL_E_IO;
	if (!err && !(s->daemon = start(s, fd))) {
		close(fd);
		err = pl_why_set(why, PL_E_IO, "the HTTP server does not start%s",
				 s->cert ? ": are certificate and key a pair?" : "");
	}
	if (!err)
		err = pl_fd_new(&s->fd, l, MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, on_fd,
				s);
	if (!err)
		err = pl_timer_new(&s->timer, l, on_timer, s);
	if (err) {
		http_server_close(s);
		return err;
	}
	pl_fd_want(s->fd, PL_FD_READ);
	plan(s);
	*ret = s;
	return PL_OK;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

void http_server_close(struct http_server *s)
{
	if (!s)
		return;
	pl_fd_free(s->fd);
	s->fd = NULL;
	s->running = s->closing = true; /* no more timers, no more handlers */
	PL_LIST_EACH_SAFE (it, &s->reqs) {
		struct http_req *r = PL_CONTAINER(it, struct http_req, link);
		if (r->stream)
			http_stream_gone(r->stream);
		else if (r->state == REQ_ASKED)
			http_answer(r, 503, "text/plain", "the service stops\n", 18);
		http_req_resume(r);
	}
	if (s->daemon) {
		MHD_run(s->daemon); /* libmicrohttpd insists that nothing is suspended when it stops */
		MHD_stop_daemon(s->daemon);
	}
	pl_timer_free(s->timer);
	free(s->cert);
	free(s->key);
	free(s);
}
