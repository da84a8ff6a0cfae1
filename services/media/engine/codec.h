/** The audio codecs Parley speaks, and G.711 itself (ITU-T G.711). Pure; any thread.
 *  Units      samples are 16-bit linear PCM, host order; one octet of G.711 is one sample at 8 kHz. */
#ifndef MEDIA_ENGINE_CODEC_H
#define MEDIA_ENGINE_CODEC_H
#include <stddef.h>
#include <stdint.h>

enum codec { CODEC_PCMU, CODEC_PCMA, CODEC_OPUS, CODEC_N, CODEC_NONE = CODEC_N };

struct codec_info {
	const char *name;  /* of a=rtpmap; compared without case */
	uint32_t clock_hz; /* RTP clock; Opus is always 48,000 (RFC 7587 4.1) */
	uint8_t channels;  /* as written in a=rtpmap; 1 is left out */
	uint8_t static_pt; /* RFC 3551 6, or 255: dynamic */
	uint8_t offer_pt;  /* the number we offer it under */
	const char *fmtp;  /* what we say about it, or NULL */
};
extern const struct codec_info codec_infos[CODEC_N];
/** CODEC_NONE when we do not speak it. n: length of name. */
enum codec codec_find(const char *name, size_t n);

extern const int16_t g711_a_linear[256], g711_u_linear[256];
uint8_t g711_a_code(int16_t linear);
uint8_t g711_u_code(int16_t linear);
void g711_decode(enum codec c, const uint8_t *in, size_t n, int16_t *out);
void g711_encode(enum codec c, const int16_t *in, size_t n, uint8_t *out);
#define G711_A_SILENCE 0xd5
#define G711_U_SILENCE 0xff
#endif
