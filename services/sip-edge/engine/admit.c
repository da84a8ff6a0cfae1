#include "admit.h"

static bool take_token(struct admit *a, const struct admit_limits *lim, int64_t now_us)
{
	int64_t cost = PL_US_PER_S / lim->calls_per_s, most = cost * (lim->burst > 0 ? lim->burst : 1);
	if (!a->begun) {
		a->begun = true;
		a->tokens_us = most;
	} else {
		int64_t since = now_us - a->last_us;
		a->tokens_us = since >= most - a->tokens_us ? most : a->tokens_us + (since > 0 ? since : 0);
	}
	a->last_us = now_us;
	if (a->tokens_us < cost)
		return false;
	a->tokens_us -= cost;
	return true;
}

enum admit_verdict admit_call(struct admit *a, const struct admit_limits *lim, int64_t legs, int64_t now_us)
{
	if (lim->max_legs && legs >= lim->max_legs)
		return ADMIT_LEGS;
	if (lim->slow_us && a->mean_us > lim->slow_us && a->probes++ % 8)
		return ADMIT_SLOW;
	if (lim->calls_per_s && !take_token(a, lim, now_us))
		return ADMIT_RATE;
	return ADMIT_OK;
}

void admit_answered(struct admit *a, int64_t took_us)
{
	a->mean_us += (took_us - a->mean_us) / 16;
}

int admit_retry_after_s(uint32_t random)
{
	return 5 + (int)(random % 11);
}

const char *admit_name(enum admit_verdict v)
{
	static const char *const names[ADMIT_N] = { "ok", "legs", "rate", "slow" };
	return (unsigned)v < ADMIT_N ? names[v] : "?";
}
