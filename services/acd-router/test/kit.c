#include "kit.h"

#include <stdlib.h>

#define START_US (INT64_C(1700000000) * PL_US_PER_S)
#define OPEN_MAX 1024

struct kit kit;
static struct {
	unsigned item, agent;
	struct acd_id offer;
	uint64_t fence;
} open_offers[OPEN_MAX];
static unsigned n_open;

struct acd_id kit_queue_id(unsigned n)
{
	return (struct acd_id){ n ? 1 : 0, n };
}
struct acd_id kit_agent_id(unsigned n)
{
	return (struct acd_id){ n ? 2 : 0, n };
}
struct acd_id kit_item_id(unsigned n)
{
	return (struct acd_id){ n ? 3 : 0, n };
}

void kit_start(void)
{
	const struct acd_limits lim = { 64, 256, 4096, 4096, 4096, 16, 64, 64, 64, 64 };
	void *block = aligned_alloc(16, (acd_size(&lim) + 15) / 16 * 16);
	ck_assert_ptr_nonnull(block);
	memset(block, 0, acd_size(&lim));
	memset(&kit, 0, sizeof(kit));
	n_open = 0;
	kit.e = acd_init(block, &lim);
}

void kit_stop(void)
{
	free(kit.e);
}

static void follow(void)
{
	for (size_t i = 0; i < kit.fx.n; i++) {
		const struct acd_fx *f = &kit.fx.fx[i];
		if (f->kind == ACD_FX_OFFERED) {
			ck_assert_uint_lt(n_open, OPEN_MAX);
			open_offers[n_open].item = (unsigned)f->item.lo;
			open_offers[n_open].agent = (unsigned)f->agent.lo;
			open_offers[n_open].offer = f->offer;
			open_offers[n_open++].fence = f->offered.fence;
		}
		for (unsigned k = 0; f->kind == ACD_FX_OFFER_ENDED && k < n_open; k++)
			if (acd_id_eq(open_offers[k].offer, f->offer)) {
				memmove(&open_offers[k], &open_offers[k + 1], (--n_open - k) * sizeof(open_offers[0]));
				break;
			}
	}
}

static void apply(const struct acd_in *in)
{
	acd_apply(kit.e, in, START_US + kit.now_ms * PL_US_PER_MS, ++kit.seq, &kit.fx);
	follow();
	const char *bad = acd_check(kit.e, START_US + kit.now_ms * PL_US_PER_MS);
	ck_assert_msg(!bad, "after input %llu: %s", (unsigned long long)kit.seq, bad);
}

void kit_apply(const struct acd_in *in)
{
	apply(in);
}

void kit_at(int64_t ms)
{
	struct acd_fx_list *last = malloc(sizeof(*last));
	ck_assert_ptr_nonnull(last);
	last->n = 0;
	while (acd_next_due_us(kit.e) <= START_US + ms * PL_US_PER_MS) {
		kit.now_ms = PL_MAX(kit.now_ms, (acd_next_due_us(kit.e) - START_US) / PL_US_PER_MS);
		apply(&(struct acd_in){ .kind = ACD_IN_TICK });
		if (kit.fx.n)
			*last = kit.fx;
	}
	kit.now_ms = ms;
	kit.fx = *last;
	free(last);
}

void kit_queue(unsigned n, struct acd_queue_cfg cfg)
{
	struct acd_in in = { .kind = ACD_IN_QUEUE_PUT };
	in.queue_put.cfg = cfg;
	in.queue_put.cfg.id = kit_queue_id(n);
	in.queue_put.cfg.revision = ++kit.revision;
	apply(&in);
}

void kit_agent(unsigned n, enum acd_agent_kind kind, const uint8_t *cap, const struct kit_member *m)
{
	struct acd_membership ms[ACD_MEMBERSHIP_MAX];
	struct acd_in in = { .kind = ACD_IN_AGENT_PUT };
	in.agent_put = (struct acd_in_agent_put){
		.id = kit_agent_id(n), .revision = ++kit.revision, .kind = (uint8_t)kind, .enabled = true, .members = ms
	};
	if (cap)
		memcpy(in.agent_put.cap, cap, ACD_CH_N);
	for (; m->queue; m++)
		ms[in.agent_put.n_members++] =
			(struct acd_membership){ kit_queue_id(m->queue), (uint16_t)m->penalty, (uint16_t)m->rank };
	apply(&in);
}

