/* Recording files: writing. */
#include "rec_file.h"

#include <errno.h>
#include <fcntl.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TAG = crypto_secretstream_xchacha20poly1305_ABYTES };

bool rec_path(char *out, size_t size, const char *id, int64_t started_us)
{
	time_t s = (time_t)(started_us / PL_US_PER_S);
	struct tm tm;
	for (const char *p = id; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-' ||
		      *p == '_'))
			return false;
	if (!*id || strlen(id) >= REC_TEXT || !gmtime_r(&s, &tm))
		return false;
	int n = snprintf(out, size, "%04d/%02d/%02d/%s.rec", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, id);
	return n > 0 && (size_t)n < size;
}

static enum pl_err io_why(struct pl_why *why, const char *what, const char *path)
{
	return pl_why_set(why, errno == ENOSPC || errno == EDQUOT ? PL_E_FULL : PL_E_IO, "%s %s: %s", what, path,
			  strerror(errno));
}

/* Every folder above the file. */
static enum pl_err make_dirs(const char *path, struct pl_why *why)
{
	char p[600];
	pl_strlcpy(p, path, sizeof(p));
	for (char *s = strchr(p + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(p, 0750) != 0 && errno != EEXIST)
			return io_why(why, "mkdir", p);
		*s = '/';
	}
	return PL_OK;
}

static void full_path(const struct rec_out *o, const char *ending, char out[600])
{
	snprintf(out, 600, "%s/%s%s", o->dir, o->path, ending);
}

static void key_id(const uint8_t master[32], uint8_t out[16]) /* 16: the least that is allowed; 8 are kept */
{
	crypto_generichash(out, 16, (const uint8_t *)"parley recording key", 20, master, 32);
}

static void seal_key(struct rec_out *o, const uint8_t master[32])
{
	uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES], id[16];
	crypto_secretstream_xchacha20poly1305_keygen(key);
	key_id(master, id);
	memcpy(o->hdr.key_id, id, sizeof(o->hdr.key_id));
	crypto_seal(master, o->hdr.id, key, sizeof(key), o->hdr.wrapped);
	crypto_secretstream_xchacha20poly1305_init_push(&o->st, o->hdr.stream, key);
	sodium_memzero(key, sizeof(key));
}

