/* What leaves an endpoint: one stream with one SSRC, whatever is in it. */
#include "media.h"

#include <errno.h>

void ep_send_raw(struct ep *e, bool rtcp, const uint8_t *p, size_t n)
{
	struct worker *w = e->room->w;
	const struct sock *s = rtcp && e->rtcp.fd >= 0 ? &e->rtcp : &e->rtp;
	const union addr *to = rtcp && !e->webrtc ? &e->rtcp_to : &e->to;
	ssize_t sent = s->connected ? send(s->fd, p, n, MSG_NOSIGNAL)
				    : sendto(s->fd, p, n, MSG_NOSIGNAL, &to->sa, addr_len(to));
	if (sent < 0 && errno == ECONNREFUSED) /* the error of an earlier packet; this one was not sent */
		sent = s->connected ? send(s->fd, p, n, MSG_NOSIGNAL)
				    : sendto(s->fd, p, n, MSG_NOSIGNAL, &to->sa, addr_len(to));
	if (sent < 0)
		count_add(&w->counts.send_errors, 1);
}

static void sent(struct ep *e, size_t payload)
{
	e->tx.packets++;
	e->tx.bytes += payload;
	count_add(&e->room->w->counts.packets_out, 1);
}

/* buf: header and payload, with room behind for the SRTP tag. */
static void send_rtp(struct ep *e, uint8_t *buf, size_t payload)
{
	size_t n = RTP_HDR_BYTES + payload;
	if (e->wrtc && !wrtc_protect(e->wrtc, false, buf, &n))
		return;
	ep_send_raw(e, false, buf, n);
	sent(e, payload);
}

static bool can_send(const struct ep *e)
{
	return e->nego.agreed && e->nego.we_send && e->has_to && (!e->wrtc || wrtc_up(e->wrtc));
}

void ep_send_own(struct ep *e, uint64_t source, const uint8_t *payload, size_t len)
{
	if (!can_send(e) || len > PACKET_MAX - 128)
		return;
	uint8_t *buf = e->room->w->out;
	struct rtp_out o = rtp_tx_own(&e->tx, source, e->tx.clock_hz / 50, e->room->w->now_us);
	rtp_write(buf, e->nego.tx_pt[e->nego.codec], o.marker, o.seq, o.ts, e->tx.ssrc);
	memcpy(buf + RTP_HDR_BYTES, payload, len);
	send_rtp(e, buf, len);
}

void ep_relay(struct ep *to, struct ep *from, enum codec c, bool event, struct rtp_pkt *p)
{
	struct worker *w = to->room->w;
	uint8_t pt = event ? to->nego.te_tx_pt : to->nego.tx_pt[c];
	if (!can_send(to) || pt == NEGO_PT_NONE || p->len > PACKET_MAX - 128)
		return;
	uint32_t frame = event || c == CODEC_OPUS ? to->tx.clock_hz / 50 : (uint32_t)p->len;
	struct rtp_out o = rtp_tx_relay(&to->tx, from->session, p, frame, w->now_us);
	/* The header goes right before the payload, over the old one; SRTP changes the payload and works on a copy. */
	uint8_t *buf = (uint8_t *)(uintptr_t)p->payload - RTP_HDR_BYTES;
	if (to->wrtc) {
		memcpy(w->out + RTP_HDR_BYTES, p->payload, p->len);
		buf = w->out;
	}
	rtp_write(buf, pt, o.marker, o.seq, o.ts, to->tx.ssrc);
	send_rtp(to, buf, p->len);
}

void ep_mix_frame(struct ep *e, uint64_t source, const int16_t *pcm)
{
	uint8_t payload[1500];
	if (!can_send(e))
		return;
	size_t n = enc_frame(&e->enc, e->nego.codec, e->room->rate_hz, pcm, payload, sizeof(payload));
	if (n > 0)
		ep_send_own(e, source, payload, n);
}

bool ep_digit_frame(struct ep *e, int16_t *tone)
{
	struct te_step s;
	struct rtp_out o;
	unsigned hz1, hz2;
	if (!te_tx_busy(&e->te_out))
		return false;
	te_tx_step(&e->te_out, e->nego.te_clock_hz, &s);
	if (!te_tx_busy(&e->te_out))
		e->room->dirty = true; /* back to what it heard before */
	if (e->nego.te_tx_pt == NEGO_PT_NONE) {
		te_tone(s.digit, &hz1, &hz2);
		struct audio_tone t = { .phase1 = hz1 * s.frame % 50 / 50.0, .phase2 = hz2 * s.frame % 50 / 50.0 };
		if (s.tone)
			audio_tone(&t, hz1, hz2, e->room->rate_hz, tone, e->room->rate_hz / 50);
		return false;
	}
	if (!s.send || !can_send(e))
		return false;
	uint8_t *buf = e->room->w->out;
	o = rtp_tx_own(&e->tx, e->tx.source ? e->tx.source : e->session, e->tx.clock_hz / 50, e->room->w->now_us);
	if (s.first)
		e->te_out_ts = o.ts;
	rtp_write(buf, e->nego.te_tx_pt, s.first, o.seq, e->te_out_ts, e->tx.ssrc);
	memcpy(buf + RTP_HDR_BYTES, s.payload, sizeof(s.payload));
	send_rtp(e, buf, sizeof(s.payload));
	return true;
}

/* Nothing to hear: a packet each second keeps NAT bindings and the other side's media timeout (RFC 6263 4.6). */
void ep_keepalive(struct ep *e)
{
	static const int16_t silence[FRAME_MAX];
	struct worker *w = e->room->w;
	if (!can_send(e) || w->now_us < e->keepalive_us)
		return;
	e->keepalive_us = w->now_us + PL_US_PER_S;
	ep_mix_frame(e, e->session ^ 2, silence);
}
