/* The cache of sounds, and how the sources of a player become clips. Main loop's thread; loading on the pool. */
#include "clip.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILES_MAX = 64, KEY_MAX = 80, CHECK_AGAIN_US = 5000000, SAY_MAX = 2000 };

enum state { NEW, LOADING, READY };
struct entry { /* one source as it is asked for: one clip, or those of a folder */
	UT_hash_handle hh;
	char key[KEY_MAX];
	struct clips *owner;
	enum state state;
	enum source_kind kind;
	struct clip_want want; /* path: of the file or folder, without ending; of the speech once it is made */
	struct timespec mtime;
	struct clip *clips[FILES_MAX];
	size_t n;
	enum pl_err err;
	struct pl_why why;
	int64_t used_us, checked_us;
	struct pl_list waiters;
	unsigned refs; /* the table's and those of slots */
};

struct resolve {
	void (*done)(void *arg, struct play_list *l);
	void *arg;
	size_t n, waits;
	struct slot {
		struct pl_list link;
		struct resolve *r;
		struct entry *e;
		uint32_t silence;
	} slots[];
};

struct clips {
	struct pl_loop *main;
	const struct core_cfg *cfg;
	struct entry *table;
	struct tts *tts;
	uint64_t bytes;
	size_t loading;
};

/* --- loading, on the pool --- */
static const char *const endings[] = { ".wav", ".flac", ".ogg", ".opus", "" };

static bool find_file(char *path, size_t size, struct timespec *mtime)
{
	char full[600];
	struct stat st;
	for (size_t i = 0; i < PL_ARRAY_N(endings); i++) {
		snprintf(full, sizeof(full), "%s%s", path, endings[i]);
		if (stat(full, &st) == 0 && S_ISREG(st.st_mode)) {
			pl_strlcpy(path, full, size);
			*mtime = st.st_mtim;
			return true;
		}
	}
	return false;
}

static void load_one(struct entry *e, const struct clip_want *w)
{
	e->err = clip_load(&e->clips[e->n], w, &e->why);
	e->n += !e->err;
}

static int is_sound(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');
	for (size_t i = 0; dot && i + 1 < PL_ARRAY_N(endings); i++)
		if (strcmp(dot, endings[i]) == 0)
			return 1;
	return 0;
}

static void load_folder(struct entry *e)
{
	struct dirent **names = NULL;
	struct stat st;
	int n = scandir(e->want.path, &names, is_sound, alphasort);
	if (n <= 0 || stat(e->want.path, &st) != 0)
		e->err = pl_why_set(&e->why, PL_E_NOTFOUND, "%s holds no sound files", e->want.path);
	else
		e->mtime = st.st_mtim;
	for (int i = 0; i < n; i++) {
		struct clip_want w = { .kind = CLIP_FILE };
		if (!e->err && e->n < FILES_MAX &&
		    snprintf(w.path, sizeof(w.path), "%s/%s", e->want.path, names[i]->d_name) < (int)sizeof(w.path))
			load_one(e, &w);
		free(names[i]);
	}
	free(names);
}

static void load(void *arg)
{
	struct entry *e = arg;
	struct clip_want w = e->want;
	thread_background();
	if (e->kind == SOURCE_FOLDER)
		load_folder(e);
	else if (e->kind == SOURCE_TONE || find_file(w.path, sizeof(w.path), &e->mtime))
		load_one(e, &w);
	else
		e->err = pl_why_set(&e->why, PL_E_NOTFOUND, "no sound file %s", e->want.path);
}

/* --- cache --- */
static void entry_unref(struct entry *e)
{
	if (!e || --e->refs > 0)
		return;
	for (size_t i = 0; i < e->n; i++)
		clip_unref(e->clips[i]);
	free(e);
}

static uint64_t entry_bytes(const struct entry *e)
{
	uint64_t n = 0;
	for (size_t i = 0; i < e->n; i++)
		n += e->clips[i]->bytes;
	return n;
}

static void forget(struct clips *c, struct entry *e)
{
	HASH_DEL(c->table, e);
	c->bytes -= e->state == READY ? entry_bytes(e) : 0;
	entry_unref(e);
}

static bool in_use(const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (atomic_load_explicit(&e->clips[i]->refs, memory_order_relaxed) > 1)
			return true;
	return e->state != READY || e->refs > 1;
}

