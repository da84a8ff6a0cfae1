#include <parley/base.h>

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_PLAIN 1 /* one malloc each, so that ASan sees every overrun and every use after a reset */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_PLAIN 1
#endif
#endif
#ifndef ARENA_PLAIN
#define ARENA_PLAIN 0
#endif

#define ALIGN 16u
#define CHUNK_MIN 4096u
#define CHUNK_MAX (256u * 1024u)

/* The payload follows the header, which is a multiple of 16 bytes. */
struct chunk {
	struct chunk *next;
	size_t size, used, pad_;
};
_Static_assert(sizeof(struct chunk) % ALIGN == 0, "the payload must be aligned");

struct pl_arena {
	struct chunk *chunks; /* the first one is being filled */
	size_t used, max;
	size_t next_size; /* chunks grow, so that a large arena has few */
};

struct pl_arena *pl_arena_new(size_t max_bytes)
{
	struct pl_arena *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->max = max_bytes;
	a->next_size = CHUNK_MIN;
	return a;
}

static void chunks_free(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;
		free(c);
		c = next;
	}
}

void pl_arena_free(struct pl_arena *a)
{
	if (!a)
		return;
	chunks_free(a->chunks);
	free(a);
}

void pl_arena_freep(struct pl_arena **a)
{
	pl_arena_free(*a);
	*a = NULL;
}

void pl_arena_reset(struct pl_arena *a)
{
	a->used = 0;
	if (!a->chunks)
		return;
	if (ARENA_PLAIN || a->chunks->size > CHUNK_MAX) { /* one huge allocation must not be kept for ever */
		chunks_free(a->chunks);
		a->chunks = NULL;
		return;
	}
	chunks_free(a->chunks->next);
	a->chunks->next = NULL;
	a->chunks->used = 0;
}

size_t pl_arena_used(const struct pl_arena *a)
{
	return a->used;
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c = malloc(sizeof(*c) + size);
	if (c)
		*c = (struct chunk){ .size = size };
	return c;
}

/* A chunk with room for n at the head of the list. What is larger than a chunk gets one of its own behind the head. */
static struct chunk *room_for(struct pl_arena *a, size_t n)
{
	struct chunk *head = a->chunks;
	if (!ARENA_PLAIN && head && head->size - head->used >= n)
		return head;
	bool own = ARENA_PLAIN || n > a->next_size / 2;
	struct chunk *c = chunk_new(own ? n : a->next_size);
	if (!c)
		return NULL;
	if (own && head && !ARENA_PLAIN) {
		c->next = head->next;
		head->next = c;
		return c;
	}
	c->next = head;
	a->chunks = c;
	if (!own && a->next_size < CHUNK_MAX)
		a->next_size *= 2;
	return c;
}

void *pl_arena_alloc(struct pl_arena *a, size_t n)
{
	if (n > PTRDIFF_MAX - 2 * ALIGN)
		return NULL;
	size_t want = (PL_MAX(n, 1u) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (a->max && (want > a->max || a->used > a->max - want))
		return NULL;
	size_t take = ARENA_PLAIN ? PL_MAX(n, 1u) : want;
	struct chunk *c = room_for(a, take);
	if (!c)
		return NULL;
	char *p = (char *)(c + 1) + c->used;
	c->used += take;
	a->used += want;
	memset(p, 0, n);
	return p;
}

void *pl_arena_dup(struct pl_arena *a, const void *p, size_t n)
{
	void *d = pl_arena_alloc(a, n);
	if (d && n)
		memcpy(d, p, n);
	return d;
}

char *pl_arena_strdup(struct pl_arena *a, const char *s)
{
	return s ? pl_arena_dup(a, s, strlen(s) + 1) : NULL;
}

char *pl_arena_printf(struct pl_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *s = n < 0 ? NULL : pl_arena_alloc(a, (size_t)n + 1);
	if (s)
		vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}
