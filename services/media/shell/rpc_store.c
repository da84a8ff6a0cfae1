/* RecordingStoreInternalService: stored recordings, decrypted. Files are read on the pool; a few open readers wait on
 * the main loop, so that a client that reads on gets the next piece without decrypting from the beginning. */
#include <errno.h>
#include <parley/media/v1/media.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../engine/wav.h"
#include "media.h"
#include "rec_file.h"
#include "service.h"

enum { READ_MAX = 524288, READERS = 8, BUCKETS_MAX = 4000, JOBS_MAX = 256 };

struct reader {
	char path[600];
	struct rec_in *in;
	uint64_t piece_at; /* first sample of the current piece */
	int64_t used_us;
};

struct store {
	struct media *m;
	struct reader readers[READERS];
	unsigned jobs;
};

enum what { READ, PEAKS, DELETE, VERIFY };
struct store_job { /* in the call's arena */
	struct store *s;
	struct rpc_call *call;
	enum what what;
	const char *id, *path;
	char full[600];
	uint64_t offset;
	uint32_t length, buckets;
	struct reader r;
	uint8_t *data;
	size_t n;
	uint64_t total, samples;
	uint32_t *peaks[2];
	enum pl_err err;
	struct pl_why why;
};

/* --- on the pool --- */
static enum pl_err open_reader(struct store_job *j)
{
	rec_in_close(j->r.in);
	j->r.in = NULL;
	j->r.piece_at = 0;
	pl_strlcpy(j->r.path, j->full, sizeof(j->r.path));
	return rec_in_open(&j->r.in, j->full, j->s->m->key, &j->why);
}

/* The next piece of sound. PL_E_NOTFOUND: the end. */
static enum pl_err next_sound(struct reader *r, struct pl_why *why)
{
	do {
		r->piece_at = r->in->samples;
		enum pl_err err = rec_in_next(r->in, why);
		if (err)
			return err;
	} while (r->in->kind != REC_PIECE_SOUND && !r->in->ended);
	return r->in->ended ? PL_E_NOTFOUND : PL_OK;
}

static int16_t sample(const struct rec_in *in, size_t i, int channel)
{
	if (in->hdr.format == REC_ALAW)
		return g711_a_linear[in->data[2 * i + (size_t)channel]];
	const uint8_t *p = in->data + 4 * i + 2 * (size_t)channel;
	return (int16_t)(p[0] | p[1] << 8);
}

/* Octets [at, at + n) of the sound as 16-bit stereo, out of the current piece. Returns how many. */
static size_t copy_from_piece(const struct reader *r, uint64_t at, uint8_t *out, size_t n)
{
	uint64_t begin = r->piece_at * 4, end = r->in->samples * 4;
	size_t done = 0;
	for (; done < n && at + done >= begin && at + done < end; done++) {
		uint64_t o = at + done - begin;
		uint16_t v = (uint16_t)sample(r->in, (size_t)(o / 4), (int)(o / 2 % 2));
		out[done] = (uint8_t)(o % 2 ? v >> 8 : v);
	}
	return done;
}

static enum pl_err read_sound(struct store_job *j, uint64_t at)
{
	enum pl_err err = PL_OK;
	if (at / 4 < j->r.piece_at)
		err = open_reader(j); /* behind where the waiting reader stands */
	while (!err && j->n < j->length && at < j->total - WAV_HDR_BYTES) {
		size_t got = j->r.in->kind == REC_PIECE_SOUND && j->r.in->len
				     ? copy_from_piece(&j->r, at, j->data + j->n, j->length - j->n)
				     : 0;
		j->n += got;
		at += got;
		if (j->n < j->length)
			err = next_sound(&j->r, &j->why);
	}
	return err == PL_E_NOTFOUND ? PL_OK : err;
}

