/* What the engine's numbers are called. */
#include "router.h"

static const char *const strategy_names[ACD_S_N] = {
	[ACD_S_NONE] = "Meant for this agent",
	[ACD_S_LONGEST_IDLE] = "Longest idle",
	[ACD_S_ROUND_ROBIN] = "Round robin",
	[ACD_S_RING_ALL] = "Ring all",
	[ACD_S_LEAST_RECENT] = "Least recent",
	[ACD_S_FEWEST] = "Fewest contacts",
	[ACD_S_RANDOM] = "Random",
	[ACD_S_LINEAR] = "Fixed order",
	[ACD_S_WEIGHTED_RANDOM] = "Weighted random",
};

static const char *const why_words[ACD_WHY_N] = {
	[ACD_WHY_OK] = "",
	[ACD_WHY_ORDER] = "",
	[ACD_WHY_OFFLINE] = "signed out",
	[ACD_WHY_PAUSED] = "paused",
	[ACD_WHY_OFFERED] = "being offered another",
	[ACD_WHY_ON_CONTACT] = "on contact",
	[ACD_WHY_WRAP_UP] = "wrap-up",
	[ACD_WHY_RESTING] = "missed one a moment ago",
	[ACD_WHY_DISABLED] = "disabled",
	[ACD_WHY_TRIED] = "missed it before",
	[ACD_WHY_PENALTY] = "penalty",
};

const char *why_word(uint8_t why)
{
	return why < ACD_WHY_N ? why_words[why] : "";
}

char *duration_words(struct pl_arena *a, int64_t us)
{
	int64_t s = PL_MAX(us, 0) / PL_US_PER_S;
	if (s < 60)
		return pl_arena_printf(a, "%d s", (int)s);
	if (s < 3600)
		return pl_arena_printf(a, "%d min %d s", (int)(s / 60), (int)(s % 60));
	return pl_arena_printf(a, "%" PRId64 " h %d min", s / 3600, (int)(s % 3600 / 60));
}

char *score_words(struct pl_arena *a, uint8_t strategy, int64_t score)
{
	const char *name = strategy_names[strategy < ACD_S_N ? strategy : ACD_S_NONE];
	switch (strategy) {
	case ACD_S_LONGEST_IDLE:
		return pl_arena_printf(a, "%s: %s", name, duration_words(a, score));
	case ACD_S_LEAST_RECENT:
		return score ? pl_arena_printf(a, "%s: %s ago", name, duration_words(a, score))
			     : pl_arena_printf(a, "%s: none yet", name);
	case ACD_S_FEWEST:
		return pl_arena_printf(a, "%s: %" PRId64, name, score);
	case ACD_S_ROUND_ROBIN:
		return pl_arena_printf(a, "%s: %" PRId64 " turns ago", name, score);
	case ACD_S_LINEAR:
		return pl_arena_printf(a, "%s: place %" PRId64, name, score);
	default:
		return pl_arena_strdup(a, name);
	}
}
