/** Sums, rates, tones, levels: the arithmetic of sound. Pure. 16-bit linear samples. */
#ifndef MEDIA_ENGINE_AUDIO_H
#define MEDIA_ENGINE_AUDIO_H
#include <stddef.h>
#include <stdint.h>

void audio_add(int32_t *sum, const int16_t *in, size_t n);
void audio_clip(const int32_t *sum, int16_t *out, size_t n); /* saturates */
void audio_fade(int16_t *pcm, size_t n, int num, int den);   /* times num/den */
int audio_peak(const int16_t *pcm, size_t n);

/** Half-band FIR, 31 taps, stop band below -60 dB: 8 kHz to 16 kHz and back. One struct per direction and stream,
 * zeroed. */
struct audio_half {
	int16_t past[32];
};
void audio_up2(struct audio_half *s, const int16_t *in, size_t n, int16_t *out);   /* out holds 2 * n; n <= 960 */
void audio_down2(struct audio_half *s, const int16_t *in, size_t n, int16_t *out); /* n even, out holds n / 2 */

/** Two sines at -10 dBm0 in all (hz2 0: one), phases in turns kept by the caller. */
struct audio_tone {
	double phase1, phase2;
};
void audio_tone(struct audio_tone *t, unsigned hz1, unsigned hz2, unsigned rate_hz, int16_t *out, size_t n);
/** Power of one frequency against the whole, 0 to 1 (Goertzel). */
double audio_tone_share(const int16_t *pcm, size_t n, unsigned hz, unsigned rate_hz);

/** E-model (ITU-T G.107 with fixed defaults): 1 to 4.5. loss 0 to 1, one-way delay with buffers in ms. */
struct audio_quality {
	double loss, delay_ms;
	int opus;
};
double audio_mos(const struct audio_quality *q);
#endif
