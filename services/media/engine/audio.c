#include "audio.h"

#include <math.h>
#include <string.h>

#define TAPS 16 /* the other taps of a half-band filter are zero, but for the middle */
#define KEEP (TAPS - 1)

/* Windowed sinc (Kaiser, beta 7), in 1/32768; see test "an upsampled tone has no image". */
static const int32_t half_taps[TAPS] = { -8,    70,    -247, 642,   -1415, 2883, -6100, 20559,
					 20559, -6100, 2883, -1415, 642,   -247, 70,    -8 };

void audio_add(int32_t *sum, const int16_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += in[i];
}

static int16_t saturate(int32_t v)
{
	return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}

void audio_clip(const int32_t *sum, int16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = saturate(sum[i]);
}

void audio_fade(int16_t *pcm, size_t n, int num, int den)
{
	for (size_t i = 0; i < n; i++)
		pcm[i] = (int16_t)(pcm[i] * num / den);
}

int audio_peak(const int16_t *pcm, size_t n)
{
	int peak = 0;
	for (size_t i = 0; i < n; i++) {
		int v = pcm[i] < 0 ? -pcm[i] : pcm[i];
		peak = v > peak ? v : peak;
	}
	return peak;
}

void audio_up2(struct audio_half *s, const int16_t *in, size_t n, int16_t *out)
{
	int16_t x[KEEP + 960];
	n = n > 960 ? 960 : n;
	memcpy(x, s->past, KEEP * sizeof(*x));
	memcpy(x + KEEP, in, n * sizeof(*x));
	for (size_t i = 0; i < n; i++) {
		int32_t acc = 1 << 14;
		for (size_t k = 0; k < TAPS; k++)
			acc += half_taps[k] * x[i + k];
		out[2 * i] = x[i + TAPS / 2 - 1];
		out[2 * i + 1] = saturate(acc >> 15);
	}
	memcpy(s->past, x + n, KEEP * sizeof(*x));
}

void audio_down2(struct audio_half *s, const int16_t *in, size_t n, int16_t *out)
{
	enum { SPAN = 2 * TAPS - 1 };
	int16_t x[SPAN - 1 + 1920];
	n = n > 1920 ? 1920 : n & ~(size_t)1;
	memcpy(x, s->past, (SPAN - 1) * sizeof(*x));
	memcpy(x + SPAN - 1, in, n * sizeof(*x));
	for (size_t i = 0; i < n / 2; i++) {
		int32_t acc = 1 << 14; /* the sum of the taps' magnitudes is below 65,536: it fits */
		for (size_t k = 0; k < TAPS; k++)
			acc += half_taps[k] * x[2 * i + 2 * k];
		out[i] = saturate(((acc >> 15) + x[2 * i + SPAN / 2] + 1) >> 1);
	}
	memcpy(s->past, x + n, (SPAN - 1) * sizeof(*x));
}

static double turn(double phase, unsigned hz, unsigned rate_hz)
{
	phase += (double)hz / rate_hz;
	return phase >= 1.0 ? phase - 1.0 : phase;
}

void audio_tone(struct audio_tone *t, unsigned hz1, unsigned hz2, unsigned rate_hz, int16_t *out, size_t n)
{
	double amp = hz1 && hz2 ? 5000.0 : 7000.0;
	for (size_t i = 0; i < n; i++) {
		double v = (hz1 ? sin(2 * M_PI * t->phase1) : 0) + (hz2 ? sin(2 * M_PI * t->phase2) : 0);
		out[i] = (int16_t)(amp * v);
		t->phase1 = turn(t->phase1, hz1, rate_hz);
		t->phase2 = turn(t->phase2, hz2, rate_hz);
	}
}

double audio_tone_share(const int16_t *pcm, size_t n, unsigned hz, unsigned rate_hz)
{
	double turn2 = 2 * cos(2 * M_PI * hz / rate_hz), s1 = 0, s2 = 0, all = 0;
	for (size_t i = 0; i < n; i++) {
		double s0 = pcm[i] + turn2 * s1 - s2;
		s2 = s1;
		s1 = s0;
		all += (double)pcm[i] * pcm[i];
	}
	return all > 0 ? 2 * (s1 * s1 + s2 * s2 - turn2 * s1 * s2) / ((double)n * all) : 0;
}

double audio_mos(const struct audio_quality *q)
{
	double late = q->delay_ms > 177.3 ? q->delay_ms - 177.3 : 0;
	double delay = 0.024 * q->delay_ms + 0.11 * late;
	double robust = q->opus ? 20.0 : 25.1; /* Bpl of G.113 with concealment */
	double loss_pct = 100 * q->loss, ie = 95.0 * loss_pct / (loss_pct + robust);
	double r = 93.2 - delay - ie;
	r = r < 0 ? 0 : r;
	double mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	return mos < 1 ? 1 : mos > 4.5 ? 4.5 : mos;
}
