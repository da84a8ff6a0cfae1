#include "wav.h"

#include <string.h>

static void put32(uint8_t *p, uint64_t v)
{
	v = v > UINT32_MAX ? UINT32_MAX : v;
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void wav_header(uint8_t out[WAV_HDR_BYTES], unsigned channels, unsigned rate_hz, uint64_t data_bytes)
{
	memcpy(out, "RIFF", 4);
	put32(out + 4, data_bytes + WAV_HDR_BYTES - 8);
	memcpy(out + 8, "WAVEfmt ", 8);
	put32(out + 16, 16);
	put16(out + 20, 1); /* PCM */
	put16(out + 22, channels);
	put32(out + 24, rate_hz);
	put32(out + 28, (uint64_t)rate_hz * channels * 2);
	put16(out + 32, channels * 2);
	put16(out + 34, 16);
	memcpy(out + 36, "data", 4);
	put32(out + 40, data_bytes);
}
