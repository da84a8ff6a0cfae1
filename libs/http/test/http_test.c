#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <parley/http.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pl_loop *loop;
static struct http_server *server;
static struct http_client *client;
static struct pl_why why;
static char root[] = "/tmp/parley-http-XXXXXX";

/* What the handler under test does and has seen. */
static struct http_req *later[8];
static int n_later;
static struct http_stream *stream;
static bool gone;
static int drains;

static void turn(void *l)
{
	pl_loop_turn(l);
}

static void on_gone(void *arg)
{
	gone = true;
	stream = NULL;
}

static void on_drained(void *arg)
{
	char block[1000];

	if (drains++ >= 10)
		return;
	memset(block, 'a' + drains - 1, sizeof(block));
	ck_assert_int_eq(http_stream_write(stream, block, sizeof(block)), PL_OK);
	if (drains == 10) {
		http_stream_end(stream);
		stream = NULL;
	}
}

static void echo(struct http_req *r)
{
	size_t n;
	const char *body = http_body(r, &n), *q = http_query(r, "q"), *h = http_header(r, "x-test"),
		   *c = http_cookie(r, "sid");
	char *text = pl_arena_printf(http_arena(r), "%s %s q=%s h=%s c=%s peer=%s %.*s", http_method(r), http_path(r),
				     q ? q : "-", h ? h : "-", c ? c : "-", http_peer(r), (int)n, body);
	http_add_header(r, "X-Answer", "yes");
	http_answer(r, 200, "text/plain", text, strlen(text));
}

static void on_request(void *arg, struct http_req *r)
{
	const char *p = http_path(r);

	if (strncmp(p, "/echo", 5) == 0)
		echo(r);
	else if (pl_streq(p, "/later"))
		later[n_later++] = r;
	else if (strncmp(p, "/files/", 7) == 0)
		http_answer_file(r, root, p + 7, "no-cache");
	else if (pl_streq(p, "/sse"))
		ck_assert_int_eq(
			http_stream_begin(&stream, r, 200, "text/event-stream", -1, 65536, on_gone, NULL, NULL), PL_OK);
	else if (pl_streq(p, "/fixed"))
		ck_assert_int_eq(
			http_stream_begin(&stream, r, 200, "audio/wav", 10000, 65536, on_gone, on_drained, NULL),
			PL_OK);
	else
		http_answer(r, 404, "text/plain", "?", 1);
}

static void setup(void)
{
	struct http_server_cfg c = { .host = "127.0.0.1",
				     .max_body_bytes = 1000,
				     .max_conns = 50,
				     .max_conns_per_ip = 20,
				     .idle_s = 30,
				     .fn = on_request };

	n_later = drains = 0;
	gone = false;
	stream = NULL;
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_msg(http_server_open(&server, loop, &c, &why) == PL_OK, "%s", why.text);
	ck_assert_int_eq(http_client_open(&client, loop, &why), PL_OK);
}

static void teardown(void)
{
	http_client_close(client);
	http_server_close(server);
	pl_loop_free(loop);
}

/* --- by our own client --- */

struct said {
	bool done;
	enum pl_err err;
	int status;
	char text[4096];
};
static bool is_done(void *arg)
{
	return ((struct said *)arg)->done;
}

static void on_said(void *arg, enum pl_err err, const struct http_said *s, const struct pl_why *w)
{
	struct said *k = arg;

	k->done = true;
	k->err = err;
	if (s) {
		k->status = s->status;
		snprintf(k->text, sizeof(k->text), "%.*s", (int)s->len, s->body);
	}
}

static void ask(struct said *s, const char *method, const char *path, const char *body, size_t max)
{
	char url[256];
	const char *const headers[] = { "X-Test: t", "Cookie: a=b; sid=s1", NULL };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_server_port(server), path);
	*s = (struct said){ 0 };
	struct http_ask a = { .method = method,
			      .url = url,
			      .headers = headers,
			      .body = body,
			      .len = body ? strlen(body) : 0,
			      .timeout_ms = 20000,
			      .max_answer = max };
	ck_assert_int_eq(http_ask(client, &a, on_said, s), PL_OK);
}

static void finish(struct said *s)
{
	ck_assert(tk_until(is_done, s, turn, loop, 30));
}

