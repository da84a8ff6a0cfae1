#include "nego.h"

#include <strings.h>

enum { TE_OFFER_PT = 101, TE48_OFFER_PT = 110 };
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		enum pl_err err_ = (x);                                                                                \
		if (err_)                                                                                              \
			return err_;                                                                                   \
	} while (0)

static enum pl_err refuse(const char **what, enum pl_err err, const char *text)
{
	*what = text;
	return err;
}

static bool is_te(const struct sdp_fmt *f)
{
	return f->name.n == 15 && strncasecmp(f->name.s, "telephone-event", 15) == 0;
}

static enum codec fmt_codec(const struct sdp_fmt *f)
{
	if (f->name.n == 0) {
		for (int c = 0; c < CODEC_N; c++)
			if (codec_infos[c].static_pt == f->pt)
				return (enum codec)c;
		return CODEC_NONE;
	}
	enum codec c = codec_find(f->name.s, f->name.n);
	return c != CODEC_NONE && f->clock_hz == codec_infos[c].clock_hz ? c : CODEC_NONE;
}

static bool proto_fits(const struct sdp_media *m, bool webrtc)
{
	return webrtc ? m->proto == SDP_TLS_SAVPF || m->proto == SDP_TLS_SAVP || m->proto == SDP_RTP_SAVPF
		      : m->proto == SDP_RTP_AVP || m->proto == SDP_RTP_AVPF;
}

static const struct sdp_media *pick_media(const struct sdp *d, bool webrtc)
{
	for (size_t i = 0; i < d->n_media; i++)
		if (d->media[i].audio && (d->media[i].port != 0 || d->media[i].bundle_only) &&
		    proto_fits(&d->media[i], webrtc))
			return &d->media[i];
	return NULL;
}

bool nego_wants_mux(const struct sdp *offer)
{
	const struct sdp_media *m = pick_media(offer, false);
	return m && m->rtcp_mux;
}

static void clear_pts(struct nego *n)
{
	for (int c = 0; c < CODEC_N; c++)
		n->tx_pt[c] = n->rx_pt[c] = NEGO_PT_NONE;
	n->te_tx_pt = n->te_rx_pt = NEGO_PT_NONE;
	n->codec = CODEC_NONE;
}

static bool ours(const struct nego_us *us, enum codec c)
{
	for (size_t i = 0; i < us->n_codecs; i++)
		if (us->codecs[i] == c)
			return true;
	return false;
}

/* The first format of the other side's list that is c (or that we speak at all, for CODEC_NONE). */
static const struct sdp_fmt *find_fmt(const struct nego_us *us, const struct sdp_media *m, enum codec c)
{
	for (size_t i = 0; i < m->n_fmt; i++) {
		enum codec f = fmt_codec(&m->fmt[i]);
		if (f != CODEC_NONE && ours(us, f) && (c == CODEC_NONE || f == c))
			return &m->fmt[i];
	}
	return NULL;
}

static const struct sdp_fmt *choose(const struct nego_us *us, const struct sdp_media *m)
{
	const struct sdp_fmt *f = NULL;
	for (size_t i = 0; us->our_order && !f && i < us->n_codecs; i++)
		f = find_fmt(us, m, us->codecs[i]);
	return f ? f : find_fmt(us, m, CODEC_NONE);
}

/* With the sound's clock (RFC 4733 2.5.1.1); some browsers have 8,000 beside Opus all the same. */
static const struct sdp_fmt *choose_te(const struct sdp_media *m, uint32_t clock_hz)
{
	const struct sdp_fmt *other = NULL;
	for (size_t i = 0; i < m->n_fmt; i++) {
		if (!is_te(&m->fmt[i]))
			continue;
		if (m->fmt[i].clock_hz == clock_hz)
			return &m->fmt[i];
		if (!other && m->fmt[i].clock_hz == 8000)
			other = &m->fmt[i];
	}
	return other;
}

/* Who may send: what the other side wants, turned round (RFC 3264 6.1). */
static void take_dir(struct nego *n, const struct sdp_media *m)
{
	n->we_send = m->dir == SDP_SENDRECV || m->dir == SDP_RECVONLY;
	n->we_hear = m->dir == SDP_SENDRECV || m->dir == SDP_SENDONLY;
	if (strcmp(m->addr, "0.0.0.0") == 0 && n->ufrag[0] == '\0')
		n->we_send = false; /* RFC 3264 8.4: the old way to say hold */
}

