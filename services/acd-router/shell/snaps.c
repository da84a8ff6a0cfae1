/* Snapshots of the engine in KV, and the start of a copy from the newest one that is whole. A snapshot's name has the
 * fence of its leader's lease, so that one that was deposed while writing harms nobody; the head is changed by
 * compare-and-set. Names come around again, so what a crash leaves half written is bounded. Behind the older of the
 * two that are kept the stream of inputs is purged. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "router.h"

#define CHUNK ((size_t)256 << 10)
#define AGAIN_US PL_US_PER_S
#define EVERY_INPUTS 10000
#define EVERY_US (60 * PL_US_PER_S)
#define ASK_MS 5000
#define FENCES 64 /* names for so many leaders in a row */
#define TURNS 4   /* and so many snapshots of each */
#define LEDGER_DUP_S 120
#define INPUT_DUP_S 600

typedef Parley__Acd__V1__SnapshotHead Head;
typedef Parley__Acd__V1__SnapshotHead__Slot Slot;

struct snaps {
	struct router *r;
	struct pl_timer *again;
	struct pl_arena *a; /* of the head */
	Head *head;         /* NULL: none */
	uint64_t head_rev;
	uint8_t *buf; /* being read or written */
	size_t len, at;
	unsigned chunk, slot_i;
	bool busy, started, loaded;
	char name[96];
	uint64_t seq, last_seq, told_emitted;
	int64_t last_us;
	char drop_name[96]; /* of the one that is no longer kept; "" */
	char created[40];   /* of the stream of inputs: another one means that its sequences are others */
	unsigned turn;
	uint64_t purge_seq;
};

static void step_bucket(void *arg);
static void read_slot(struct snaps *s);
static void ask_stream(struct snaps *s);

enum pl_err snaps_new(struct snaps **ret, struct router *r)
{
	struct snaps *s = calloc(1, sizeof(*s));
	if (!s || !(s->a = pl_arena_new(0)) || pl_timer_new(&s->again, r->loop, step_bucket, s) != PL_OK) {
		if (s)
			pl_arena_free(s->a);
		free(s);
		return PL_E_NOMEM;
	}
	s->r = r;
	*ret = s;
	return PL_OK;
}

void snaps_free(struct snaps *s)
{
	if (!s)
		return;
	pl_timer_free(s->again);
	pl_arena_free(s->a);
	free(s->buf);
	free(s);
}

/* --- starting --- */
static void start_again(struct snaps *s, const char *what, const struct pl_why *why)
{
	log_warn("acd.start.again", LOG_S("at", what), LOG_WHY(why));
	pl_timer_set(s->again, AGAIN_US);
}

static void on_emitted(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	char text[24] = "";
	if (err && err != PL_E_NOTFOUND) {
		start_again(s, "emitted", why);
		return;
	}
	if (!err) {
		memcpy(text, m->data, PL_MIN(m->len, sizeof(text) - 1));
		s->told_emitted = strtoull(text, NULL, 10);
	}
	ask_stream(s);
}

static void read_done(struct snaps *s)
{
	free(s->buf);
	s->buf = NULL;
	bus_kv_get(s->r->bus, ACD_BUCKET, "emitted", on_emitted, s);
}

static bool load(struct snaps *s)
{
	struct pl_why why = { 0 };
	int64_t t0 = pl_mono_us();
	enum pl_err err = acd_load(s->r->e, s->buf, s->len);
	if (err) {
		log_error("acd.snapshot.damaged", LOG_S("name", s->name), LOG_I("bytes", s->len));
		if (router_engine_new(s->r, &why) != PL_OK)
			log_error("acd.engine", LOG_WHY(&why));
		return false;
	}
	s->loaded = true;
	s->last_seq = acd_seq(s->r->e);
	log_info("acd.snapshot.loaded", LOG_S("name", s->name), LOG_I("seq", s->last_seq), LOG_I("bytes", s->len),
		 LOG_I("took_us", pl_mono_us() - t0));
	return true;
}

