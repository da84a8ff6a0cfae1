#include "rtp.h"

enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100, SEQ_MOD = 1 << 16 };

bool rtp_parse(const uint8_t *p, size_t n, struct rtp_pkt *ret)
{
	if (n < RTP_HDR_BYTES || p[0] >> 6 != 2)
		return false;
	size_t at = RTP_HDR_BYTES + 4u * (p[0] & 15);
	if (p[0] & 0x10) { /* 5.3.1: extension */
		if (at + 4 > n)
			return false;
		at += 4 + 4u * rtp_get16(p + at + 2);
	}
	size_t pad = p[0] & 0x20 ? p[n - 1] : 0;
	if ((p[0] & 0x20 && pad == 0) || at + pad > n)
		return false;
	*ret = (struct rtp_pkt){ .pt = p[1] & 0x7f,
				 .marker = p[1] >> 7,
				 .seq = rtp_get16(p + 2),
				 .ts = rtp_get32(p + 4),
				 .ssrc = rtp_get32(p + 8),
				 .payload = p + at,
				 .len = n - at - pad };
	return true;
}

void rtp_write(uint8_t out[RTP_HDR_BYTES], uint8_t pt, bool marker, uint16_t seq, uint32_t ts, uint32_t ssrc)
{
	out[0] = 0x80;
	out[1] = (uint8_t)(pt | (marker ? 0x80 : 0));
	rtp_put16(out + 2, seq);
	rtp_put32(out + 4, ts);
	rtp_put32(out + 8, ssrc);
}

static void rx_restart(struct rtp_rx *rx, uint32_t ssrc, uint16_t seq)
{
	rx->lost_before = rtp_rx_lost(rx);
	rx->packets_before = rx->packets;
	rx->started = true;
	rx->ssrc = ssrc;
	rx->base_seq = rx->max_seq = seq;
	rx->bad_seq = SEQ_MOD + 1;
	rx->cycles = rx->received = rx->expected_prior = rx->received_prior = 0;
	rx->transit = 0;
}

static void rx_jitter(struct rtp_rx *rx, uint32_t ts, uint32_t clock_hz, int64_t now_us)
{
	uint32_t arrival = (uint32_t)((uint64_t)now_us * clock_hz / 1000000);
	uint32_t transit = arrival - ts;
	if (rx->received > 1) {
		int32_t d = (int32_t)(transit - rx->transit);
		uint32_t dist = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
		if (dist < clock_hz * 5) /* a sender that restarts its clock is no jitter */
			rx->jitter_q4 = (uint32_t)((int64_t)rx->jitter_q4 + dist - ((rx->jitter_q4 + 8) >> 4));
	}
	rx->transit = transit;
}

enum rtp_rx_result rtp_rx_take(struct rtp_rx *rx, const struct rtp_pkt *p, uint32_t clock_hz, int64_t now_us)
{
	enum rtp_rx_result res = RTP_RX_OK;
	if (!rx->started || rx->ssrc != p->ssrc) {
		rx_restart(rx, p->ssrc, p->seq);
		res = RTP_RX_NEW_SOURCE;
	} else {
		uint16_t delta = (uint16_t)(p->seq - rx->max_seq);
		if (delta < MAX_DROPOUT) {
			if (p->seq < rx->max_seq)
				rx->cycles += SEQ_MOD;
			rx->max_seq = p->seq;
		} else if (delta <= SEQ_MOD - MAX_MISORDER) {
			if (p->seq != rx->bad_seq) {
				rx->bad_seq = (uint16_t)(p->seq + 1);
				return RTP_RX_BAD;
			}
			rx_restart(rx, p->ssrc, p->seq); /* two in a row: the other side restarted */
			res = RTP_RX_NEW_SOURCE;
		} /* else: late or twice */
	}
	rx->received++;
	rx->packets++;
	rx->bytes += p->len;
	rx_jitter(rx, p->ts, clock_hz, now_us);
	return res;
}

uint64_t rtp_rx_lost(const struct rtp_rx *rx)
{
	if (!rx->started)
		return 0;
	uint64_t expected = (uint64_t)rx->cycles + rx->max_seq - rx->base_seq + 1;
	return rx->lost_before + (expected > rx->received ? expected - rx->received : 0);
}

double rtp_rx_jitter_ms(const struct rtp_rx *rx, uint32_t clock_hz)
{
	return clock_hz ? (double)rx->jitter_q4 / 16.0 * 1000.0 / clock_hz : 0;
}

void rtp_tx_init(struct rtp_tx *tx, uint32_t ssrc, uint16_t seq, uint32_t ts, uint32_t clock_hz)
{
	*tx = (struct rtp_tx){ .ssrc = ssrc, .seq = seq, .ts = ts, .clock_hz = clock_hz };
}

/* Where the stream stands when something new begins: real time has passed, at least the frame before. */
static uint32_t tx_resume_ts(const struct rtp_tx *tx, int64_t now_us)
{
	if (!tx->started)
		return tx->ts;
	uint32_t frame = tx->frame ? tx->frame : tx->clock_hz / 50;
	uint64_t gone = now_us > tx->last_us ? (uint64_t)(now_us - tx->last_us) * tx->clock_hz / 1000000 : 0;
	return tx->ts + (gone > frame + frame / 2 ? (uint32_t)gone : frame);
}

static void tx_sent(struct rtp_tx *tx, uint16_t seq, uint32_t ts, uint32_t frame, int64_t now_us)
{
	if (!tx->started || (int16_t)(seq - tx->seq) > 0) { /* a late packet passed on does not move the end */
		tx->seq = seq;
		tx->ts = ts;
	}
	tx->started = true;
	tx->frame = frame;
	tx->last_us = now_us;
}

struct rtp_out rtp_tx_own(struct rtp_tx *tx, uint64_t source, uint32_t samples, int64_t now_us)
{
	bool fresh = !tx->started || tx->source != source;
	struct rtp_out o = { .seq = (uint16_t)(tx->seq + 1),
			     .ts = fresh ? tx_resume_ts(tx, now_us) : tx->ts + tx->frame,
			     .marker = fresh };
	tx->source = source;
	tx_sent(tx, o.seq, o.ts, samples, now_us);
	return o;
}

struct rtp_out rtp_tx_relay(struct rtp_tx *tx, uint64_t source, const struct rtp_pkt *in, uint32_t frame,
			    int64_t now_us)
{
	bool fresh = !tx->started || tx->source != source || tx->in_ssrc != in->ssrc;
	uint16_t seq = (uint16_t)(in->seq + tx->seq_off);
	int16_t step = (int16_t)(seq - tx->seq);
	if (fresh || step > MAX_DROPOUT || step < -MAX_MISORDER) {
		fresh = true;
		seq = (uint16_t)(tx->seq + 1);
		tx->seq_off = (uint16_t)(seq - in->seq);
		tx->ts_off = tx_resume_ts(tx, now_us) - in->ts;
		tx->source = source;
		tx->in_ssrc = in->ssrc;
	}
	struct rtp_out o = { .seq = seq, .ts = in->ts + tx->ts_off, .marker = fresh || in->marker };
	tx_sent(tx, o.seq, o.ts, frame, now_us);
	return o;
}
