/* What arrives at an endpoint: whom to believe, digits, passing on, keeping for the next tick. */
#include "media.h"

#include <errno.h>

enum { CONNECT_AFTER = 50 };

void ep_unlatch(struct ep *e)
{
	e->latched = false;
	e->latched_packets = 0;
	if (!e->rtp.connected)
		return;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	connect(e->rtp.fd, &none, sizeof(none)); /* UDP: keeps the bound address */
	e->rtp.connected = false;
}

/* The kernel then drops strangers for us and spares the route look-up of every packet we send. */
static void settle(struct ep *e)
{
	if (!e->exact && e->latched_packets < CONNECT_AFTER)
		return;
	if (connect(e->rtp.fd, &e->to.sa, addr_len(&e->to)) == 0)
		e->rtp.connected = true;
	else
		e->latched_packets = 0; /* try again later */
}

/* Symmetric RTP (RFC 4961) without letting strangers in: the SDP's address, or, where that says nothing (private:
 * behind a NAT), the first one that speaks, until the SDP's own address does. */
static bool believes(struct ep *e, const union addr *from)
{
	if (!e->has_to)
		return false;
	if (e->latched && addr_same(from, &e->to))
		return true;
	bool exact = addr_same(from, &e->sdp_addr);
	if (e->latched && (!exact || e->exact))
		return false;
	if (!exact && !addr_same_ip(from, &e->sdp_addr) && !addr_private(&e->sdp_addr) && !e->room->w->cfg->learn_any)
		return false;
	e->latched = true;
	e->latched_packets = 0;
	e->exact = exact;
	e->to = *from;
	if (e->nego.mux)
		e->rtcp_to = *from;
	return true;
}

/* --- digits --- */
/* Events share the sound's stream and its timestamps, so they pass untouched only with one clock all the way. */
static bool relays_events(const struct ep *from, const struct ep *to)
{
	return to->mode == OUT_RELAY && to->nego.te_tx_pt != NEGO_PT_NONE &&
	       to->nego.te_clock_hz == from->nego.te_clock_hz &&
	       from->nego.te_clock_hz == codec_infos[from->nego.codec].clock_hz;
}

static void pass_digit(struct ep *e, char digit)
{
	struct room *r = e->room;
	for (uint32_t m = r->used; m; m &= m - 1) {
		struct ep *to = r->eps[__builtin_ctz(m)];
		if ((to->hears & 1u << e->idx) && !relays_events(e, to) && te_tx_add(&to->te_out, digit))
			r->dirty = true;
	}
}

static void take_event(struct ep *e, struct rtp_pkt *p)
{
	struct te_digit d[2];
	struct room *r = e->room;
	int n = te_rx_take(&e->te, p->payload, p->len, p->ts, e->nego.te_clock_hz, r->w->now_us, d);
	for (uint32_t m = e->relay_to; m; m &= m - 1) {
		struct ep *to = r->eps[__builtin_ctz(m)];
		if (relays_events(e, to))
			ep_relay(to, e, CODEC_NONE, true, p);
	}
	for (int i = 0; i < n; i++) {
		pass_digit(e, d[i].digit);
		room_digit(e, d[i].digit, d[i].duration_ms);
	}
	if (r->dirty)
		room_graph(r);
}

/* --- sound --- */
static void keep(struct ep *e, enum codec c, const struct rtp_pkt *p)
{
	enum jb_put res = jb_put(&e->dec->jb, p->seq, p->ts, (uint8_t)c, p->payload, p->len);
	if (res == JB_PUT_TOO_LONG && dec_grow(e->dec, p->len))
		res = jb_put(&e->dec->jb, p->seq, p->ts, (uint8_t)c, p->payload, p->len);
	if (res == JB_PUT_LATE || res == JB_PUT_TWICE)
		count_add(&e->room->w->counts.late, 1);
}

