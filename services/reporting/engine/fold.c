#include "fold.h"

#include <string.h>

static const char *const result_names[REP_RESULT_N] = {
#define X(n, s) [REP_R_##n] = s,
	REP_RESULTS(X)
#undef X
};

const char *rep_result_name(enum rep_result r)
{
	return (unsigned)r < REP_RESULT_N ? result_names[r] : "";
}

enum rep_result rep_result_of(const char *name)
{
	for (int i = 0; name && i < REP_RESULT_N; i++)
		if (strcmp(result_names[i], name) == 0)
			return (enum rep_result)i;
	return name ? REP_R_OTHER : REP_R_NONE;
}

const char *rep_id(const struct rep_ix *ix, uint8_t index)
{
	return index > 0 && index <= ix->n_ids ? ix->ids[index - 1].s : "";
}

static bool given(const char *s)
{
	return s && *s;
}

struct rep_room rep_room(const struct rep_ix *ix, const struct rep_event *ev)
{
	struct rep_room r = { ix->n_facts + 1, ix->n_ids + given(ev->agent_id) + given(ev->queue_id), ix->path_used };
	if (given(ev->path_key))
		r.path += (uint32_t)(strlen(ev->path_key) + strlen(ev->path_value ? ev->path_value : "") + 2);
	r.facts = PL_MIN(r.facts, (uint32_t)REP_FACTS_MAX);
	r.ids = PL_MIN(r.ids, (uint32_t)REP_IDS_MAX);
	r.path = PL_MIN(r.path, (uint32_t)REP_PATH_BYTES);
	return r;
}

static uint8_t id_of(struct rep_ix *ix, const char *s)
{
	if (!given(s) || strlen(s) >= sizeof(ix->ids[0].s))
		return 0;
	for (uint32_t i = 0; i < ix->n_ids; i++)
		if (strcmp(ix->ids[i].s, s) == 0)
			return (uint8_t)(i + 1);
	if (ix->n_ids >= PL_MIN(ix->cap_ids, (uint32_t)REP_IDS_MAX))
		return 0;
	memcpy(ix->ids[ix->n_ids].s, s, strlen(s) + 1);
	return (uint8_t)++ix->n_ids;
}

/* Cut before a UTF-8 sequence that does not fit whole; what came first stays. */
static void text_once(char *dst, size_t size, const char *s)
{
	if (*dst || !given(s))
		return;
	size_t n = strnlen(s, size);
	if (n == size)
		for (n = size - 1; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
			n--;
	memcpy(dst, s, n);
	dst[n] = 0;
}

static void path_add(struct rep_ix *ix, const char *key, const char *value)
{
	value = value ? value : "";
	size_t k = strlen(key) + 1, v = strlen(value) + 1;
	if (ix->path_used + k + v > PL_MIN(ix->cap_path, (uint32_t)REP_PATH_BYTES))
		return;
	memcpy(ix->path + ix->path_used, key, k);
	memcpy(ix->path + ix->path_used + k, value, v);
	ix->path_used += (uint32_t)(k + v);
}

static bool before(const struct rep_fact *a, const struct rep_fact *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us;
	return a->kind != b->kind ? a->kind < b->kind : a->seq < b->seq;
}

static bool late_kind(enum rep_kind k)
{
	return k == REP_ENDED || k == REP_RELEASED || k == REP_DISCONNECTED || k == REP_DEQUEUED;
}

static bool known(const struct rep_ix *ix, const struct rep_event *ev)
{
	for (uint32_t i = 0; i < ix->n_facts; i++)
		if (ix->facts[i].id == ev->id)
			return true;
	return false;
}

bool rep_add(struct rep_ix *ix, const struct rep_event *ev)
{
	uint32_t max =
		PL_MIN(ix->cap_facts, (uint32_t)(late_kind(ev->kind) ? REP_FACTS_MAX : REP_FACTS_MAX - REP_FACTS_LATE));
	if ((unsigned)ev->kind >= REP_KIND_N || known(ix, ev))
		return false;
	if (ix->n_facts >= max) {
		ix->cut++;
		return false;
	}
	struct rep_fact f = { .time_us = ev->time_us,
			      .seq = ev->seq,
			      .id = ev->id,
			      .value = ev->value,
			      .kind = (uint8_t)ev->kind,
			      .result = (uint8_t)ev->result,
			      .by = (uint8_t)ev->by,
			      .flag = ev->of_queue };
	f.agent = id_of(ix, ev->agent_id);
	f.queue = id_of(ix, ev->queue_id);
	uint32_t at = ix->n_facts;
	while (at > 0 && before(&f, &ix->facts[at - 1]))
		at--;
	memmove(&ix->facts[at + 1], &ix->facts[at], (ix->n_facts - at) * sizeof(f));
	ix->facts[at] = f;
	ix->n_facts++;
	ix->channel = ix->channel ? ix->channel : ev->channel;
	ix->direction = ix->direction ? ix->direction : ev->direction;
	text_once(ix->customer_number, sizeof(ix->customer_number), ev->customer_number);
	text_once(ix->customer_name, sizeof(ix->customer_name), ev->customer_name);
	text_once(ix->dialled_number, sizeof(ix->dialled_number), ev->dialled_number);
	if (given(ev->path_key))
		path_add(ix, ev->path_key, ev->path_value);
	if (ev->kind == REP_ENDED) {
		ix->mos = ev->mos;
		ix->loss_pct = ev->loss_pct;
	}
	return true;
}
