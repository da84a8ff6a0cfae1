#include "http_int.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *http_method(const struct http_req *r)
{
	return r->method;
}
const char *http_path(const struct http_req *r)
{
	return r->path;
}
const char *http_peer(const struct http_req *r)
{
	return r->peer;
}
struct pl_arena *http_arena(struct http_req *r)
{
	return r->arena;
}

static const char *lookup(const struct http_req *r, enum MHD_ValueKind kind, const char *name)
{
	return MHD_lookup_connection_value(r->conn, kind, name);
}

const char *http_query(const struct http_req *r, const char *name)
{
	return lookup(r, MHD_GET_ARGUMENT_KIND, name);
}
const char *http_header(const struct http_req *r, const char *name)
{
	return lookup(r, MHD_HEADER_KIND, name);
}
const char *http_cookie(const struct http_req *r, const char *name)
{
	return lookup(r, MHD_COOKIE_KIND, name);
}

const void *http_body(const struct http_req *r, size_t *ret_len)
{
	*ret_len = r->body_len;
	return r->body ? r->body : "";
}

void http_add_header(struct http_req *r, const char *name, const char *value)
{
	struct header *h = PL_NEW(r->arena, struct header);

	if (!h)
		return;
	*h = (struct header){ .next = r->headers,
			      .name = pl_arena_strdup(r->arena, name),
			      .value = pl_arena_strdup(r->arena, value) };
	if (h->name && h->value)
		r->headers = h;
}

void http_answer(struct http_req *r, int status, const char *content_type, const void *body, size_t len)
{
	struct MHD_Response *resp =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);

	if (!resp) /* out of memory: an empty answer is static */
		resp = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
	else if (content_type)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	http_req_respond(r, status, resp);
}

static void fail(struct http_req *r, int status, const char *text)
{
	http_answer(r, status, "text/plain", text, strlen(text));
}

/* --- files --- */

static const char *type_of(const char *path)
{
	static const struct {
		const char *ext, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".webp", "image/webp" },
		{ ".ico", "image/x-icon" },
		{ ".woff2", "font/woff2" },
		{ ".wasm", "application/wasm" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".yaml", "application/yaml" },
		{ ".wav", "audio/wav" },
		{ ".mp3", "audio/mpeg" },
		{ ".ogg", "audio/ogg" },
		{ ".map", "application/json" },
		{ ".webmanifest", "application/manifest+json" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < PL_ARRAY_N(types); i++)
		if (strcmp(dot, types[i].ext) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* No hidden files, no way up, no absolute path, nothing empty. */
static bool rel_ok(const char *p)
{
	while (*p) {
		size_t n = strcspn(p, "/");
		if (!n || *p == '.' || memchr(p, '\\', n))
			return false;
		p += n + (p[n] == '/');
	}
	return true;
}

/* "bytes=a-b", "bytes=a-", "bytes=-n" (RFC 9110 14.1.2); several ranges are answered with the whole, which is allowed.
 * 0: none; 1: *from and *to (inclusive) are set; -1: cannot be satisfied. */
int http_range(const char *s, uint64_t size, uint64_t *from, uint64_t *to)
{
	char *end;

	if (!s || strncmp(s, "bytes=", 6) != 0 || strchr(s, ','))
		return 0;
	s += 6;
	if (*s == '-') {
		if (!isdigit((unsigned char)s[1]))
			return 0;
		uint64_t n = strtoull(s + 1, &end, 10);
		if (*end)
			return 0;
		*from = n < size ? size - n : 0;
		*to = size - 1;
		return n && size ? 1 : -1;
	}
	if (!isdigit((unsigned char)*s))
		return 0;
	*from = strtoull(s, &end, 10);
	if (*end++ != '-')
		return 0;
	*to = isdigit((unsigned char)*end) ? strtoull(end, &end, 10) : UINT64_MAX;
	if (*end || *to < *from)
		return 0;
	if (*from >= size)
		return -1;
	*to = PL_MIN(*to, size - 1);
	return 1;
}

static void http_date(time_t t, char out[32])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void send_fd(struct http_req *r, int fd, const struct stat *st, const char *path)
{
	char etag[48], date[32], range[96];
	uint64_t size = (uint64_t)st->st_size, from = 0, to = size - 1;
	const char *match = http_header(r, "If-None-Match"), *if_range = http_header(r, "If-Range");

	snprintf(etag, sizeof(etag), "\"%" PRIx64 "-%" PRIx64 "\"", size,
		 (uint64_t)st->st_mtim.tv_sec * 1000000 + (uint64_t)st->st_mtim.tv_nsec / 1000);
	http_date(st->st_mtime, date);
	http_add_header(r, "ETag", etag);
	http_add_header(r, "Last-Modified", date);
	http_add_header(r, "Accept-Ranges", "bytes");
	if (match && (pl_streq(match, "*") || strstr(match, etag))) {
		close(fd);
		http_answer(r, 304, NULL, "", 0);
		return;
	}
	int part = if_range && !pl_streq(if_range, etag) ? 0 : http_range(http_header(r, "Range"), size, &from, &to);
	if (part) {
		if (part < 0)
			snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
		else
			snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, to, size);
		http_add_header(r, "Content-Range", range);
	}
	if (part < 0) {
		close(fd);
		fail(r, 416, "there are not that many bytes\n");
		return;
	}
	struct MHD_Response *resp =
		MHD_create_response_from_fd_at_offset64(size ? to - from + 1 : 0, fd, from); /* owns fd */
	if (!resp) {
		close(fd);
		fail(r, 500, "");
		return;
	}
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, type_of(path));
	http_req_respond(r, part ? 206 : 200, resp);
}

void http_answer_file(struct http_req *r, const char *root, const char *rel_path, const char *cache_control)
{
	const char *path = pl_arena_printf(r->arena, "%s/%s", root, rel_path);
	char real_root[4096], real[4096];
	struct stat st;

	if (!pl_streq(r->method, "GET") && !pl_streq(r->method, "HEAD")) {
		http_add_header(r, "Allow", "GET, HEAD");
		fail(r, 405, "only GET and HEAD\n");
		return;
	}
	/* symbolic links may lead about inside root, not out of it */
	bool ok = path && *rel_path && rel_ok(rel_path) && realpath(root, real_root) && realpath(path, real) &&
		  strncmp(real, real_root, strlen(real_root)) == 0 && real[strlen(real_root)] == '/';
	int fd = ok ? open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		fail(r, 404, "not found\n");
		return;
	}
	if (cache_control)
		http_add_header(r, "Cache-Control", cache_control);
	send_fd(r, fd, &st, real);
}
