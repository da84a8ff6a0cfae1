/* A Range header never points outside the body. */
#include <assert.h>
#include <parley/http.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 0, 1, 10000, UINT64_MAX };
	char text[256];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (size_t i = 0; i < PL_ARRAY_N(sizes); i++) {
		uint64_t from = 0, to = 0;
		if (http_range(text, sizes[i], &from, &to) == 1)
			assert(from <= to && to < sizes[i]);
	}
	return 0;
}
