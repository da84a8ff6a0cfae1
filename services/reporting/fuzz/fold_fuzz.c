/* Any facts in any order: the walk stays within its arrays, no second of the time line is lost or counted twice, and
 * the row does not depend on the order in which the facts came. */
#include "figures.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct rep_fact facts[2][REP_FACTS_MAX];
static struct rep_id ids[2][REP_IDS_MAX];
static char path[2][REP_PATH_BYTES];
static struct rep_row row[2];

static void line_holds(const struct rep_row *r)
{
	int64_t at = r->started_us, sum = 0;
	for (uint32_t i = 0; i < r->n_segs; i++) {
		const struct rep_seg *s = &r->segs[i];
		if (s->to_us && s->to_us < s->from_us)
			abort();
		if (s->kind == REP_SEG_RING || s->kind == REP_SEG_WRAP_UP)
			continue;
		if (s->from_us != at)
			abort();
		at = s->to_us;
		sum += s->to_us - s->from_us;
	}
	if (r->ended_us && r->started_us && sum != r->ended_us - r->started_us)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const agents[] = { NULL, "a", "b", "c" }, *const queues[] = { NULL, "q", "r", "s" };
	struct rep_ix ix[2];
	size_t count = PL_MIN(n / 6, (size_t)200);
	for (int k = 0; k < 2; k++)
		ix[k] = (struct rep_ix){ .facts = facts[k],
					 .ids = ids[k],
					 .path = path[k],
					 .cap_facts = REP_FACTS_MAX,
					 .cap_ids = REP_IDS_MAX,
					 .cap_path = REP_PATH_BYTES };
	for (size_t i = 0; i < 2 * count; i++) {
		size_t at = i < count ? i : 2 * count - 1 - i; /* forward into the first, backward into the second */
		const uint8_t *p = data + 6 * at;
		struct rep_event e = { .kind = (enum rep_kind)(p[0] % REP_KIND_N),
				       .seq = at + 1,
				       .id = at + 1,
				       .time_us = 1000000 + p[1] * 1000000,
				       .agent_id = agents[p[2] % 4],
				       .queue_id = queues[p[2] / 4 % 4],
				       .result = (enum rep_result)(p[3] % REP_RESULT_N),
				       .by = (enum rep_result)(p[4] % REP_RESULT_N),
				       .value = (uint32_t)p[5] * 100,
				       .of_queue = p[2] & 128,
				       .direction = 1,
				       .channel = 1 };
		rep_add(&ix[i >= count], &e);
		if (i < count) {
			rep_build(&ix[0], &row[0]);
			line_holds(&row[0]);
		}
	}
	rep_build(&ix[0], &row[0]);
	rep_build(&ix[1], &row[1]);
	if (row[0].n_segs != row[1].n_segs || row[0].outcome != row[1].outcome || row[0].ended_us != row[1].ended_us ||
	    row[0].talk_ms != row[1].talk_ms || row[0].n_visits != row[1].n_visits || row[0].final != row[1].final)
		abort();
	return 0;
}
