/* Players: a list of clips and pauses, frame by frame, for any number of endpoints of the room. */
#include "media.h"

#include <stdlib.h>

#include "clip.h"

struct clip *clip_ref(struct clip *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void clip_unref(struct clip *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(c->pcm);
	free(c->wide);
	free(c->coded[0]);
	free(c->coded[1]);
	free(c);
}

void play_list_free(struct play_list *l)
{
	for (size_t i = 0; l && i < l->n; i++)
		clip_unref(l->items[i].clip);
	free(l);
}

void player_free(struct player *p)
{
	if (p)
		play_list_free(p->list);
	free(p);
}

struct player *player_find(struct room *r, const char *id)
{
	for (unsigned i = 0; i < r->n_players; i++)
		if (strcmp(r->players[i]->id, id) == 0)
			return r->players[i];
	return NULL;
}

static uint64_t length(const struct play_list *l)
{
	uint64_t frames = 0;
	for (size_t i = 0; i < l->n; i++)
		frames += l->items[i].frames;
	return frames;
}

static void seek(struct player *p, uint64_t offset)
{
	uint64_t all = length(p->list);
	if (all == 0)
		return;
	if (p->loop)
		offset %= all;
	p->item = 0;
	while (p->item < p->list->n && offset >= p->list->items[p->item].frames)
		offset -= p->list->items[p->item++].frames;
	p->pos = (uint32_t)offset;
}

static void replace_others(struct room *r, const struct player *mine)
{
	for (unsigned i = r->n_players; i-- > 0;) {
		struct player *p = r->players[i];
		if (p == mine)
			continue;
		p->to &= ~mine->to;
		if (!p->to)
			player_end(r, p, "stopped", "");
	}
}

enum pl_err player_start(struct room *r, struct op *op, struct pl_why *why)
{
	if (player_find(r, op->id))
		return PL_OK; /* asked again */
	if (r->n_players == ROOM_PLAYERS)
		return pl_why_set(why, PL_E_FULL, "a room holds %d players", ROOM_PLAYERS);
	if (op->n_ids == 0)
		return pl_why_field(why, PL_E_FORMAT, "play.endpoint_ids", "somebody must hear it");
	uint32_t to = 0;
	for (size_t i = 0; i < op->n_ids; i++) {
		struct ep *e = room_ep(r, op->ids[i]);
		if (!e)
			return pl_why_field(why, PL_E_NOTFOUND, "play.endpoint_ids", "%s is not in the room",
					    op->ids[i]);
		to |= 1u << e->idx;
	}
	struct player *p = calloc(1, sizeof(*p));
	if (!p)
		return pl_why_set(why, PL_E_NOMEM, "player: memory is out");
	pl_strlcpy(p->id, op->id, sizeof(p->id));
	p->to = to;
	p->loop = op->loop;
	p->stop_on_digit = op->stop_on_digit;
	p->offset = op->offset_ms / 20;
	p->serial = worker_rnd(r->w) | 1;
	p->live = true;
	r->players[r->n_players++] = p;
	if (op->exclusive)
		replace_others(r, p);
	if (op->list)
		player_ready(r, op);
	r->dirty = true;
	return PL_OK;
}

/* The sources are in memory, or cannot be had. */
void player_ready(struct room *r, struct op *op)
{
	struct player *p = player_find(r, op->id);
	if (!p || p->list)
		return;
	if (op->list->err || length(op->list) == 0) {
		player_end(r, p, "failed", op->list->err ? op->list->error : "nothing to play");
		return;
	}
	p->list = PL_TAKE(op->list);
	seek(p, p->offset);
	r->dirty = true;
}

void player_end(struct room *r, struct player *p, const char *reason, const char *error)
{
	for (unsigned i = 0; i < r->n_players; i++)
		if (r->players[i] == p)
			r->players[i] = r->players[--r->n_players];
	struct event *ev = room_event(r, EVENT_PLAY_DONE, p->id);
	if (ev) {
		ev->reason = reason;
		pl_strlcpy(ev->error, error, sizeof(ev->error));
		ev->ms = (p->offset + p->played) * 20;
		room_post(r, ev);
	}
	for (unsigned i = 0; i < ROOM_EPS; i++)
		if (r->eps[i] && r->eps[i]->player == p)
			r->eps[i]->player = NULL;
	player_free(p);
	r->dirty = true;
}

/* Chooses the frame of this tick and moves on. */
void player_tick(struct room *r, struct player *p)
{
	(void)r;
	p->clip = NULL;
	if (!p->list)
		return;
	while (p->item < p->list->n && p->pos >= p->list->items[p->item].frames) {
		p->pos = 0;
		p->item++;
		if (p->item == p->list->n && p->loop)
			p->item = 0;
	}
	p->live = p->item < p->list->n;
	if (!p->live)
		return;
	p->clip = p->list->items[p->item].clip;
	p->frame = p->pos++;
	p->played++;
	if (p->clip && r->rate_hz == 16000 && !p->clip->wide)
		audio_up2(&p->up, p->clip->pcm + (size_t)p->frame * FRAME_8K, FRAME_8K, p->wide);
}

const int16_t *player_pcm(struct room *r, struct player *p)
{
	if (!p->clip)
		return NULL;
	if (r->rate_hz == 8000)
		return p->clip->pcm + (size_t)p->frame * FRAME_8K;
	return p->clip->wide ? p->clip->wide + (size_t)p->frame * FRAME_MAX : p->wide;
}

/* The only sound for this listener: what is encoded once for all goes out as it is. */
void player_send(struct room *r, struct player *p, struct ep *e)
{
	static const int16_t silence[FRAME_MAX];
	enum codec c = e->nego.codec;
	if (!p->live)
		return;
	if (p->clip && c != CODEC_OPUS) {
		ep_send_own(e, p->serial, p->clip->coded[c] + (size_t)p->frame * FRAME_8K, FRAME_8K);
	} else {
		const int16_t *pcm = player_pcm(r, p);
		ep_mix_frame(e, p->serial, pcm ? pcm : silence);
	}
}