static enum pl_err do_read(struct store_job *j)
{
	uint8_t head[WAV_HDR_BYTES];
	enum pl_err err = j->r.in ? PL_OK : open_reader(j);
	if (err)
		return err;
	j->total = WAV_HDR_BYTES + j->r.in->hdr.samples * 4;
	wav_header(head, 2, REC_RATE, j->r.in->hdr.samples * 4);
	if (j->offset < WAV_HDR_BYTES) {
		j->n = PL_MIN((size_t)(WAV_HDR_BYTES - j->offset), (size_t)j->length);
		memcpy(j->data, head + j->offset, j->n);
	}
	if (j->n == j->length || j->offset + j->n >= j->total)
		return PL_OK;
	uint8_t *data = j->data;
	size_t head_n = j->n;
	j->data += head_n;
	j->length -= (uint32_t)head_n;
	j->n = 0;
	err = read_sound(j, j->offset + head_n - WAV_HDR_BYTES);
	j->data = data;
	j->n += head_n;
	return err;
}

static enum pl_err do_peaks(struct store_job *j)
{
	enum pl_err err = open_reader(j);
	if (err)
		return err;
	j->samples = j->r.in->hdr.samples;
	while (!(err = next_sound(&j->r, &j->why))) {
		const struct rec_in *in = j->r.in;
		for (size_t i = 0; i < in->len / rec_sample_bytes(in->hdr.format) && j->samples; i++) {
			uint64_t b = PL_MIN((j->r.piece_at + i) * j->buckets / j->samples, (uint64_t)j->buckets - 1);
			for (int c = 0; c < 2; c++) {
				int v = sample(in, i, c);
				uint32_t peak = (uint32_t)PL_MIN((v < 0 ? -v : v) >> 8, 127);
				j->peaks[c][b] = PL_MAX(j->peaks[c][b], peak);
			}
		}
	}
	return err == PL_E_NOTFOUND ? PL_OK : err;
}

static enum pl_err do_verify(struct store_job *j)
{
	enum pl_err err = open_reader(j);
	while (!err && !j->r.in->ended)
		err = rec_in_next(j->r.in, &j->why);
	return err;
}

static enum pl_err do_delete(struct store_job *j)
{
	if (unlink(j->full) == 0 || errno == ENOENT)
		return PL_OK; /* gone is what was asked for */
	return pl_why_set(&j->why, PL_E_IO, "delete: %s", strerror(errno));
}

static void work(void *arg)
{
	static enum pl_err (*const verbs[])(struct store_job *) = { do_read, do_peaks, do_delete, do_verify };
	struct store_job *j = arg;
	thread_background();
	j->err = verbs[j->what](j);
}

/* --- on the main loop --- */
static void take_reader(struct store_job *j)
{
	for (int i = 0; i < READERS && j->what == READ; i++)
		if (j->s->readers[i].in && strcmp(j->s->readers[i].path, j->full) == 0) {
			j->r = j->s->readers[i];
			j->s->readers[i] = (struct reader){ 0 };
			return;
		}
}

static void give_reader(struct store_job *j)
{
	struct reader *oldest = &j->s->readers[0];
	if (!j->r.in)
		return;
	if (j->err || j->what != READ || j->r.in->ended) {
		rec_in_close(j->r.in);
		return;
	}
	for (int i = 1; i < READERS; i++)
		if (!j->s->readers[i].in || (oldest->in && j->s->readers[i].used_us < oldest->used_us))
			oldest = &j->s->readers[i];
	rec_in_close(oldest->in);
	*oldest = j->r;
	oldest->used_us = pl_loop_now_us(j->s->m->app->loop);
}

static void drop_readers(struct store *s, const char *path)
{
	for (int i = 0; i < READERS; i++)
		if (s->readers[i].in && (!path || strcmp(s->readers[i].path, path) == 0)) {
			rec_in_close(s->readers[i].in);
			s->readers[i].in = NULL;
		}
}

