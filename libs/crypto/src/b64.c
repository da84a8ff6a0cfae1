/* Base64 (RFC 4648 sections 4 and 5). libsodium reads exactly one variant per call; JSON mapping wants either alphabet.
 */
#include <parley/crypto.h>

size_t crypto_b64(const void *p, size_t n, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = p;
	char *o = out;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16;
		if (left > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			v |= in[i + 2];
		*o++ = alphabet[v >> 18];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*o++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*o = 0;
	return (size_t)(o - out);
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

enum pl_err crypto_unb64(const char *s, size_t n, void *out, size_t max, size_t *ret_len)
{
	uint8_t *o = out;
	size_t len = 0;
	uint32_t v = 0;
	int bits = 0;

	if (n % 4 == 0)
		for (int pad = 0; pad < 2 && n && s[n - 1] == '='; pad++)
			n--;
	if (n % 4 == 1)
		return PL_E_FORMAT;
	for (size_t i = 0; i < n; i++) {
		int d = digit(s[i]);
		if (d < 0)
			return PL_E_FORMAT;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (len == max)
			return PL_E_FULL;
		o[len++] = (uint8_t)(v >> bits);
		v &= (1u << bits) - 1;
	}
	if (v) /* left-over bits must be zero, or two texts would mean the same bytes */
		return PL_E_FORMAT;
	*ret_len = len;
	return PL_OK;
}
