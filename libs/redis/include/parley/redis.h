/** Redis for real-time state that may vanish at any time (hiredis, asynchronous, on the loop).
 *  Failure    away: commands fail at once with PL_E_UNAVAIL; reconnects with back-off 0.1 s to 2 s; on_up runs after each
 *             connect, so that the owner writes again what it holds. /readyz check "redis". At most 100,000 commands in flight. */
#ifndef PARLEY_REDIS_H
#define PARLEY_REDIS_H
#include <parley/base.h>
#include <parley/loop.h>

struct redis;
struct obs;
struct redis_val { enum { REDIS_NIL, REDIS_STR, REDIS_INT, REDIS_ARRAY } kind; const char *s; size_t len; int64_t i;
		   const struct redis_val *items; size_t n; };
typedef void (*redis_fn)(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why);

PL_MUST enum pl_err redis_open(struct redis **ret, struct pl_loop *l, struct obs *o, const char *url, const char *user,
			       const char *password, void (*on_up)(void *arg), void *arg, struct pl_why *why);
void redis_close(struct redis *r);
bool redis_up(const struct redis *r);
/** argv style, so that no value is ever parsed as a command. fn may be NULL. */
PL_MUST enum pl_err redis_cmd(struct redis *r, redis_fn fn, void *arg, int argc, const char *const *argv, const size_t *len);
#define REDIS_CMD(r, fn, arg, ...) \
	redis_cmd((r), (fn), (arg), (int)PL_ARRAY_N(((const char *const[]){ __VA_ARGS__ })), (const char *const[]){ __VA_ARGS__ }, NULL)
#endif
