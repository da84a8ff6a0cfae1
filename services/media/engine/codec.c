#include "codec.h"

#include <string.h>
#include <strings.h>

const struct codec_info codec_infos[CODEC_N] = {
	[CODEC_PCMU] = { "PCMU", 8000, 1, 0, 0, NULL },
	[CODEC_PCMA] = { "PCMA", 8000, 1, 8, 8, NULL },
	[CODEC_OPUS] = { "opus", 48000, 2, 255, 111, "minptime=10;useinbandfec=1" },
};

enum codec codec_find(const char *name, size_t n)
{
	for (int c = 0; c < CODEC_N; c++)
		if (strlen(codec_infos[c].name) == n && strncasecmp(codec_infos[c].name, name, n) == 0)
			return (enum codec)c;
	return CODEC_NONE;
}

/* ITU-T G.711 tables 1 and 2 as constant expressions: sign, segment, step within the segment. */
#define A_MAG(x) (((x)&0x70) == 0 ? (((x)&15) << 4) + 8 : ((((x)&15) << 4) + 0x108) << ((((x)&0x70) >> 4) - 1))
#define A_OF(x) ((x)&0x80 ? A_MAG(x) : -A_MAG(x))
#define A1(n) (int16_t) A_OF((n) ^ 0x55)
#define U_MAG(x) ((((((x)&15) << 3) + 0x84) << (((x)&0x70) >> 4)) - 0x84)
#define U_OF(x) ((x)&0x80 ? -U_MAG(x) : U_MAG(x))
#define U1(n) (int16_t) U_OF((n) ^ 0xff)
#define FOUR(F, n) F(n), F((n) + 1), F((n) + 2), F((n) + 3)
#define SIXTEEN(F, n) FOUR(F, n), FOUR(F, (n) + 4), FOUR(F, (n) + 8), FOUR(F, (n) + 12)
#define SIXTY4(F, n) SIXTEEN(F, n), SIXTEEN(F, (n) + 16), SIXTEEN(F, (n) + 32), SIXTEEN(F, (n) + 48)
#define ALL(F) SIXTY4(F, 0), SIXTY4(F, 64), SIXTY4(F, 128), SIXTY4(F, 192)
/* The segment shift of the unused branch of A_MAG is never negative where it is taken. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshift-count-negative"
const int16_t g711_a_linear[256] = { ALL(A1) };
const int16_t g711_u_linear[256] = { ALL(U1) };
#pragma GCC diagnostic pop

uint8_t g711_a_code(int16_t linear)
{
	unsigned mask = linear >= 0 ? 0xd5 : 0x55;
	unsigned mag = (unsigned)(linear >= 0 ? linear : ~linear);
	if (mag < 256)
		return (uint8_t)((mag >> 4) ^ mask);
	unsigned seg = 24u - (unsigned)__builtin_clz(mag);
	return (uint8_t)((seg << 4 | (mag >> (seg + 3) & 15)) ^ mask);
}

uint8_t g711_u_code(int16_t linear)
{
	unsigned sign = linear < 0 ? 0x80 : 0;
	unsigned mag = (unsigned)(linear < 0 ? -(int)linear : (int)linear);
	mag = (mag > 32635 ? 32635 : mag) + 0x84;
	unsigned seg = 24u - (unsigned)__builtin_clz(mag);
	return (uint8_t) ~(sign | seg << 4 | (mag >> (seg + 3) & 15));
}

void g711_decode(enum codec c, const uint8_t *in, size_t n, int16_t *out)
{
	const int16_t *table = c == CODEC_PCMA ? g711_a_linear : g711_u_linear;
	for (size_t i = 0; i < n; i++)
		out[i] = table[in[i]];
}

void g711_encode(enum codec c, const int16_t *in, size_t n, uint8_t *out)
{
	if (c == CODEC_PCMA)
		for (size_t i = 0; i < n; i++)
			out[i] = g711_a_code(in[i]);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = g711_u_code(in[i]);
}