static void on_chunk(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	const Slot *slot = s->head->slots[s->slot_i];
	if (err && err != PL_E_NOTFOUND) {
		start_again(s, "chunk", why);
		return;
	}
	bool whole = !err && s->at + m->len <= s->len;
	if (whole) {
		memcpy(s->buf + s->at, m->data, m->len);
		s->at += m->len;
	}
	if (whole && ++s->chunk < slot->chunks) {
		char key[128];
		snprintf(key, sizeof(key), "%s.%u", s->name, s->chunk);
		bus_kv_get(s->r->bus, ACD_BUCKET, key, on_chunk, s);
		return;
	}
	if (whole && s->at == s->len && load(s)) {
		read_done(s);
		return;
	}
	s->slot_i++;
	read_slot(s);
}

static void read_slot(struct snaps *s)
{
	char key[128];
	free(s->buf);
	s->buf = NULL;
	if (!s->head || s->slot_i >= s->head->n_slots) {
		read_done(s);
		return;
	}
	const Slot *slot = s->head->slots[s->slot_i];
	pl_strlcpy(s->name, slot->slot, sizeof(s->name));
	s->len = slot->bytes;
	s->at = s->chunk = 0;
	s->buf = s->len < (size_t)1 << 30 ? malloc(s->len + 1) : NULL;
	if (!s->buf || slot->chunks == 0) {
		s->slot_i++;
		read_slot(s);
		return;
	}
	snprintf(key, sizeof(key), "%s.0", s->name);
	bus_kv_get(s->r->bus, ACD_BUCKET, key, on_chunk, s);
}

static void on_head(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	ProtobufCMessage *pb = NULL;
	if (err && err != PL_E_NOTFOUND) {
		start_again(s, "head", why);
		return;
	}
	pl_arena_reset(s->a);
	s->head = NULL;
	s->head_rev = 0;
	s->slot_i = 0;
	if (!err) {
		s->head_rev = m->seq;
		if (rpc_unpack(&parley__acd__v1__snapshot_head__descriptor, m->data, m->len, s->a, &pb, NULL) == PL_OK)
			s->head = (Head *)(void *)pb;
	}
	read_slot(s);
}

static void on_ledger(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	(void)m;
	if (err)
		start_again(s, "stream LEDGER", why);
	else
		bus_kv_get(s->r->bus, ACD_BUCKET, "head", on_head, s);
}

static void on_stream(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	(void)m;
	if (err) {
		start_again(s, "stream " ACD_STREAM, why);
		return;
	}
	struct bus_stream_cfg c = { .name = "LEDGER",
				    .subjects = { "ev.>" },
				    .max_age_s = s->r->opts->ledger_age_s,
				    .dup_window_s = LEDGER_DUP_S,
				    .replicas = 1 };
	bus_stream_ensure(s->r->bus, &c, on_ledger, s);
}

static void on_bucket(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	(void)m;
	if (err) {
		start_again(s, "bucket " ACD_BUCKET, why);
		return;
	}
	struct bus_stream_cfg c = {
		.name = ACD_STREAM, .subjects = { "acd.in.>" }, .dup_window_s = INPUT_DUP_S, .replicas = 1
	};
	bus_stream_ensure(s->r->bus, &c, on_stream, s);
}

static void step_bucket(void *arg)
{
	struct snaps *s = arg;
	struct pl_why why = { 0 };
	if (acd_seq(s->r->e) && router_engine_new(s->r, &why) != PL_OK) /* a start that stuck half way */
		log_error("acd.engine", LOG_WHY(&why));
	s->loaded = false;
	bus_kv_ensure(s->r->bus, &(struct bus_kv_cfg){ .bucket = ACD_BUCKET, .history = 1 }, on_bucket, s);
}

void snaps_start(struct snaps *s)
{
	step_bucket(s);
}

