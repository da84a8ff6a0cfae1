/* A sound file to 20 ms frames, linear and encoded. Blocking. */
#include <samplerate.h>
#include <sndfile.h>
#include <stdlib.h>

#include "clip.h"

enum { LONGEST_S = 1800, BLOCK = 4096, CHANNELS_MAX = 8 };

struct reader {
	SNDFILE *f;
	int channels;
	float in[BLOCK * CHANNELS_MAX], mono[BLOCK];
};

static long read_mono(void *arg, float **data)
{
	struct reader *r = arg;
	sf_count_t n = sf_readf_float(r->f, r->in, BLOCK);
	for (sf_count_t i = 0; i < n; i++) {
		float sum = 0;
		for (int c = 0; c < r->channels; c++)
			sum += r->in[i * r->channels + c];
		r->mono[i] = sum / (float)r->channels;
	}
	*data = r->mono;
	return (long)n;
}

/* The whole file at rate_hz. ret_n: samples, before the fill to whole frames of 20 ms; room for those is there, zeroed.
 */
static enum pl_err read_at(const char *path, int rate_hz, int16_t **ret, size_t *ret_n, int *ret_rate,
			   struct pl_why *why)
{
	SF_INFO info = { 0 };
	int err = 0;
	enum pl_err res = PL_OK;
	struct reader *r = calloc(1, sizeof(*r));
	SRC_STATE *src = NULL;
	r->f = r ? sf_open(path, SFM_READ, &info) : NULL;
	if (!r || !r->f) {
		free(r);
		return pl_why_set(why, PL_E_FORMAT, "%s: %s", path, sf_strerror(NULL));
	}
	r->channels = info.channels;
	size_t frame = (size_t)rate_hz / 50, cap = 0, n = 0;
	int16_t *pcm = NULL;
	if (info.channels < 1 || info.channels > CHANNELS_MAX || info.frames <= 0 ||
	    info.frames / info.samplerate > LONGEST_S)
		res = pl_why_set(why, PL_E_FORMAT, "%s: must have 1 to 8 channels and at most 30 minutes", path);
	if (!res) {
		cap = (size_t)((double)info.frames * rate_hz / info.samplerate) + 4 * frame;
		pcm = calloc(cap, sizeof(*pcm));
		src = src_callback_new(read_mono, SRC_SINC_MEDIUM_QUALITY, 1, &err, r);
		if (!pcm || !src)
			res = pl_why_set(why, PL_E_NOMEM, "%s: memory is out", path);
	}
	for (float out[BLOCK]; !res && n + frame < cap;) {
		long got = src_callback_read(src, (double)rate_hz / info.samplerate,
					     (long)PL_MIN(cap - frame - n, (size_t)BLOCK), out);
		if (got <= 0)
			break;
		src_float_to_short_array(out, pcm + n, (int)got);
		n += (size_t)got;
	}
	if (src)
		src_delete(src);
	sf_close(r->f);
	free(r);
	if (res || n == 0) {
		free(pcm);
		return res ? res : pl_why_set(why, PL_E_FORMAT, "%s: holds no sound", path);
	}
	*ret = pcm;
	*ret_n = n;
	*ret_rate = info.samplerate;
	return PL_OK;
}

static enum pl_err finish(struct clip *c, size_t n, struct pl_why *why)
{
	c->frames = (uint32_t)((n + FRAME_8K - 1) / FRAME_8K);
	size_t all = (size_t)c->frames * FRAME_8K;
	for (int k = 0; k < 2; k++) {
		c->coded[k] = malloc(all);
		if (!c->coded[k])
			return pl_why_set(why, PL_E_NOMEM, "sound: memory is out");
		g711_encode((enum codec)k, c->pcm, all, c->coded[k]);
	}
	c->bytes = all * (c->wide ? 8 : 4);
	return PL_OK;
}

static enum pl_err make_tone(struct clip *c, const struct clip_want *w, size_t *ret_n, struct pl_why *why)
{
	struct audio_tone t = { 0 };
	size_t on = (size_t)w->on_ms * 8, off = (size_t)w->off_ms * 8;
	if (w->hz1 > 3800 || w->hz2 > 3800 || w->on_ms == 0 || w->on_ms > 60000 || w->off_ms > 60000)
		return pl_why_set(why, PL_E_FORMAT, "a tone is at most 3,800 Hz and 1 to 60,000 ms");
	c->pcm = calloc(on + off + FRAME_8K, sizeof(*c->pcm));
	if (!c->pcm)
		return pl_why_set(why, PL_E_NOMEM, "sound: memory is out");
	audio_tone(&t, w->hz1, w->hz2, 8000, c->pcm, on);
	*ret_n = on + off;
	return PL_OK;
}

enum pl_err clip_load(struct clip **ret, const struct clip_want *w, struct pl_why *why)
{
	struct clip *c = calloc(1, sizeof(*c));
	size_t n = 0, n_wide = 0;
	int rate = 8000;
	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "sound: memory is out");
	atomic_init(&c->refs, 1);
	enum pl_err err =
		w->kind == CLIP_TONE ? make_tone(c, w, &n, why) : read_at(w->path, 8000, &c->pcm, &n, &rate, why);
	if (!err && rate > 8000)
		err = read_at(w->path, 16000, &c->wide, &n_wide, &rate, why);
	if (!err)
		err = finish(c, PL_MIN(n, n_wide ? n_wide / 2 : n), why);
	if (err)
		clip_unref(c);
	else
		*ret = c;
	return err;
}
