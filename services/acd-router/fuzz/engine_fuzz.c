/* Bytes become inputs; the invariants and the effects' own logic (sim/oracle.h) are the judges. Pools are small, so
 * that they run full. Half way the engine is saved and restored, and the copy must go on alike. */
#include <stdlib.h>

#include "fxhash.h"
#include "oracle.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

static unsigned take(struct bytes *b)
{
	if (b->n == 0)
		return 0;
	b->n--;
	return *b->p++;
}

static struct acd_id some_id(struct bytes *b, uint64_t kind, unsigned n)
{
	return (struct acd_id){ kind, take(b) % n + 1 };
}

static void config(struct bytes *b, struct acd_in *in, struct acd_membership ms[4], uint64_t revision)
{
	unsigned flags = take(b);
	if (take(b) & 1) {
		in->kind = ACD_IN_QUEUE_PUT;
		in->queue_put.cfg = (struct acd_queue_cfg){ .id = some_id(b, 1, 3),
							    .revision = revision,
							    .channel = (uint8_t)take(b),
							    .strategy = (uint8_t)take(b),
							    .weight = (uint8_t)(take(b) % 3),
							    .enabled = flags & 1,
							    .join_when_empty = flags >> 1 & 1,
							    .leave_when_empty = flags >> 2 & 1,
							    .deleted = (flags & 0xf8) == 0x80,
							    .max_waiting = take(b) % 5,
							    .autopause_after = flags >> 3 & 1,
							    .ring_us = take(b) * PL_US_PER_MS * 100,
							    .retry_us = take(b) * PL_US_PER_MS * 10,
							    .wrap_up_us = (flags >> 4 & 1) * PL_US_PER_S,
							    .max_wait_us = (flags >> 5 & 1) * 9 * PL_US_PER_S };
		return;
	}
	in->kind = ACD_IN_AGENT_PUT;
	in->agent_put = (struct acd_in_agent_put){ .id = some_id(b, 2, 5),
						   .revision = revision,
						   .kind = (uint8_t)(1 + (flags & 1)),
						   .enabled = (flags >> 1 & 3) != 0,
						   .deleted = (flags & 0xf8) == 0x80,
						   .members = ms,
						   .n_members = take(b) % 4 };
	for (size_t i = 0; i < in->agent_put.n_members; i++)
		ms[i] = (struct acd_membership){ some_id(b, 1, 3), (uint16_t)(take(b) % 3), (uint16_t)(take(b) % 4) };
	in->agent_put.cap[take(b) % ACD_CH_N] = (uint8_t)(take(b) % 4);
}

static void of_offer(struct bytes *b, struct acd_in *in, const struct oracle *o, bool reply)
{
	const struct oracle_offer none = { .item = { 3, 1 }, .agent = { 2, 1 } };
	const struct oracle_offer *f = o->n_offers ? &o->offers[take(b) % o->n_offers] : &none;
	unsigned v = take(b);
	if (reply) {
		in->kind = ACD_IN_REPLY;
		in->reply = (struct acd_in_reply){ .item = f->item,
						   .offer = f->offer,
						   .fence = f->fence - (v >> 5 == 7),
						   .outcome = (uint8_t)(v & 7) };
	} else {
		in->kind = ACD_IN_ENDED;
		in->ended = (struct acd_in_ended){ f->item, v & 1 ? f->agent : (struct acd_id){ 0 }, v >> 1 & 1 };
	}
}

static void make(struct bytes *b, struct acd_in *in, struct acd_membership ms[4], const struct oracle *o,
		 uint64_t revision)
{
	static struct acd_id alive;
	memset(in, 0, sizeof(*in));
	switch (take(b) % 13) {
	case 0:
	case 1:
		config(b, in, ms, revision);
		break;
	case 2:
	case 3:
		in->kind = ACD_IN_ENQUEUE;
		in->enqueue.item = some_id(b, 3, 12);
		in->enqueue.queue = some_id(b, 1, 4);
		in->enqueue.priority = (int8_t)take(b);
		if (in->enqueue.priority & 64)
			in->enqueue.only_agent = some_id(b, 2, 6);
		break;
	case 4:
		in->kind = ACD_IN_CANCEL;
		in->cancel.item = some_id(b, 3, 12);
		break;
	case 5:
	case 6:
		of_offer(b, in, o, true);
		break;
	case 7:
		of_offer(b, in, o, false);
		break;
	case 8:
		in->kind = ACD_IN_AGENT;
		in->agent.agent = some_id(b, 2, 6);
		in->agent.state = (uint8_t)(take(b) % 5);
		in->agent.start_work = take(b) & 1;
		in->agent.end_wrap_up = in->agent.state == 4;
		in->agent.device = ACD_DEV_BROWSER;
		break;
	case 9:
		in->kind = ACD_IN_ASSIGN;
		in->assign = (struct acd_in_assign){ some_id(b, 3, 12), some_id(b, 2, 6) };
		break;
	case 10:
		in->kind = ACD_IN_PRIORITY;
		in->priority = (struct acd_in_priority){ some_id(b, 3, 12), (int8_t)take(b) };
		break;
	case 11:
		alive = some_id(b, 3, 12);
		in->kind = ACD_IN_ALIVE;
		in->alive = (struct acd_in_alive){ &alive, 1, take(b) * 100 * PL_US_PER_MS };
		break;
	default:
		in->kind = ACD_IN_PRESENCE;
		in->presence.agent = some_id(b, 2, 6);
		break;
	}
}

static const struct acd_limits lim = { 3, 5, 12, 8, 6, 2, 8, 8, 8, 8 };

static struct acd *fresh(void)
{
	void *block = calloc(1, acd_size(&lim));
	if (!block)
		exit(1);
	return acd_init(block, &lim);
}

static struct acd *restored(const struct acd *e)
{
	size_t n = acd_save_size(e);
	uint8_t *buf = malloc(n);
	struct acd *copy = fresh();
	if (!buf || acd_save(e, buf, n) != n || acd_load(copy, buf, n) != PL_OK)
		abort();
	free(buf);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct acd_fx_list fx, copy_fx;
	static struct oracle o;
	struct bytes b = { data, n };
	struct acd *e = fresh(), *copy = NULL;
	int64_t now = INT64_C(1700000000) * PL_US_PER_S;
	struct acd_membership ms[4];
	struct acd_in in;
	o.n_items = o.n_offers = 0;
	o.last_fence = 0;
	o.most_in_hand = ACD_HANDS_MAX;
	for (uint64_t i = 1; b.n > 0; i++) {
		now += take(&b) * 20 * PL_US_PER_MS;
		make(&b, &in, ms, &o, i);
		acd_apply(e, &in, now, i, &fx);
		const char *bad = acd_check(e, now);
		bad = bad ? bad : oracle_see(&o, &fx);
		if (copy)
			acd_apply(copy, &in, now, i, &copy_fx);
		if (bad || (copy && fx_hash(&fx, 0) != fx_hash(&copy_fx, 0)))
			abort();
		if (!copy && b.n < n / 2)
			copy = restored(e);
	}
	free(e);
	free(copy);
	return 0;
}
