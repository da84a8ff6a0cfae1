/** Offer and answer (RFC 3264) for one audio stream, of a phone (RTP/AVP) or a browser (RFC 8829, ICE-lite, DTLS-SRTP).
 * Pure. Answers    audio only, the first usable m-line; every other m-line is refused with port 0. One audio codec is
 * answered, and telephone-event where it was offered with the same clock. Errors     PL_E_FORMAT, PL_E_UNSUPPORTED (no
 * codec in common...) with *what a static text; *ret is then undefined. */
#ifndef MEDIA_ENGINE_NEGO_H
#define MEDIA_ENGINE_NEGO_H
#include "codec.h"
#include "sdp.h"

#define NEGO_PT_NONE 255
enum { NEGO_UFRAG_LEN = 65, NEGO_PWD_LEN = 40, NEGO_MID_LEN = 33 };

struct nego_us {          /* what we are */
	const char *addr; /* as the other side sees us */
	bool ip6;
	uint16_t port, rtcp_port; /* rtcp_port 0: on the same port */
	uint64_t session;         /* of o= */
	uint32_t version;         /* goes up with each SDP */
	const enum codec *codecs; /* in our order */
	size_t n_codecs;
	bool our_order; /* answer by our order; else by the offer's */
	bool webrtc;
	const char *ufrag, *pwd;    /* ours */
	const uint8_t *fingerprint; /* sha-256, 32 octets */
	const char *host_addr;      /* a second candidate when it differs from addr; may be NULL */
	uint32_t ssrc;
	const char *cname;
};
struct nego {        /* what holds between the two; what each packet needs stands first */
	bool agreed; /* both descriptions are known */
	bool we_send, we_hear;
	uint8_t te_tx_pt, te_rx_pt;
	uint8_t tx_pt[CODEC_N], rx_pt[CODEC_N];
	enum codec codec; /* that we send */
	uint32_t te_clock_hz;
	bool mux, ip6, dtls_client; /* dtls_client: we begin */
	uint16_t port, rtcp_port;
	unsigned ptime_ms;          /* wanted by the other side, 0: 20 */
	char addr[SDP_ADDR_LEN];    /* where to send */
	char ufrag[NEGO_UFRAG_LEN]; /* theirs */
	uint8_t fingerprint[32];    /* theirs */
};
PL_MUST enum pl_err nego_offer(const struct nego_us *us, struct nego *ret, struct sdp_out *out);
PL_MUST enum pl_err nego_answer(const struct nego_us *us, const struct sdp *offer, struct nego *ret,
				struct sdp_out *out, const char **what);
/** The answer to nego_offer(); n is what that left. */
PL_MUST enum pl_err nego_take_answer(const struct nego_us *us, const struct sdp *answer, struct nego *n,
				     const char **what);
/** What an offer says about ports before any socket is opened: RTP and RTCP on one. */
bool nego_wants_mux(const struct sdp *offer);
/** Payload type to codec for what we receive; CODEC_NONE. */
enum codec nego_rx_codec(const struct nego *n, uint8_t pt);
#endif