START_TEST(a_request_is_seen_whole_and_answered_at_once)
{
	struct said s;

	ask(&s, "POST", "/echo/a%20b?q=x%26y", "hello", 0);
	finish(&s);
	ck_assert_int_eq(s.status, 200);
	ck_assert_str_eq(s.text, "POST /echo/a b q=x&y h=t c=s1 peer=127.0.0.1 hello");
}
END_TEST

static bool three_later(void *arg)
{
	return n_later == 3;
}

START_TEST(answers_may_come_later_and_in_any_order)
{
	struct said s[3];

	for (int i = 0; i < 3; i++)
		ask(&s[i], "GET", "/later", NULL, 0);
	ck_assert(tk_until(three_later, NULL, turn, loop, 30));
	for (int i = 2; i >= 0; i--)
		http_answer(later[i], 200, "text/plain", "late", 4);
	for (int i = 0; i < 3; i++) {
		finish(&s[i]);
		ck_assert_str_eq(s[i].text, "late");
	}
}
END_TEST

START_TEST(a_server_that_closes_answers_what_waits)
{
	struct said s;
	struct http_server_cfg c = { .host = "127.0.0.1", .max_body_bytes = 1000, .idle_s = 30, .fn = on_request };

	ask(&s, "GET", "/later", NULL, 0);
	while (!n_later)
		pl_loop_turn(loop);
	http_server_close(server);
	finish(&s);
	ck_assert(s.err == PL_E_UNAVAIL || s.status == 503);
	ck_assert_int_eq(http_server_open(&server, loop, &c, &why), PL_OK);
}
END_TEST

START_TEST(a_body_over_the_limit_gets_413)
{
	char big[2000];
	struct said s;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	ask(&s, "POST", "/echo", big, 0);
	finish(&s);
	ck_assert_int_eq(s.status, 413);
	big[1000] = 0;
	ask(&s, "POST", "/echo", big, 0);
	finish(&s);
	ck_assert_int_eq(s.status, 200);
}
END_TEST

START_TEST(the_client_bounds_answers_and_reports_the_unreachable)
{
	struct said s = { 0 };

	ask(&s, "GET", "/echo", NULL, 10);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_FULL);
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", tk_free_port());
	s = (struct said){ 0 };
	ck_assert_int_eq(http_ask(client, &(struct http_ask){ .method = "GET", .url = url }, on_said, &s), PL_OK);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_UNAVAIL);
	s = (struct said){ 0 };
	ck_assert_int_eq(
		http_ask(client, &(struct http_ask){ .method = "GET", .url = "file:///etc/passwd" }, on_said, &s),
		PL_OK);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_FORMAT);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/later", http_server_port(server));
	s = (struct said){ 0 };
	ck_assert_int_eq(
		http_ask(client, &(struct http_ask){ .method = "GET", .url = url, .timeout_ms = 50 }, on_said, &s),
		PL_OK);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_TIMEOUT);
	while (!n_later)
		pl_loop_turn(loop);
	http_answer(later[0], 200, NULL, "", 0); /* the client has left; that harms nobody */
}
END_TEST

/* --- by a raw socket --- */

struct raw {
	int fd;
	char got[65536];
	size_t n;
	const char *want; /* text that ends the wait; NULL: the end of the connection */
	bool eof;
};

static void raw_open(struct raw *k, const char *request)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)http_server_port(server)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(k, 0, sizeof(*k));
	k->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(k->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(write(k->fd, request, strlen(request)), (ssize_t)strlen(request));
}

static bool raw_ready(void *arg)
{
	struct raw *k = arg;

	for (ssize_t n;
	     (n = recv(k->fd, k->got + k->n, sizeof(k->got) - 1 - k->n, MSG_DONTWAIT)) >= 0 || errno != EAGAIN;) {
		if (n <= 0) {
			k->eof = true;
			break;
		}
		k->n += (size_t)n;
		k->got[k->n] = 0;
	}
	return k->want ? strstr(k->got, k->want) != NULL : k->eof;
}

static void raw_wait(struct raw *k, const char *want)
{
	k->want = want;
	ck_assert_msg(tk_until(raw_ready, k, turn, loop, 30), "waited for %s, got %s", want ? want : "the end", k->got);
}

static char *raw_all(const char *request)
{
	static struct raw k;

	raw_open(&k, request);
	raw_wait(&k, NULL);
	close(k.fd);
	return k.got;
}

#define GET(path, headers) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" headers "\r\n"

static void put_file(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	FILE *f = fopen(path, "w");
	ck_assert(f != NULL);
	fputs(text, f);
	fclose(f);
}

