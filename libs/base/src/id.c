#include <parley/base.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

enum pl_err pl_random(void *out, size_t n)
{
	char *p = out;
	while (n > 0) {
		ssize_t got = getrandom(p, PL_MIN(n, 256u), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return PL_E_IO;
		p += got;
		n -= (size_t)got;
	}
	return PL_OK;
}

/* One system call for 32 ids. A process that forks without exec would share what is left; Parley does not fork. */
static uint64_t random_u64(void)
{
	static _Thread_local uint64_t pool[32];
	static _Thread_local unsigned left;
	if (left == 0) {
		if (pl_random(pool, sizeof(pool)) != PL_OK) /* a kernel without getrandom: time order still holds */
			for (size_t i = 0; i < PL_ARRAY_N(pool); i++)
				pool[i] = pl_hash(&(int64_t){ pl_mono_us() }, sizeof(int64_t)) * (2 * i + 1);
		left = PL_ARRAY_N(pool);
	}
	return pool[--left];
}

/* RFC 9562 6.2 method 3: the 12 bits after the milliseconds are its fraction, and time never goes back: an id that
 * would not be larger than the last one is the last one plus 1. 60 bits: 48 of ms, 12 of fraction. */
static uint64_t next_stamp(void)
{
	static _Atomic uint64_t last;
	uint64_t us = (uint64_t)pl_wall_us();
	uint64_t now = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
	uint64_t prev = atomic_load_explicit(&last, memory_order_relaxed), next;
	do {
		next = now > prev ? now : prev + 1;
	} while (
		!atomic_compare_exchange_weak_explicit(&last, &prev, next, memory_order_relaxed, memory_order_relaxed));
	return next;
}

char *pl_id_new(char out[PL_ID_LEN])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t t = next_stamp(), r = random_u64();
	uint64_t hi = (t >> 12) << 16 | UINT64_C(0x7000) | (t & 0xfff);
	uint64_t lo = UINT64_C(0x8000000000000000) | (r >> 2);
	char *p = out;
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*p++ = '-';
		uint64_t w = i < 16 ? hi : lo;
		*p++ = hex[w >> (60 - 4 * (i & 15)) & 15];
	}
	*p = 0;
	return out;
}

bool pl_id_ok(const char *s)
{
	if (!s)
		return false;
	for (int i = 0; i < PL_ID_LEN - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s[i] != '-' : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return s[PL_ID_LEN - 1] == 0;
}
