/* RTP, RTCP, telephone events, the jitter buffer and heads of recordings: whatever arrives. */
#include "../engine/jb.h"
#include "../engine/rechdr.h"
#include "../engine/rtcp.h"
#include "../engine/te.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t bytes[JB_SLOTS * 200];
	struct rtp_rx rx = { 0 };
	struct te_rx te = { 0 };
	struct te_digit d[2];
	struct jb j;
	struct rtcp_in in;
	struct rec_hdr h;
	uint8_t out[RTCP_OUT_MAX];
	jb_init(&j, bytes, 200);
	if (rec_hdr_parse(data, n, &h) == PL_OK && h.format > 2)
		__builtin_trap();
	rtcp_parse(data, n, 1, &in);
	for (size_t at = 0; at + 2 <= n;) { /* packets with a length before each */
		size_t len = data[at];
		struct rtp_pkt p;
		at++;
		len = len > n - at ? n - at : len;
		if (rtp_parse(data + at, len, &p) && rtp_rx_take(&rx, &p, 8000, (int64_t)at * 20000) != RTP_RX_BAD) {
			te_rx_take(&te, p.payload, p.len, p.ts, 8000, (int64_t)at * 20000, d);
			jb_put(&j, p.seq, p.ts, 0, p.payload, p.len);
			struct jb_slot s;
			const uint8_t *payload;
			if (jb_get(&j, &s, &payload) == JB_GET_PACKET && payload + s.len > bytes + sizeof(bytes))
				__builtin_trap();
		}
		at += len;
	}
	struct rtcp_out o = { .cname = "x", .packets = 1 };
	return rtcp_write(out, &o, &rx) > sizeof(out) ? -1 : 0;
}