static void reply_verify(struct store_job *j)
{
	Parley__Media__V1__RecordingDone out = PARLEY__MEDIA__V1__RECORDING_DONE__INIT;
	char sha[65] = "";
	out.recording_id = (char *)(uintptr_t)j->id;
	out.path = (char *)(uintptr_t)j->path;
	out.verified = !j->err;
	out.error = j->why.text;
	out.sha256 = sha;
	if (!j->err) {
		const struct rec_in *in = j->r.in;
		pl_hex(in->end.sha256, 32, sha);
		out.duration_ms = in->samples * 1000 / REC_RATE;
		out.packets_left = in->end.packets[0];
		out.packets_right = in->end.packets[1];
		out.started_at = rpc_ts(j->call->arena, in->hdr.started_us);
		out.bytes = (uint64_t)lseek(in->fd, 0, SEEK_CUR);
	}
	Parley__Media__V1__VerifyRecordingResponse all = PARLEY__MEDIA__V1__VERIFY_RECORDING_RESPONSE__INIT;
	all.recording = &out;
	rpc_reply(j->call, &all.base);
}

static void reply(struct store_job *j)
{
	Parley__Media__V1__ReadRecordingResponse read = PARLEY__MEDIA__V1__READ_RECORDING_RESPONSE__INIT;
	Parley__Media__V1__GetPeaksResponse peaks = PARLEY__MEDIA__V1__GET_PEAKS_RESPONSE__INIT;
	Parley__Media__V1__DeleteRecordingResponse del = PARLEY__MEDIA__V1__DELETE_RECORDING_RESPONSE__INIT;
	switch (j->what) {
	case READ:
		read.data = (ProtobufCBinaryData){ j->n, j->data };
		read.total_bytes = j->total;
		rpc_reply(j->call, &read.base);
		break;
	case PEAKS:
		peaks.n_left = peaks.n_right = j->buckets;
		peaks.left = j->peaks[0];
		peaks.right = j->peaks[1];
		peaks.duration_ms = j->samples * 1000 / REC_RATE;
		rpc_reply(j->call, &peaks.base);
		break;
	case DELETE:
		rpc_reply(j->call, &del.base);
		break;
	case VERIFY:
		reply_verify(j);
		break;
	}
}

static void done(void *arg)
{
	struct store_job *j = arg;
	struct store *s = j->s;
	struct rec_in *in = j->what == VERIFY ? j->r.in : NULL;
	s->jobs--;
	if (j->what == DELETE)
		drop_readers(s, j->full);
	if (j->what != VERIFY)
		give_reader(j);
	if (j->err && (j->what != VERIFY || j->err == PL_E_NOTFOUND))
		rpc_fail(j->call, j->err, &j->why);
	else
		reply(j); /* frees the call, and with it the job */
	rec_in_close(in);
}

/* "2026/11/22/<id>.rec", nothing else. Without a path: the day that the id's time names, or the next (RFC 9562 5.7). */
static bool find_path(struct store_job *j)
{
	static char none[] = "";
	char *path = pl_arena_alloc(j->call->arena, 160);
	uint64_t ms = 0;
	const char *dir = j->s->m->app->cfg.data_dir;
	int y, mo, d, n = 0;
	if (!path)
		return false;
	if (!pl_empty(j->path)) {
		char id[160] = "";
		if (strlen(j->path) >= 160 ||
		    sscanf(j->path, "%4d/%2d/%2d/%159[A-Za-z0-9_-].rec%n", &y, &mo, &d, id, &n) != 4 ||
		    n != (int)strlen(j->path) || (!pl_empty(j->id) && strcmp(id, j->id) != 0))
			return false;
		snprintf(j->full, sizeof(j->full), "%s/recordings/%s", dir, j->path);
		return true;
	}
	if (!pl_id_ok(j->id ? j->id : none) || sscanf(j->id, "%8" SCNx64, &ms) != 1)
		return false;
	uint64_t low = 0;
	sscanf(j->id + 9, "%4" SCNx64, &low);
	ms = ms << 16 | low;
	for (int day = 0; day < 2; day++) {
		rec_path(path, 160, j->id, (int64_t)ms * 1000 + day * INT64_C(86400000000));
		snprintf(j->full, sizeof(j->full), "%s/recordings/%s", dir, path);
		j->path = path;
		if (access(j->full, R_OK) == 0)
			return true;
	}
	return true; /* opening it tells that it is not there */
}

