/* JetStream by its JSON API: plain requests, so nothing waits (docs.nats.io, "JetStream wire API Reference"). */
#include "bus_int.h"

#include <stdlib.h>

#define ENSURE_FOR_US (20 * PL_US_PER_S)
#define ERR_STREAM_NAME_IN_USE 10058 /* it exists with another configuration */
#define ERR_STREAM_WRONG_LAST_SEQ 10071
#define NS_PER_S INT64_C(1000000000)

/* A stream that was asked for. It is made again after each connect: streams in memory are gone when NATS restarted. */
struct stream {
	struct pl_list node;
	struct bus *b;
	char *name;
	json_t *config;
	bus_reply_fn done; /* NULL: told */
	void *arg;
	int64_t give_up_us;
	struct pl_timer *again;
	bool busy, update, changed; /* changed: the configuration, while the request was under way */
};

int js_status(natsMsg *m)
{
	const char *s = bus_hdr(m, "Status");
	return natsMsg_GetDataLength(m) == 0 && *s ? (int)strtol(s, NULL, 10) : 0;
}

/* --- $JS.ACK subjects (ADR-15). 9 tokens, or with domain and account 11 and more. --- */
bool js_pos_parse(const char *reply, struct js_pos *p)
{
	const char *tok[13];
	size_t len[13], n = 0;
	if (strncmp(reply, "$JS.ACK.", 8) != 0)
		return false;
	for (const char *s = reply; n < PL_ARRAY_N(tok);) {
		size_t k = strcspn(s, ".");
		tok[n] = s;
		len[n++] = k;
		if (!s[k])
			break;
		s += k + 1;
	}
	if (n != 9 && n < 11)
		return false;
	size_t at = n == 9 ? 2 : 4;
	int64_t ns = strtoll(tok[at + 5], NULL, 10);
	*p = (struct js_pos){ .stream = tok[at],
			      .stream_len = len[at],
			      .consumer = tok[at + 1],
			      .consumer_len = len[at + 1],
			      .sseq = strtoull(tok[at + 3], NULL, 10),
			      .cseq = strtoull(tok[at + 4], NULL, 10),
			      .time_us = ns / 1000,
			      .pending = strtoull(tok[at + 6], NULL, 10) };
	return p->sseq > 0;
}

/* --- requests --- */
struct ask {
	js_fn fn;
	void *arg;
};

static enum pl_err api_err(const json_t *e, int *ret_code, struct pl_why *why)
{
	json_int_t code = json_integer_value(json_object_get(e, "code"));
	const char *text = json_string_value(json_object_get(e, "description"));
	int ec = (int)json_integer_value(json_object_get(e, "err_code"));
	enum pl_err err = ec == ERR_STREAM_WRONG_LAST_SEQ ? PL_E_CONFLICT
			  : code == 404                   ? PL_E_NOTFOUND
			  : code >= 500                   ? PL_E_UNAVAIL
							  : PL_E_STATE;
	*ret_code = ec;
	return pl_why_set(why, err, "%s (%d)", text ? text : "JetStream refused", ec);
}

static enum pl_err reply_parse(const struct bus_msg *m, json_t **ret, int *ret_code, struct pl_why *why)
{
	json_error_t je;
	json_t *j = json_loadb((const char *)m->data, m->len, JSON_REJECT_DUPLICATES, &je);
	*ret_code = 0;
	if (!j)
		return pl_why_set(why, PL_E_INTERNAL, "JetStream's answer does not parse: %s at %d", je.text,
				  je.position);
	const json_t *e = json_object_get(j, "error");
	enum pl_err err = e ? api_err(e, ret_code, why) : PL_OK;
	*ret = j;
	return err;
}

static void on_ask_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct ask a = *(struct ask *)arg;
	struct pl_why mine = { 0 };
	json_t *j = NULL;
	int code = 0;
	free(arg);
	if (why)
		mine = *why;
	if (!err)
		err = reply_parse(m, &j, &code, &mine);
	a.fn(a.arg, err, j, &mine);
	json_decref(j);
}

void js_ask(struct bus *b, const char *verb, json_t *body, js_fn fn, void *arg)
{
	char subject[BUS_SUBJECT_MAX];
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct ask *a = malloc(sizeof(*a));
	bool sent = false;
	snprintf(subject, sizeof(subject), "$JS.API.%s", verb);
	if (a && (text || !body)) {
		*a = (struct ask){ fn, arg };
		sent = bus_ask(b, subject, NULL, text, text ? strlen(text) : 0, BUS_API_TIMEOUT_MS, on_ask_reply, a) !=
		       0;
	}
	json_decref(body);
	free(text);
	if (sent)
		return;
	struct pl_why why = { 0 };
	free(a);
	pl_why_set(&why, PL_E_FULL, "too many requests wait for an answer");
	fn(arg, PL_E_FULL, NULL, &why);
}

enum pl_err js_ack_parse(const struct bus_msg *m, uint64_t *ret_seq, int *ret_code, struct pl_why *why)
{
	json_t *j = NULL;
	enum pl_err err = reply_parse(m, &j, ret_code, why);
	json_int_t seq = json_integer_value(json_object_get(j, "seq"));
	json_decref(j);
	if (!err && seq <= 0)
		err = pl_why_set(why, PL_E_INTERNAL, "a publish acknowledgement without a sequence");
	if (!err)
		*ret_seq = (uint64_t)seq;
	return err;
}

