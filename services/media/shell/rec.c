/* Recorders of a room: what two sets of endpoints say, 20 ms at a time on the room's clock. */
#include <stdlib.h>

#include "media.h"
#include "rec_writer.h"

struct rec *rec_find(struct room *r, const char *id)
{
	for (unsigned i = 0; i < r->n_recs; i++)
		if (strcmp(r->recs[i]->id, id) == 0)
			return r->recs[i];
	return NULL;
}

static enum pl_err side_of(struct room *r, const char *const *ids, size_t n, uint32_t *ret, struct pl_why *why)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		struct ep *e = room_ep(r, ids[i]);
		if (!e)
			return pl_why_field(why, PL_E_NOTFOUND, "start_recording", "%s is not in the room", ids[i]);
		*ret |= 1u << e->idx;
	}
	return PL_OK;
}

static struct rec_file *open_file(struct room *r, const char *id)
{
	struct rec_hdr h = { .format = REC_ALAW, .started_us = pl_wall_us() };
	pl_strlcpy(h.id, id, sizeof(h.id));
	pl_strlcpy(h.room_id, r->id, sizeof(h.room_id));
	pl_strlcpy(h.owner, r->owner, sizeof(h.owner));
	pl_strlcpy(h.node, r->w->cfg->node, sizeof(h.node));
	return rec_file_new(core_writer(r->w->core), &h);
}

enum pl_err rec_start(struct room *r, const struct op *op, struct pl_why *why)
{
	char path[160];
	uint32_t side[2];
	if (rec_find(r, op->id))
		return PL_OK; /* asked again */
	if (!r->w->cfg->master_key)
		return pl_why_set(why, PL_E_STATE, "no recording without --master-key-file");
	if (r->n_recs == ROOM_RECS)
		return pl_why_set(why, PL_E_FULL, "a room holds %d recorders", ROOM_RECS);
	if (!rec_path(path, sizeof(path), op->id, 0))
		return pl_why_field(why, PL_E_FORMAT, "recording_id", "must be letters, digits, - and _, at most 63");
	enum pl_err err = side_of(r, op->ids, op->n_ids, &side[0], why);
	if (!err)
		err = side_of(r, op->right_ids, op->n_right, &side[1], why);
	if (err)
		return err;
	struct rec *k = calloc(1, sizeof(*k));
	if (!k || !(k->piece = malloc(REC_PIECE_BYTES)) || !(k->file = open_file(r, op->id))) {
		free(k ? k->piece : NULL);
		free(k);
		return pl_why_set(why, PL_E_NOMEM, "recorder: memory or queue is full");
	}
	pl_strlcpy(k->id, op->id, sizeof(k->id));
	memcpy(k->side, side, sizeof(side));
	r->recs[r->n_recs++] = k;
	return PL_OK;
}

enum pl_err rec_pause(struct room *r, const struct op *op, struct pl_why *why)
{
	struct rec *k = rec_find(r, op->id);
	if (!k)
		return pl_why_field(why, PL_E_NOTFOUND, "recording_id", "%s is not being recorded", op->id);
	if (k->paused == op->paused)
		return PL_OK;
	k->paused = op->paused;
	rec_file_mark(k->file, k->frames * FRAME_8K, op->paused, op->text);
	return PL_OK;
}

/* One side of this tick at 8 kHz. False: nobody said anything. */
static bool side_sound(struct room *r, struct rec *k, int side, int16_t out[FRAME_8K])
{
	int32_t sum[FRAME_MAX];
	int16_t wide[FRAME_MAX];
	size_t n = r->rate_hz / 50;
	const int16_t *one = NULL;
	unsigned speakers = 0;
	for (uint32_t m = k->side[side] & r->used; m && !k->paused; m &= m - 1) {
		struct ep *e = r->eps[__builtin_ctz(m)];
		if (!e->dec || !e->dec->sound)
			continue;
		if (speakers++ == 0) {
			one = e->dec->pcm;
			continue;
		}
		if (speakers == 2) {
			memset(sum, 0, sizeof(sum));
			audio_add(sum, one, n);
		}
		audio_add(sum, e->dec->pcm, n);
	}
	if (speakers == 0)
		return false;
	if (speakers > 1) {
		audio_clip(sum, wide, n);
		one = wide;
	}
	if (r->rate_hz == 8000)
		memcpy(out, one, FRAME_8K * sizeof(*out));
	else
		audio_down2(&k->half[side], one, n, out);
	return true;
}

static void hand_over(struct rec *k)
{
	k->failed = !rec_file_sound(k->file, k->piece, k->fill);
	k->fill = 0;
	k->piece = k->failed ? NULL : malloc(REC_PIECE_BYTES);
	k->failed |= !k->piece;
}

void rec_tick(struct room *r, struct rec *k)
{
	int16_t pcm[FRAME_8K];
	k->frames++;
	if (k->failed)
		return;
	uint8_t *out = k->piece + k->fill;
	for (int s = 0; s < 2; s++) {
		if (side_sound(r, k, s, pcm))
			for (size_t i = 0; i < FRAME_8K; i++)
				out[2 * i + (size_t)s] = g711_a_code(pcm[i]);
		else
			for (size_t i = 0; i < FRAME_8K; i++)
				out[2 * i + (size_t)s] = G711_A_SILENCE;
	}
	k->fill += 2 * FRAME_8K;
	if (k->fill + 2 * FRAME_8K > REC_PIECE_BYTES)
		hand_over(k);
}

void rec_stop(struct room *r, struct rec *k)
{
	for (unsigned i = 0; i < r->n_recs; i++)
		if (r->recs[i] == k)
			r->recs[i] = r->recs[--r->n_recs];
	if (!k->failed && k->fill > 0) {
		rec_file_sound(k->file, PL_TAKE(k->piece), k->fill);
	}
	rec_file_close(k->file, k->packets);
	free(k->piece);
	free(k);
	r->dirty = true;
}
