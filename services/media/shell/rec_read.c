/* Recording files: reading, and closing those whose writer died. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rec_file.h"

static enum pl_err read_all(int fd, void *p, size_t n, struct pl_why *why)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = read(fd, (uint8_t *)p + at, n - at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return pl_why_set(why, PL_E_IO, "read: %s", strerror(errno));
		if (r == 0)
			return pl_why_set(why, PL_E_UNAVAIL, "the recording is not closed");
		at += (size_t)r;
	}
	return PL_OK;
}

static enum pl_err open_key(struct rec_in *r, const uint8_t master[32], struct pl_why *why)
{
	uint8_t id[16], key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
	crypto_generichash(id, sizeof(id), (const uint8_t *)"parley recording key", 20, master, 32);
	if (memcmp(id, r->hdr.key_id, sizeof(r->hdr.key_id)) != 0)
		return pl_why_set(why, PL_E_DENIED, "the recording was made with another master key");
	if (crypto_unseal(master, r->hdr.id, r->hdr.wrapped, sizeof(r->hdr.wrapped), key))
		return pl_why_set(why, PL_E_INTERNAL, "the recording's key does not decrypt: the file was changed");
	int bad = crypto_secretstream_xchacha20poly1305_init_pull(&r->st, r->hdr.stream, key);
	sodium_memzero(key, sizeof(key));
	return bad ? pl_why_set(why, PL_E_INTERNAL, "the recording's head does not decrypt: the file was changed")
		   : PL_OK;
}

enum pl_err rec_in_open(struct rec_in **ret, const char *path, const uint8_t master[32], struct pl_why *why)
{
	struct rec_in *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "recording: memory is out");
	r->first = true;
	crypto_hash_sha256_init(&r->sha);
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	enum pl_err err = PL_OK;
	if (r->fd < 0)
		err = pl_why_set(why, errno == ENOENT ? PL_E_NOTFOUND : PL_E_IO, "%s: %s", path, strerror(errno));
	if (!err)
		err = read_all(r->fd, r->head, sizeof(r->head), why);
	if (!err && (err = rec_hdr_parse(r->head, sizeof(r->head), &r->hdr)))
		pl_why_set(why, err, "%s is no recording of this version", path);
	if (!err)
		err = open_key(r, master, why);
	if (err)
		rec_in_close(r);
	else
		*ret = r;
	return err;
}

void rec_in_close(struct rec_in *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	sodium_memzero(&r->st, sizeof(r->st));
	free(r);
}

static enum pl_err take_end(struct rec_in *r, struct pl_why *why)
{
	uint8_t sha[32];
	r->ended = true;
	if (r->len != REC_END_BYTES)
		return pl_why_set(why, PL_E_INTERNAL, "the end of the recording is not whole");
	rec_end_parse(r->data, &r->end);
	crypto_hash_sha256_final(&r->sha, sha);
	if (memcmp(sha, r->end.sha256, sizeof(sha)) != 0 || r->samples != r->end.samples)
		return pl_why_set(why, PL_E_INTERNAL, "the sound is not what was written: hash or length differ");
	return PL_OK;
}

enum pl_err rec_in_next(struct rec_in *r, struct pl_why *why)
{
	uint8_t l[4], tag = 0;
	unsigned long long len = 0;
	enum pl_err err = read_all(r->fd, l, sizeof(l), why);
	if (err)
		return err;
	size_t n = (size_t)l[0] | (size_t)l[1] << 8 | (size_t)l[2] << 16 | (size_t)l[3] << 24;
	if (n <= crypto_secretstream_xchacha20poly1305_ABYTES || n > sizeof(r->cipher))
		return pl_why_set(why, PL_E_INTERNAL, "a piece of %zu bytes: the file was changed", n);
	err = read_all(r->fd, r->cipher, n, why);
	if (err)
		return err;
	if (crypto_secretstream_xchacha20poly1305_pull(&r->st, r->plain, &len, &tag, r->cipher, n,
						       r->first ? r->head : NULL, r->first ? REC_HDR_SIGNED : 0) != 0)
		return pl_why_set(why, PL_E_INTERNAL, "a piece does not decrypt: the file was changed");
	r->first = false;
	r->data = r->plain + 1;
	r->len = (size_t)len - 1;
	switch (r->plain[0]) {
	case 'A':
		r->kind = REC_PIECE_SOUND;
		crypto_hash_sha256_update(&r->sha, r->data, r->len);
		r->samples += r->len / rec_sample_bytes(r->hdr.format);
		return PL_OK;
	case 'M':
		r->kind = REC_PIECE_MARK;
		return PL_OK;
	case 'E':
		r->kind = REC_PIECE_END;
		return take_end(r, why);
	default:
		return pl_why_set(why, PL_E_UNSUPPORTED, "a piece of unknown kind");
	}
}

/* --- salvage --- */
/* A secretstream cannot be continued by another process, so what is whole is written again under a new key. */
static enum pl_err copy_whole(struct rec_in *in, struct rec_out *out, struct pl_why *why)
{
	struct pl_why end;
	while (!in->ended) {
		if (rec_in_next(in, &end))
			return PL_OK; /* what follows was cut by the crash */
		enum pl_err err = PL_OK;
		if (in->kind == REC_PIECE_SOUND)
			err = rec_out_sound(out, in->data, in->len, why);
		else if (in->kind == REC_PIECE_MARK && in->len >= 9) {
			char reason[201] = "";
			memcpy(reason, in->data + 9, PL_MIN(in->len - 9, sizeof(reason) - 1));
			err = rec_out_mark(out, rec_get64(in->data), in->data[8], reason, why);
		}
		if (err)
			return err;
	}
	return PL_OK;
}

