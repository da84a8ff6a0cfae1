#include "door.h"

#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *a, size_t n, const char *b)
{
	for (size_t i = 0; i < n; i++)
		if (!b[i] || lower(a[i]) != lower(b[i]))
			return false;
	return b[n] == 0;
}

bool door_origin_listed(const char *origin, const char *allowed)
{
	while (*allowed) {
		size_t n = strcspn(allowed, ", ");
		if (n && same(allowed, n, origin))
			return true;
		allowed += n + strspn(allowed + n, ", ");
	}
	return false;
}

bool door_origin_ok(const char *origin, const char *host, const char *allowed)
{
	const char *s = strstr(origin, "://");
	size_t scheme = s ? (size_t)(s - origin) : 0;

	if (door_origin_listed(origin, allowed))
		return true;
	if ((scheme != 4 && scheme != 5) || !same(origin, scheme, scheme == 4 ? "http" : "https"))
		return false;
	s += 3;
	return *host && !strpbrk(s, "/?#@ ") && same(s, strlen(s), host);
}

/* Copies [at, end) when it fits and holds only characters of `of`. */
static bool word(const char *at, size_t n, const char *of, char *out, size_t size)
{
	if (!n || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(of, at[i]))
			return false;
	memcpy(out, at, n);
	out[n] = 0;
	return true;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

bool door_rpc_path(const char *path, char service[128], char method[64])
{
	if (strncmp(path, "/api/", 5) != 0)
		return false;
	path += 5;
	size_t n = strcspn(path, "/");
	if (path[n] != '/' || !memchr(path, '.', n))
		return false;
	const char *m = path + n + 1;
	return word(path, n, LETTERS ".", service, 128) && word(m, strlen(m), LETTERS, method, 64);
}

bool door_recording_path(const char *path, char id[64], char what[16])
{
	static const char prefix[] = "/api/recordings/";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	path += sizeof(prefix) - 1;
	size_t n = strcspn(path, "/");
	if (path[n] != '/')
		return false;
	const char *w = path + n + 1;
	return word(path, n, "0123456789abcdef-", id, 64) && word(w, strlen(w), LETTERS, what, 16);
}

enum door_file door_web_path(const char *path, const char **ret_rel)
{
	const char *last = strrchr(path, '/');

	*ret_rel = "index.html";
	if (!last || path[0] != '/' || !strchr(last, '.'))
		return DOOR_INDEX; /* a page of the app: its router knows */
	*ret_rel = path + 1;
	if (strcmp(*ret_rel, "index.html") == 0)
		return DOOR_INDEX;
	return strncmp(*ret_rel, "assets/", 7) == 0 ? DOOR_ASSET : DOOR_FILE;
}

bool door_take(struct door_bucket *b, int64_t now_us, int64_t rate)
{
	int64_t each_us = 1000000 / rate, passed_us = now_us - b->at_us;

	b->used_us = passed_us < b->used_us ? b->used_us - passed_us : 0;
	b->at_us = now_us;
	if (b->used_us + each_us > 2000000)
		return false;
	b->used_us += each_us;
	return true;
}
