#include <parley/base.h>

size_t pl_strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = src ? strlen(src) : 0;
	if (size > 0) {
		size_t k = PL_MIN(n, size - 1);
		if (k)
			memcpy(dst, src, k);
		dst[k] = 0;
	}
	return n;
}

char *pl_hex(const void *p, size_t n, char *out)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *b = p;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex[b[i] >> 4];
		out[2 * i + 1] = hex[b[i] & 15];
	}
	out[2 * n] = 0;
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum pl_err pl_unhex(const char *s, void *out, size_t n)
{
	if (!s || strlen(s) != 2 * n)
		return PL_E_FORMAT;
	for (size_t i = 0; i < 2 * n; i++)
		if (nibble(s[i]) < 0)
			return PL_E_FORMAT;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = (uint8_t)(nibble(s[2 * i]) << 4 | nibble(s[2 * i + 1]));
	return PL_OK;
}

uint64_t pl_hash(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* RFC 3629 4: the second byte's range depends on the first, which rules out overlong forms and surrogates. */
bool pl_utf8_ok(const char *s, size_t n)
{
	const uint8_t *b = (const uint8_t *)s, *end = b + n;
	while (b < end) {
		uint8_t c = *b++;
		if (c < 0x80)
			continue;
		int more = c >= 0xc2 && c <= 0xdf ? 1 : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
		if (more == 0 || end - b < more)
			return false;
		uint8_t lo = c == 0xe0   ? 0xa0
			     : c == 0xf0 ? 0x90
					 : 0x80,
			hi = c == 0xed   ? 0x9f
			     : c == 0xf4 ? 0x8f
					 : 0xbf;
		if (*b < lo || *b > hi)
			return false;
		for (int i = 1; i < more; i++)
			if ((b[i] & 0xc0) != 0x80)
				return false;
		b += more;
	}
	return true;
}