static void shrink(struct clips *c)
{
	while (c->bytes > (uint64_t)c->cfg->cache_bytes) {
		struct entry *oldest = NULL;
		for (struct entry *e = c->table; e; e = e->hh.next)
			if (!in_use(e) && (!oldest || e->used_us < oldest->used_us))
				oldest = e;
		if (!oldest)
			return; /* all of it is being heard */
		forget(c, oldest);
	}
}

static bool changed(struct clips *c, struct entry *e)
{
	char path[600];
	struct timespec mtime = { 0 };
	struct stat st;
	int64_t now = pl_loop_now_us(c->main);
	if (e->state != READY || e->kind == SOURCE_TONE || e->kind == SOURCE_SAY ||
	    now - e->checked_us < CHECK_AGAIN_US)
		return false;
	e->checked_us = now;
	pl_strlcpy(path, e->want.path, sizeof(path));
	if (e->kind == SOURCE_FOLDER)
		mtime = stat(path, &st) == 0 ? st.st_mtim : mtime;
	else if (!find_file(path, sizeof(path), &mtime))
		return true;
	return mtime.tv_sec != e->mtime.tv_sec || mtime.tv_nsec != e->mtime.tv_nsec;
}

/* --- resolving --- */
static size_t count_items(const struct resolve *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n; i++)
		n += r->slots[i].e ? r->slots[i].e->n : 1;
	return n;
}

static struct play_list *failed_list(const struct pl_why *why)
{
	struct play_list *l = calloc(1, sizeof(*l));
	if (l) {
		l->err = why->err;
		pl_strlcpy(l->error, why->text, sizeof(l->error));
	}
	return l;
}

static struct play_list *make_list(const struct resolve *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].e && r->slots[i].e->err)
			return failed_list(&r->slots[i].e->why);
	struct play_list *l = calloc(1, sizeof(*l) + count_items(r) * sizeof(l->items[0]));
	for (size_t i = 0; l && i < r->n; i++) {
		const struct slot *s = &r->slots[i];
		if (!s->e)
			l->items[l->n++] = (struct play_item){ NULL, s->silence };
		for (size_t k = 0; s->e && k < s->e->n; k++)
			l->items[l->n++] = (struct play_item){ clip_ref(s->e->clips[k]), s->e->clips[k]->frames };
	}
	return l;
}

static void finish(struct resolve *r)
{
	r->done(r->arg, make_list(r));
	for (size_t i = 0; i < r->n; i++)
		entry_unref(r->slots[i].e);
	free(r);
}

static void entry_ready(struct entry *e)
{
	struct clips *c = e->owner;
	struct pl_list waiters;
	e->state = READY;
	e->refs++; /* for this function */
	pl_list_init(&waiters);
	c->bytes += entry_bytes(e);
	PL_LIST_EACH_SAFE (it, &e->waiters) {
		pl_list_remove(it);
		pl_list_push(&waiters, it);
	}
	PL_LIST_EACH_SAFE (it, &waiters) {
		struct slot *s = PL_CONTAINER(it, struct slot, link);
		pl_list_remove(it);
		if (--s->r->waits == 0)
			finish(s->r);
	}
	if (e->err)
		forget(c, e); /* it may be there next time */
	entry_unref(e);
	shrink(c);
}

static void loaded(void *arg)
{
	struct entry *e = arg;
	e->owner->loading--;
	entry_ready(e);
}

static void start_load(struct entry *e)
{
	struct clips *c = e->owner;
	if (pl_loop_work(c->main, load, loaded, e) == PL_OK) {
		c->loading++;
		return;
	}
	e->err = pl_why_set(&e->why, PL_E_FULL, "too many sounds are being loaded");
	entry_ready(e);
}

static void said(void *arg, const char *path, const struct pl_why *why)
{
	struct entry *e = arg;
	if (path) {
		pl_strlcpy(e->want.path, path, sizeof(e->want.path));
		start_load(e);
		return;
	}
	e->err = why->err;
	e->why = *why;
	entry_ready(e);
}

static bool name_ok(const char *s)
{
	if (pl_empty(s) || *s == '/' || strstr(s, "..") || strlen(s) > 200)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		      strchr("-_./", *s)))
			return false;
	return true;
}

