/* Key-value buckets (ADR-8): the stream KV_<bucket>, the subject $KV.<bucket>.<key>, a delete is a marker. Reads ask
 * the stream's leader: a checkpoint that is adopted must not come from a replica that is behind. */
#include "bus_int.h"

#include <sodium.h>
#include <stdlib.h>

#define KEY_MAX 256u
#define MARK_KEEP_US (60 * PL_US_PER_S)
#define MARKS_MAX 100000u
#define NS_PER_S INT64_C(1000000000)

enum kv_kind { KV_PUT, KV_DELETE, KV_GET };

struct kv_op {
	struct bus *b;
	enum kv_kind kind;
	bus_reply_fn done;
	void *arg;
	uint64_t rev;
	bool marker_seen; /* second try of a create */
	char bucket[64], subject[KEY_MAX + 80];
	size_t len;
	uint8_t data[];
};

/* The marker of a delete is removed after a while: it is for those who watch the bucket, and would stay for ever. */
struct mark {
	struct pl_list node;
	uint64_t seq;
	int64_t due_us;
	char bucket[64];
};

static bool name_ok(const char *s, size_t max)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=-.";
	size_t n = s ? strlen(s) : 0;
	return n > 0 && n < max && strspn(s, ok) == n && s[0] != '.' && s[n - 1] != '.' && !strstr(s, "..");
}

static void op_end(struct kv_op *op, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	static const struct pl_why none;
	if (op->done && !op->b->closing)
		op->done(op->arg, err, m, why ? why : &none);
	free(op);
}

static struct kv_op *op_new(struct bus *b, enum kv_kind kind, const char *bucket, const char *key, const void *data,
			    size_t len)
{
	if (!name_ok(bucket, sizeof(((struct kv_op *)0)->bucket)) || strchr(bucket, '.') || !name_ok(key, KEY_MAX))
		return NULL;
	struct kv_op *op = calloc(1, sizeof(*op) + len);
	if (!op)
		return NULL;
	op->b = b;
	op->kind = kind;
	op->len = len;
	pl_strlcpy(op->bucket, bucket, sizeof(op->bucket));
	snprintf(op->subject, sizeof(op->subject), "$KV.%s.%s", bucket, key);
	if (len)
		memcpy(op->data, data, len);
	return op;
}

static void refuse(bus_reply_fn done, void *arg, const char *bucket, const char *key)
{
	struct pl_why why = { 0 };
	pl_why_set(&why, PL_E_FORMAT, "\"%.60s\" \"%.120s\" is no bucket and key", bucket ? bucket : "",
		   key ? key : "");
	if (done)
		done(arg, PL_E_FORMAT, NULL, &why);
}

void bus_kv_ensure(struct bus *b, const struct bus_kv_cfg *c, bus_reply_fn done, void *arg)
{
	char name[80], subject[80];
	if (!name_ok(c->bucket, 64) || strchr(c->bucket, '.')) {
		refuse(done, arg, c->bucket, "");
		return;
	}
	snprintf(name, sizeof(name), "KV_%s", c->bucket);
	snprintf(subject, sizeof(subject), "$KV.%s.>", c->bucket);
	int64_t dup_s = c->ttl_s && c->ttl_s < 120 ? c->ttl_s : 120;
	json_t *j = json_pack("{s:s, s:[s], s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:b, s:b}", "name", name,
			      "subjects", subject, "retention", "limits", "discard", "new", "storage",
			      c->memory ? "memory" : "file", "max_age", (json_int_t)(c->ttl_s * NS_PER_S), "max_bytes",
			      (json_int_t)(c->max_bytes ? c->max_bytes : -1), "duplicate_window",
			      (json_int_t)(dup_s * NS_PER_S), "num_replicas", 1, "max_msgs", -1, "max_consumers", -1,
			      "max_msgs_per_subject", PL_MAX(c->history, 1), "allow_rollup_hdrs", 1, "allow_direct", 1);
	js_stream_ensure(b, name, j, done, arg);
}