static enum pl_err take_place(struct nego *n, const struct sdp_media *m, bool webrtc, const char **what)
{
	memcpy(n->addr, m->addr, sizeof(n->addr));
	n->ip6 = m->ip6;
	n->port = m->port;
	n->mux = webrtc || m->rtcp_mux;
	n->rtcp_port = n->mux ? m->port : m->rtcp_port ? m->rtcp_port : (uint16_t)(m->port + 1);
	n->ptime_ms = m->ptime_ms;
	if (!webrtc)
		return m->addr[0] ? PL_OK : refuse(what, PL_E_FORMAT, "the audio has no c= line");
	if (m->sec.ufrag.n < 4 || m->sec.ufrag.n >= NEGO_UFRAG_LEN)
		return refuse(what, PL_E_FORMAT, "ice-ufrag must have 4 to 64 characters");
	if (!m->sec.has_fingerprint)
		return refuse(what, PL_E_FORMAT, "the browser's sha-256 fingerprint is missing");
	memcpy(n->ufrag, m->sec.ufrag.s, m->sec.ufrag.n);
	n->ufrag[m->sec.ufrag.n] = '\0';
	memcpy(n->fingerprint, m->sec.fingerprint, sizeof(n->fingerprint));
	return PL_OK;
}

/* --- writing --- */
static void put_fmt(struct sdp_out *o, uint8_t pt, const char *name, uint32_t clock_hz, unsigned channels,
		    const char *fmtp)
{
	sdp_put(o, "a=rtpmap:");
	sdp_put_u(o, pt);
	sdp_put(o, " ");
	sdp_put(o, name);
	sdp_put(o, "/");
	sdp_put_u(o, clock_hz);
	if (channels > 1) {
		sdp_put(o, "/");
		sdp_put_u(o, channels);
	}
	if (fmtp) {
		sdp_put(o, "\r\na=fmtp:");
		sdp_put_u(o, pt);
		sdp_put(o, " ");
		sdp_put(o, fmtp);
	}
	sdp_put(o, "\r\n");
}

static void put_codec(struct sdp_out *o, enum codec c, uint8_t pt)
{
	put_fmt(o, pt, codec_infos[c].name, codec_infos[c].clock_hz, codec_infos[c].channels, codec_infos[c].fmtp);
}

static void put_addr(struct sdp_out *o, const struct nego_us *us)
{
	sdp_put(o, us->ip6 ? "IN IP6 " : "IN IP4 ");
	sdp_put(o, us->addr);
	sdp_put(o, "\r\n");
}

static void put_session(struct sdp_out *o, const struct nego_us *us, struct sdp_str mid, bool bundle)
{
	sdp_put(o, "v=0\r\no=- ");
	sdp_put_u(o, us->session);
	sdp_put(o, " ");
	sdp_put_u(o, us->version);
	sdp_put(o, " ");
	put_addr(o, us);
	sdp_put(o, "s=-\r\nc=");
	put_addr(o, us);
	sdp_put(o, "t=0 0\r\n");
	if (us->webrtc)
		sdp_put(o, "a=ice-lite\r\n");
	if (bundle) {
		sdp_put(o, "a=group:BUNDLE ");
		sdp_put_n(o, mid.s, mid.n);
		sdp_put(o, "\r\n");
	}
}

static void put_candidate(struct sdp_out *o, const char *addr, uint16_t port, unsigned n)
{
	static const unsigned host_pref = 126;
	sdp_put(o, "a=candidate:");
	sdp_put_u(o, n);
	sdp_put(o, " 1 udp ");
	sdp_put_u(o, (uint64_t)host_pref << 24 | (uint64_t)(65535 - n) << 8 | 255); /* RFC 8445 5.1.2.1 */
	sdp_put(o, " ");
	sdp_put(o, addr);
	sdp_put(o, " ");
	sdp_put_u(o, port);
	sdp_put(o, " typ host\r\n");
}

