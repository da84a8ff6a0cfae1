#include "route.h"

static const char number_chars[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+#._-";

bool route_number_ok(const char *number)
{
	size_t n = strlen(number), ok = strspn(number, number_chars);
	return n >= 1 && n < 64 && (ok == n || (ok == n - 1 && number[ok] == '*'));
}

/* 0: no match; else the better the greater. */
static size_t rank(const struct route *r, const char *number, const char *trunk_id)
{
	size_t n = strlen(r->number);
	bool pattern = n && r->number[n - 1] == '*';
	if (!r->enabled || (!pl_empty(r->trunk_id) && !pl_streq(r->trunk_id, trunk_id)))
		return 0;
	if (pattern ? strncmp(r->number, number, n - 1) != 0 : strcmp(r->number, number) != 0)
		return 0;
	return ((pattern ? n : 1000) << 1) + !pl_empty(r->trunk_id);
}

const struct route *route_find(const struct route *at, size_t n, const char *number, const char *trunk_id)
{
	const struct route *best = NULL;
	size_t best_rank = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = rank(&at[i], number, trunk_id);
		if (k > best_rank || (k && k == best_rank && strcmp(at[i].id, best->id) < 0)) {
			best = &at[i];
			best_rank = k;
		}
	}
	return best;
}

enum pl_err route_uri(const struct route *r, const char *number, char *out, size_t size)
{
	size_t pattern = strlen(r->number), n = 0;
	const char *rest = pattern && r->number[pattern - 1] == '*' ? number + PL_MIN(pattern - 1, strlen(number)) : "";
	if (strspn(number, number_chars) + (strchr(number, '*') != NULL) < strlen(number))
		return PL_E_FORMAT;
	for (const char *p = r->dest; *p;) {
		const char *put = p;
		size_t len = 1;
		size_t skip = 1;
		if (strncmp(p, "{number}", 8) == 0) {
			put = number;
			len = strlen(number);
			skip = 8;
		} else if (strncmp(p, "{rest}", 6) == 0) {
			put = rest;
			len = strlen(rest);
			skip = 6;
		}
		if (size - n <= len)
			return PL_E_FULL;
		memcpy(out + n, put, len);
		n += len;
		p += skip;
	}
	out[n] = 0;
	return PL_OK;
}
