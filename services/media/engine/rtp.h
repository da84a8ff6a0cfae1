/** RTP (RFC 3550): header, what is received (A.1, A.3, A.8), and one continuous stream out whatever its source is.
 *  Pure: no I/O, clock, log or heap. The caller owns every struct; payload pointers are borrowed from the packet.
 *  Units      timestamps in the codec's RTP clock; times monotonic microseconds. */
#ifndef MEDIA_ENGINE_RTP_H
#define MEDIA_ENGINE_RTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HDR_BYTES 12

static inline uint16_t rtp_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t rtp_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void rtp_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void rtp_put32(uint8_t *p, uint32_t v)
{
	rtp_put16(p, (uint16_t)(v >> 16));
	rtp_put16(p + 2, (uint16_t)v);
}

struct rtp_pkt {
	uint8_t pt;
	bool marker;
	uint16_t seq;
	uint32_t ts, ssrc;
	const uint8_t *payload; /* after CSRCs and extension, without padding */
	size_t len;
};
/** False: not RTP version 2, or cut short. */
bool rtp_parse(const uint8_t *p, size_t n, struct rtp_pkt *ret);
/** RFC 5761 4: on a shared port, payload types 64 to 95 are RTCP. */
static inline bool rtp_is_rtcp(const uint8_t *p, size_t n)
{
	return n >= 8 && (p[1] & 0x7f) >= 64 && (p[1] & 0x7f) <= 95;
}
void rtp_write(uint8_t out[RTP_HDR_BYTES], uint8_t pt, bool marker, uint16_t seq, uint32_t ts, uint32_t ssrc);

/* --- what one source sends us --- */
struct rtp_rx {
	bool started;
	uint32_t ssrc, base_seq, bad_seq, cycles;
	uint16_t max_seq;
	uint64_t packets, bytes;
	uint64_t packets_before, lost_before; /* of SSRCs that came before this one */
	uint32_t expected_prior, received_prior, received;
	uint32_t transit, jitter_q4; /* A.8, jitter times 16 */
};
enum rtp_rx_result { RTP_RX_OK, RTP_RX_NEW_SOURCE, RTP_RX_BAD };
/** clock_hz of the packet's codec. BAD: a jump that must repeat before it is believed (A.1). */
enum rtp_rx_result rtp_rx_take(struct rtp_rx *rx, const struct rtp_pkt *p, uint32_t clock_hz, int64_t now_us);
uint64_t rtp_rx_lost(const struct rtp_rx *rx);
double rtp_rx_jitter_ms(const struct rtp_rx *rx, uint32_t clock_hz);

/* --- what we send --- RFC 3550 5.1: one SSRC, sequence and timestamp go on when the source changes */
struct rtp_tx {
	uint32_t ssrc, ts; /* ts of the newest packet */
	uint16_t seq;      /* of the newest packet */
	bool started;
	uint32_t clock_hz;
	int64_t last_us;
	uint64_t source; /* whose packets the offsets below belong to; 0: none */
	uint16_t seq_off;
	uint32_t ts_off, in_ssrc;
	uint32_t frame; /* ticks since the last packet of our own making */
	uint64_t packets, bytes;
};
void rtp_tx_init(struct rtp_tx *tx, uint32_t ssrc, uint16_t seq, uint32_t ts, uint32_t clock_hz);
struct rtp_out {
	uint16_t seq;
	uint32_t ts;
	bool marker;
};
/** Next packet of our own (player, mixer): source names it, samples is its length in RTP clock ticks. */
struct rtp_out rtp_tx_own(struct rtp_tx *tx, uint64_t source, uint32_t samples, int64_t now_us);
/** A packet passed on from another stream: gaps and order are kept. */
struct rtp_out rtp_tx_relay(struct rtp_tx *tx, uint64_t source, const struct rtp_pkt *in, uint32_t frame,
			    int64_t now_us);
#endif