void kit_state(unsigned agent, enum acd_state st)
{
	struct acd_in in = { .kind = ACD_IN_AGENT };
	in.agent = (struct acd_in_agent){ .agent = kit_agent_id(agent),
					  .state = (uint8_t)st,
					  .start_work = st != ACD_ST_OFFLINE,
					  .device = ACD_DEV_BROWSER,
					  .presence = ACD_PR_DESK };
	apply(&in);
}

static void enqueue(unsigned item, unsigned queue, unsigned agent, int32_t priority, int64_t queued_ms)
{
	struct acd_in in = { .kind = ACD_IN_ENQUEUE };
	in.enqueue = (struct acd_in_enqueue){ .item = kit_item_id(item),
					      .queue = kit_queue_id(queue),
					      .only_agent = kit_agent_id(agent),
					      .priority = priority,
					      .queued_at_us = queued_ms < 0 ? 0 : START_US + queued_ms * PL_US_PER_MS };
	apply(&in);
}

void kit_enqueue(unsigned item, unsigned queue)
{
	enqueue(item, queue, 0, 0, -1);
}
void kit_enqueue_for(unsigned item, unsigned queue, unsigned agent)
{
	enqueue(item, queue, agent, 0, -1);
}
void kit_enqueue_more(unsigned item, unsigned queue, int32_t priority, int64_t queued_ms)
{
	enqueue(item, queue, 0, priority, queued_ms);
}

void kit_cancel(unsigned item)
{
	struct acd_in in = { .kind = ACD_IN_CANCEL };
	in.cancel.item = kit_item_id(item);
	apply(&in);
}

void kit_ended(unsigned item)
{
	struct acd_in in = { .kind = ACD_IN_ENDED };
	in.ended.item = kit_item_id(item);
	apply(&in);
}

static void reply(unsigned item, unsigned agent, enum acd_outcome outcome)
{
	for (unsigned k = n_open; k-- > 0;) {
		if (open_offers[k].item != item || (agent && open_offers[k].agent != agent))
			continue;
		struct acd_in in = { .kind = ACD_IN_REPLY };
		in.reply = (struct acd_in_reply){ .item = kit_item_id(item),
						  .offer = open_offers[k].offer,
						  .fence = open_offers[k].fence,
						  .outcome = (uint8_t)outcome };
		apply(&in);
		return;
	}
	ck_abort_msg("item %u is not offered", item);
}

void kit_reply(unsigned item, enum acd_outcome outcome)
{
	reply(item, 0, outcome);
}
void kit_reply_of(unsigned item, unsigned agent, enum acd_outcome outcome)
{
	reply(item, agent, outcome);
}

unsigned kit_offered(unsigned item)
{
	for (unsigned k = n_open; k-- > 0;)
		if (open_offers[k].item == item)
			return open_offers[k].agent;
	return 0;
}

unsigned kit_offers(unsigned item)
{
	unsigned n = 0;
	for (unsigned k = 0; k < n_open; k++)
		n += open_offers[k].item == item;
	return n;
}

const struct acd_fx *kit_fx(enum acd_fx_kind kind, unsigned nth)
{
	for (size_t i = 0; i < kit.fx.n; i++)
		if (kit.fx.fx[i].kind == kind && nth-- == 0)
			return &kit.fx.fx[i];
	return NULL;
}

struct acd_status kit_status(unsigned agent)
{
	struct acd_status st;
	ck_assert(acd_status_get(kit.e, kit_agent_id(agent), &st));
	return st;
}

enum acd_state kit_state_of(unsigned agent)
{
	return (enum acd_state)kit_status(agent).state;
}

unsigned kit_turn(unsigned item, unsigned queue)
{
	kit_enqueue(item, queue);
	unsigned agent = kit_offered(item);
	ck_assert_uint_ne(agent, 0);
	kit_reply(item, ACD_OUT_ACCEPTED);
	kit.now_ms += 1000;
	kit_ended(item);
	kit.now_ms += 1000;
	return agent;
}

void three_agents(enum acd_strategy s)
{
	QUEUE(1, .strategy = (uint8_t)s);
	for (unsigned a = 1; a <= 3; a++) {
		kit.now_ms += 1000;
		AGENT(a, { 1, 0, a });
		kit_state(a, ACD_ST_READY);
	}
}

int kit_run(const char *name, const TTest *const *tests, size_t n)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	tcase_add_checked_fixture(t, kit_start, kit_stop);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? 1 : 0;
}