/* --- streams --- */
static void stream_ask(struct stream *s);

static void stream_told(struct stream *s, enum pl_err err, const struct pl_why *why)
{
	bus_reply_fn done = s->done;
	s->done = NULL;
	if (done)
		done(s->arg, err, NULL, why);
}

static void on_stream_reply(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	struct stream *s = arg;
	int code = (int)json_integer_value(json_object_get(json_object_get(reply, "error"), "err_code"));
	s->busy = false;
	if (s->b->closing)
		return;
	if (s->changed) {
		stream_ask(s);
	} else if (!err) {
		s->give_up_us = 0;
		stream_told(s, PL_OK, why);
	} else if (code == ERR_STREAM_NAME_IN_USE && !s->update) {
		s->update = true;
		stream_ask(s);
	} else if ((err == PL_E_UNAVAIL || err == PL_E_TIMEOUT || err == PL_E_FULL) && pl_mono_us() < s->give_up_us) {
		pl_timer_set(s->again, 200 * PL_US_PER_MS);
	} else {
		log_error("bus.stream", LOG_S("stream", s->name), LOG_WHY(why));
		stream_told(s, err, why);
	}
}

static void stream_ask(struct stream *s)
{
	char verb[160];
	s->changed = s->busy;
	if (s->busy)
		return;
	s->busy = true;
	snprintf(verb, sizeof(verb), "STREAM.%s.%s", s->update ? "UPDATE" : "CREATE", s->name);
	js_ask(s->b, verb, json_incref(s->config), on_stream_reply, s);
}

static void on_stream_again(void *arg)
{
	struct stream *s = arg;
	s->update = false;
	stream_ask(s);
}

static void stream_free(struct stream *s)
{
	if (!s)
		return;
	pl_list_remove(&s->node);
	pl_timer_free(s->again);
	json_decref(s->config);
	free(s->name);
	free(s);
}

static struct stream *stream_of(struct bus *b, const char *name)
{
	PL_LIST_EACH (n, &b->streams)
		if (strcmp(PL_CONTAINER(n, struct stream, node)->name, name) == 0)
			return PL_CONTAINER(n, struct stream, node);
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	pl_list_push(&b->streams, &s->node);
	s->b = b;
	s->name = strdup(name);
	if (s->name && pl_timer_new(&s->again, b->loop, on_stream_again, s) == PL_OK)
		return s;
	stream_free(s);
	return NULL;
}

void js_stream_ensure(struct bus *b, const char *name, json_t *config, bus_reply_fn done, void *arg)
{
	struct pl_why why = { 0 };
	struct stream *s = config ? stream_of(b, name) : NULL;
	if (!s) {
		json_decref(config);
		pl_why_set(&why, PL_E_NOMEM, "stream %s: memory is out", name);
		if (done)
			done(arg, PL_E_NOMEM, NULL, &why);
		return;
	}
	if (s->done) { /* asked twice before the first answer: the first hears that it was overtaken */
		pl_why_set(&why, PL_E_CANCELLED, "stream %s was asked for again", name);
		stream_told(s, PL_E_CANCELLED, &why);
	}
	json_decref(s->config);
	s->config = config;
	s->done = done;
	s->arg = arg;
	s->update = false;
	s->give_up_us = pl_mono_us() + ENSURE_FOR_US;
	stream_ask(s);
}

void bus_stream_ensure(struct bus *b, const struct bus_stream_cfg *c, bus_reply_fn done, void *arg)
{
	json_t *subjects = json_array();
	for (size_t i = 0; i < PL_ARRAY_N(c->subjects) && c->subjects[i]; i++)
		json_array_append_new(subjects, json_string(c->subjects[i]));
	int64_t dup_s = c->dup_window_s ? c->dup_window_s : 120;
	if (c->max_age_s && dup_s > c->max_age_s)
		dup_s = c->max_age_s; /* the server refuses a window that is longer than the messages live */
	json_t *j = json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:b}", "name", c->name,
			      "subjects", subjects, "retention", "limits", "discard", "old", "storage",
			      c->memory ? "memory" : "file", "max_age", (json_int_t)(c->max_age_s * NS_PER_S),
			      "max_bytes", (json_int_t)(c->max_bytes ? c->max_bytes : -1), "duplicate_window",
			      (json_int_t)(dup_s * NS_PER_S), "num_replicas", c->replicas ? c->replicas : 1, "max_msgs",
			      -1, "max_consumers", -1, "max_msgs_per_subject", -1, "allow_direct", 1);
	js_stream_ensure(b, c->name, j, done, arg);
}

void js_up(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->streams) {
		struct stream *s = PL_CONTAINER(n, struct stream, node);
		s->update = false;
		s->give_up_us = pl_mono_us() + ENSURE_FOR_US;
		stream_ask(s);
	}
}

void js_done(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->streams)
		stream_free(PL_CONTAINER(n, struct stream, node));
}