static void put_webrtc(struct sdp_out *o, const struct nego_us *us, struct sdp_str mid, const char *setup)
{
	if (mid.n > 0) {
		sdp_put(o, "a=mid:");
		sdp_put_n(o, mid.s, mid.n);
		sdp_put(o, "\r\n");
	}
	sdp_put(o, "a=ice-ufrag:");
	sdp_put(o, us->ufrag);
	sdp_put(o, "\r\na=ice-pwd:");
	sdp_put(o, us->pwd);
	sdp_put(o, "\r\na=fingerprint:sha-256 ");
	sdp_put_hex(o, us->fingerprint, 32);
	sdp_put(o, "\r\na=setup:");
	sdp_put(o, setup);
	sdp_put(o, "\r\na=rtcp-mux\r\na=msid:parley audio\r\na=ssrc:");
	sdp_put_u(o, us->ssrc);
	sdp_put(o, " cname:");
	sdp_put(o, us->cname);
	sdp_put(o, "\r\n");
	put_candidate(o, us->addr, us->port, 1);
	if (us->host_addr && strcmp(us->host_addr, us->addr) != 0)
		put_candidate(o, us->host_addr, us->port, 2);
	sdp_put(o, "a=end-of-candidates\r\n");
}

static void put_dir(struct sdp_out *o, const struct nego *n)
{
	sdp_put(o, n->we_send ? (n->we_hear ? "a=sendrecv\r\n" : "a=sendonly\r\n")
			      : (n->we_hear ? "a=recvonly\r\n" : "a=inactive\r\n"));
}

static void put_rtcp(struct sdp_out *o, const struct nego_us *us)
{
	if (us->webrtc)
		return;
	if (us->rtcp_port == 0) {
		sdp_put(o, "a=rtcp-mux\r\n");
	} else {
		sdp_put(o, "a=rtcp:");
		sdp_put_u(o, us->rtcp_port);
		sdp_put(o, "\r\n");
	}
}

static void put_pt(struct sdp_out *o, uint8_t pt)
{
	sdp_put(o, " ");
	sdp_put_u(o, pt);
}

static void put_audio(struct sdp_out *o, const struct nego_us *us, const struct nego *n, struct sdp_str proto)
{
	sdp_put(o, "m=audio ");
	sdp_put_u(o, us->port);
	sdp_put(o, " ");
	sdp_put_n(o, proto.s, proto.n);
	put_pt(o, n->rx_pt[n->codec]);
	if (n->te_rx_pt != NEGO_PT_NONE)
		put_pt(o, n->te_rx_pt);
	sdp_put(o, "\r\n");
	put_codec(o, n->codec, n->rx_pt[n->codec]);
	if (n->te_rx_pt != NEGO_PT_NONE)
		put_fmt(o, n->te_rx_pt, "telephone-event", n->te_clock_hz, 1, "0-16");
	sdp_put(o, "a=ptime:20\r\n");
	put_dir(o, n);
	put_rtcp(o, us);
}

static void put_refusal(struct sdp_out *o, const struct sdp_media *m)
{
	sdp_put(o, "m=");
	sdp_put_n(o, m->type.s, m->type.n);
	sdp_put(o, " 0 ");
	sdp_put_n(o, m->proto_text.s, m->proto_text.n);
	sdp_put(o, " ");
	sdp_put_n(o, m->fmts.s, m->fmts.n);
	sdp_put(o, "\r\n");
	if (m->mid.n > 0) {
		sdp_put(o, "a=mid:");
		sdp_put_n(o, m->mid.s, m->mid.n);
		sdp_put(o, "\r\n");
	}
}

/* --- the three verbs --- */
enum pl_err nego_offer(const struct nego_us *us, struct nego *ret, struct sdp_out *out)
{
	static const struct sdp_str mid = { "0", 1 };
	bool te8 = false, te48 = false;
	memset(ret, 0, sizeof(*ret));
	clear_pts(ret);
	put_session(out, us, mid, us->webrtc);
	sdp_put(out, "m=audio ");
	sdp_put_u(out, us->port);
	sdp_put(out, us->webrtc ? " UDP/TLS/RTP/SAVPF" : " RTP/AVP");
	for (size_t i = 0; i < us->n_codecs; i++) {
		enum codec c = us->codecs[i];
		ret->rx_pt[c] = codec_infos[c].offer_pt;
		put_pt(out, ret->rx_pt[c]);
		te8 |= codec_infos[c].clock_hz == 8000;
		te48 |= codec_infos[c].clock_hz == 48000;
	}
	if (te8)
		put_pt(out, TE_OFFER_PT);
	if (te48)
		put_pt(out, TE48_OFFER_PT);
	sdp_put(out, "\r\n");
	for (size_t i = 0; i < us->n_codecs; i++)
		put_codec(out, us->codecs[i], ret->rx_pt[us->codecs[i]]);
	if (te8)
		put_fmt(out, TE_OFFER_PT, "telephone-event", 8000, 1, "0-16");
	if (te48)
		put_fmt(out, TE48_OFFER_PT, "telephone-event", 48000, 1, "0-16");
	sdp_put(out, "a=ptime:20\r\na=sendrecv\r\n");
	put_rtcp(out, us);
	if (us->webrtc)
		put_webrtc(out, us, mid, "actpass");
	return out->over ? PL_E_FULL : PL_OK;
}

