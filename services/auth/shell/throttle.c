#include "auth.h"

#include <stdio.h>
#include <stdlib.h>

/* An attempt counts when it begins and is taken back when it succeeds, so that many at once cannot slip through. Beyond
 * the free ones each sets a lock twice as long as the one before, at most 15 minutes; counters live for an hour. An
 * office behind one address has more free ones than a name. */
#define FREE_NAME "5"
#define FREE_ADDRESS "100"
static const char attempt_lua[] = "local wait = math.max(redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[4]))\n"
				  "if wait > 0 then return wait end\n"
				  "for i = 1, 2 do\n"
				  "  local n = redis.call('INCR', KEYS[2 * i - 1])\n"
				  "  redis.call('PEXPIRE', KEYS[2 * i - 1], 3600000)\n"
				  "  local over = n - tonumber(ARGV[i])\n"
				  "  if over > 0 then redis.call('SET', KEYS[2 * i], '1', 'PX', math.min(1000 * 2 ^ "
				  "(math.min(over, 20) - 1), 900000)) end\n"
				  "end\n"
				  "return 0\n";
static const char success_lua[] = "redis.call('DEL', KEYS[1], KEYS[2])\n"
				  "local n = redis.call('DECR', KEYS[3])\n"
				  "if n <= 0 then redis.call('DEL', KEYS[3]) end\n"
				  "if n <= tonumber(ARGV[2]) then redis.call('DEL', KEYS[4]) end\n"
				  "return 0\n";

struct keys {
	char fail_name[160], lock_name[160], fail_addr[160], lock_addr[160];
};

/* Names are hashed: what people type into the name field by mistake may be their password. */
static void make_keys(struct keys *k, const char *username, const char *address)
{
	char name[65];

	crypto_sha256_hex(username, strlen(username), name);
	snprintf(k->fail_name, sizeof(k->fail_name), "auth:fail:name:%s", name);
	snprintf(k->lock_name, sizeof(k->lock_name), "auth:lock:name:%s", name);
	snprintf(k->fail_addr, sizeof(k->fail_addr), "auth:fail:addr:%.64s", address);
	snprintf(k->lock_addr, sizeof(k->lock_addr), "auth:lock:addr:%.64s", address);
}

struct attempt {
	throttle_fn fn;
	void *arg;
};

static void on_attempt(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct attempt *t = arg;
	throttle_fn fn = t->fn;
	void *fn_arg = t->arg;
	struct pl_why here = { 0 };

	if (!err && v->kind != REDIS_INT) {
		err = pl_why_set(&here, PL_E_INTERNAL, "the throttle gave no number");
		why = &here;
	}
	free(t);
	fn(fn_arg, err, err ? 0 : v->i, why);
}

void throttle_attempt(struct auth *a, const char *username, const char *address, throttle_fn fn, void *arg)
{
	struct attempt *t = calloc(1, sizeof(*t));
	struct pl_why why = { 0 };
	struct keys k;

	make_keys(&k, username, address);
	if (t)
		*t = (struct attempt){ fn, arg };
	enum pl_err err = t ? REDIS_CMD(a->redis, on_attempt, t, "EVAL", attempt_lua, "4", k.fail_name, k.lock_name,
					k.fail_addr, k.lock_addr, FREE_NAME, FREE_ADDRESS)
			    : PL_E_NOMEM;
	if (!err)
		return;
	free(t);
	pl_why_set(&why, err, "sessions are not available now");
	fn(arg, err, 0, &why);
}

void throttle_success(struct auth *a, const char *username, const char *address)
{
	struct keys k;

	make_keys(&k, username, address);
	if (REDIS_CMD(a->redis, NULL, NULL, "EVAL", success_lua, "4", k.fail_name, k.lock_name, k.fail_addr,
		      k.lock_addr, FREE_NAME, FREE_ADDRESS))
		log_debug("throttle.success-lost"); /* the counter ends by itself within the hour */
}
