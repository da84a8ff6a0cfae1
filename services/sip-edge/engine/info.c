#include "info.h"

static size_t skip_blank(const char *body, size_t n, size_t i)
{
	while (i < n && (body[i] == ' ' || body[i] == '\t' || body[i] == '\r' || body[i] == '\n'))
		i++;
	return i;
}

static bool starts(const char *body, size_t n, size_t i, const char *word)
{
	for (; *word; word++, i++)
		if (i >= n || (body[i] | 32) != *word)
			return false;
	return true;
}

/* Events 10 and 11 are how some phones say * and # (RFC 4733 3.2). */
static char digit_at(const char *body, size_t n, size_t i)
{
	if (i >= n)
		return 0;
	char c = body[i], next = i + 1 < n ? body[i + 1] : 0;
	if (c == '1' && (next == '0' || next == '1'))
		return next == '0' ? '*' : '#';
	if (next >= '0' && next <= '9')
		return 0;
	if (c >= 'a' && c <= 'd')
		c = (char)(c - 32);
	return (c >= '0' && c <= '9') || c == '*' || c == '#' || (c >= 'A' && c <= 'D') ? c : 0;
}

char info_digit(const char *body, size_t n, bool relay)
{
	size_t i = skip_blank(body, n, 0);
	if (!relay)
		return digit_at(body, n, i);
	while (i < n) {
		if (starts(body, n, i, "signal")) {
			i = skip_blank(body, n, i + 6);
			if (i < n && body[i] == '=')
				return digit_at(body, n, skip_blank(body, n, i + 1));
			return 0;
		}
		while (i < n && body[i] != '\n')
			i++;
		i = skip_blank(body, n, i);
	}
	return 0;
}
