/* GET /api/recordings/<id>/audio and /peaks. The owner of recordings (call-control) says whether the caller may hear it
 * and where it lies; media reads, decrypts and cuts it; here it is only passed on, piece by piece as the client reads.
 */
#include "api.h"

#include <parley/media/v1/media.pb-c.h>
#include <parley/voice/v1/voice.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE 524288u
#define ASK_MS 15000
#define BUCKETS 1000u
#define BUCKETS_MAX 4000u

struct play {
	struct api *a;
	struct http_req *r; /* NULL once the stream has begun */
	struct http_stream *s;
	struct pl_arena *arena;
	char id[64], *path;
	bool peaks;
	uint64_t at, end, total; /* next byte to ask for; one behind the last */
	uint64_t ask;            /* handle of the piece under way */
};

static void play_free(struct play *p)
{
	pl_arena_free(p->arena);
	free(p);
}

static void fail(struct play *p, enum pl_err err, const struct pl_why *why)
{
	if (p->r)
		answer_error(p->r, err, why);
	else if (p->s)
		http_stream_end(p->s); /* before its length is reached: the client sees that it is cut */
	play_free(p);
}

static uint64_t ask_media(struct play *p, const char *method, const ProtobufCMessage *in, rpc_done_fn fn,
			  struct pl_why *why)
{
	const struct rpc_to to = { .service = &parley__media__v1__recording_store_internal_service__descriptor,
				   .method = method,
				   .timeout_ms = ASK_MS };

	return rpc_ask(p->a->app->bus, &to, in, fn, p, why);
}

/* --- audio --- */

static void on_piece(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct play *p = arg;
	const Parley__Media__V1__ReadRecordingResponse *in = (const void *)out;

	p->ask = 0;
	size_t n = err ? 0 : (size_t)PL_MIN((uint64_t)in->data.len, p->end - p->at);
	if (err || !n || http_stream_write(p->s, in->data.data, n)) {
		log_warn("recording.cut", LOG_S("id", p->id), LOG_S("why", why ? why->text : "no data"));
		fail(p, err ? err : PL_E_INTERNAL, why);
		return;
	}
	p->at += n;
	if (p->at < p->end)
		return; /* on_drained() asks for more */
	http_stream_end(p->s);
	play_free(p);
}

static void next_piece(struct play *p)
{
	Parley__Media__V1__ReadRecordingRequest in = PARLEY__MEDIA__V1__READ_RECORDING_REQUEST__INIT;
	struct pl_why why = { 0 };

	in.recording_id = p->id;
	in.path = p->path;
	in.offset = p->at;
	in.length = (uint32_t)PL_MIN((uint64_t)PIECE, p->end - p->at);
	p->ask = ask_media(p, "ReadRecording", &in.base, on_piece, &why);
	if (!p->ask)
		fail(p, why.err, &why);
}

static void on_drained(void *arg)
{
	struct play *p = arg;

	if (!p->ask && p->at < p->end)
		next_piece(p);
}

static void on_gone(void *arg)
{
	struct play *p = arg;

	rpc_cancel(p->a->app->bus, p->ask);
	play_free(p);
}

static void begin(struct play *p)
{
	struct http_req *r = p->r;
	uint64_t from = 0, to = p->total - 1;
	char range[96];

	http_add_header(r, "Accept-Ranges", "bytes");
	int part = http_range(http_header(r, "Range"), p->total, &from, &to);
	if (part < 0)
		snprintf(range, sizeof(range), "bytes */%" PRIu64, p->total);
	else
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, to, p->total);
	if (part)
		http_add_header(r, "Content-Range", range);
	if (part < 0) {
		http_answer(r, 416, "text/plain", "", 0);
		play_free(p);
		return;
	}
	p->at = from;
	p->end = to + 1;
	p->r = NULL;
	if (http_stream_begin(&p->s, r, part ? 206 : 200, "audio/wav", (int64_t)(p->end - p->at), 2 * (size_t)PIECE,
			      on_gone, on_drained, p)) {
		p->r = r;
		fail(p, PL_E_NOMEM, NULL);
	}
}