/* --- get --- */
static bool is_marker(const char *hdrs_base64)
{
	uint8_t h[1024];
	size_t n = 0;
	if (!hdrs_base64 || sodium_base642bin(h, sizeof(h) - 1, hdrs_base64, strlen(hdrs_base64), NULL, &n, NULL,
					      sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	h[n] = 0;
	return strstr((char *)h, "KV-Operation: DEL") || strstr((char *)h, "KV-Operation: PURGE");
}

static enum pl_err value_decode(json_t *reply, struct bus_msg *m, uint8_t **ret, bool *marker)
{
	json_int_t seq = 0;
	const char *time = "", *hdrs = NULL, *data = "";
	if (json_unpack(reply, "{s:{s:I, s:s, s?s, s?s}}", "message", "seq", &seq, "time", &time, "hdrs", &hdrs, "data",
			&data) != 0)
		return PL_E_INTERNAL;
	*marker = is_marker(hdrs);
	size_t room = strlen(data) / 4 * 3 + 4, n = 0;
	uint8_t *p = malloc(room);
	if (!p)
		return PL_E_NOMEM;
	if (sodium_base642bin(p, room, data, strlen(data), NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
		free(p);
		return PL_E_INTERNAL;
	}
	*m = (struct bus_msg){
		.type = "", .data = p, .len = n, .id = "", .seq = (uint64_t)seq, .actor = "", .reply = ""
	};
	if (pl_time_parse(time, &m->time_us) != PL_OK)
		m->time_us = 0;
	*ret = p;
	return PL_OK;
}

static void op_send(struct kv_op *op);

static void on_value(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	struct kv_op *op = arg;
	struct bus_msg m = { 0 };
	struct pl_why mine = *why;
	uint8_t *data = NULL;
	bool marker = false;
	if (!err && (err = value_decode(reply, &m, &data, &marker)) != PL_OK)
		pl_why_set(&mine, err, "%s: JetStream's answer is not understood", op->subject);
	m.subject = op->subject;
	if (op->kind == KV_GET) {
		if (!err && marker)
			err = pl_why_set(&mine, PL_E_NOTFOUND, "%s: deleted", op->subject);
		op_end(op, err, err ? NULL : &m, &mine);
	} else if (!op->b->closing && ((!err && marker) ||
				       err == PL_E_NOTFOUND)) { /* a create that met a marker: it stands for "absent" */
		op->rev = err ? 0 : m.seq;
		op_send(op);
	} else {
		if (!err)
			err = pl_why_set(&mine, PL_E_CONFLICT, "%s: exists", op->subject);
		op_end(op, err, NULL, &mine);
	}
	free(data);
}

static void ask_value(struct kv_op *op)
{
	char verb[96];
	snprintf(verb, sizeof(verb), "STREAM.MSG.GET.KV_%s", op->bucket);
	js_ask(op->b, verb, json_pack("{s:s}", "last_by_subj", op->subject), on_value, op);
}

/* --- put and delete --- */
static void mark_later(struct kv_op *op, uint64_t seq)
{
	struct bus *b = op->b;
	struct mark *k = b->n_marks < MARKS_MAX ? calloc(1, sizeof(*k)) : NULL;
	if (!k)
		return; /* the marker stays: it costs space, nothing else */
	k->seq = seq;
	k->due_us = pl_mono_us() + MARK_KEEP_US;
	pl_strlcpy(k->bucket, op->bucket, sizeof(k->bucket));
	pl_list_push(&b->marks, &k->node);
	b->n_marks++;
}

static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct kv_op *op = arg;
	struct pl_why mine = *why;
	struct bus_msg out = {
		.subject = op->subject, .type = "", .data = (const uint8_t *)"", .id = "", .actor = "", .reply = ""
	};
	int code = 0;
	if (!err)
		err = js_ack_parse(m, &out.seq, &code, &mine);
	if (err == PL_E_CONFLICT && op->kind == KV_PUT && op->rev == 0 && !op->marker_seen) {
		op->marker_seen = true;
		ask_value(op);
		return;
	}
	if (!err && op->kind == KV_DELETE)
		mark_later(op, out.seq);
	op_end(op, err, err ? NULL : &out, &mine);
}

static void op_send(struct kv_op *op)
{
	char rev[24];
	const char *hdr[5] = { NULL };
	size_t n = 0;
	snprintf(rev, sizeof(rev), "%" PRIu64, op->rev);
	if (op->rev != BUS_REV_ANY) {
		hdr[n++] = "Nats-Expected-Last-Subject-Sequence";
		hdr[n++] = rev;
	}
	if (op->kind == KV_DELETE) {
		hdr[n++] = "KV-Operation";
		hdr[n++] = "DEL";
	}
	if (bus_ask(op->b, op->subject, hdr, op->data, op->len, BUS_API_TIMEOUT_MS, on_stored, op))
		return;
	struct pl_why why = { 0 };
	pl_why_set(&why, PL_E_FULL, "%s: too many requests wait", op->subject);
	op_end(op, PL_E_FULL, NULL, &why);
}

void bus_kv_put(struct bus *b, const char *bucket, const char *key, const void *data, size_t len, uint64_t rev,
		bus_reply_fn done, void *arg)
{
	struct kv_op *op =
		len <= BUS_MSG_MAX_BYTES - BUS_HEADER_ROOM_BYTES ? op_new(b, KV_PUT, bucket, key, data, len) : NULL;
	if (!op) {
		refuse(done, arg, bucket, key);
		return;
	}
	op->rev = rev;
	op->done = done;
	op->arg = arg;
	op_send(op);
}

void bus_kv_delete(struct bus *b, const char *bucket, const char *key, uint64_t rev, bus_reply_fn done, void *arg)
{
	struct kv_op *op = op_new(b, KV_DELETE, bucket, key, NULL, 0);
	if (!op) {
		refuse(done, arg, bucket, key);
		return;
	}
	op->rev = rev;
	op->done = done;
	op->arg = arg;
	op_send(op);
}

void bus_kv_get(struct bus *b, const char *bucket, const char *key, bus_reply_fn done, void *arg)
{
	struct kv_op *op = op_new(b, KV_GET, bucket, key, NULL, 0);
	if (!op) {
		refuse(done, arg, bucket, key);
		return;
	}
	op->done = done;
	op->arg = arg;
	ask_value(op);
}

/* --- markers --- */
static void on_mark_gone(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why)
{
	(void)arg, (void)err, (void)reply, (void)why; /* gone already when the key was written again */
}

static void mark_free(struct bus *b, struct mark *k)
{
	pl_list_remove(&k->node);
	free(k);
	b->n_marks--;
}

void kv_tick(struct bus *b, int64_t now_us)
{
	char verb[96];
	PL_LIST_EACH_SAFE (n, &b->marks) {
		struct mark *k = PL_CONTAINER(n, struct mark, node);
		if (now_us < k->due_us || !bus_up(b))
			return;
		snprintf(verb, sizeof(verb), "STREAM.MSG.DELETE.KV_%s", k->bucket);
		js_ask(b, verb, json_pack("{s:I, s:b}", "seq", (json_int_t)k->seq, "no_erase", 1), on_mark_gone, NULL);
		mark_free(b, k);
	}
}

void kv_done(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->marks)
		mark_free(b, PL_CONTAINER(n, struct mark, node));
}