static enum pl_err salvage_open(const char *old, const char *dir, const uint8_t master[32], struct rec_salvaged *s)
{
	struct rec_in *in = NULL;
	static const uint64_t no_packets[2];
	enum pl_err err = rec_in_open(&in, old, master, &s->why);
	if (err)
		return err;
	s->hdr = in->hdr;
	struct rec_out *out = calloc(1, sizeof(*out));
	err = out ? rec_out_open(out, dir, &s->hdr, master, &s->why) : PL_E_NOMEM;
	if (!err)
		err = copy_whole(in, out, &s->why);
	if (!err) {
		pl_strlcpy(s->path, out->path, sizeof(s->path));
		err = rec_out_finish(out, in->ended ? in->end.packets : no_packets, master, &s->res, &s->why);
		s->end = in->end;
	}
	if (out)
		rec_out_abort(out);
	free(out);
	rec_in_close(in);
	return err;
}

static void salvage_one(const char *dir, const char *part, const uint8_t master[32],
			void (*fn)(void *arg, const struct rec_salvaged *s), void *arg)
{
	char old[700];
	int fd = open(part, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) { /* else: it is being written */
		struct rec_salvaged *s = calloc(1, sizeof(*s));
		snprintf(old, sizeof(old), "%.*s.cut", (int)(strlen(part) - 5), part);
		if (s && rename(part, old) == 0) {
			s->err = salvage_open(old, dir, master, s);
			if (!s->err)
				unlink(old);
			fn(arg, s);
		}
		free(s);
	}
	close(fd);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && strcmp(s + n - m, end) == 0;
}

static void walk(const char *dir, const char *at, int depth, const uint8_t master[32],
		 void (*fn)(void *arg, const struct rec_salvaged *s), void *arg)
{
	char path[600];
	DIR *d = opendir(at);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", at, e->d_name) >= (int)sizeof(path))
			continue;
		struct stat st;
		if (depth < 3 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			walk(dir, path, depth + 1, master, fn, arg);
		else if (depth == 3 && ends_with(path, ".part"))
			salvage_one(dir, path, master, fn, arg);
	}
	if (d)
		closedir(d);
}

void rec_salvage(const char *dir, const uint8_t master[32], void (*fn)(void *arg, const struct rec_salvaged *s),
		 void *arg)
{
	walk(dir, dir, 0, master, fn, arg);
}
