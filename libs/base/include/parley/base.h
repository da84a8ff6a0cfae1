/** Things every part of Parley uses: errors, ownership, arenas, lists, ids, time, small string helpers.
 *  Threads    every function is reentrant; an arena belongs to one thread at a time.
 *  Ownership  results are borrowed unless the verb is new, dup or take. free accepts NULL. */
#ifndef PARLEY_BASE_H
#define PARLEY_BASE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PL_MUST __attribute__((warn_unused_result))
#define PL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PL_UNUSED __attribute__((unused))
/** A local that owns: fn gets the address of the variable when the scope ends. */
#define PL_AUTO(fn) __attribute__((cleanup(fn)))
/** Gives the value away, so that PL_AUTO has nothing left to free. */
#define PL_TAKE(p) __extension__({ __typeof__(p) pl_take_ = (p); (p) = NULL; pl_take_; })
#define PL_ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))
#define PL_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PL_MAX(a, b) ((a) > (b) ? (a) : (b))
#define PL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Errors: name, Connect code (connectrpc.com/docs/protocol, "Error codes"), HTTP status, SIP status (RFC 3261 21). */
#define PL_ERRS(X) \
	X(OK, "ok", 200, 200) \
	X(E_FORMAT, "invalid_argument", 400, 400)	/* bytes or a field are not what they must be */ \
	X(E_AUTH, "unauthenticated", 401, 401)		/* nobody signed in, or the session ended */ \
	X(E_DENIED, "permission_denied", 403, 403)	/* known, but may not */ \
	X(E_NOTFOUND, "not_found", 404, 404)		\
	X(E_EXISTS, "already_exists", 409, 409)		\
	X(E_STATE, "failed_precondition", 400, 481)	/* the event is refused in this state */ \
	X(E_CONFLICT, "aborted", 409, 491)		/* somebody changed it meanwhile: read again */ \
	X(E_FULL, "resource_exhausted", 429, 503)	/* a stated bound is reached */ \
	X(E_UNAVAIL, "unavailable", 503, 503)		/* the other side is not there: try again */ \
	X(E_TIMEOUT, "deadline_exceeded", 504, 408)	\
	X(E_CANCELLED, "canceled", 408, 487)		\
	X(E_UNSUPPORTED, "unimplemented", 404, 501)	\
	X(E_NOMEM, "resource_exhausted", 503, 503)	\
	X(E_IO, "unavailable", 503, 500)		/* disk, socket or database said no */ \
	X(E_INTERNAL, "internal", 500, 500)		/* our own fault */

enum pl_err {
#define X(n, c, h, s) PL_##n,
	PL_ERRS(X)
#undef X
	PL_ERR_N
};

const char *pl_err_name(enum pl_err err);		/* "E_FORMAT" */
const char *pl_err_connect(enum pl_err err);		/* "invalid_argument" */
int pl_err_http(enum pl_err err);
int pl_err_sip(enum pl_err err);
enum pl_err pl_err_from_name(const char *name);		/* unknown: PL_E_INTERNAL */

/** Why something failed: what, where (the field's path, or empty) and what would be right. Always 0-terminated. */
struct pl_why {
	enum pl_err err;
	char field[64];
	char text[256];
};
/** Fills *why (may be NULL) and returns err, so that callers can `return pl_why_set(...)`. */
enum pl_err pl_why_set(struct pl_why *why, enum pl_err err, const char *fmt, ...) PL_PRINTF(3, 4);
enum pl_err pl_why_field(struct pl_why *why, enum pl_err err, const char *field, const char *fmt, ...) PL_PRINTF(4, 5);

/* --- arena: memory that is freed whole. Under AddressSanitizer every allocation is a malloc of its own. --- */
struct pl_arena;
/** max_bytes 0: no bound. NULL when memory is out. */
struct pl_arena *pl_arena_new(size_t max_bytes);
void pl_arena_free(struct pl_arena *a);
void pl_arena_freep(struct pl_arena **a);
void pl_arena_reset(struct pl_arena *a);		/* frees all allocations, keeps one chunk for reuse */
size_t pl_arena_used(const struct pl_arena *a);
/** Zeroed, aligned to 16. NULL when memory is out or the bound is reached. */
void *pl_arena_alloc(struct pl_arena *a, size_t n);
void *pl_arena_dup(struct pl_arena *a, const void *p, size_t n);
char *pl_arena_strdup(struct pl_arena *a, const char *s);	/* NULL gives NULL */
char *pl_arena_printf(struct pl_arena *a, const char *fmt, ...) PL_PRINTF(2, 3);
#define PL_NEW(arena, type) ((type *)pl_arena_alloc((arena), sizeof(type)))

/* --- intrusive doubly linked list; a head is a node that links to itself --- */
struct pl_list { struct pl_list *next, *prev; };
static inline void pl_list_init(struct pl_list *h) { h->next = h->prev = h; }
static inline bool pl_list_empty(const struct pl_list *h) { return h->next == h; }
static inline void pl_list_insert(struct pl_list *before, struct pl_list *n)
{
	n->prev = before->prev;
	n->next = before;
	before->prev->next = n;
	before->prev = n;
}
static inline void pl_list_push(struct pl_list *h, struct pl_list *n) { pl_list_insert(h, n); }		/* at the end */
static inline void pl_list_remove(struct pl_list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = n;
}
#define PL_LIST_EACH(it, head) for (struct pl_list *it = (head)->next; it != (head); it = it->next)
/** Safe against removal of `it`. */
#define PL_LIST_EACH_SAFE(it, head) \
	for (struct pl_list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

/* --- time --- */
#define PL_US_PER_MS INT64_C(1000)
#define PL_US_PER_S INT64_C(1000000)
int64_t pl_mono_us(void);	/* CLOCK_MONOTONIC */
int64_t pl_wall_us(void);	/* UTC since 1970 */
#define PL_TIME_LEN 28		/* "2026-11-22T15:04:05.123456Z" and its 0 */
char *pl_time_format(int64_t wall_us, char out[PL_TIME_LEN]);	/* RFC 3339, UTC, microseconds; years 1 to 9999 */
PL_MUST enum pl_err pl_time_parse(const char *s, int64_t *ret_us);	/* RFC 3339 with any offset */

/* --- ids: UUIDv7 (RFC 9562 5.7), in time order within a process --- */
#define PL_ID_LEN 37
char *pl_id_new(char out[PL_ID_LEN]);
bool pl_id_ok(const char *s);		/* a UUID of any version, lower case */

/* --- text --- */
size_t pl_strlcpy(char *dst, const char *src, size_t size);	/* returns strlen(src); src NULL is "" */
static inline bool pl_streq(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }
static inline bool pl_empty(const char *s) { return !s || !*s; }
/** out holds 2 * n + 1. */
char *pl_hex(const void *p, size_t n, char *out);
PL_MUST enum pl_err pl_unhex(const char *s, void *out, size_t n);	/* exactly n bytes */
uint64_t pl_hash(const void *p, size_t n);	/* FNV-1a, for tables and partitions; not for secrets */
bool pl_utf8_ok(const char *s, size_t n);	/* RFC 3629: shortest form, no surrogates */
PL_MUST enum pl_err pl_random(void *out, size_t n);	/* getrandom(2) */

#endif
