/** Fixed pools with a hash index: entities of one size, found by the id they begin with. Index 0 is nobody. The index
 *  chains through `link`, which also chains the free; several entities may have the same id (find gives the newest,
 *  acd_pool_same() the next older). Chains instead of open addressing: removal needs no tombstones, and the state
 *  stays independent of history. */
#ifndef ACD_POOL_H
#define ACD_POOL_H
#include "acd.h"

struct acd_pool {
	char *base;
	size_t stride;
	uint32_t cap, top, used, free; /* top: indexes above were never used */
	uint32_t *link, *bucket;
	uint8_t *live;
	uint32_t mask; /* of buckets; 0: not hashed */
	char *note;
	uint16_t *note_len;
	uint32_t note_cap;
};
static inline void *acd_pool_at(const struct acd_pool *p, uint32_t i)
{
	return p->base + (size_t)i * p->stride;
}
static inline uint64_t acd_mix(uint64_t x) /* a bijection of 64 bits (splitmix64) */
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}
uint32_t acd_pool_find(const struct acd_pool *p, struct acd_id id);
uint32_t acd_pool_same(const struct acd_pool *p, uint32_t i); /* next entity with the same id, 0: none */
/** Zeroed, with this id; 0: full. */
uint32_t acd_pool_new(struct acd_pool *p, struct acd_id id);
/** The one with this index, which must be free (used when a snapshot is read): false when it is not. */
bool acd_pool_take(struct acd_pool *p, uint32_t i, struct acd_id id);
void acd_pool_free(struct acd_pool *p, uint32_t i);
void acd_pool_note(struct acd_pool *p, uint32_t i, struct acd_note n);
struct acd_note acd_pool_note_get(const struct acd_pool *p, uint32_t i);
#endif
