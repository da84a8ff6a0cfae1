/* Speech by espeak-ng. The library has global state: one thread of ours calls it. What was said once is kept as a WAV
 * named by the SHA-256 of voice and text. */
#include <espeak-ng/speak_lib.h>
#include <parley/crypto.h>
#include <pthread.h>
#include <sndfile.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clip.h"

enum { WAITING_MAX = 256, WORDS_PER_MIN = 150 };

struct tts {
	struct pl_loop *main, *loop;
	pthread_t thread;
	bool started, started_once;
	char dir[500];
	int rate_hz; /* 0: the library could not start */
	_Atomic int waiting;
};

struct speech {
	struct tts *t;
	char *text, voice[32], path[600];
	struct pl_why why;
	SNDFILE *out;
	void (*done)(void *arg, const char *path, const struct pl_why *why);
	void *arg;
};

static int on_sound(short *wav, int n, espeak_EVENT *events)
{
	struct speech *s = events ? events->user_data : NULL;
	if (s && s->out && wav && n > 0)
		sf_writef_short(s->out, wav, n);
	return 0;
}

/* With the first text, not with the process: most nodes of a fleet never speak. Never ended: espeak_Terminate() of 1.51
 * can wait for ever for its own thread, and the process is about to end anyway. */
static void start(struct tts *t)
{
	if (t->started_once)
		return;
	t->started_once = true;
	t->rate_hz = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL, espeakINITIALIZE_DONT_EXIT);
	if (t->rate_hz > 0)
		espeak_SetSynthCallback(on_sound);
}

static void answer(void *arg)
{
	struct speech *s = arg;
	atomic_fetch_sub(&s->t->waiting, 1);
	s->done(s->arg, s->why.err ? NULL : s->path, &s->why);
	free(s->text);
	free(s);
}

/* "it-IT" has no voice of its own: then "it". */
static bool set_voice(const char *language)
{
	char v[32];
	pl_strlcpy(v, language, sizeof(v));
	for (char *p = v; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	if (espeak_SetVoiceByName(v) == EE_OK)
		return true;
	char *dash = strchr(v, '-');
	if (!dash)
		return false;
	*dash = '\0';
	return espeak_SetVoiceByName(v) == EE_OK;
}

static enum pl_err synthesise(struct speech *s, const char *tmp)
{
	start(s->t);
	SF_INFO info = { .samplerate = s->t->rate_hz, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16 };
	if (s->t->rate_hz <= 0)
		return pl_why_set(&s->why, PL_E_UNAVAIL, "speech: espeak-ng could not start");
	if (!set_voice(s->voice))
		return pl_why_set(&s->why, PL_E_UNSUPPORTED, "speech: no voice for \"%s\"", s->voice);
	espeak_SetParameter(espeakRATE, WORDS_PER_MIN, 0);
	s->out = sf_open(tmp, SFM_WRITE, &info);
	if (!s->out)
		return pl_why_set(&s->why, PL_E_IO, "speech: %s: %s", tmp, sf_strerror(NULL));
	espeak_ERROR e = espeak_Synth(s->text, strlen(s->text) + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, NULL, s);
	sf_close(s->out);
	if (e != EE_OK || rename(tmp, s->path) != 0)
		return pl_why_set(&s->why, PL_E_IO, "speech: could not be made");
	return PL_OK;
}

static void say(void *arg)
{
	struct speech *s = arg;
	char tmp[620];
	if (access(s->path, R_OK) != 0) {
		snprintf(tmp, sizeof(tmp), "%s.%d.tmp", s->path, (int)getpid());
		if (synthesise(s, tmp))
			unlink(tmp);
	}
	while (pl_loop_post(s->t->main, answer, s) == PL_E_FULL)
		sched_yield(); /* the main loop has 65,536 things to do; this thread has time */
}

enum pl_err tts_say(struct tts *t, const char *text, const char *language,
		    void (*done)(void *arg, const char *path, const struct pl_why *why), void *arg, struct pl_why *why)
{
	char all[2200], hash[65];
	if (atomic_load(&t->waiting) >= WAITING_MAX)
		return pl_why_set(why, PL_E_FULL, "%d texts wait to be spoken", WAITING_MAX);
	struct speech *s = calloc(1, sizeof(*s));
	if (!s || !(s->text = strdup(text))) {
		free(s);
		return pl_why_set(why, PL_E_NOMEM, "speech: memory is out");
	}
	s->t = t;
	s->done = done;
	s->arg = arg;
	pl_strlcpy(s->voice, pl_empty(language) ? "en" : language, sizeof(s->voice));
	int n = snprintf(all, sizeof(all), "espeak-ng 1|%d|%s|%s", WORDS_PER_MIN, s->voice, text);
	crypto_sha256_hex(all, (size_t)PL_MIN(n, (int)sizeof(all) - 1), hash);
	snprintf(s->path, sizeof(s->path), "%s/%s.wav", t->dir, hash);
	atomic_fetch_add(&t->waiting, 1);
	if (pl_loop_post(t->loop, say, s) == PL_OK)
		return PL_OK;
	atomic_fetch_sub(&t->waiting, 1);
	free(s->text);
	free(s);
	return pl_why_set(why, PL_E_FULL, "speech: the queue is full");
}

static void *run(void *arg)
{
	thread_background();
	pl_loop_run(((struct tts *)arg)->loop);
	return NULL;
}

enum pl_err tts_open(struct tts **ret, struct pl_loop *main, const char *cache_dir, struct pl_why *why)
{
	struct tts *t = calloc(1, sizeof(*t));
	if (!t)
		return pl_why_set(why, PL_E_NOMEM, "speech: memory is out");
	*ret = t;
	t->main = main;
	pl_strlcpy(t->dir, cache_dir, sizeof(t->dir));
	mkdir(cache_dir, 0750); /* the data folder is there; a failure shows when it is written to */
	enum pl_err err = pl_loop_new(&t->loop, why);
	if (!err && pthread_create(&t->thread, NULL, run, t) != 0)
		err = pl_why_set(why, PL_E_IO, "speech: no thread");
	t->started = !err;
	return err;
}

static void stop(void *arg)
{
	pl_loop_stop(((struct tts *)arg)->loop);
}

void tts_close(struct tts *t)
{
	if (!t)
		return;
	if (t->started) {
		while (pl_loop_post(t->loop, stop, t) == PL_E_FULL)
			sched_yield();
		pthread_join(t->thread, NULL);
		while (atomic_load(&t->waiting) > 0) /* answers on their way */
			loop_wait(t->main);
	}
	pl_loop_free(t->loop);
	free(t);
}
