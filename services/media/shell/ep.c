/* Endpoints: made by an SDP, changed by an SDP, ended; what the seconds bring. */
#include "media.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SDP_OUT_MAX = 4096, SILENT_US = 20000000, RELATCH_US = 2000000, RTCP_US = 5000000 };

static int64_t rtcp_wait(struct worker *w) /* RFC 3550 6.3.1: half to one and a half times */
{
	return RTCP_US / 2 + (int64_t)(worker_rnd(w) % RTCP_US);
}

static void describe(const struct ep *e, struct nego_us *us)
{
	struct worker *w = e->room->w;
	*us = (struct nego_us){ .addr = w->sdp_addr,
				.ip6 = w->sdp_ip6,
				.port = e->port,
				.rtcp_port = e->rtcp.fd >= 0 ? (uint16_t)(e->port + 1) : 0,
				.session = e->session >> 2,
				.version = e->sdp_version,
				.codecs = e->codecs,
				.n_codecs = e->n_codecs,
				.our_order = true,
				.webrtc = e->webrtc,
				.ssrc = e->tx.ssrc,
				.cname = "parley" };
	if (e->wrtc) {
		us->ufrag = wrtc_ufrag(e->wrtc);
		us->pwd = wrtc_pwd(e->wrtc);
		us->fingerprint = wrtc_fingerprint(core_cert(w->core));
		us->host_addr = w->cfg->rtp_address;
		union addr a;
		if (!addr_parse(&a, us->host_addr, 1) ||
		    (addr_private(&a) && a.sa.sa_family == AF_INET && a.in.sin_addr.s_addr == 0))
			us->host_addr = NULL; /* bound to all: no address to tell */
	}
}

/* Where phones of this room already speak a codec, the next one is asked for it too: then nothing is transcoded. */
static void set_codecs(struct ep *e, const struct op *op)
{
	const struct core_cfg *cfg = e->room->w->cfg;
	const enum codec *from = op->n_codecs ? op->codecs : e->webrtc ? cfg->webrtc_codecs : cfg->sip_codecs;
	size_t n = op->n_codecs ? op->n_codecs : e->webrtc ? cfg->n_webrtc_codecs : cfg->n_sip_codecs;
	enum codec first = CODEC_NONE;
	for (unsigned i = 0; i < ROOM_EPS && !op->n_codecs && !e->webrtc; i++)
		if (e->room->eps[i] && e->room->eps[i] != e && e->room->eps[i]->nego.agreed)
			first = e->room->eps[i]->nego.codec;
	for (size_t i = 0; i < n; i++)
		if (from[i] == first)
			e->codecs[e->n_codecs++] = first;
	for (size_t i = 0; i < n; i++)
		if (from[i] != first)
			e->codecs[e->n_codecs++] = from[i];
}

static enum pl_err keep_sdp(struct ep *e, const struct sdp_out *o, struct pl_why *why)
{
	char *copy = strndup(o->buf, o->len);
	if (!copy)
		return pl_why_set(why, PL_E_NOMEM, "endpoint: memory is out");
	free(e->local_sdp);
	e->local_sdp = copy;
	return PL_OK;
}

static enum pl_err agreed(struct ep *e, struct pl_why *why)
{
	e->tx.clock_hz = codec_infos[e->nego.codec].clock_hz;
	e->rx_codec = e->nego.codec;
	e->rx_pt = NEGO_PT_NONE;
	e->last_in_us = e->room->w->now_us; /* from now on something should come */
	if (e->webrtc)
		return PL_OK; /* where to is what an ICE check proves */
	union addr before = e->sdp_addr;
	if (!addr_parse(&e->sdp_addr, e->nego.addr, e->nego.port))
		return pl_why_set(why, PL_E_FORMAT, "SDP: %s is no IP address", e->nego.addr);
	if (addr_unspecified(&e->sdp_addr)) {
		e->sdp_addr =
			before; /* hold in the old way (RFC 3264 8.4): nothing is sent, reports go where they went */
		return PL_OK;
	}
	if (e->has_to && addr_same(&before, &e->sdp_addr))
		return PL_OK; /* a re-INVITE about something else must not move what was learned */
	ep_unlatch(e);
	e->exact = false;
	e->to = e->sdp_addr;
	e->has_to = e->nego.port != 0;
	if (!addr_parse(&e->rtcp_to, e->nego.addr, e->nego.rtcp_port))
		e->rtcp_to = e->to;
	return PL_OK;
}

static enum pl_err parse(const char *text, struct sdp *d, struct pl_why *why)
{
	enum pl_err err = sdp_parse(text, strlen(text), d);
	return err ? pl_why_field(why, err, "remote_sdp", "line %u: %s", d->line, d->what) : PL_OK;
}

static bool restarts_ice(const struct ep *e, const struct sdp *offer)
{
	for (size_t i = 0; i < offer->n_media; i++)
		if (offer->media[i].audio && offer->media[i].sec.ufrag.n > 0)
			return !sdp_is(offer->media[i].sec.ufrag, e->nego.ufrag);
	return false;
}