static struct store_job *begin(struct rpc_call *c, enum what what, const char *id, const char *path)
{
	struct store *s = c->arg;
	struct pl_why why = { 0 };
	struct store_job *j = PL_NEW(c->arena, struct store_job);
	enum pl_err err = rpc_need(&c->actor, RPC_SERVICE, &why);
	if (!err && !j)
		err = pl_why_set(&why, PL_E_NOMEM, "memory is out");
	if (!err && !s->m->has_key)
		err = pl_why_set(&why, PL_E_STATE, "this node has no master key");
	if (!err && s->jobs >= JOBS_MAX)
		err = pl_why_set(&why, PL_E_FULL, "%d reads of recordings are under way", JOBS_MAX);
	if (!err) {
		*j = (struct store_job){ .s = s, .call = c, .what = what, .id = id, .path = path };
		if (!find_path(j))
			err = pl_why_field(&why, PL_E_FORMAT, "path",
					   "must be the path of that recording, or empty and the id a UUIDv7");
	}
	if (err)
		rpc_fail(c, err, &why);
	return err ? NULL : j;
}

static void start(struct store_job *j)
{
	take_reader(j);
	if (pl_loop_work(j->s->m->app->loop, work, done, j) == PL_OK) {
		j->s->jobs++;
		return;
	}
	give_reader(j);
	rpc_fail(j->call, PL_E_FULL, NULL);
}

static void read_recording(struct rpc_call *c)
{
	const Parley__Media__V1__ReadRecordingRequest *in = (const void *)c->in;
	struct store_job *j = begin(c, READ, in->recording_id, in->path);
	if (!j)
		return;
	j->offset = in->offset;
	j->length = PL_MIN(in->length, (uint32_t)READ_MAX);
	j->data = pl_arena_alloc(c->arena, j->length + 1);
	if (j->data)
		start(j);
	else
		rpc_fail(c, PL_E_NOMEM, NULL);
}

static void get_peaks(struct rpc_call *c)
{
	const Parley__Media__V1__GetPeaksRequest *in = (const void *)c->in;
	struct pl_why why;
	if (in->buckets < 1 || in->buckets > BUCKETS_MAX) {
		rpc_fail(c, pl_why_field(&why, PL_E_FORMAT, "buckets", "must be 1 to %d", BUCKETS_MAX), &why);
		return;
	}
	struct store_job *j = begin(c, PEAKS, in->recording_id, in->path);
	if (!j)
		return;
	j->buckets = in->buckets;
	for (int i = 0; i < 2; i++)
		j->peaks[i] = pl_arena_alloc(c->arena, in->buckets * sizeof(uint32_t));
	if (j->peaks[0] && j->peaks[1])
		start(j);
	else
		rpc_fail(c, PL_E_NOMEM, NULL);
}

static void delete_recording(struct rpc_call *c)
{
	const Parley__Media__V1__DeleteRecordingRequest *in = (const void *)c->in;
	struct store_job *j = begin(c, DELETE, in->recording_id, in->path);
	if (j)
		start(j);
}

static void verify_recording(struct rpc_call *c)
{
	const Parley__Media__V1__VerifyRecordingRequest *in = (const void *)c->in;
	struct store_job *j = begin(c, VERIFY, in->recording_id, in->path);
	if (j)
		start(j);
}

enum pl_err store_open(struct store **ret, struct media *m, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ReadRecording", read_recording },
						    { "GetPeaks", get_peaks },
						    { "DeleteRecording", delete_recording },
						    { "VerifyRecording", verify_recording },
						    { NULL, NULL } };
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return pl_why_set(why, PL_E_NOMEM, "store: memory is out");
	*ret = s;
	s->m = m;
	return rpc_serve(m->app->bus, &parley__media__v1__recording_store_internal_service__descriptor, entries, s,
			 why);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	while (s->jobs > 0)
		loop_wait(s->m->app->loop);
	drop_readers(s, NULL);
	free(s);
}
