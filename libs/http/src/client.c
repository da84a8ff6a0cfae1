/* libcurl's multi interface on the loop: curl says which sockets to watch and when to wake it. */
#include <curl/curl.h>
#include <parley/http.h>
#include <stdlib.h>

#define TRANSFERS_MAX 1000
#define CONNECT_MS 5000L

struct http_client {
	struct pl_loop *loop;
	CURLM *multi;
	struct pl_timer *timer;
	struct pl_list transfers;
	int n;
};

struct transfer {
	struct pl_list link;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	char *body, *answer;
	size_t n, cap, max;
	bool too_big;
	char error[CURL_ERROR_SIZE];
	http_said_fn fn;
	void *arg;
};

struct sock {
	struct http_client *client;
	curl_socket_t fd;
	struct pl_fd *watch;
};

static void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	pl_list_remove(&t->link);
	t->client->n--;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t->body);
	free(t->answer);
	free(t);
}

static enum pl_err err_of(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return PL_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return PL_E_TIMEOUT;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return PL_E_FORMAT;
	case CURLE_OUT_OF_MEMORY:
		return PL_E_NOMEM;
	case CURLE_WRITE_ERROR:
		return t->too_big ? PL_E_FULL : PL_E_NOMEM;
	default:
		return PL_E_UNAVAIL;
	}
}

static void finish(struct transfer *t, CURLcode code)
{
	struct http_said said = { .body = t->answer ? t->answer : "", .len = t->n };
	struct pl_why why = { 0 };
	char *type = NULL;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	said.status = (int)status;
	said.content_type = type ? type : "";
	enum pl_err err = err_of(t, code);
	if (err)
		pl_why_set(&why, err, "%s",
			   t->too_big  ? "the answer is too large"
			   : *t->error ? t->error
				       : curl_easy_strerror(code));
	t->fn(t->arg, err, err ? NULL : &said, err ? &why : NULL);
	transfer_free(t);
}

static void collect(struct http_client *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		struct transfer *t;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		curl_multi_remove_handle(c->multi, t->easy);
		finish(t, code);
	}
}

static void act(struct http_client *c, curl_socket_t fd, int mask)
{
	int running;

	curl_multi_socket_action(c->multi, fd, mask, &running);
	collect(c);
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_fd(void *arg, int events)
{
	struct sock *k = arg;

	act(k->client, k->fd,
	    (events & PL_FD_READ ? CURL_CSELECT_IN : 0) | (events & PL_FD_WRITE ? CURL_CSELECT_OUT : 0));
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *cls, void *sock)
{
	struct http_client *c = cls;
	struct sock *k = sock;

	if (what == CURL_POLL_REMOVE) {
		if (k)
			pl_fd_free(k->watch);
		free(k);
		return 0;
	}
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -1;
		*k = (struct sock){ .client = c, .fd = fd };
		if (pl_fd_new(&k->watch, c->loop, fd, on_fd, k)) {
			free(k);
			return -1;
		}
		curl_multi_assign(c->multi, fd, k);
	}
	pl_fd_want(k->watch, (what & CURL_POLL_IN ? PL_FD_READ : 0) | (what & CURL_POLL_OUT ? PL_FD_WRITE : 0));
	return 0;
}

static int want_timer(CURLM *multi, long ms, void *cls)
{
	struct http_client *c = cls;

	if (ms < 0)
		pl_timer_stop(c->timer);
	else
		pl_timer_set(c->timer, ms * PL_US_PER_MS);
	return 0;
}

enum pl_err http_client_open(struct http_client **ret, struct pl_loop *l, struct pl_why *why)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	c->loop = l;
	pl_list_init(&c->transfers);
	c->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
	if (!c->multi || pl_timer_new(&c->timer, l, on_timer, c)) {
		curl_multi_cleanup(c->multi);
		free(c);
		return pl_why_set(why, PL_E_NOMEM, "libcurl does not start");
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 16L);
	*ret = c;
	return PL_OK;
}

void http_client_close(struct http_client *c)
{
	struct pl_why why = { 0 };

	if (!c)
		return;
	pl_why_set(&why, PL_E_CANCELLED, "the service stops");
	while (!pl_list_empty(&c->transfers)) {
		struct transfer *t = PL_CONTAINER(c->transfers.next, struct transfer, link);
		curl_multi_remove_handle(c->multi, t->easy);
		t->fn(t->arg, PL_E_CANCELLED, NULL, &why);
		transfer_free(t);
	}
	curl_multi_cleanup(c->multi);
	pl_timer_free(c->timer);
	free(c);
}

static size_t on_data(char *p, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (t->n + n > t->max) {
		t->too_big = true;
		return 0;
	}
	if (t->n + n > t->cap) {
		size_t cap = PL_MAX(t->n + n, PL_MIN(2 * t->cap, t->max));
		char *bigger = realloc(t->answer, cap);
		if (!bigger)
			return 0;
		t->answer = bigger;
		t->cap = cap;
	}
	memcpy(t->answer + t->n, p, n);
	t->n += n;
	return n;
}

static void set_options(struct transfer *t, const struct http_ask *a)
{
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_URL, a->url);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, a->method);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(a->timeout_ms ? a->timeout_ms : 30000));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	if (pl_streq(a->method, "HEAD"))
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	if (a->len) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body);
	}
}

enum pl_err http_ask(struct http_client *c, const struct http_ask *a, http_said_fn fn, void *arg)
{
	if (c->n >= TRANSFERS_MAX)
		return PL_E_FULL;
	struct transfer *t = calloc(1, sizeof(*t));
	if (!t)
		return PL_E_NOMEM;
	*t = (struct transfer){ .client = c,
				.easy = curl_easy_init(),
				.fn = fn,
				.arg = arg,
				.max = a->max_answer ? a->max_answer : (size_t)1 << 20 };
	pl_list_push(&c->transfers, &t->link);
	c->n++;
	for (const char *const *h = a->headers; h && *h; h++) {
		struct curl_slist *more = curl_slist_append(t->headers, *h);
		if (more)
			t->headers = more;
	}
	t->body = a->len ? malloc(a->len) : NULL;
	if (t->body)
		memcpy(t->body, a->body, a->len);
	if (t->easy && (t->body || !a->len)) {
		set_options(t, a);
		if (curl_multi_add_handle(c->multi, t->easy) == CURLM_OK)
			return PL_OK;
	}
	transfer_free(t);
	return PL_E_NOMEM;
}