static enum pl_err answer(struct ep *e, const struct sdp *offer, struct pl_why *why)
{
	char text[SDP_OUT_MAX];
	struct sdp_out o = { text, sizeof(text), 0, false };
	struct nego_us us;
	struct nego n;
	const char *what = "the answer is too long";
	if (e->wrtc && e->nego.agreed && restarts_ice(e, offer) && !wrtc_restart(e->wrtc))
		return pl_why_set(why, PL_E_INTERNAL, "no random numbers");
	e->sdp_version++;
	describe(e, &us);
	enum pl_err err = nego_answer(&us, offer, &n, &o, &what);
	if (err)
		return pl_why_field(why, err, "remote_sdp", "%s", what);
	e->nego = n;
	err = agreed(e, why);
	return err ? err : keep_sdp(e, &o, why);
}

static enum pl_err offer(struct ep *e, struct pl_why *why)
{
	char text[SDP_OUT_MAX];
	struct sdp_out o = { text, sizeof(text), 0, false };
	struct nego_us us;
	e->sdp_version++;
	describe(e, &us);
	enum pl_err err = nego_offer(&us, &e->nego, &o);
	return err ? pl_why_set(why, err, "the offer is too long") : keep_sdp(e, &o, why);
}

static enum pl_err open_sockets(struct ep *e, bool mux, struct pl_why *why)
{
	struct worker *w = e->room->w;
	int fds[2] = { -1, -1 };
	enum pl_err err = ports_take(w->ports, w->cfg->rtp_address, mux, &e->port, fds, why);
	e->rtp.fd = fds[0];
	e->rtcp.fd = fds[1];
	if (!err && (worker_watch(w, &e->rtp) || (e->rtcp.fd >= 0 && worker_watch(w, &e->rtcp))))
		err = pl_why_set(why, PL_E_IO, "epoll refuses the socket");
	return err;
}

static struct ep *ep_alloc(struct room *r, const struct op *op)
{
	struct ep *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	struct worker *w = r->w;
	e->room = r;
	e->webrtc = op->webrtc;
	pl_strlcpy(e->id, op->id, sizeof(e->id));
	e->rtp = (struct sock){ .fd = -1, .ep = e };
	e->rtcp = (struct sock){ .fd = -1, .rtcp = true, .ep = e };
	e->session = worker_rnd(w) | 1;
	e->rx_codec = CODEC_NONE;
	e->rx_pt = NEGO_PT_NONE;
	e->rtcp_due_us = w->now_us + rtcp_wait(w);
	e->nego.codec = CODEC_NONE;
	rtp_tx_init(&e->tx, (uint32_t)worker_rnd(w), (uint16_t)(worker_rnd(w) & 0x7fff), (uint32_t)worker_rnd(w), 8000);
	set_codecs(e, op);
	pl_list_init(&e->live);
	return e;
}

static enum pl_err ep_build(struct ep *e, const struct op *op, struct pl_why *why)
{
	struct sdp *d = pl_empty(op->sdp) ? NULL : pl_arena_alloc(pl_loop_tmp(e->room->w->loop), sizeof(*d));
	enum pl_err err = d ? parse(op->sdp, d, why) : PL_OK;
	if (!err && e->webrtc && !(e->wrtc = wrtc_new(e, core_cert(e->room->w->core))))
		err = pl_why_set(why, PL_E_NOMEM, "endpoint: memory is out");
	if (!err)
		err = open_sockets(e, e->webrtc || (d && nego_wants_mux(d)), why);
	if (!err)
		err = d ? answer(e, d, why) : offer(e, why);
	return err;
}

enum pl_err ep_new(struct ep **ret, struct room *r, const struct op *op, const char **ret_sdp, struct pl_why *why)
{
	struct ep *e = room_ep(r, op->id);
	unsigned idx = 0;
	if (e) { /* asked again: the same answer */
		*ret_sdp = e->local_sdp;
		return PL_OK;
	}
	while (idx < ROOM_EPS && r->eps[idx])
		idx++;
	if (idx == ROOM_EPS)
		return pl_why_set(why, PL_E_FULL, "a room holds %d endpoints", ROOM_EPS);
	e = ep_alloc(r, op);
	if (!e)
		return pl_why_set(why, PL_E_NOMEM, "endpoint: memory is out");
	enum pl_err err = ep_build(e, op, why);
	if (err) {
		ep_free(e);
		return err;
	}
	e->idx = (uint8_t)idx;
	r->eps[idx] = e;
	r->used |= 1u << idx;
	pl_list_push(&r->w->eps, &e->live);
	count_add(&r->w->counts.endpoints, 1);
	*ret = e;
	*ret_sdp = e->local_sdp;
	return PL_OK;
}

