/* Shared by the server's files. */
#ifndef PARLEY_HTTP_INT_H
#define PARLEY_HTTP_INT_H
#include <microhttpd.h>
#include <parley/http.h>

struct header {
	struct header *next;
	const char *name, *value;
};

enum req_state {
	REQ_READING,  /* headers are there, the body comes */
	REQ_ASKED,    /* the handler has it */
	REQ_ANSWERED, /* response is set */
	REQ_QUEUED,   /* libmicrohttpd sends it */
};

struct http_req {
	struct pl_list link; /* of the server */
	struct http_server *server;
	struct MHD_Connection *conn;
	struct pl_arena *arena;
	enum req_state state;
	bool suspended; /* libmicrohttpd does not look at the connection */
	bool too_big, in_handler;
	const char *method, *path;
	char peer[64];
	char *body; /* malloc: it grows */
	size_t body_len, body_cap, dropped;
	struct header *headers; /* of the answer */
	struct MHD_Response *response;
	int status;
	struct http_stream *stream;
};

struct http_server {
	struct pl_loop *loop;
	struct MHD_Daemon *daemon;
	struct pl_fd *fd;
	struct pl_timer *timer;
	struct http_server_cfg cfg;
	char *cert, *key;
	struct pl_list reqs;
	int port;
	bool running; /* inside MHD_run() */
	bool closing;
};

void http_server_soon(struct http_server *s); /* libmicrohttpd has something to do: this turn or the next */
void http_req_resume(struct http_req *r);
/** Takes resp, adds the collected headers, and sends it now or when the handler has returned. */
void http_req_respond(struct http_req *r, int status, struct MHD_Response *resp);
void http_stream_gone(struct http_stream *s); /* the connection has ended */
#endif
