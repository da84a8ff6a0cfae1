/** RTCP (RFC 3550 6): sender and receiver reports, SDES CNAME, BYE. Pure.
 *  Units      ntp_mid is the middle 32 bits of an NTP timestamp, in 1/65536 s. */
#ifndef MEDIA_ENGINE_RTCP_H
#define MEDIA_ENGINE_RTCP_H
#include "rtp.h"

struct rtcp_in {
	bool sr, bye, about_us;
	uint32_t sr_ssrc, sr_ntp_mid;
	/* the report block about our own stream */
	uint8_t fraction;
	uint32_t lost, jitter, lsr, dlsr;
};
/** Reads a compound packet; our_ssrc selects the report block. False: nothing usable in it. */
bool rtcp_parse(const uint8_t *p, size_t n, uint32_t our_ssrc, struct rtcp_in *ret);
/** RTT in 1/65536 s from a report block, 0 when it says nothing (A.8 is silent, 6.4.1 has the figure). */
uint32_t rtcp_rtt(const struct rtcp_in *in, uint32_t now_ntp_mid);

struct rtcp_out {
	uint32_t ssrc;
	uint64_t ntp;    /* now */
	uint32_t rtp_ts; /* of now, in the stream we send */
	uint32_t packets, octets;
	const char *cname;
	const struct rtp_rx *rx;    /* NULL: nothing received */
	uint32_t last_sr, since_sr; /* LSR and DLSR */
	bool bye;
};
#define RTCP_OUT_MAX 160
/** SR (or RR when nothing was sent), SDES, BYE. Returns the length. Updates the interval counters of rx_state. */
size_t rtcp_write(uint8_t out[RTCP_OUT_MAX], const struct rtcp_out *o, struct rtp_rx *rx_state);
static inline uint64_t rtcp_ntp(int64_t wall_us) /* seconds since 1900 and their fraction */
{
	uint64_t us = (uint64_t)wall_us;
	return (us / 1000000 + UINT64_C(2208988800)) << 32 | ((us % 1000000) << 32) / 1000000;
}
#endif
