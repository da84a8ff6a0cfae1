/** Telephone events (RFC 4733): digits in and out. Pure. Units: durations in ms out, RTP clock ticks on the wire. */
#ifndef MEDIA_ENGINE_TE_H
#define MEDIA_ENGINE_TE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TE_DIGITS_MAX = 32, TE_LOST_END_US = 250000 };

struct te_rx {
	bool active, any;
	uint32_t ts, done_ts; /* done_ts: the last event reported; its repeated end packets say nothing new */
	uint8_t event;
	uint32_t duration; /* ticks */
	int64_t last_us;
};
struct te_digit {
	char digit;
	uint32_t duration_ms;
};
/** One packet of the event payload. Returns the number of digits that ended with it (0 to 2: one whose end was lost,
 * and this). */
int te_rx_take(struct te_rx *t, const uint8_t *payload, size_t len, uint32_t ts, uint32_t clock_hz, int64_t now_us,
	       struct te_digit ret[2]);
/** An event whose end packets were all lost ends TE_LOST_END_US after its last packet. */
bool te_rx_poll(struct te_rx *t, uint32_t clock_hz, int64_t now_us, struct te_digit *ret);

char te_event_digit(uint8_t event);                     /* 0: not a digit */
int te_digit_event(char digit);                         /* -1: not a digit */
void te_tone(char digit, unsigned *hz1, unsigned *hz2); /* ITU-T Q.23 */

/** Sends queued digits, 100 ms each and 60 ms apart, one step per 20 ms. */
struct te_tx {
	char queue[TE_DIGITS_MAX];
	uint8_t n, step; /* step within the first digit */
};
bool te_tx_add(struct te_tx *t, char digit); /* false: no digit, or the queue is full */
static inline bool te_tx_busy(const struct te_tx *t)
{
	return t->n > 0;
}
struct te_step {
	bool send;   /* payload is to be sent as an event packet */
	bool first;  /* marker; its timestamp stays for the whole event */
	bool repeat; /* end repeated: same timestamp and duration */
	bool tone;   /* where there are no events: the tone sounds in this frame */
	char digit;
	uint8_t frame; /* of the digit, from 0 */
	uint8_t payload[4];
};
/** The next 20 ms; the queue moves on by itself. */
void te_tx_step(struct te_tx *t, uint32_t clock_hz, struct te_step *ret);
#endif