static void on_info(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	json_int_t first = 0, last = 0;
	const char *created = "";
	json_t *j = err ? NULL : json_loadb((const char *)m->data, m->len, 0, NULL);
	bool ok = j && json_unpack(j, "{s:s, s:{s:I, s:I}}", "created", &created, "state", "first_seq", &first,
				   "last_seq", &last) == 0;
	pl_strlcpy(s->created, ok ? created : "", sizeof(s->created));
	json_decref(j);
	if (!ok) {
		struct pl_why no = { 0 };
		(void)pl_why_set(&no, PL_E_INTERNAL, "STREAM.INFO is not understood");
		start_again(s, "stream " ACD_STREAM, err ? why : &no);
		return;
	}
	s->started = true;
	s->last_us = pl_mono_us();
	bool same = !s->loaded || pl_streq(s->head->slots[s->slot_i]->stream, s->created);
	emitter_forget(s->r->out, same && s->told_emitted <= (uint64_t)last ? s->told_emitted : 0);
	inlog_open(s->r->in, (uint64_t)first, (uint64_t)last, same, s->loaded);
}

static void ask_stream(struct snaps *s)
{
	struct pl_why why = { 0 };
	struct bus_out o = { .subject = "$JS.API.STREAM.INFO." ACD_STREAM, .type = "", .data = "", .len = 0 };
	if (!bus_request(s->r->bus, &o, ASK_MS, on_info, s, &why))
		start_again(s, "stream " ACD_STREAM, &why);
}

/* --- writing --- */
static void on_dropped(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	(void)arg, (void)m;
	if (err)
		log_warn("acd.snapshot.drop", LOG_WHY(why));
}

/* All chunks of one, without leaving the marks that deleting each would leave. */
static void drop(struct snaps *s, const char *name)
{
	char body[160];
	struct pl_why why = { 0 };
	int n = snprintf(body, sizeof(body), "{\"filter\":\"$KV.%s.%s.*\"}", ACD_BUCKET, name);
	struct bus_out o = {
		.subject = "$JS.API.STREAM.PURGE.KV_" ACD_BUCKET, .type = "", .data = body, .len = (size_t)n
	};
	if (!bus_request(s->r->bus, &o, ASK_MS, on_dropped, s, &why))
		log_warn("acd.snapshot.drop", LOG_WHY(&why));
}

static void write_over(struct snaps *s, bool ok, const struct pl_why *why)
{
	s->busy = false;
	free(s->buf);
	s->buf = NULL;
	if (ok)
		return;
	log_warn("acd.snapshot.failed", LOG_S("name", s->name), LOG_WHY(why));
	if (lead_held(s->r->lead))
		drop(s, s->name);
}

static void on_purged(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	(void)m;
	if (err) /* the snapshot itself is good; the next one purges more */
		log_warn("acd.input.purge", LOG_WHY(why));
	write_over(s, true, NULL);
}

static void purge(struct snaps *s)
{
	char body[48];
	struct pl_why why = { 0 };
	if (*s->drop_name)
		drop(s, s->drop_name);
	s->drop_name[0] = 0;
	int n = snprintf(body, sizeof(body), "{\"seq\":%" PRIu64 "}", s->purge_seq + 1);
	struct bus_out o = {
		.subject = "$JS.API.STREAM.PURGE." ACD_STREAM, .type = "", .data = body, .len = (size_t)n
	};
	if (!bus_request(s->r->bus, &o, ASK_MS, on_purged, s, &why))
		on_purged(s, why.err, NULL, &why);
}

static void on_head_put(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why);

static void write_head(struct snaps *s)
{
	Head h = PARLEY__ACD__V1__SNAPSHOT_HEAD__INIT;
	Slot slot = PARLEY__ACD__V1__SNAPSHOT_HEAD__SLOT__INIT, *slots[2] = { &slot, NULL };
	slot.slot = s->name;
	slot.sequence = s->seq;
	slot.chunks = s->chunk;
	slot.bytes = s->len;
	slot.stream = s->created;
	slot.taken_at = rpc_ts(pl_loop_tmp(s->r->loop), pl_wall_us());
	h.slots = slots;
	h.n_slots = 1;
	s->purge_seq = 0;
	if (s->head && s->head->n_slots > 0) {
		slots[h.n_slots++] = s->head->slots[0];
		s->purge_seq = PL_MIN(s->head->slots[0]->sequence, s->seq);
	}
	if (s->head && s->head->n_slots > 1 && !pl_streq(s->head->slots[1]->slot, s->name))
		pl_strlcpy(s->drop_name, s->head->slots[1]->slot, sizeof(s->drop_name));
	size_t n = protobuf_c_message_get_packed_size(&h.base);
	uint8_t *p = pl_arena_alloc(pl_loop_tmp(s->r->loop), n);
	ProtobufCMessage *copy = NULL;
	if (!p || !protobuf_c_message_pack(&h.base, p)) {
		write_over(s, false, &(struct pl_why){ .err = PL_E_NOMEM });
		return;
	}
	bus_kv_put(s->r->bus, ACD_BUCKET, "head", p, n, s->head_rev, on_head_put, s);
	pl_arena_reset(s->a);
	s->head = rpc_unpack(h.base.descriptor, p, n, s->a, &copy, NULL) == PL_OK ? (Head *)(void *)copy : NULL;
}

