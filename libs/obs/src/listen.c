/* The HTTP door of health and metrics: libmicrohttpd without threads of its own, driven by our loop. */
#include "obs_int.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 32u
#define IDLE_S 30u

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, char *body, size_t n, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *data, size_t *n_data, void **state)
{
	(void)version, (void)data;
	struct obs *o = arg;
	static int headers_seen;
	if (!*state) { /* the first call is for the headers only: answering now would close the connection */
		*state = &headers_seen;
		return MHD_YES;
	}
	*n_data = 0; /* a body is read and ignored */
	char *body = NULL;
	size_t n = 0;
	unsigned status = MHD_HTTP_OK;
	const char *type = "text/plain; charset=utf-8";
	FILE *f = open_memstream(&body, &n);
	if (!f)
		return MHD_NO;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else if (strcmp(url, "/healthz") == 0) {
		fputs("ok\n", f); /* this runs on the loop: that it answers is the proof */
	} else if (strcmp(url, "/readyz") == 0) {
		status = obs_ready(o) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
		obs_write_ready(o, f);
	} else if (strcmp(url, "/metrics") == 0) {
		type = "text/plain; version=0.0.4; charset=utf-8";
		obs_write_metrics(o, f);
	} else {
		status = MHD_HTTP_NOT_FOUND;
	}
	fclose(f);
	return reply(c, status, body, n, type);
}

static void http_turn(struct obs *o)
{
	MHD_UNSIGNED_LONG_LONG ms;
	MHD_run(o->http);
	if (MHD_get_timeout(o->http, &ms) == MHD_YES)
		pl_timer_set(o->http_timer, (int64_t)PL_MIN(ms, 60000u) * PL_US_PER_MS);
	else
		pl_timer_stop(o->http_timer);
}

static void on_http_fd(void *arg, int events)
{
	(void)events;
	http_turn(arg);
}

static void on_http_timer(void *arg)
{
	http_turn(arg);
}

static struct MHD_Daemon *daemon_start(struct obs *o, const struct addrinfo *ai)
{
	unsigned flags = MHD_USE_EPOLL | (ai->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, o, MHD_OPTION_SOCK_ADDR, ai->ai_addr,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				MHD_OPTION_END);
}

enum pl_err obs_listen(struct obs *o, const char *host, int port, struct pl_why *why)
{
	char service[16];
	struct addrinfo hint = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *ai = NULL;
	snprintf(service, sizeof(service), "%d", port);
	int rc = getaddrinfo(host, service, &hint, &ai);
	if (rc != 0)
		return pl_why_field(why, PL_E_FORMAT, "health-host", "%s: %s", host, gai_strerror(rc));
	o->http = daemon_start(o, ai);
	freeaddrinfo(ai);
	if (!o->http)
		return pl_why_field(why, PL_E_IO, "health-port", "cannot listen on %s:%d", host, port);
	const union MHD_DaemonInfo *di = MHD_get_daemon_info(o->http, MHD_DAEMON_INFO_EPOLL_FD);
	enum pl_err err = di ? pl_fd_new(&o->http_fd, o->loop, di->epoll_fd, on_http_fd, o) : PL_E_INTERNAL;
	if (!err)
		err = pl_timer_new(&o->http_timer, o->loop, on_http_timer, o);
	if (err)
		return pl_why_set(why, err, "health port: %s", pl_err_name(err)); /* obs_free() takes down the rest */
	pl_fd_want(o->http_fd, PL_FD_READ);
	return PL_OK;
}

int obs_port(const struct obs *o)
{
	const union MHD_DaemonInfo *di = o->http ? MHD_get_daemon_info(o->http, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	return di ? di->port : 0;
}

void obs_free(struct obs *o)
{
	if (!o)
		return;
	pl_timer_free(o->http_timer);
	pl_fd_free(o->http_fd);
	if (o->http)
		MHD_stop_daemon(o->http);
	obs_metrics_free(o);
}
