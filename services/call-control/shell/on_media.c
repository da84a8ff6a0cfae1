/* What media nodes say: digits, ends of prompts and recordings, lost endpoints, lost rooms. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define KEEP_MS 5000

typedef Parley__Media__V1__MediaEvent event_t;
#define EV(k) PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_##k
#define STATE(k) PARLEY__MEDIA__V1__ENDPOINT_STATE_KIND__ENDPOINT_STATE_KIND_##k

static bool translate(const event_t *m, struct call_event *ev)
{
	switch (m->event_case) {
	case EV(DIGIT):
		ev->kind = CALL_EV_DIGIT;
		ev->digit = (struct ev_digit){ .endpoint_id = m->digit->endpoint_id,
					       .seq = m->seq,
					       .digit = m->digit->digit[0] };
		return true;
	case EV(PLAY_DONE):
		ev->kind = CALL_EV_PLAY_DONE;
		ev->play = (struct ev_play){ .seq = m->seq,
					     .failed = pl_streq(m->play_done->reason, "failed"),
					     .stopped = pl_streq(m->play_done->reason, "stopped"),
					     .played_ms = m->play_done->played_ms };
		ev->play.player = m->play_done->player_id[0] == 'p'
					  ? (uint32_t)strtoul(m->play_done->player_id + 1, NULL, 10)
					  : 0;
		if (ev->play.failed)
			log_warn("media.play-failed", LOG_S("call", m->room_id), LOG_S("why", m->play_done->error));
		return true;
	case EV(ENDPOINT_STATE):
		ev->kind = CALL_EV_ENDPOINT;
		ev->endpoint = (struct ev_endpoint){ .endpoint_id = m->endpoint_state->endpoint_id,
						     .seq = m->seq,
						     .lost = m->endpoint_state->kind == STATE(LOST) };
		return m->endpoint_state->kind == STATE(LOST) || m->endpoint_state->kind == STATE(BACK) ||
		       m->endpoint_state->kind == STATE(CONNECTED);
	case EV(RECORDING_DONE):
		ev->kind = CALL_EV_RECORDING_FAILED;
		ev->id = m->recording_done->recording_id;
		return !m->recording_done->verified;
	default:
		return false;
	}
}

static void on_event(void *arg, const struct bus_msg *b)
{
	struct cc *cc = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	struct call_event ev = { .kind = CALL_EVENT_N };
	if (rpc_unpack(&parley__media__v1__media_event__descriptor, b->data, b->len, pl_loop_tmp(cc->app->loop), &pm,
		       &why)) {
		log_warn("media.event-bad", LOG_WHY(&why));
		return;
	}
	const event_t *m = (const void *)pm;
	if (m->event_case == EV(RECORDING_DONE))
		recordings_done(cc->recs, m->room_id, m->media_node, m->recording_done);
	struct cc_call *k = cc_call_find(cc, m->room_id);
	if (k && pl_streq(k->c.media, m->media_node) && translate(m, &ev))
		(void)!cc_step(k, &ev);
}

/* --- rooms --- */

static void room_lost(struct cc *cc, const char *id, const char *node)
{
	struct cc_call *k = cc_call_find(cc, id);
	struct call_event ev = { .kind = CALL_EV_MEDIA_LOST, .id = node };
	if (!k || !pl_streq(k->c.media, node))
		return;
	log_warn("media.room-lost", LOG_S("call", id), LOG_S("node", node));
	(void)!cc_step(k, &ev);
}

static void on_node(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	struct cc *cc = arg;
	struct cc_call *k, *next;
	char node[CALL_NODE];
	if (c == BUS_NODE_UP || !bus_connected(cc->app->bus)) /* deaf, nobody counts as lost */
		return;
	pl_strlcpy(node, n->node, sizeof(node));
	log_warn("media.lost", LOG_S("node", node));
	HASH_ITER(hh, cc->calls, k, next)
	room_lost(cc, k->c.id, node);
}

struct keep {
	struct cc *cc;
	char node[CALL_NODE];
	int64_t asked_us;
};

static void on_kept(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct keep *p = arg;
	const Parley__Media__V1__KeepRoomsResponse *m = (const void *)out;
	for (size_t i = 0; !err && i < m->n_unknown_room_ids; i++) {
		struct cc_call *k = cc_call_find(p->cc, m->unknown_room_ids[i]);
		if (k && k->c.started_us < p->asked_us && k->taken_us < p->asked_us)
			room_lost(p->cc, m->unknown_room_ids[i], p->node);
	}
	free(p);
}

static void keep(struct cc *cc, const char *node)
{
	Parley__Media__V1__KeepRoomsRequest m = PARLEY__MEDIA__V1__KEEP_ROOMS_REQUEST__INIT;
	struct cc_call *k, *next;
	struct pl_why why = { 0 };
	struct keep *p = calloc(1, sizeof(*p));
	m.owner = cc_str(bus_node(cc->app->bus));
	m.room_ids = pl_arena_alloc(pl_loop_tmp(cc->app->loop), (HASH_COUNT(cc->calls) + 1) * sizeof(*m.room_ids));
	HASH_ITER(hh, cc->calls, k, next)
	if (m.room_ids && pl_streq(k->c.media, node))
		m.room_ids[m.n_room_ids++] = k->c.id;
	struct rpc_to to = { &parley__media__v1__media_internal_service__descriptor, "KeepRooms", node, NULL, KEEP_MS };
	if (p) {
		p->cc = cc;
		p->asked_us = cc_now(cc);
		pl_strlcpy(p->node, node, sizeof(p->node));
	}
	if (!p || !m.room_ids || !rpc_ask(cc->app->bus, &to, &m.base, on_kept, p, &why))
		free(p);
}

void on_media_keep(struct cc *cc)
{
	/* A node stays listed once more after our last room: an empty list clears what is left. */
	char(*nodes)[CALL_NODE] = cc->rooms_at;
	struct cc_call *k, *next;
	size_t n = cc->n_rooms_at;
	bool used[CC_NODES] = { false };
	HASH_ITER(hh, cc->calls, k, next)
	{
		size_t at = 0;
		if (!*k->c.media)
			continue;
		while (at < n && strcmp(nodes[at], k->c.media) != 0)
			at++;
		if (at == CC_NODES)
			continue;
		if (at == n)
			pl_strlcpy(nodes[n++], k->c.media, CALL_NODE);
		used[at] = true;
	}
	for (size_t i = 0; i < n; i++)
		keep(cc, nodes[i]);
	for (size_t i = n; i-- > 0;)
		if (!used[i])
			memmove(nodes[i], nodes[--n], sizeof(nodes[i]));
	cc->n_rooms_at = n;
}

enum pl_err on_media_open(struct cc *cc, struct pl_why *why)
{
	char subject[CALL_NODE + 32];
	snprintf(subject, sizeof(subject), "node.%s.MediaEvents", bus_node(cc->app->bus));
	enum pl_err err = cc_subscribe(cc, subject, NULL, on_event, why);
	return err ? err : bus_watch_nodes(cc->app->bus, "media", on_node, cc);
}
