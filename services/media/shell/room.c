/* Rooms: who hears whom, and 20 ms of it. */
#include "media.h"

#include <stdlib.h>

struct room *room_new(struct worker *w, const char *id, const char *owner)
{
	struct room *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->w = w;
	r->rate_hz = 8000;
	pl_strlcpy(r->id, id, sizeof(r->id));
	pl_strlcpy(r->owner, owner, sizeof(r->owner));
	pl_list_init(&r->link);
	pl_list_init(&r->grave);
	HASH_ADD_STR(w->rooms, id, r);
	count_add(&w->counts.rooms, 1);
	return r;
}

void room_end(struct room *r)
{
	struct worker *w = r->w;
	while (r->n_recs)
		rec_stop(r, r->recs[0]);
	while (r->n_players)
		player_end(r, r->players[0], "stopped", "");
	for (unsigned i = 0; i < ROOM_EPS; i++)
		if (r->eps[i])
			ep_end(r->eps[i]);
	room_tick_off(r);
	HASH_DEL(w->rooms, r);
	pl_list_push(&w->room_grave, &r->grave);
	count_add(&w->counts.rooms, UINT64_MAX); /* minus one */
}

struct ep *room_ep(struct room *r, const char *id)
{
	for (uint32_t m = r->used; m; m &= m - 1) {
		struct ep *e = r->eps[__builtin_ctz(m)];
		if (strcmp(e->id, id) == 0)
			return e;
	}
	return NULL;
}

struct event *room_event(struct room *r, enum event_kind kind, const char *id)
{
	struct event *ev = calloc(1, sizeof(*ev));
	if (!ev)
		return NULL;
	ev->kind = kind;
	ev->wall_us = pl_wall_us();
	pl_strlcpy(ev->room_id, r->id, sizeof(ev->room_id));
	pl_strlcpy(ev->owner, r->owner, sizeof(ev->owner));
	pl_strlcpy(ev->id, id, sizeof(ev->id));
	return ev;
}

void room_post(struct room *r, struct event *ev)
{
	core_post_event(r->w->core, ev);
}

void room_digit(struct ep *e, char digit, uint32_t ms)
{
	struct room *r = e->room;
	struct event *ev = room_event(r, EVENT_DIGIT, e->id);
	if (ev) {
		ev->digit = digit;
		ev->ms = ms;
		room_post(r, ev);
	}
	for (unsigned i = r->n_players; i-- > 0;)
		if (r->players[i]->stop_on_digit && (r->players[i]->to >> e->idx & 1))
			player_end(r, r->players[i], "digit", "");
	if (r->dirty)
		room_graph(r);
}

/* --- the graph --- */
static unsigned players_of(struct room *r, const struct ep *e, struct player **ret)
{
	unsigned n = 0;
	for (unsigned i = 0; i < r->n_players; i++)
		if (r->players[i]->list && (r->players[i]->to >> e->idx & 1)) {
			*ret = r->players[i];
			n++;
		}
	return n;
}

static void set_mode(struct room *r, struct ep *e)
{
	struct player *p = NULL;
	unsigned n_players = players_of(r, e, &p);
	uint32_t hears = e->hears & r->used & ~(1u << e->idx);
	struct ep *one = hears && (hears & (hears - 1)) == 0 ? r->eps[__builtin_ctz(hears)] : NULL;
	e->player = NULL;
	if (!e->nego.agreed || !e->nego.we_send) {
		e->mode = OUT_NONE;
	} else if (te_tx_busy(&e->te_out)) {
		e->mode = OUT_MIX;
	} else if (!hears && n_players == 0) {
		e->mode = OUT_NONE;
	} else if (!hears && n_players == 1) {
		e->mode = OUT_PLAY;
		e->player = p;
	} else if (one && n_players == 0 && one->rx_codec != CODEC_NONE &&
		   e->nego.tx_pt[one->rx_codec] != NEGO_PT_NONE &&
		   codec_infos[one->rx_codec].clock_hz == e->tx.clock_hz) {
		e->mode = OUT_RELAY;
		one->relay_to |= 1u << e->idx;
	} else {
		e->mode = OUT_MIX;
	}
}

static bool recorded(const struct room *r, const struct ep *e)
{
	for (unsigned i = 0; i < r->n_recs; i++)
		if ((r->recs[i]->side[0] | r->recs[i]->side[1]) >> e->idx & 1)
			return true;
	return false;
}

