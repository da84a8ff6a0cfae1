#include "rtcp.h"

#include <string.h>

enum { SR = 200, RR = 201, SDES = 202, BYE = 203, BLOCK_BYTES = 24, CNAME = 1 };

static void take_blocks(const uint8_t *p, unsigned n, uint32_t our_ssrc, struct rtcp_in *ret)
{
	for (; n > 0; n--, p += BLOCK_BYTES)
		if (rtp_get32(p) == our_ssrc) {
			ret->about_us = true;
			ret->fraction = p[4];
			ret->lost = rtp_get32(p + 4) & 0xffffff;
			ret->jitter = rtp_get32(p + 12);
			ret->lsr = rtp_get32(p + 16);
			ret->dlsr = rtp_get32(p + 20);
		}
}

static bool take_report(const uint8_t *p, size_t len, uint32_t our_ssrc, struct rtcp_in *ret)
{
	size_t head = p[1] == SR ? 28 : 8;
	unsigned blocks = p[0] & 31;
	if (len < head + (size_t)blocks * BLOCK_BYTES)
		return false;
	if (p[1] == SR) {
		ret->sr = true;
		ret->sr_ssrc = rtp_get32(p + 4);
		ret->sr_ntp_mid = rtp_get32(p + 10);
	}
	take_blocks(p + head, blocks, our_ssrc, ret);
	return true;
}

bool rtcp_parse(const uint8_t *p, size_t n, uint32_t our_ssrc, struct rtcp_in *ret)
{
	bool any = false;
	*ret = (struct rtcp_in){ 0 };
	while (n >= 4 && p[0] >> 6 == 2) {
		size_t len = 4u * (rtp_get16(p + 2) + 1u);
		if (len > n)
			break;
		if (p[1] == SR || p[1] == RR)
			any |= take_report(p, len, our_ssrc, ret);
		else if (p[1] == BYE)
			any = ret->bye = true;
		p += len;
		n -= len;
	}
	return any;
}

uint32_t rtcp_rtt(const struct rtcp_in *in, uint32_t now_ntp_mid)
{
	if (!in->about_us || in->lsr == 0)
		return 0;
	uint32_t rtt = now_ntp_mid - in->lsr - in->dlsr;
	return rtt < 60u << 16 ? rtt : 0; /* a minute: the other side's clock lies */
}

static size_t put_block(uint8_t *p, const struct rtcp_out *o, struct rtp_rx *rx)
{
	uint32_t expected = rx->cycles + rx->max_seq - rx->base_seq + 1;
	uint32_t exp_interval = expected - rx->expected_prior, got_interval = rx->received - rx->received_prior;
	rx->expected_prior = expected;
	rx->received_prior = rx->received;
	uint32_t lost_interval = exp_interval > got_interval ? exp_interval - got_interval : 0;
	uint32_t fraction = exp_interval && lost_interval ? (lost_interval << 8) / exp_interval : 0;
	uint32_t lost = expected > rx->received ? expected - rx->received : 0;
	rtp_put32(p, rx->ssrc);
	rtp_put32(p + 4, (fraction > 255 ? 255 : fraction) << 24 | (lost > 0x7fffff ? 0x7fffff : lost));
	rtp_put32(p + 8, rx->cycles | rx->max_seq);
	rtp_put32(p + 12, rx->jitter_q4 >> 4);
	rtp_put32(p + 16, o->last_sr);
	rtp_put32(p + 20, o->since_sr);
	return BLOCK_BYTES;
}

static void put_head(uint8_t *p, unsigned count, uint8_t type, size_t len)
{
	p[0] = (uint8_t)(0x80 | count);
	p[1] = type;
	rtp_put16(p + 2, (uint16_t)(len / 4 - 1));
}

size_t rtcp_write(uint8_t out[RTCP_OUT_MAX], const struct rtcp_out *o, struct rtp_rx *rx_state)
{
	bool sender = o->packets > 0, block = rx_state && rx_state->started;
	size_t at = 8;
	rtp_put32(out + 4, o->ssrc);
	if (sender) {
		rtp_put32(out + 8, (uint32_t)(o->ntp >> 32));
		rtp_put32(out + 12, (uint32_t)o->ntp);
		rtp_put32(out + 16, o->rtp_ts);
		rtp_put32(out + 20, o->packets);
		rtp_put32(out + 24, o->octets);
		at = 28;
	}
	if (block)
		at += put_block(out + at, o, rx_state);
	put_head(out, block, sender ? SR : RR, at);
	size_t start = at, name = strlen(o->cname);
	name = name > 60 ? 60 : name;
	rtp_put32(out + at + 4, o->ssrc);
	out[at + 8] = CNAME;
	out[at + 9] = (uint8_t)name;
	memcpy(out + at + 10, o->cname, name);
	size_t end = at + 10 + name;
	do
		out[end++] = 0; /* 6.5: ends with at least one zero, to a multiple of four */
	while ((end - start) % 4);
	put_head(out + start, 1, SDES, end - start);
	if (o->bye) {
		rtp_put32(out + end + 4, o->ssrc);
		put_head(out + end, 1, BYE, 8);
		end += 8;
	}
	return end;
}