static void count_recorded(struct ep *e)
{
	struct room *r = e->room;
	for (unsigned i = 0; i < r->n_recs; i++)
		for (int s = 0; s < 2; s++)
			r->recs[i]->packets[s] += r->recs[i]->side[s] >> e->idx & 1;
}

static void came(struct ep *e)
{
	e->last_in_us = e->room->w->now_us;
	if (!e->heard || e->silent) {
		enum ep_state s = e->heard ? EP_BACK : EP_CONNECTED;
		e->heard = true;
		e->silent = false;
		ep_state(e, s);
	}
}

static enum codec codec_of(struct ep *e, uint8_t pt)
{
	if (pt == e->rx_pt)
		return e->rx_codec;
	enum codec c = nego_rx_codec(&e->nego, pt);
	if (c == CODEC_NONE)
		return c;
	e->rx_pt = pt;
	if (c != e->rx_codec) {
		e->rx_codec = c;
		room_graph(e->room); /* who could take it as it is may not now */
	}
	return c;
}

static void take_rtp(struct ep *e, const uint8_t *buf, size_t n)
{
	struct worker *w = e->room->w;
	struct rtp_pkt p;
	if (!e->nego.agreed || !rtp_parse(buf, n, &p)) {
		count_add(&w->counts.bad, 1);
		return;
	}
	bool event = p.pt == e->nego.te_rx_pt && p.pt != NEGO_PT_NONE;
	enum codec c = event ? e->nego.codec : codec_of(e, p.pt);
	enum rtp_rx_result res =
		c == CODEC_NONE ? RTP_RX_BAD : rtp_rx_take(&e->rx, &p, codec_infos[c].clock_hz, w->now_us);
	if (res == RTP_RX_BAD) {
		count_add(&w->counts.bad, 1);
		return;
	}
	count_add(&w->counts.packets_in, 1);
	came(e);
	if (!e->nego.we_hear || p.len == 0)
		return;
	if (res == RTP_RX_NEW_SOURCE && e->dec)
		jb_reset(&e->dec->jb);
	if (event) {
		take_event(e, &p);
		return;
	}
	if (e->room->n_recs)
		count_recorded(e);
	if (e->need_pcm && e->dec)
		keep(e, c, &p); /* before passing on: that writes a new header over the old one */
	for (uint32_t m = e->relay_to; m; m &= m - 1)
		ep_relay(e->room->eps[__builtin_ctz(m)], e, c, false, &p);
}

void ep_take(struct ep *e, uint8_t *p, size_t n, bool rtcp_port, const union addr *from)
{
	if (e->wrtc && !wrtc_take(e->wrtc, p, &n, from))
		return;
	bool rtcp = rtcp_port || rtp_is_rtcp(p, n);
	if (rtcp) {
		if (e->wrtc || (e->has_to && addr_same_ip(from, &e->to)))
			ep_rtcp_take(e, p, n);
		if (!e->wrtc && rtcp_port && e->has_to && addr_same_ip(from, &e->to))
			e->rtcp_to = *from;
		return;
	}
	if (!e->wrtc && !e->rtp.connected) {
		if (!believes(e, from)) {
			count_add(&e->room->w->counts.bad, 1);
			return;
		}
		e->latched_packets++;
		settle(e);
	}
	take_rtp(e, p, n);
}

void ep_readable(struct sock *s)
{
	struct ep *e = s->ep;
	struct worker *w = e->room->w;
	union addr from;
	socklen_t len = sizeof(from);
	ssize_t n = s->connected ? recv(s->fd, w->buf, PACKET_MAX - 64, 0)
				 : recvfrom(s->fd, w->buf, PACKET_MAX - 64, 0, &from.sa, &len);
	if (n <= 0)
		return; /* nothing, or an ICMP error of a packet we sent */
	w->window_packets++;
	if (!pl_list_empty(&e->live) && e->room->eps[e->idx] == e)
		ep_take(e, w->buf, (size_t)n, s->rtcp, s->connected ? &e->to : &from);
}