START_TEST(files_come_with_type_etag_and_ranges)
{
	char request[512], *got, etag[64];

	put_file("a.html", "<p>0123456789");
	got = raw_all(GET("/files/a.html", ""));
	ck_assert(strstr(got, "200 OK") && strstr(got, "Content-Type: text/html; charset=utf-8") &&
		  strstr(got, "Cache-Control: no-cache"));
	ck_assert(strstr(got, "\r\n\r\n<p>0123456789"));
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(strstr(got, "ETag: ") + 6, "\r"), strstr(got, "ETag: ") + 6);
	snprintf(request, sizeof(request),
		 "GET /files/a.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: %s\r\n\r\n", etag);
	ck_assert(strstr(raw_all(request), " 304 "));
	got = raw_all(GET("/files/a.html", "Range: bytes=3-5\r\n"));
	ck_assert(strstr(got, " 206 ") && strstr(got, "Content-Range: bytes 3-5/13") && strstr(got, "\r\n\r\n012"));
	ck_assert(strstr(raw_all(GET("/files/a.html", "Range: bytes=-2\r\n")), "\r\n\r\n89"));
	got = raw_all(GET("/files/a.html", "Range: bytes=13-\r\n"));
	ck_assert(strstr(got, " 416 ") && strstr(got, "Content-Range: bytes */13"));
	ck_assert(strstr(raw_all(GET("/files/a.html", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n")), " 200 "));
	ck_assert(strstr(
		raw_all("POST /files/a.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		" 405 "));
}
END_TEST

START_TEST(nothing_outside_the_folder_is_served)
{
	char link[256];

	put_file(".hidden", "secret");
	snprintf(link, sizeof(link), "%s/link", root);
	ck_assert(symlink("/etc/hostname", link) == 0 || errno == EEXIST);
	ck_assert(strstr(raw_all(GET("/files/../../etc/hostname", "")), " 404 "));
	ck_assert(strstr(raw_all(GET("/files/%2e%2e/%2e%2e/etc/hostname", "")), " 404 "));
	ck_assert(strstr(raw_all(GET("/files//etc/hostname", "")), " 404 "));
	ck_assert(strstr(raw_all(GET("/files/link", "")), " 404 "));
	ck_assert(strstr(raw_all(GET("/files/.hidden", "")), " 404 "));
	ck_assert(strstr(raw_all(GET("/files/", "")), " 404 "));
}
END_TEST

START_TEST(a_chunked_body_over_the_limit_gets_413)
{
	char request[4096];
	int n = snprintf(request, sizeof(request),
			 "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");

	for (int i = 0; i < 4; i++)
		n += snprintf(request + n, sizeof(request) - (size_t)n, "190\r\n%0400d\r\n", 0);
	snprintf(request + n, sizeof(request) - (size_t)n, "0\r\n\r\n");
	ck_assert(strstr(raw_all(request), " 413 "));
}
END_TEST

static bool has_stream(void *arg)
{
	return stream != NULL;
}
static bool is_gone(void *arg)
{
	return gone;
}

START_TEST(a_stream_is_sent_as_it_is_written)
{
	static struct raw k;

	raw_open(&k, GET("/sse", ""));
	ck_assert(tk_until(has_stream, NULL, turn, loop, 30));
	raw_wait(&k, "\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		char text[16];
		snprintf(text, sizeof(text), "data: %d\n\n", i);
		ck_assert_int_eq(http_stream_write(stream, text, strlen(text)), PL_OK);
		raw_wait(&k, text);
	}
	http_stream_end(stream);
	raw_wait(&k, NULL);
	ck_assert(!gone);
	close(k.fd);
}
END_TEST

START_TEST(a_client_that_leaves_is_noticed_though_nothing_is_written)
{
	static struct raw k;

	raw_open(&k, GET("/sse", ""));
	ck_assert(tk_until(has_stream, NULL, turn, loop, 30));
	raw_wait(&k, "\r\n\r\n");
	close(k.fd);
	ck_assert(tk_until(is_gone, NULL, turn, loop, 4)); /* at once; no time-out of ours is that short */
}
END_TEST

START_TEST(a_client_that_does_not_read_fills_the_queue_and_no_more)
{
	static struct raw k;
	char block[4096];
	size_t total = 0;
	enum pl_err err = PL_OK;

	memset(block, 'x', sizeof(block));
	raw_open(&k, GET("/sse", ""));
	ck_assert(tk_until(has_stream, NULL, turn, loop, 30));
	while (!err && total < ((size_t)256 << 20)) {
		err = http_stream_write(stream, block, sizeof(block));
		total += sizeof(block);
		pl_loop_turn(loop);
	}
	ck_assert_int_eq(err, PL_E_FULL);
	ck_assert_uint_le(http_stream_queued(stream), 65536);
	http_stream_end(stream);
	close(k.fd);
}
END_TEST

START_TEST(a_stream_of_known_length_is_pulled_by_the_client)
{
	static struct raw k;

	raw_open(&k, GET("/fixed", ""));
	raw_wait(&k, NULL);
	ck_assert(strstr(k.got, "Content-Length: 10000"));
	char *body = strstr(k.got, "\r\n\r\n") + 4;
	ck_assert_uint_eq(k.n - (size_t)(body - k.got), 10000);
	ck_assert_int_eq(body[0], 'a');
	ck_assert_int_eq(body[9999], 'j');
	close(k.fd);
}
END_TEST

START_TEST(one_address_gets_only_so_many_connections)
{
	static struct raw k[25];
	int served = 0;

	for (int i = 0; i < 25; i++)
		raw_open(&k[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 25; i++) {
		k[i].want = "peer=";
		for (int t = 0; t < 2000 && !k[i].eof && !raw_ready(&k[i]); t++) {
			pl_loop_turn(loop);
			usleep(500);
		}
		served += strstr(k[i].got, "peer=") != NULL;
	}
	ck_assert_int_eq(served, 20);
	for (int i = 0; i < 25; i++)
		close(k[i].fd);
}
END_TEST

static const struct {
	const char *header;
	uint64_t size;
	int result;
	uint64_t from, to;
} ranges[] = {
	/* RFC 9110 14.1.2 */
	{ "bytes=0-499", 10000, 1, 0, 499 },    { "bytes=9500-", 10000, 1, 9500, 9999 },
	{ "bytes=-500", 10000, 1, 9500, 9999 }, { "bytes=-20000", 10000, 1, 0, 9999 },
	{ "bytes=0-99999", 10000, 1, 0, 9999 }, { "bytes=10000-", 10000, -1, 0, 0 },
	{ "bytes=-0", 10000, -1, 0, 0 },        { "bytes=0-", 0, -1, 0, 0 },
	{ "bytes=5-4", 10000, 0, 0, 0 },        { "bytes=0-1,3-4", 10000, 0, 0, 0 },
	{ "items=0-1", 10000, 0, 0, 0 },        { "bytes=x", 10000, 0, 0, 0 },
	{ "bytes=--1", 10000, 0, 0, 0 },        { NULL, 10000, 0, 0, 0 },
};

START_TEST(ranges_are_read_as_the_rfc_says)
{
	uint64_t from = 0, to = 0;

	ck_assert_int_eq(http_range(ranges[_i].header, ranges[_i].size, &from, &to), ranges[_i].result);
	if (ranges[_i].result == 1) {
		ck_assert_uint_eq(from, ranges[_i].from);
		ck_assert_uint_eq(to, ranges[_i].to);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("http");
	Suite *s = suite_create("http");

	if (!mkdtemp(root))
		return 1;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, a_request_is_seen_whole_and_answered_at_once);
	tcase_add_test(tc, answers_may_come_later_and_in_any_order);
	tcase_add_test(tc, a_server_that_closes_answers_what_waits);
	tcase_add_test(tc, a_body_over_the_limit_gets_413);
	tcase_add_test(tc, a_chunked_body_over_the_limit_gets_413);
	tcase_add_test(tc, the_client_bounds_answers_and_reports_the_unreachable);
	tcase_add_test(tc, files_come_with_type_etag_and_ranges);
	tcase_add_test(tc, nothing_outside_the_folder_is_served);
	tcase_add_test(tc, a_stream_is_sent_as_it_is_written);
	tcase_add_test(tc, a_client_that_leaves_is_noticed_though_nothing_is_written);
	tcase_add_test(tc, a_client_that_does_not_read_fills_the_queue_and_no_more);
	tcase_add_test(tc, a_stream_of_known_length_is_pulled_by_the_client);
	tcase_add_test(tc, one_address_gets_only_so_many_connections);
	tcase_add_loop_test(tc, ranges_are_read_as_the_rfc_says, 0, (int)PL_ARRAY_N(ranges));
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	char cmd[160];
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd) || failed ? 1 : 0;
}
