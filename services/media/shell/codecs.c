/* From packets to 20 ms of linear sound in the room's rate, and back. */
#include <opus/opus.h>
#include <stdlib.h>

#include "media.h"

enum {
	STRIDE = 200,
	STRIDE_MAX = 1400,
	LONGEST = 1920 /* 120 ms at 16 kHz */,
	FIFO = 2400,
	OPUS_BPS = 24000,
	OPUS_COMPLEXITY = 5,
	CONCEAL_MAX = 3
};

struct dec *dec_new(unsigned rate_hz)
{
	struct dec *d = calloc(1, sizeof(*d));
	uint8_t *bytes = d ? malloc(JB_SLOTS * STRIDE) : NULL;
	if (!bytes) {
		free(d);
		return NULL;
	}
	jb_init(&d->jb, bytes, STRIDE);
	d->rate_hz = rate_hz;
	return d;
}

void dec_rate(struct dec *d, unsigned rate_hz)
{
	if (d->rate_hz == rate_hz)
		return;
	if (d->opus)
		opus_decoder_destroy(d->opus);
	d->opus = NULL;
	d->rate_hz = rate_hz;
	d->fifo_n = 0;
	memset(d->pcm, 0, sizeof(d->pcm));
}

bool dec_grow(struct dec *d, size_t payload)
{
	uint8_t *bytes = payload <= STRIDE_MAX ? malloc((size_t)JB_SLOTS * STRIDE_MAX) : NULL;
	if (!bytes)
		return false;
	jb_reset(&d->jb);
	free(d->jb.bytes);
	d->jb.bytes = bytes;
	d->jb.stride = STRIDE_MAX;
	return true;
}

static size_t decode_g711(struct dec *d, enum codec c, const uint8_t *p, size_t n, int16_t *out)
{
	int16_t narrow[960];
	n = PL_MIN(n, PL_ARRAY_N(narrow));
	if (d->rate_hz == 8000) {
		g711_decode(c, p, n, out);
		return n;
	}
	g711_decode(c, p, n, narrow);
	audio_up2(&d->up, narrow, n, out);
	return 2 * n;
}

/* p NULL: conceal one frame. */
static size_t decode_opus(struct dec *d, const uint8_t *p, size_t n, int16_t *out)
{
	int err = OPUS_OK;
	if (!d->opus)
		d->opus = opus_decoder_create((opus_int32)d->rate_hz, 1, &err);
	if (!d->opus)
		return 0;
	int got = opus_decode(d->opus, p, (opus_int32)n, out, p ? LONGEST : (int)d->rate_hz / 50, 0);
	return got > 0 ? (size_t)got : 0;
}

/* Something is missing: fade what was heard last, three frames long (G.711 appendix I does no more for the ear). */
static void conceal(struct dec *d, bool is_opus)
{
	size_t frame = d->rate_hz / 50;
	d->sound = ++d->gap <= CONCEAL_MAX;
	if (!d->sound)
		memset(d->pcm, 0, sizeof(d->pcm));
	else if (!is_opus || decode_opus(d, NULL, 0, d->pcm) != frame)
		audio_fade(d->pcm, frame, 2, 3);
}

static void fifo_take(struct dec *d, size_t frame)
{
	memcpy(d->pcm, d->fifo, frame * sizeof(*d->fifo));
	d->fifo_n -= frame;
	memmove(d->fifo, d->fifo + frame, d->fifo_n * sizeof(*d->fifo));
	d->sound = true;
}

static void fifo_put(struct dec *d, const int16_t *pcm, size_t n)
{
	if (!d->fifo && !(d->fifo = malloc(FIFO * sizeof(*d->fifo))))
		return;
	n = PL_MIN(n, FIFO - d->fifo_n);
	memcpy(d->fifo + d->fifo_n, pcm, n * sizeof(*pcm));
	d->fifo_n += n;
}

void dec_pull(struct dec *d)
{
	int16_t pcm[LONGEST];
	struct jb_slot s;
	const uint8_t *p;
	size_t frame = d->rate_hz / 50;
	while (d->fifo_n < frame) {
		if (jb_get(&d->jb, &s, &p) != JB_GET_PACKET) {
			conceal(d, d->opus != NULL);
			return;
		}
		size_t n = s.codec == CODEC_OPUS ? decode_opus(d, p, s.len, pcm)
						 : decode_g711(d, (enum codec)s.codec, p, s.len, pcm);
		d->gap = 0;
		if (n == frame && d->fifo_n == 0) {
			memcpy(d->pcm, pcm, frame * sizeof(*pcm));
			d->sound = true;
			return;
		}
		fifo_put(d, pcm, n);
		if (!d->fifo) /* memory is out: silence */
			return;
	}
	fifo_take(d, frame);
}

static struct enc *enc_new(enum codec c, unsigned rate_hz)
{
	int err = OPUS_OK;
	struct enc *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->rate_hz = rate_hz;
	if (c != CODEC_OPUS)
		return e;
	e->opus = opus_encoder_create((opus_int32)rate_hz, 1, OPUS_APPLICATION_VOIP, &err);
	if (!e->opus) {
		free(e);
		return NULL;
	}
	opus_encoder_ctl(e->opus, OPUS_SET_BITRATE(OPUS_BPS));
	opus_encoder_ctl(e->opus, OPUS_SET_COMPLEXITY(OPUS_COMPLEXITY));
	opus_encoder_ctl(e->opus, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	opus_encoder_ctl(e->opus, OPUS_SET_INBAND_FEC(1));
	opus_encoder_ctl(e->opus, OPUS_SET_PACKET_LOSS_PERC(5));
	return e;
}

size_t enc_frame(struct enc **ep, enum codec c, unsigned rate_hz, const int16_t *pcm, uint8_t *out, size_t cap)
{
	int16_t narrow[FRAME_8K];
	if (*ep && ((*ep)->rate_hz != rate_hz || ((*ep)->opus != NULL) != (c == CODEC_OPUS))) {
		enc_free(*ep);
		*ep = NULL;
	}
	if (!*ep && (c == CODEC_OPUS || rate_hz != 8000) && !(*ep = enc_new(c, rate_hz)))
		return 0;
	if (c == CODEC_OPUS) {
		int n = opus_encode((*ep)->opus, pcm, (int)rate_hz / 50, out, (opus_int32)cap);
		return n > 0 ? (size_t)n : 0;
	}
	if (rate_hz != 8000)
		audio_down2(&(*ep)->half, pcm, rate_hz / 50, narrow);
	g711_encode(c, rate_hz == 8000 ? pcm : narrow, FRAME_8K, out);
	return FRAME_8K;
}

void enc_free(struct enc *e)
{
	if (e && e->opus)
		opus_encoder_destroy(e->opus);
	free(e);
}

void dec_free(struct dec *d)
{
	if (!d)
		return;
	if (d->opus)
		opus_decoder_destroy(d->opus);
	dtmf_detector_free(d->dtmf);
	free(d->jb.bytes);
	free(d->fifo);
	free(d);
}
