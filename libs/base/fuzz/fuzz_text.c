/* pl_utf8_ok() against a decoder that checks the value after decoding; pl_unhex() against pl_hex(). */
#include <parley/base.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool decodes(const uint8_t *b, size_t n)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	for (size_t i = 0; i < n;) {
		uint8_t c = b[i++];
		size_t more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 9;
		if (more == 9 || n - i < more)
			return false;
		uint32_t v = more == 0 ? c : c & (0x3fu >> more);
		for (size_t k = 0; k < more; k++) {
			if (b[i] >> 6 != 2)
				return false;
			v = v << 6 | (b[i++] & 0x3fu);
		}
		if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (pl_utf8_ok((const char *)data, n) != decodes(data, n))
		abort();
	if (n > 512)
		return 0;
	char hex[1025];
	uint8_t back[512];
	if (pl_unhex(pl_hex(data, n, hex), back, n) != PL_OK || (n && memcmp(back, data, n) != 0))
		abort();
	memcpy(hex, data, n);
	hex[n] = 0;
	if (pl_unhex(hex, back, n / 2) == PL_OK && strlen(hex) != n / 2 * 2)
		abort();
	return 0;
}