static void on_reread(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	ProtobufCMessage *pb = NULL;
	pl_arena_reset(s->a);
	s->head = NULL;
	s->head_rev = err ? 0 : m->seq;
	if (!err && rpc_unpack(&parley__acd__v1__snapshot_head__descriptor, m->data, m->len, s->a, &pb, NULL) == PL_OK)
		s->head = (Head *)(void *)pb;
	write_over(s, false,
		   err ? why : &(struct pl_why){ .err = PL_E_CONFLICT, .text = "another copy wrote the head" });
}

static void on_head_put(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	(void)why;
	if (err) { /* our picture of the head is old: look, and take the next snapshot as usual */
		bus_kv_get(s->r->bus, ACD_BUCKET, "head", on_reread, s);
		return;
	}
	s->head_rev = m->seq;
	s->last_seq = s->seq;
	s->last_us = pl_mono_us();
	obs_add(s->r->m_snapshots, 1);
	purge(s);
}

static void on_chunk_put(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct snaps *s = arg;
	char key[128];
	(void)m;
	if (err || !lead_held(s->r->lead)) {
		write_over(s, false, err ? why : &(struct pl_why){ .err = PL_E_STATE, .text = "no longer the leader" });
		return;
	}
	if (s->at >= s->len) {
		write_head(s);
		return;
	}
	size_t n = PL_MIN(CHUNK, s->len - s->at);
	snprintf(key, sizeof(key), "%s.%u", s->name, s->chunk++);
	s->at += n;
	bus_kv_put(s->r->bus, ACD_BUCKET, key, s->buf + s->at - n, n, BUS_REV_ANY, on_chunk_put, s);
}

static bool kept(const struct snaps *s, const char *name)
{
	for (size_t i = 0; s->head && i < s->head->n_slots; i++)
		if (pl_streq(s->head->slots[i]->slot, name))
			return true;
	return false;
}

static void write_start(struct snaps *s)
{
	size_t cap = acd_save_size(s->r->e);
	s->buf = malloc(cap);
	if (!s->buf)
		return;
	s->len = acd_save(s->r->e, s->buf, cap);
	s->seq = acd_seq(s->r->e);
	s->at = s->chunk = 0;
	s->busy = true;
	do
		snprintf(s->name, sizeof(s->name), "s%u-%u", (unsigned)(lead_fence(s->r->lead) % FENCES),
			 s->turn++ % TURNS);
	while (kept(s, s->name));
	on_chunk_put(s, s->len ? PL_OK : PL_E_INTERNAL, NULL,
		     &(struct pl_why){ .err = PL_E_INTERNAL, .text = "cannot be saved" });
}

static void tell_emitted(struct snaps *s)
{
	uint64_t done = emitter_done_seq(s->r->out);
	char text[24];
	if (done == s->told_emitted)
		return;
	s->told_emitted = done;
	int n = snprintf(text, sizeof(text), "%" PRIu64, done);
	bus_kv_put(s->r->bus, ACD_BUCKET, "emitted", text, (size_t)n, BUS_REV_ANY, NULL, NULL);
}

void snaps_tick(struct snaps *s)
{
	uint64_t seq = acd_seq(s->r->e), since = seq >= s->last_seq ? seq - s->last_seq : EVERY_INPUTS;
	if (!s->started)
		return;
	tell_emitted(s);
	if (!s->busy && since && (since >= EVERY_INPUTS || pl_mono_us() - s->last_us >= EVERY_US))
		write_start(s);
}