static enum pl_err write_all(struct rec_out *o, const void *p, size_t n, struct pl_why *why)
{
	while (n > 0) {
		ssize_t w = write(o->fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return io_why(why, "write", o->path);
		p = (const uint8_t *)p + w;
		n -= (size_t)w;
		o->bytes += (uint64_t)w;
	}
	return PL_OK;
}

enum pl_err rec_out_open(struct rec_out *o, const char *dir, const struct rec_hdr *hdr, const uint8_t master[32],
			 struct pl_why *why)
{
	char path[600];
	memset(o, 0, sizeof(*o));
	o->fd = -1;
	o->hdr = *hdr;
	o->first = true;
	pl_strlcpy(o->dir, dir, sizeof(o->dir));
	if (!rec_path(o->path, sizeof(o->path), hdr->id, hdr->started_us))
		return pl_why_field(why, PL_E_FORMAT, "recording_id", "must be letters, digits, - and _");
	full_path(o, ".part", path);
	enum pl_err err = make_dirs(path, why);
	if (err)
		return err;
	o->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (o->fd < 0)
		return errno == EEXIST ? pl_why_set(why, PL_E_EXISTS, "%s is there already", path)
				       : io_why(why, "open", path);
	if (flock(o->fd, LOCK_EX | LOCK_NB) != 0)
		return io_why(why, "lock", path);
	seal_key(o, master);
	crypto_hash_sha256_init(&o->sha);
	rec_hdr_write(o->head, &o->hdr);
	return write_all(o, o->head, sizeof(o->head), why);
}

static enum pl_err push(struct rec_out *o, char kind, const uint8_t *p, size_t n, struct pl_why *why)
{
	uint8_t plain[REC_PIECE_MAX / 2], cipher[4 + sizeof(plain) + TAG];
	unsigned long long len = 0;
	if (n + 1 > sizeof(plain))
		return pl_why_set(why, PL_E_FULL, "a piece of %zu bytes", n);
	plain[0] = (uint8_t)kind;
	memcpy(plain + 1, p, n);
	crypto_secretstream_xchacha20poly1305_push(&o->st, cipher + 4, &len, plain, n + 1, o->first ? o->head : NULL,
						   o->first ? REC_HDR_SIGNED : 0,
						   kind == 'E' ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
	o->first = false;
	for (int i = 0; i < 4; i++)
		cipher[i] = (uint8_t)(len >> (8 * i));
	return write_all(o, cipher, 4 + (size_t)len, why);
}

enum pl_err rec_out_sound(struct rec_out *o, const uint8_t *p, size_t n, struct pl_why *why)
{
	crypto_hash_sha256_update(&o->sha, p, n);
	o->samples += n / rec_sample_bytes(o->hdr.format);
	return push(o, 'A', p, n, why);
}

enum pl_err rec_out_mark(struct rec_out *o, uint64_t at_sample, bool paused, const char *reason, struct pl_why *why)
{
	uint8_t m[9 + 200];
	size_t n = PL_MIN(strlen(reason), (size_t)200);
	rec_put64(m, at_sample);
	m[8] = paused;
	memcpy(m + 9, reason, n);
	return push(o, 'M', m, 9 + n, why);
}

static enum pl_err verify(const char *path, const struct rec_out *o, const uint8_t master[32], struct pl_why *why)
{
	struct rec_in *r = NULL;
	enum pl_err err = rec_in_open(&r, path, master, why);
	while (!err && !r->ended)
		err = rec_in_next(r, why);
	if (!err && r->samples != o->samples)
		err = pl_why_set(why, PL_E_INTERNAL, "read back %" PRIu64 " samples of %" PRIu64, r->samples,
				 o->samples);
	rec_in_close(r);
	return err;
}

static enum pl_err put_end(struct rec_out *o, const uint64_t packets[2], struct rec_end *end, struct pl_why *why)
{
	uint8_t buf[REC_END_BYTES], n[8];
	*end = (struct rec_end){ .samples = o->samples,
				 .packets = { packets[0], packets[1] },
				 .ended_us = pl_wall_us() };
	crypto_hash_sha256_final(&o->sha, end->sha256);
	rec_end_write(buf, end);
	enum pl_err err = push(o, 'E', buf, sizeof(buf), why);
	rec_put64(n, o->samples);
	if (!err && pwrite(o->fd, n, sizeof(n), REC_HDR_SIGNED) != (ssize_t)sizeof(n))
		err = io_why(why, "write", o->path);
	if (!err && fsync(o->fd) != 0)
		err = io_why(why, "fsync", o->path);
	return err;
}

static enum pl_err give_name(const struct rec_out *o, struct pl_why *why)
{
	char from[600], to[600];
	full_path(o, ".part", from);
	full_path(o, "", to);
	if (rename(from, to) != 0)
		return io_why(why, "rename", from);
	*strrchr(to, '/') = '\0';
	int dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = dir >= 0 && fsync(dir) == 0;
	enum pl_err err = ok ? PL_OK : io_why(why, "fsync", to);
	if (dir >= 0)
		close(dir);
	return err;
}

enum pl_err rec_out_finish(struct rec_out *o, const uint64_t packets[2], const uint8_t master[32],
			   struct rec_result *ret, struct pl_why *why)
{
	char path[600];
	struct rec_end end;
	enum pl_err err = put_end(o, packets, &end, why);
	full_path(o, ".part", path);
	if (!err)
		err = verify(path, o, master, why);
	if (!err)
		err = give_name(o, why);
	if (!err) {
		pl_hex(end.sha256, 32, ret->sha256);
		ret->samples = o->samples;
		ret->bytes = o->bytes;
	}
	rec_out_abort(o);
	return err;
}

void rec_out_abort(struct rec_out *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	sodium_memzero(&o->st, sizeof(o->st));
}
