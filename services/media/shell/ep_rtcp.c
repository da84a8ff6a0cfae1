/* RTCP of an endpoint: reports each 5 s, what the other side reports, BYE. */
#include "media.h"

void ep_rtcp_send(struct ep *e, bool bye)
{
	struct worker *w = e->room->w;
	uint8_t buf[RTCP_OUT_MAX + 64];
	int64_t now_wall = pl_wall_us();
	if (!e->nego.agreed || (e->wrtc && !wrtc_up(e->wrtc)))
		return;
	int64_t since = e->sr_mid ? w->now_us - e->sr_at_us : 0;
	uint64_t gone = e->tx.started ? (uint64_t)(w->now_us - e->tx.last_us) * e->tx.clock_hz / 1000000 : 0;
	struct rtcp_out o = { .ssrc = e->tx.ssrc,
			      .ntp = rtcp_ntp(now_wall),
			      .rtp_ts = e->tx.ts + (uint32_t)gone,
			      .packets = (uint32_t)e->tx.packets,
			      .octets = (uint32_t)e->tx.bytes,
			      .cname = "parley",
			      .last_sr = e->sr_mid,
			      .since_sr = (uint32_t)((uint64_t)since * 65536 / 1000000),
			      .bye = bye };
	size_t n = rtcp_write(buf, &o, &e->rx);
	if (e->wrtc && !wrtc_protect(e->wrtc, true, buf, &n))
		return;
	ep_send_raw(e, true, buf, n);
}

void ep_rtcp_take(struct ep *e, const uint8_t *p, size_t n)
{
	struct rtcp_in in;
	if (!rtcp_parse(p, n, e->tx.ssrc, &in))
		return;
	if (in.sr) {
		e->sr_mid = in.sr_ntp_mid;
		e->sr_at_us = e->room->w->now_us;
	}
	if (in.about_us) {
		uint32_t rtt = rtcp_rtt(&in, (uint32_t)(rtcp_ntp(pl_wall_us()) >> 16));
		if (rtt)
			e->rtt_ms = rtt * 1000.0 / 65536;
	}
}
