/** SDP read (RFC 8866) as far as audio calls need it. Pure: slices point into the caller's text.
 *  Bounds     SDP_MEDIA_MAX m-lines, SDP_FMT_MAX formats each, 16 KiB; more is PL_E_FULL.
 *  Errors     PL_E_FORMAT with what and line set; unknown lines and attributes are skipped. */
#ifndef MEDIA_ENGINE_SDP_H
#define MEDIA_ENGINE_SDP_H
#include <parley/base.h>

enum { SDP_MEDIA_MAX = 8, SDP_FMT_MAX = 32, SDP_TEXT_MAX = 16384, SDP_ADDR_LEN = 46 };

struct sdp_str {
	const char *s;
	size_t n;
};
enum sdp_dir { SDP_DIR_UNSET, SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };
enum sdp_setup { SDP_SETUP_UNSET, SDP_ACTPASS, SDP_ACTIVE, SDP_PASSIVE, SDP_HOLDCONN };
enum sdp_proto { SDP_PROTO_OTHER, SDP_RTP_AVP, SDP_RTP_AVPF, SDP_RTP_SAVP, SDP_RTP_SAVPF, SDP_TLS_SAVP, SDP_TLS_SAVPF };

struct sdp_fmt {
	uint8_t pt;
	uint8_t channels;
	uint32_t clock_hz;
	struct sdp_str name, fmtp; /* name empty: no rtpmap (then RFC 3551 6 says what it is) */
};
struct sdp_sec {                   /* on the session or a medium; the medium's wins */
	struct sdp_str ufrag, pwd; /* RFC 8839 5.4 */
	uint8_t fingerprint[32];   /* RFC 8122, sha-256 only */
	bool has_fingerprint;
	enum sdp_setup setup; /* RFC 4145 4, RFC 5763 5 */
};
struct sdp_media {
	struct sdp_str line; /* what follows "m=", for a refusal that names the same formats */
	struct sdp_str type, proto_text, fmts;
	enum sdp_proto proto;
	bool audio;
	uint16_t port;
	char addr[SDP_ADDR_LEN]; /* "": the session's */
	bool ip6;
	enum sdp_dir dir;
	uint16_t rtcp_port; /* RFC 3605; 0: port + 1 */
	bool rtcp_mux, bundle_only;
	unsigned ptime_ms;
	struct sdp_str mid;
	struct sdp_sec sec;
	struct sdp_fmt fmt[SDP_FMT_MAX];
	size_t n_fmt;
};
struct sdp {
	char addr[SDP_ADDR_LEN];
	bool ip6;
	enum sdp_dir dir;
	struct sdp_sec sec;
	struct sdp_str bundle; /* the mids of a=group:BUNDLE */
	struct sdp_media media[SDP_MEDIA_MAX];
	size_t n_media;
	const char *what; /* static text */
	unsigned line;
};
PL_MUST enum pl_err sdp_parse(const char *text, size_t n, struct sdp *ret);
static inline bool sdp_is(struct sdp_str a, const char *b)
{
	return a.n == strlen(b) && memcmp(a.s, b, a.n) == 0;
}

/** Appends text to a bounded buffer; over says that it did not fit. Always 0-terminated (cap >= 1). */
struct sdp_out {
	char *buf;
	size_t cap, len;
	bool over;
};
void sdp_put(struct sdp_out *o, const char *s);
void sdp_put_n(struct sdp_out *o, const char *s, size_t n);
void sdp_put_u(struct sdp_out *o, uint64_t v);
void sdp_put_hex(struct sdp_out *o, const uint8_t *p, size_t n); /* "AB:CD" */
#endif