static bool mixed_into_any(const struct room *r, const struct ep *e)
{
	for (uint32_t m = r->used; m; m &= m - 1) {
		const struct ep *to = r->eps[__builtin_ctz(m)];
		if (to->mode == OUT_MIX && (to->hears >> e->idx & 1))
			return true;
	}
	return false;
}

/* Two or more wide-band endpoints that are mixed: the room runs at 16 kHz. */
static unsigned wanted_rate(const struct room *r)
{
	unsigned wide = 0;
	for (uint32_t m = r->used; m; m &= m - 1)
		wide += r->eps[__builtin_ctz(m)]->nego.codec == CODEC_OPUS;
	return wide >= 2 ? 16000 : 8000;
}

static void set_need(struct room *r, struct ep *e)
{
	bool in_band = e->nego.agreed && e->nego.we_hear && e->nego.te_rx_pt == NEGO_PT_NONE;
	e->need_pcm = in_band || recorded(r, e) || mixed_into_any(r, e);
	if (!e->need_pcm && e->dec)
		jb_reset(&e->dec->jb); /* what is in it will be old when it is wanted again */
	if (e->need_pcm && !e->dec)
		e->dec = dec_new(r->rate_hz);
	if (e->dec)
		dec_rate(e->dec, r->rate_hz);
}

void room_graph(struct room *r)
{
	bool tick = r->n_players || r->n_recs;
	r->dirty = false;
	r->rate_hz = wanted_rate(r);
	for (uint32_t m = r->used; m; m &= m - 1)
		r->eps[__builtin_ctz(m)]->relay_to = 0;
	for (uint32_t m = r->used; m; m &= m - 1)
		set_mode(r, r->eps[__builtin_ctz(m)]);
	for (uint32_t m = r->used; m; m &= m - 1) {
		struct ep *e = r->eps[__builtin_ctz(m)];
		set_need(r, e);
		tick |= e->need_pcm || e->mode == OUT_MIX;
	}
	if (tick)
		room_tick_on(r);
	else
		room_tick_off(r);
}

/* --- 20 ms --- */
static void pull(struct room *r)
{
	for (uint32_t m = r->used; m; m &= m - 1) {
		struct ep *e = r->eps[__builtin_ctz(m)];
		if (!e->need_pcm || !e->dec)
			continue;
		dec_pull(e->dec);
		if (e->nego.te_rx_pt != NEGO_PT_NONE || !e->dec->sound || r->rate_hz != 8000)
			continue;
		char digit = dtmf_detector_take(&e->dec->dtmf, e->dec->pcm, FRAME_8K);
		if (digit)
			room_digit(e, digit, 0);
	}
}

static void mix(struct room *r, struct ep *e)
{
	int32_t sum[FRAME_MAX] = { 0 };
	int16_t pcm[FRAME_MAX] = { 0 };
	size_t n = r->rate_hz / 50;
	if (ep_digit_frame(e, pcm))
		return;
	audio_add(sum, pcm, n);
	for (uint32_t m = e->hears & r->used; m; m &= m - 1) {
		struct ep *from = r->eps[__builtin_ctz(m)];
		if (from != e && from->dec && from->dec->sound)
			audio_add(sum, from->dec->pcm, n);
	}
	for (unsigned i = 0; i < r->n_players; i++) {
		const int16_t *p = r->players[i]->to >> e->idx & 1 ? player_pcm(r, r->players[i]) : NULL;
		if (p)
			audio_add(sum, p, n);
	}
	audio_clip(sum, pcm, n);
	ep_mix_frame(e, e->session ^ 2, pcm);
}

void room_tick(struct room *r)
{
	pull(r);
	for (unsigned i = 0; i < r->n_players; i++)
		player_tick(r, r->players[i]);
	for (uint32_t m = r->used; m; m &= m - 1) {
		struct ep *e = r->eps[__builtin_ctz(m)];
		if (e->mode == OUT_PLAY && e->player)
			player_send(r, e->player, e);
		else if (e->mode == OUT_MIX)
			mix(r, e);
	}
	for (unsigned i = 0; i < r->n_recs; i++)
		rec_tick(r, r->recs[i]);
	for (unsigned i = r->n_players; i-- > 0;)
		if (r->players[i]->list && !r->players[i]->live)
			player_end(r, r->players[i], "end", "");
	if (r->dirty)
		room_graph(r);
}
