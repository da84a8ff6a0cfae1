#include "te.h"

#include <string.h>

enum { DIGIT_STEPS = 5, END_REPEATS = 2, GAP_STEPS = 3, ALL_STEPS = DIGIT_STEPS + GAP_STEPS, VOLUME = 10 };

static const char digits[] = "0123456789*#ABCD";

char te_event_digit(uint8_t event)
{
	return event < 16 ? digits[event] : '\0';
}

int te_digit_event(char digit)
{
	const char *at = digit ? strchr(digits, digit >= 'a' && digit <= 'd' ? digit - 32 : digit) : NULL;
	return at ? (int)(at - digits) : -1;
}

void te_tone(char digit, unsigned *hz1, unsigned *hz2)
{
	static const char rows[] = "123A456B789C*0#D";
	static const unsigned short low[] = { 697, 770, 852, 941 }, high[] = { 1209, 1336, 1477, 1633 };
	const char *at = digit ? strchr(rows, digit) : NULL;
	*hz1 = at ? low[(at - rows) / 4] : 0;
	*hz2 = at ? high[(at - rows) % 4] : 0;
}

static struct te_digit finish(struct te_rx *t, uint32_t clock_hz)
{
	t->active = false;
	t->any = true;
	t->done_ts = t->ts;
	return (struct te_digit){ te_event_digit(t->event), (uint32_t)((uint64_t)t->duration * 1000 / clock_hz) };
}

int te_rx_take(struct te_rx *t, const uint8_t *payload, size_t len, uint32_t ts, uint32_t clock_hz, int64_t now_us,
	       struct te_digit ret[2])
{
	int n = 0;
	if (len < 4 || clock_hz == 0 || !te_event_digit(payload[0]))
		return 0; /* flash, fax tones: not ours */
	if (t->active && t->ts != ts)
		ret[n++] = finish(t, clock_hz);
	if (t->any && (int32_t)(ts - t->done_ts) <= 0 && (int32_t)(ts - t->done_ts) > -(int32_t)clock_hz * 10)
		return n; /* end repeated, or late */
	uint32_t duration = (uint32_t)payload[2] << 8 | payload[3];
	if (!t->active)
		t->duration = 0;
	t->active = true;
	t->ts = ts;
	t->event = payload[0];
	t->duration = duration > t->duration ? duration : t->duration;
	t->last_us = now_us;
	if (payload[1] & 0x80)
		ret[n++] = finish(t, clock_hz);
	return n;
}

bool te_rx_poll(struct te_rx *t, uint32_t clock_hz, int64_t now_us, struct te_digit *ret)
{
	if (!t->active || clock_hz == 0 || now_us - t->last_us < TE_LOST_END_US)
		return false;
	*ret = finish(t, clock_hz);
	return true;
}

bool te_tx_add(struct te_tx *t, char digit)
{
	int event = te_digit_event(digit);
	if (event < 0 || t->n == TE_DIGITS_MAX)
		return false;
	t->queue[t->n++] = digits[event];
	return true;
}

void te_tx_step(struct te_tx *t, uint32_t clock_hz, struct te_step *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (t->n == 0)
		return;
	unsigned step = t->step, last = DIGIT_STEPS - 1;
	ret->digit = t->queue[0];
	ret->tone = step < DIGIT_STEPS;
	ret->frame = (uint8_t)step;
	if (step <= last + END_REPEATS) {
		uint32_t frames = (step < last ? step : last) + 1, ticks = frames * (clock_hz / 50);
		ret->send = true;
		ret->first = step == 0;
		ret->repeat = step > last;
		ret->payload[0] = (uint8_t)te_digit_event(ret->digit);
		ret->payload[1] = (uint8_t)(VOLUME | (step >= last ? 0x80 : 0));
		ret->payload[2] = (uint8_t)(ticks >> 8);
		ret->payload[3] = (uint8_t)ticks;
	}
	if (++t->step < ALL_STEPS)
		return;
	t->step = 0;
	memmove(t->queue, t->queue + 1, --t->n);
}
