/* One reader of the ledger for all streams of this process: the newest events in a ring, written out as text when first
 * sent. */
#include "api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define INFO_MS 5000

struct ledger {
	struct api *a;
	struct bus_tail *tail;
	struct pl_timer *retry;
	struct obs_check *check;
	struct event *ring;
	size_t cap, first, n, bytes; /* ring[(first + i) % cap], i < n, by rising seq */
	uint64_t floor;              /* everything after this one is here; UINT64_MAX: nothing known */
	uint64_t head;
	bool caught_up;
};

static struct event *at(struct ledger *l, size_t i)
{
	return &l->ring[(l->first + i) % l->cap];
}

static size_t cost(const struct event *e)
{
	return sizeof(*e) + e->len + e->frame_len + strlen(e->subject) + strlen(e->type) + 2;
}

static void event_free(struct event *e)
{
	free(e->subject); /* the block that holds type and data too */
	free(e->frame);
	*e = (struct event){ 0 };
}

static void drop_oldest(struct ledger *l)
{
	struct event *e = at(l, 0);

	l->floor = e->seq;
	l->bytes -= cost(e);
	event_free(e);
	l->first = (l->first + 1) % l->cap;
	l->n--;
}

/* --- text --- */

static const char *agent_of(const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "meta");

	if (!f || f->type != PROTOBUF_C_TYPE_MESSAGE || f->descriptor != &parley__common__v1__event_meta__descriptor ||
	    f->label == PROTOBUF_C_LABEL_REPEATED)
		return "";
	const Parley__Common__V1__EventMeta *meta =
		*(Parley__Common__V1__EventMeta *const *)(const void *)((const char *)m + f->offset);
	return meta ? meta->agent_id : "";
}

/* A type that this build does not know gives an event without a body: the client learns that there was one. */
static void write_frame(struct ledger *l, struct event *e)
{
	static const char form[] = "event: ledger\nid: %" PRIu64 "\ndata: {\"seq\":\"%" PRIu64
				   "\",\"subject\":\"%s\",\"type\":\"%s\",\"event\":%s}\n\n";
	PL_AUTO(pl_arena_freep) struct pl_arena *tmp = pl_arena_new(0);
	const struct bus_msg m = { .subject = e->subject, .type = e->type, .data = e->data, .len = e->len };
	ProtobufCMessage *msg;
	struct pl_why why;
	char *json = (char *)(uintptr_t) "{}";
	size_t n;

	l->bytes -= cost(e);
	if (tmp && !rpc_decode(&m, tmp, &msg, &why)) {
		pl_strlcpy(e->agent_id, agent_of(msg), sizeof(e->agent_id));
		if (rpc_to_json(msg, tmp, &json, &n, &why))
			json = (char *)(uintptr_t) "{}";
	}
	int len = asprintf(&e->frame, form, e->seq, e->seq, e->subject, e->type, json);
	e->frame_len = len > 0 ? (size_t)len : 0;
	if (len < 0)
		e->frame = NULL;
	l->bytes += cost(e);
}

/* --- reading --- */

static bool plain(const char *s)
{
	return !strpbrk(s, "\"\\\n\r");
}

static void on_event(void *arg, const struct bus_msg *m)
{
	struct ledger *l = arg;

	if (m->seq <= l->head) { /* made anew: nothing of what the clients know is true any more */
		while (l->n)
			drop_oldest(l);
		l->floor = m->seq - 1;
		sse_reload(l->a);
	}
	l->head = m->seq;
	if (!plain(m->subject) || !plain(m->type))
		return;
	if (l->n == l->cap)
		drop_oldest(l);
	size_t ns = strlen(m->subject) + 1, nt = strlen(m->type) + 1;
	char *block = malloc(ns + nt + m->len + 1);
	if (!block)
		return;
	l->n++;
	struct event *e = at(l, l->n - 1);
	*e = (struct event){
		.seq = m->seq, .subject = block, .type = block + ns, .data = (uint8_t *)block + ns + nt, .len = m->len
	};
	memcpy(e->subject, m->subject, ns);
	memcpy(e->type, m->type, nt);
	memcpy(e->data, m->data, m->len);
	l->bytes += cost(e);
	while (l->bytes > (size_t)l->a->cfg->keep_event_bytes && l->n > 1)
		drop_oldest(l);
	if (l->caught_up)
		sse_on_event(l->a, e);
}