/* What the other side's medium and our own abilities give. */
static enum pl_err agree(const struct nego_us *us, const struct sdp_media *m, struct nego *n, const char **what)
{
	MUST(take_place(n, m, us->webrtc, what));
	take_dir(n, m);
	const struct sdp_fmt *f = choose(us, m);
	if (!f)
		return refuse(what, PL_E_UNSUPPORTED, "no codec in common");
	n->codec = fmt_codec(f);
	n->tx_pt[n->codec] = f->pt;
	const struct sdp_fmt *te = choose_te(m, codec_infos[n->codec].clock_hz);
	n->te_tx_pt = te ? te->pt : NEGO_PT_NONE;
	n->te_clock_hz = te ? te->clock_hz : codec_infos[n->codec].clock_hz;
	return PL_OK;
}

enum pl_err nego_answer(const struct nego_us *us, const struct sdp *offer, struct nego *ret, struct sdp_out *out,
			const char **what)
{
	const struct sdp_media *m = pick_media(offer, us->webrtc);
	memset(ret, 0, sizeof(*ret));
	clear_pts(ret);
	if (!m)
		return refuse(what, PL_E_UNSUPPORTED,
			      us->webrtc ? "the offer has no UDP/TLS/RTP/SAVPF audio"
					 : "the offer has no RTP/AVP audio");
	MUST(agree(us, m, ret, what));
	ret->rx_pt[ret->codec] = ret->tx_pt[ret->codec];
	ret->te_rx_pt = ret->te_tx_pt;
	ret->dtls_client = m->sec.setup == SDP_PASSIVE;
	ret->mux = us->rtcp_port == 0;
	put_session(out, us, m->mid, us->webrtc && offer->bundle.n > 0 && m->mid.n > 0);
	for (size_t i = 0; i < offer->n_media; i++) {
		if (&offer->media[i] != m) {
			put_refusal(out, &offer->media[i]);
			continue;
		}
		put_audio(out, us, ret, m->proto_text);
		if (us->webrtc)
			put_webrtc(out, us, m->mid, ret->dtls_client ? "active" : "passive");
	}
	ret->agreed = true;
	return out->over ? PL_E_FULL : PL_OK;
}

enum pl_err nego_take_answer(const struct nego_us *us, const struct sdp *answer, struct nego *n, const char **what)
{
	const struct sdp_media *m = pick_media(answer, us->webrtc);
	struct nego next = *n;
	if (!m)
		return refuse(what, PL_E_UNSUPPORTED, "the answer refuses the audio");
	memset(next.tx_pt, NEGO_PT_NONE, sizeof(next.tx_pt));
	MUST(agree(us, m, &next, what));
	for (size_t i = 0; i < m->n_fmt; i++) { /* all that it listed may be sent to it */
		enum codec c = fmt_codec(&m->fmt[i]);
		if (c != CODEC_NONE && ours(us, c) && next.tx_pt[c] == NEGO_PT_NONE)
			next.tx_pt[c] = m->fmt[i].pt;
	}
	next.te_rx_pt = next.te_clock_hz == 48000 ? TE48_OFFER_PT : TE_OFFER_PT;
	next.dtls_client = m->sec.setup == SDP_PASSIVE;
	next.mux = us->rtcp_port == 0;
	if (!next.mux && next.rtcp_port == next.port)
		next.rtcp_port = (uint16_t)(next.port + 1);
	next.agreed = true;
	*n = next;
	return PL_OK;
}

enum codec nego_rx_codec(const struct nego *n, uint8_t pt)
{
	for (int c = 0; c < CODEC_N; c++)
		if (n->rx_pt[c] == pt)
			return (enum codec)c;
	return CODEC_NONE;
}
