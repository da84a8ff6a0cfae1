/** Recording files: written piece by piece, encrypted under a key of their own, read back. Blocking: writer thread and
 * pool only. Names      <dir>/YYYY/MM/DD/<id>.rec (UTC day of the start); .part while it is open. The writer holds
 * flock(2) on the .part, so that another process can tell a living one from one whose writer died. Errors PL_E_DENIED:
 * another master key; PL_E_INTERNAL: does not decrypt (a changed octet); PL_E_FORMAT: no recording. */
#ifndef MEDIA_SHELL_REC_FILE_H
#define MEDIA_SHELL_REC_FILE_H
#include <parley/base.h>
#include <sodium.h>

#include "../engine/rechdr.h"

struct rec_out {
	int fd;
	char dir[400], path[160]; /* path: below dir, of the finished file */
	struct rec_hdr hdr;
	uint8_t head[REC_HDR_BYTES];
	crypto_secretstream_xchacha20poly1305_state st;
	crypto_hash_sha256_state sha;
	uint64_t samples, bytes;
	bool first;
};
/** hdr: id, room_id, owner, node, format, started_us are set. */
PL_MUST enum pl_err rec_out_open(struct rec_out *o, const char *dir, const struct rec_hdr *hdr,
				 const uint8_t master[32], struct pl_why *why);
PL_MUST enum pl_err rec_out_sound(struct rec_out *o, const uint8_t *p, size_t n, struct pl_why *why);
PL_MUST enum pl_err rec_out_mark(struct rec_out *o, uint64_t at_sample, bool paused, const char *reason,
				 struct pl_why *why);
struct rec_result {
	char sha256[65];
	uint64_t samples, bytes;
};
/** Ends, syncs, reads all back and compares, then gives it its name. The file is closed in any case. */
PL_MUST enum pl_err rec_out_finish(struct rec_out *o, const uint64_t packets[2], const uint8_t master[32],
				   struct rec_result *ret, struct pl_why *why);
void rec_out_abort(struct rec_out *o); /* closes; the .part stays for salvage */

enum rec_piece { REC_PIECE_SOUND, REC_PIECE_MARK, REC_PIECE_END };
struct rec_in {
	int fd;
	struct rec_hdr hdr;
	uint8_t head[REC_HDR_BYTES];
	crypto_secretstream_xchacha20poly1305_state st;
	crypto_hash_sha256_state sha;
	uint64_t samples; /* read so far */
	bool first, ended;
	struct rec_end end;
	enum rec_piece kind;
	const uint8_t *data; /* of the current piece */
	size_t len;
	uint8_t cipher[REC_PIECE_MAX], plain[REC_PIECE_MAX];
};
PL_MUST enum pl_err rec_in_open(struct rec_in **ret, const char *path, const uint8_t master[32], struct pl_why *why);
/** The next piece. At the end: hash and count are compared. PL_E_UNAVAIL: the file ends before its end (still open, or
 * cut). */
PL_MUST enum pl_err rec_in_next(struct rec_in *r, struct pl_why *why);
void rec_in_close(struct rec_in *r);

/** Files whose writer died: closes each under its name, tells fn, removes the .part. */
struct rec_salvaged {
	struct rec_hdr hdr;
	char path[160];
	struct rec_result res;
	struct rec_end end;
	enum pl_err err;
	struct pl_why why;
};
void rec_salvage(const char *dir, const uint8_t master[32], void (*fn)(void *arg, const struct rec_salvaged *s),
		 void *arg);
/** "YYYY/MM/DD/<id>.rec"; false: the id is not fit for a name. */
bool rec_path(char *out, size_t size, const char *id, int64_t started_us);
#endif