static enum pl_err describe(struct clips *c, const struct source *s, struct entry *e)
{
	e->want.kind = s->kind == SOURCE_TONE ? CLIP_TONE : CLIP_FILE;
	e->want.hz1 = s->hz1;
	e->want.hz2 = s->hz2;
	e->want.on_ms = s->on_ms;
	e->want.off_ms = s->off_ms;
	if (s->kind == SOURCE_SAY || s->kind == SOURCE_TONE)
		return PL_OK;
	if (!name_ok(s->text))
		return pl_why_set(&e->why, PL_E_FORMAT, "\"%s\" is no name of a sound", s->text ? s->text : "");
	snprintf(e->want.path, sizeof(e->want.path), "%s/sounds/%s", c->cfg->data_dir, s->text);
	return PL_OK;
}

/* The text may be long: the key holds its hash beside its length. */
static void make_key(const struct source *s, char key[KEY_MAX])
{
	const char *text = s->text ? s->text : "", *lang = s->language ? s->language : "";
	snprintf(key, KEY_MAX, "%d:%016" PRIx64 "%016" PRIx64 ":%zu:%u:%u:%u:%u", (int)s->kind,
		 pl_hash(text, strlen(text)), pl_hash(lang, strlen(lang)), strlen(text), s->hz1, s->hz2, s->on_ms,
		 s->off_ms);
}

static struct entry *entry_get(struct clips *c, const struct source *s)
{
	struct entry *e;
	char key[KEY_MAX];
	make_key(s, key);
	HASH_FIND_STR(c->table, key, e);
	if (e && changed(c, e)) {
		forget(c, e);
		e = NULL;
	}
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return NULL;
		memcpy(e->key, key, sizeof(key));
		e->owner = c;
		e->refs = 1;
		e->kind = s->kind;
		e->checked_us = pl_loop_now_us(c->main);
		pl_list_init(&e->waiters);
		e->err = describe(c, s, e);
		HASH_ADD_STR(c->table, key, e);
	}
	e->used_us = pl_loop_now_us(c->main);
	return e;
}

/* After the waiters are in their lists: what is new begins. */
static void begin(struct clips *c, const struct source *s, struct entry *e)
{
	e->state = LOADING;
	if (e->err)
		entry_ready(e);
	else if (s->kind != SOURCE_SAY)
		start_load(e);
	else if (pl_empty(s->text) || strlen(s->text) > SAY_MAX)
		said(e, NULL,
		     &(struct pl_why){ .err = PL_E_FORMAT, .text = "a text to say has 1 to 2,000 characters" });
	else if (tts_say(c->tts, s->text, s->language, said, e, &e->why))
		said(e, NULL, &(struct pl_why){ .err = e->why.err, .text = "too many texts wait to be spoken" });
}

bool clips_resolve(struct clips *c, const struct source *sources, size_t n,
		   void (*done)(void *arg, struct play_list *l), void *arg)
{
	struct resolve *r = calloc(1, sizeof(*r) + n * sizeof(r->slots[0]));
	if (!r) {
		done(arg, NULL);
		return true;
	}
	r->done = done;
	r->arg = arg;
	r->n = n;
	r->waits = 1; /* ours: nothing finishes before all is asked for */
	for (size_t i = 0; i < n; i++) {
		struct slot *s = &r->slots[i];
		s->r = r;
		s->silence = sources[i].kind == SOURCE_SILENCE ? (sources[i].on_ms + 19) / 20 : 0;
		s->e = sources[i].kind == SOURCE_SILENCE ? NULL : entry_get(c, &sources[i]);
		if (s->e)
			s->e->refs++;
		if (!s->e || s->e->state == READY)
			continue;
		pl_list_push(&s->e->waiters, &s->link);
		r->waits++;
		if (s->e->state == NEW)
			begin(c, &sources[i], s->e);
	}
	if (--r->waits > 0)
		return false;
	finish(r);
	return true;
}

uint64_t clips_bytes(const struct clips *c)
{
	return c->bytes;
}

enum pl_err clips_open(struct clips **ret, struct pl_loop *main, const struct core_cfg *cfg, struct pl_why *why)
{
	char dir[500];
	struct clips *c = calloc(1, sizeof(*c));
	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "sounds: memory is out");
	*ret = c;
	c->main = main;
	c->cfg = cfg;
	snprintf(dir, sizeof(dir), "%s/tts-cache", cfg->data_dir);
	return tts_open(&c->tts, main, dir, why);
}

void clips_close(struct clips *c)
{
	struct entry *e, *next;
	if (!c)
		return;
	tts_close(c->tts);
	while (c->loading > 0)
		loop_wait(c->main);
	HASH_ITER(hh, c->table, e, next)
	{
		HASH_DEL(c->table, e);
		entry_unref(e);
	}
	free(c);
}
