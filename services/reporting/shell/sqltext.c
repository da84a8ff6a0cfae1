#include "sqltext.h"

#include <stdio.h>
#include <stdlib.h>

void sqltext_free(struct sqltext *t)
{
	free(t->p);
	*t = (struct sqltext){ 0 };
}

static char *room(struct sqltext *t, size_t n)
{
	if (t->oom)
		return NULL;
	if (t->cap - t->n < n + 1) {
		size_t cap = PL_MAX(t->cap * 2, t->n + n + 4096);
		char *p = realloc(t->p, cap);
		if (!p) {
			t->oom = true;
			return NULL;
		}
		t->p = p;
		t->cap = cap;
	}
	return t->p + t->n;
}

void raw_text(struct sqltext *t, const char *s, size_t n)
{
	char *at = room(t, n);
	if (!at)
		return;
	memcpy(at, s, n);
	t->n += n;
	t->p[t->n] = 0;
}

static void put(struct sqltext *t, char c)
{
	raw_text(t, &c, 1);
}

static void next(struct sqltext *t)
{
	put(t, t->n ? ',' : '{');
}

const char *arr_end(struct sqltext *t)
{
	if (!t->n)
		put(t, '{');
	put(t, '}');
	return t->oom ? "{}" : t->p;
}

/* Each character of `special` gets a backslash. */
static void escaped(struct sqltext *t, const char *s, const char *special)
{
	size_t n = strlen(s);
	bool utf8 = pl_utf8_ok(s, n);
	char *at = room(t, 2 * n);
	if (!at)
		return;
	for (; *s; s++) {
		if (strchr(special, *s))
			*at++ = '\\';
		*at++ = !utf8 && (*s & 0x80) ? '?' : *s;
	}
	*at = 0;
	t->n = (size_t)(at - t->p);
}

void arr_text(struct sqltext *t, const char *s)
{
	next(t);
	put(t, '"');
	escaped(t, s ? s : "", "\"\\");
	put(t, '"');
}

static void number(struct sqltext *t, int64_t v)
{
	char text[24], *p = text + sizeof(text);
	uint64_t u = v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	if (v < 0)
		*--p = '-';
	raw_text(t, p, (size_t)(text + sizeof(text) - p));
}

void arr_int(struct sqltext *t, int64_t v)
{
	next(t);
	number(t, v);
}

void arr_real(struct sqltext *t, double v)
{
	char text[40];
	next(t);
	raw_text(t, text, (size_t)snprintf(text, sizeof(text), "%.9g", v));
}

void arr_time(struct sqltext *t, int64_t us)
{
	char text[PL_TIME_LEN];
	next(t);
	if (!us)
		raw_text(t, "NULL", 4);
	else
		raw_text(t, pl_time_format(us, text), PL_TIME_LEN - 1);
}

void arr_bytes(struct sqltext *t, const void *p, size_t n)
{
	next(t);
	raw_text(t, "\"\\\\x", 4);
	char *at = room(t, 2 * n);
	if (at) {
		pl_hex(p, n, at);
		t->n += 2 * n;
	}
	put(t, '"');
}

void copy_text(struct sqltext *t, const char *s, char end)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20)
			s = "?"; /* no id of ours looks like that */
	escaped(t, s, "\\");
	put(t, end);
}

void copy_int(struct sqltext *t, int64_t v, char end)
{
	number(t, v);
	put(t, end);
}

void copy_time(struct sqltext *t, int64_t us, char end)
{
	char text[PL_TIME_LEN];
	raw_text(t, pl_time_format(us, text), PL_TIME_LEN - 1);
	put(t, end);
}

void json_text(struct sqltext *t, const char *s)
{
	char hex[8];
	size_t n = strlen(s);
	bool utf8 = pl_utf8_ok(s, n);
	put(t, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20)
			raw_text(t, hex, (size_t)snprintf(hex, sizeof(hex), "\\u%04x", c));
		else if (c == '"' || c == '\\')
			raw_text(t, (char[]){ '\\', (char)c }, 2);
		else
			put(t, !utf8 && c & 0x80 ? '?' : (char)c);
	}
	put(t, '"');
}
