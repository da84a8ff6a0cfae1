/** FNV-1a 64 bit, for the engine's bounded tables; the engine links to nothing but libc's mem* and str*. */
#ifndef SIP_EDGE_HASH_H
#define SIP_EDGE_HASH_H
#include <stddef.h>
#include <stdint.h>

static inline uint64_t engine_hash(const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}
#endif
