/* A snapshot from elsewhere: any body with a good header and checksum. It is refused or loads, and what loads is
 * sound. */
#include <stdlib.h>

#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct acd_limits lim = { 4, 8, 20, 12, 10, 4, 16, 16, 16, 16 };
	uint8_t *buf = malloc(n + 24);
	void *block = calloc(1, acd_size(&lim));
	if (!buf || !block)
		exit(1);
	struct acd *e = acd_init(block, &lim);
	uint64_t sum = acd_checksum(data, n);
	memcpy(buf, "PACD\1\0\0\0", 8);
	for (unsigned i = 0; i < 8; i++) {
		buf[8 + i] = (uint8_t)((uint64_t)n >> 8 * i);
		buf[16 + i] = (uint8_t)(sum >> 8 * i);
	}
	if (n)
		memcpy(buf + 24, data, n);
	if (acd_load(e, buf, n + 24) == PL_OK && acd_check(e, e->now_us))
		abort();
	free(buf);
	free(block);
	return 0;
}