static void on_size(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct play *p = arg;

	p->total = err ? 0 : ((const Parley__Media__V1__ReadRecordingResponse *)(const void *)out)->total_bytes;
	if (err || !p->total)
		fail(p, err ? err : PL_E_NOTFOUND, why);
	else
		begin(p);
}

/* --- peaks --- */

static void on_peaks(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct play *p = arg;
	struct pl_why here = { 0 };
	char *json;
	size_t n;

	if (!err) {
		err = rpc_to_json(out, p->arena, &json, &n, &here);
		why = &here;
	}
	if (err) {
		fail(p, err, why);
		return;
	}
	http_answer(p->r, 200, "application/json", json, n);
	play_free(p);
}

static void ask_peaks(struct play *p)
{
	Parley__Media__V1__GetPeaksRequest in = PARLEY__MEDIA__V1__GET_PEAKS_REQUEST__INIT;
	const char *wanted = http_query(p->r, "buckets");
	long n = wanted ? strtol(wanted, NULL, 10) : BUCKETS;
	struct pl_why why = { 0 };

	in.recording_id = p->id;
	in.path = p->path;
	in.buckets = (uint32_t)PL_MIN(PL_MAX(n, 1), (long)BUCKETS_MAX);
	if (!ask_media(p, "GetPeaks", &in.base, on_peaks, &why))
		fail(p, why.err, &why);
}

/* --- may the caller hear it, and where is it --- */

static void on_recording(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct play *p = arg;
	const Parley__Voice__V1__GetRecordingResponse *in = (const void *)out;
	Parley__Media__V1__ReadRecordingRequest size = PARLEY__MEDIA__V1__READ_RECORDING_REQUEST__INIT;
	struct pl_why here = { 0 };

	if (!err && (!in->recording || pl_empty(in->recording->path)))
		err = pl_why_set(&here, PL_E_NOTFOUND, "there is no such recording");
	if (!err && !(p->path = pl_arena_strdup(p->arena, in->recording->path)))
		err = PL_E_NOMEM;
	if (err) {
		fail(p, err, here.err ? &here : why);
		return;
	}
	if (p->peaks) {
		ask_peaks(p);
		return;
	}
	size.recording_id = p->id;
	size.path = p->path;
	size.length = 1;
	if (!ask_media(p, "ReadRecording", &size.base, on_size, &here))
		fail(p, here.err, &here);
}

static void on_seat(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why)
{
	static const char service[] = "parley.voice.v1.RecordingService";
	struct rpc_to to = { .service = &parley__voice__v1__recording_service__descriptor,
			     .method = "GetRecording",
			     .timeout_ms = ASK_MS };
	Parley__Voice__V1__GetRecordingRequest in = PARLEY__VOICE__V1__GET_RECORDING_REQUEST__INIT;
	struct play *p = arg;
	struct pl_why here = { 0 };
	char actor[128];

	if (!err && (w->must_change || !perm_allowed(w->role, service, "GetRecording")))
		err = pl_why_set(&here, PL_E_DENIED, "your role may not hear recordings");
	if (err) {
		fail(p, err, here.err ? &here : why);
		return;
	}
	const char *range = http_header(p->r, "Range");
	in.id = p->id;
	/* a player asks for many ranges; hearing it once is one line in the audit log */
	in.play = !p->peaks && (!range || strncmp(range, "bytes=0-", 8) == 0);
	to.actor = api_actor(w, actor);
	if (!rpc_ask(p->a->app->bus, &to, &in.base, on_recording, p, &here))
		fail(p, here.err, &here);
}

void recording_serve(struct api *a, struct http_req *r, const char *id, const char *what)
{
	struct play *p = calloc(1, sizeof(*p));
	struct pl_why why = { 0 };

	if (!p || !(p->arena = pl_arena_new(0))) {
		free(p);
		answer_error(r, PL_E_NOMEM, NULL);
		return;
	}
	p->a = a;
	p->r = r;
	p->peaks = pl_streq(what, "peaks");
	pl_strlcpy(p->id, id, sizeof(p->id));
	if (!p->peaks && !pl_streq(what, "audio")) {
		fail(p, pl_why_set(&why, PL_E_NOTFOUND, "there is nothing here"), &why);
		return;
	}
	seat_find(a, r, on_seat, p);
}
