/* SDP from outside: parsed, answered as a phone's and as a browser's offer, taken as an answer. */
#include "../engine/nego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum codec codecs[] = { CODEC_OPUS, CODEC_PCMA, CODEC_PCMU };
	static const uint8_t fingerprint[32];
	static struct sdp d;
	char buf[4096];
	const char *what;
	if (sdp_parse((const char *)data, n, &d))
		return 0;
	for (int webrtc = 0; webrtc < 2; webrtc++) {
		struct nego_us us = { .addr = "192.0.2.1",
				      .port = 20000,
				      .rtcp_port = webrtc ? 0 : 20001,
				      .codecs = codecs,
				      .n_codecs = 3,
				      .webrtc = webrtc,
				      .ufrag = "abcd",
				      .pwd = "abcdefghijklmnopqrstuv",
				      .fingerprint = fingerprint,
				      .cname = "p" };
		struct nego a;
		struct sdp_out o = { buf, sizeof(buf), 0, false };
		if (!nego_answer(&us, &d, &a, &o, &what) && a.tx_pt[a.codec] > 127)
			__builtin_trap();
		o = (struct sdp_out){ buf, sizeof(buf), 0, false };
		if (!nego_offer(&us, &a, &o) && !nego_take_answer(&us, &d, &a, &what) && a.codec >= CODEC_N)
			__builtin_trap();
	}
	return 0;
}