enum pl_err ep_set_remote(struct ep *e, const struct op *op, const char **ret_sdp, struct pl_why *why)
{
	struct sdp *d = pl_arena_alloc(pl_loop_tmp(e->room->w->loop), sizeof(*d));
	if (!d)
		return pl_why_set(why, PL_E_NOMEM, "endpoint: memory is out");
	enum pl_err err = parse(op->sdp ? op->sdp : "", d, why);
	if (err)
		return err;
	if (op->is_offer) {
		err = answer(e, d, why);
		*ret_sdp = err ? NULL : e->local_sdp;
		return err;
	}
	struct nego_us us;
	const char *what = "";
	describe(e, &us);
	err = nego_take_answer(&us, d, &e->nego, &what);
	return err ? pl_why_field(why, err, "remote_sdp", "%s", what) : agreed(e, why);
}

void ep_free(struct ep *e)
{
	if (!e)
		return;
	struct worker *w = e->room->w;
	if (e->rtp.fd >= 0) {
		close(e->rtp.fd);
		ports_give(w->ports, e->port);
	}
	if (e->rtcp.fd >= 0)
		close(e->rtcp.fd);
	dec_free(e->dec);
	enc_free(e->enc);
	wrtc_free(e->wrtc);
	free(e->local_sdp);
	free(e);
}

/* Out of the room now; the memory stays until the turn ends, because epoll may have told of it already. */
void ep_end(struct ep *e)
{
	struct room *r = e->room;
	uint32_t bit = 1u << e->idx;
	if (e->has_to)
		ep_rtcp_send(e, true);
	if (e->dec)
		count_add(&r->w->counts.jb_dropped, e->dec->jb.dropped);
	r->eps[e->idx] = NULL;
	r->used &= ~bit;
	for (unsigned i = 0; i < ROOM_EPS; i++)
		if (r->eps[i])
			r->eps[i]->hears &= ~bit;
	for (unsigned i = r->n_players; i-- > 0;) {
		struct player *p = r->players[i];
		if ((p->to & bit) && !(p->to &= ~bit))
			player_end(r, p, "stopped", ""); /* nobody listens any more */
	}
	for (unsigned i = 0; i < r->n_recs; i++)
		for (int s = 0; s < 2; s++)
			r->recs[i]->side[s] &= ~bit;
	e->mode = OUT_NONE;
	e->relay_to = 0;
	pl_list_remove(&e->live);
	pl_list_push(&r->w->grave, &e->live);
	count_add(&r->w->counts.endpoints, UINT64_MAX); /* minus one */
}

void ep_stats(const struct ep *e, struct ep_stats *ret)
{
	enum codec c = e->nego.codec;
	uint64_t lost = rtp_rx_lost(&e->rx), all = e->rx.packets + lost;
	*ret = (struct ep_stats){ .packets_in = e->rx.packets,
				  .packets_out = e->tx.packets,
				  .bytes_in = e->rx.bytes,
				  .bytes_out = e->tx.bytes,
				  .lost_in = lost,
				  .rtt_ms = e->rtt_ms,
				  .jitter_ms = c < CODEC_N ? rtp_rx_jitter_ms(&e->rx, codec_infos[c].clock_hz) : 0,
				  .codec = c < CODEC_N ? codec_infos[c].name : "" };
	struct audio_quality q = { .loss = all ? (double)lost / (double)all : 0,
				   .opus = c == CODEC_OPUS,
				   .delay_ms = e->rtt_ms / 2 + 2 * ret->jitter_ms + 40 };
	ret->mos = e->rx.packets ? audio_mos(&q) : 0;
}

void ep_state(struct ep *e, enum ep_state s)
{
	struct event *ev = room_event(e->room, EVENT_ENDPOINT_STATE, e->id);
	if (!ev)
		return;
	ev->state = s;
	ep_stats(e, &ev->stats);
	room_post(e->room, ev);
}

static void check_silence(struct ep *e)
{
	int64_t quiet = e->room->w->now_us - e->last_in_us;
	if (!e->nego.agreed || !e->nego.we_hear)
		return;
	if (quiet > RELATCH_US && e->latched && !e->webrtc)
		ep_unlatch(e);
	if (quiet > SILENT_US && !e->silent) {
		e->silent = true;
		ep_state(e, EP_SILENT);
	}
}

void ep_check(struct ep *e)
{
	struct worker *w = e->room->w;
	struct te_digit d;
	if (e->te.active && te_rx_poll(&e->te, e->nego.te_clock_hz, w->now_us, &d))
		room_digit(e, d.digit, d.duration_ms);
	check_silence(e);
	if (e->has_to && w->now_us >= e->rtcp_due_us) {
		ep_rtcp_send(e, false);
		e->rtcp_due_us = w->now_us + rtcp_wait(w);
	}
	if (e->dec && e->nego.agreed)
		jb_aim(&e->dec->jb, rtp_rx_jitter_ms(&e->rx, codec_infos[e->nego.codec].clock_hz), 20);
	if (e->mode == OUT_NONE)
		ep_keepalive(e);
	if (e->wrtc)
		wrtc_check(e->wrtc);
}
