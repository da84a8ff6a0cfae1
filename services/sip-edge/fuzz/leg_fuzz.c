/* Any sequence of events: the leg and fork machines keep their promises, bindings and bans stay within their bounds. */
#include <stdlib.h>

#include "../engine/fork.h"
#include "../engine/guard.h"
#include "../engine/leg.h"
#include "../engine/registrar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void legs(const uint8_t *data, size_t size)
{
	struct leg_limits lim = leg_limits_default();
	struct leg_sm l = { LEG_IDLE, 0 };
	struct fork_sm f = { FORK_CALLING };
	int ended = 0, won = 0;
	for (size_t i = 0; i < size; i++) {
		unsigned fx = 0, ffx = 0;
		if (!leg_step(&l, (enum leg_event)(data[i] % (LEG_EVENT_N + 2)), (int64_t)i, &lim, &fx))
			ended += (fx & LEG_FX_ENDED) != 0;
		if (!fork_step(&f, (enum fork_event)(data[i] % (FORK_EVENT_N + 2)), &ffx))
			won += (ffx & FORK_FX_TELL_WON) != 0;
		if (ended > 1 || won > 1 || (l.state == LEG_GONE && !ended) || (unsigned)l.state >= LEG_STATE_N)
			abort();
	}
}

static void bindings(const uint8_t *data, size_t size)
{
	static const char *const uris[8] = { "sip:a@h", "sip:b@h", "sip:c@h", "sip:d@h",
					     "sip:e@h", "sip:f@h", "sip:g@h", "" };
	struct reg_limits lim = { .min_s = 10, .max_s = 200, .default_s = 60 };
	struct reg_aor aor = { .n = 0 };
	bool changed;
	for (size_t i = 0; i + 4 <= size; i += 4) {
		struct reg_contact c[2] = { { uris[data[i] % 8], (int8_t)data[i + 1] },
					    { uris[data[i] / 8 % 8], (int8_t)data[i + 2] } };
		struct reg_request r = { .contacts = c,
					 .n = data[i + 3] % 3,
					 .star = data[i + 3] & 128,
					 .expires_s = data[i + 3] & 64 ? 0 : -1,
					 .call_id = data[i + 3] & 32 ? "x" : "y",
					 .cseq = data[i + 1],
					 .node = "n",
					 .next_hop = "sip:h" };
		int status = reg_apply(&aor, &r, &lim, (int64_t)i * PL_US_PER_S, &changed);
		reg_expire(&aor, (int64_t)i * PL_US_PER_S);
		if (aor.n > REG_BINDINGS_MAX || status < 200)
			abort();
	}
}

static void bans(const uint8_t *data, size_t size)
{
	static struct guard_entry mem[8];
	memset(mem, 0, sizeof mem);
	struct guard g = { mem,
			   8,
			   { .points = 6, .window_us = 50, .ban_us = 10, .ban_max_us = 100, .forget_us = 1000 } };
	for (size_t i = 0; i + 2 <= size; i += 2) {
		uint8_t a[16] = { data[i] };
		int64_t now = (int64_t)i + 1, ban = guard_fail(&g, a, data[i + 1] % 5, now);
		if (ban > 100 || (ban && !guard_banned(&g, a, now)) || guard_bans(&g, now) > 8)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	legs(data, size);
	bindings(data, size);
	bans(data, size);
	return 0;
}
