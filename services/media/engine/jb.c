#include "jb.h"

#include <string.h>

void jb_init(struct jb *j, uint8_t *bytes, uint16_t stride)
{
	*j = (struct jb){ .bytes = bytes, .stride = stride, .target = JB_TARGET_MIN };
}

void jb_reset(struct jb *j)
{
	for (int i = 0; i < JB_SLOTS; i++)
		j->slot[i].used = false;
	j->n = j->waited = j->empties = 0;
	j->playing = j->any = false;
}

static int place(uint16_t seq)
{
	return seq % JB_SLOTS;
}

static void forget(struct jb *j, uint16_t seq)
{
	struct jb_slot *s = &j->slot[place(seq)];
	if (s->used && s->seq == seq) {
		s->used = false;
		j->n--;
	}
}

/* Too far ahead: give up the oldest until it fits. A jump of more than the whole buffer starts again. */
static bool make_room(struct jb *j, uint16_t seq)
{
	int16_t ahead = (int16_t)(seq - j->next_seq);
	if (ahead < JB_SLOTS)
		return true;
	if (ahead >= 4 * JB_SLOTS)
		return false;
	while ((int16_t)(seq - j->next_seq) >= JB_SLOTS) {
		if (j->slot[place(j->next_seq)].used)
			j->dropped++;
		forget(j, j->next_seq++);
	}
	return true;
}

enum jb_put jb_put(struct jb *j, uint16_t seq, uint32_t ts, uint8_t codec, const uint8_t *payload, size_t len)
{
	enum jb_put res = JB_PUT_OK;
	if (len > j->stride)
		return JB_PUT_TOO_LONG;
	if (!j->any) {
		j->any = true;
		j->next_seq = j->newest_seq = seq;
	}
	int16_t ahead = (int16_t)(seq - j->next_seq);
	if (ahead < 0 && !j->playing && ahead > -JB_SLOTS / 2 && (int16_t)(j->newest_seq - seq) < JB_SLOTS) {
		j->next_seq = seq; /* nothing was played yet: it may still come first */
	} else if (ahead < 0 && ahead > -4 * JB_SLOTS) {
		j->late++;
		return JB_PUT_LATE;
	} else if (ahead < 0 || !make_room(j, seq)) {
		jb_reset(j);
		j->any = true;
		j->next_seq = j->newest_seq = seq;
		res = JB_PUT_RESET;
	}
	struct jb_slot *s = &j->slot[place(seq)];
	if (s->used)
		return JB_PUT_TWICE;
	*s = (struct jb_slot){ .ts = ts, .seq = seq, .len = (uint16_t)len, .codec = codec, .used = true };
	memcpy(j->bytes + (size_t)place(seq) * j->stride, payload, len);
	j->n++;
	if ((int16_t)(seq - j->newest_seq) > 0)
		j->newest_seq = seq;
	return res;
}

static void skip_missing(struct jb *j)
{
	while (j->n > 0 && !(j->slot[place(j->next_seq)].used && j->slot[place(j->next_seq)].seq == j->next_seq))
		j->next_seq++;
}

/* Waits until the wanted depth is there, or as many gets have passed: a lone packet must come out too. */
static bool start(struct jb *j)
{
	if (j->n == 0)
		return false;
	if (j->n < j->target && j->waited + 1 < j->target) {
		j->waited++;
		return false;
	}
	j->playing = true;
	j->waited = 0;
	skip_missing(j);
	return true;
}

/* Deeper than wanted for long: the delay is paid back by one packet. */
static void shrink(struct jb *j)
{
	j->calm = j->n > j->target + 1 ? (uint16_t)(j->calm + 1) : 0;
	if (j->calm < JB_CALM)
		return;
	j->calm = 0;
	j->dropped++;
	forget(j, j->next_seq++);
	skip_missing(j);
}

static void underrun(struct jb *j)
{
	if (++j->empties < 3)
		return;
	/* Three frames without anything: the sender paused, or is later than we wait for. */
	j->playing = false;
	j->empties = 0;
	if (j->target < JB_TARGET_MAX)
		j->target++;
}

enum jb_get jb_get(struct jb *j, struct jb_slot *ret, const uint8_t **payload)
{
	if (!j->playing && !start(j))
		return JB_GET_EMPTY;
	if (j->n == 0) {
		underrun(j);
		return JB_GET_EMPTY;
	}
	j->empties = 0;
	shrink(j);
	struct jb_slot *s = &j->slot[place(j->next_seq)];
	if (!s->used || s->seq != j->next_seq) {
		j->next_seq++;
		j->lost++;
		return JB_GET_LOST;
	}
	*ret = *s;
	*payload = j->bytes + (size_t)place(s->seq) * j->stride;
	s->used = false;
	j->n--;
	j->next_seq++;
	j->played++;
	return JB_GET_PACKET;
}

void jb_aim(struct jb *j, double jitter_ms, double ptime_ms)
{
	int want = 1 + (int)(2.0 * jitter_ms / (ptime_ms > 0 ? ptime_ms : 20.0) + 0.999);
	want = want < JB_TARGET_MIN ? JB_TARGET_MIN : want > JB_TARGET_MAX ? JB_TARGET_MAX : want;
	if (want > j->target)
		j->target = (uint8_t)want;
	else if (want < j->target)
		j->target--; /* slowly: one step per call */
}
