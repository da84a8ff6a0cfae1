/** Sound files in memory: decoded once, encoded once per codec, shared by all who hear them.
 *  Threads    the cache belongs to the main loop's thread; a clip itself is immutable once loaded and its reference
 * count atomic, so workers hold and release it without a lock. Files are read and speech is made on other threads.
 *  Bounds     cache_bytes of the configuration: the longest unused go first; a file of more than 30 minutes is refused.
 */
#ifndef MEDIA_SHELL_CLIP_H
#define MEDIA_SHELL_CLIP_H
#include "media.h"

struct clip {
	_Atomic int refs;
	uint32_t frames;   /* of 20 ms, the last one filled up with silence */
	int16_t *pcm;      /* at 8 kHz */
	uint8_t *coded[2]; /* CODEC_PCMU, CODEC_PCMA */
	int16_t *wide;     /* at 16 kHz; NULL where the file itself has no more than 8 kHz */
	size_t bytes;
};
void clip_unref(struct clip *c);

/* --- what to load --- */
enum clip_kind { CLIP_FILE, CLIP_TONE };
struct clip_want {
	enum clip_kind kind;
	char path[512];
	uint32_t hz1, hz2, on_ms, off_ms;
};
/** Blocking; on a pool thread. */
PL_MUST enum pl_err clip_load(struct clip **ret, const struct clip_want *w, struct pl_why *why);

struct clips;
PL_MUST enum pl_err clips_open(struct clips **ret, struct pl_loop *main, const struct core_cfg *cfg,
			       struct pl_why *why);
void clips_close(struct clips *c);
uint64_t clips_bytes(const struct clips *c);
/** What the sources are, as a list to play. done(arg, list) at once when all is in memory (true is returned), or later.
 * The list is done's; list->err says what is missing. */
bool clips_resolve(struct clips *c, const struct source *sources, size_t n,
		   void (*done)(void *arg, struct play_list *l), void *arg);

/* --- tts.c: espeak-ng on one thread --- */
struct tts;
PL_MUST enum pl_err tts_open(struct tts **ret, struct pl_loop *main, const char *cache_dir, struct pl_why *why);
void tts_close(struct tts *t);
/** Path of a WAV that says it; made if it is not there yet. done on the main loop; path NULL: why says what failed. */
PL_MUST enum pl_err tts_say(struct tts *t, const char *text, const char *language,
			    void (*done)(void *arg, const char *path, const struct pl_why *why), void *arg,
			    struct pl_why *why);
#endif
