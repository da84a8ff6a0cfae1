/* What decodes must encode again to bytes that decode to the same. */
#include <assert.h>
#include <parley/crypto.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bin[3072], again[3072];
	char text[4097];
	size_t len = 0, len2 = 0;

	if (size > 4096 || crypto_unb64((const char *)data, size, bin, sizeof(bin), &len))
		return 0;
	size_t n = crypto_b64(bin, len, text);
	enum pl_err err = crypto_unb64(text, n, again, sizeof(again), &len2);
	assert(!err && len == len2 && memcmp(bin, again, len) == 0);
	return 0;
}