/* Sessions that end are looked for here and not only in the clients' streams: the cache must forget them. */
static void on_msg(void *arg, const struct bus_msg *m)
{
	struct ledger *l = arg;
	static const char ended[] = "ev.auth.session-ended.";

	if (strncmp(m->subject, ended, sizeof(ended) - 1) == 0) {
		seat_ended(l->a, m->subject + sizeof(ended) - 1);
		sse_end_session(l->a, m->subject + sizeof(ended) - 1);
	}
	on_event(arg, m);
}

static void on_caught_up(void *arg)
{
	struct ledger *l = arg;

	l->caught_up = true;
	obs_check_set(l->check, true, "");
	log_info("ledger.open", LOG_I("head", l->head), LOG_I("kept", l->n));
}

static void on_lost(void *arg, uint64_t from, uint64_t first)
{
	struct ledger *l = arg;

	while (l->n)
		drop_oldest(l);
	l->floor = first ? first - 1 : 0;
	sse_reload(l->a);
}

static void on_info(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct ledger *l = arg;
	json_int_t first = 0, last = 0;
	struct pl_why here = { 0 };

	json_t *j = err ? NULL : json_loadb((const char *)m->data, m->len, 0, NULL);
	bool ok = j && json_unpack(j, "{s:{s:I, s:I}}", "state", "first_seq", &first, "last_seq", &last) == 0;
	json_decref(j);
	if (ok) {
		uint64_t keep = (uint64_t)l->a->cfg->keep_events, end = (uint64_t)last;
		uint64_t from = PL_MAX(end >= keep ? end - keep + 1 : 1, (uint64_t)first);
		l->floor = PL_MAX(from, 1u) - 1;
		l->head = l->floor;
		struct bus_tail_cfg c = { .stream = "LEDGER",
					  .from_seq = PL_MAX(from, 1u),
					  .fn = on_msg,
					  .caught_up = on_caught_up,
					  .lost = on_lost,
					  .arg = l };
		if (!bus_tail_open(&l->tail, l->a->app->bus, &c, &here))
			return;
	}
	obs_check_set(l->check, false, "the ledger cannot be read");
	pl_timer_set(l->retry, PL_US_PER_S / 2);
}

static void on_ensured(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct ledger *l = arg;
	const struct bus_out ask = { .subject = "$JS.API.STREAM.INFO.LEDGER", .type = "", .data = "", .len = 0 };
	struct pl_why here = { 0 };

	if (err || !bus_request(l->a->app->bus, &ask, INFO_MS, on_info, l, &here))
		pl_timer_set(l->retry, PL_US_PER_S / 2);
}

static void begin(void *arg)
{
	rpc_ledger_ensure(((struct ledger *)arg)->a->app->bus, on_ensured, arg);
}

/* --- for the streams --- */

uint64_t ledger_head(const struct api *a)
{
	return a->ledger->head;
}

bool ledger_has_after(const struct api *a, uint64_t seq)
{
	return a->ledger->caught_up && seq >= a->ledger->floor && seq <= a->ledger->head;
}

const struct event *ledger_next(struct api *a, uint64_t seq)
{
	struct ledger *l = a->ledger;
	size_t low = 0, high = l->n;

	while (low < high) { /* the first with a larger seq */
		size_t mid = (low + high) / 2;
		if (at(l, mid)->seq > seq)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == l->n)
		return NULL;
	struct event *e = at(l, low);
	if (!e->frame)
		write_frame(l, e);
	return e;
}

enum pl_err ledger_open(struct api *a, struct pl_why *why)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	a->ledger = l;
	*l = (struct ledger){ .a = a, .cap = (size_t)a->cfg->keep_events, .floor = UINT64_MAX };
	l->ring = calloc(l->cap, sizeof(*l->ring));
	l->check = obs_check_new(a->app->obs, "ledger");
	if (!l->ring || !l->check || pl_timer_new(&l->retry, a->app->loop, begin, l))
		return pl_why_set(why, PL_E_NOMEM, "no memory for %zu events", l->cap);
	begin(l);
	return PL_OK;
}

void ledger_close(struct api *a)
{
	struct ledger *l = a->ledger;

	if (!l)
		return;
	bus_tail_close(l->tail);
	pl_timer_free(l->retry);
	while (l->n)
		drop_oldest(l);
	free(l->ring);
	free(l);
	a->ledger = NULL;
}
