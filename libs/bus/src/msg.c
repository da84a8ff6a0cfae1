/* Messages: their headers, publishing, subscribing, and how one reaches its handler. */
#include "bus_int.h"

#include <stdlib.h>

const char *bus_hdr(natsMsg *m, const char *key)
{
	const char *v = NULL;
	return natsMsgHeader_Get(m, key, &v) == NATS_OK && v ? v : "";
}

bool bus_subject_ok(const char *s, bool wildcards)
{
	size_t n = s ? strlen(s) : 0;
	if (n == 0 || n > BUS_SUBJECT_MAX || s[0] == '.' || s[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] <= ' ' || s[i] == 0x7f || (s[i] == '.' && s[i + 1] == '.') ||
		    (!wildcards && (s[i] == '*' || s[i] == '>')))
			return false;
	return true;
}

/* A header value ends at CR LF: whatever holds a control character is refused. */
static bool value_ok(const char *s)
{
	for (; s && *s; s++)
		if ((uint8_t)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool set_header(natsMsg *m, const char *key, const char *v, size_t *bytes)
{
	if (pl_empty(v))
		return true;
	*bytes += strlen(key) + strlen(v) + 4;
	return natsMsgHeader_Set(m, key, v) == NATS_OK;
}

enum pl_err bus_msg_new(natsMsg **ret, const struct bus_out *o, const char *reply, size_t *ret_bytes)
{
	if (!bus_subject_ok(o->subject, false) || !value_ok(o->type) || !value_ok(o->actor) || !value_ok(o->msg_id))
		return PL_E_FORMAT;
	if (o->len > BUS_MSG_MAX_BYTES - BUS_HEADER_ROOM_BYTES)
		return PL_E_FULL;
	natsMsg *m = NULL;
	if (natsMsg_Create(&m, o->subject, reply, o->data, (int)o->len) != NATS_OK)
		return PL_E_NOMEM;
	size_t bytes = 0;
	if (!set_header(m, "Parley-Type", o->type, &bytes) || !set_header(m, "Parley-Actor", o->actor, &bytes) ||
	    !set_header(m, "Nats-Msg-Id", o->msg_id, &bytes)) {
		natsMsg_Destroy(m);
		return PL_E_NOMEM;
	}
	if (bytes > BUS_HEADER_ROOM_BYTES / 2) { /* the other half is for Parley-Deadline and what JetStream adds */
		natsMsg_Destroy(m);
		return PL_E_FORMAT;
	}
	*ret = m;
	*ret_bytes = bytes + o->len + strlen(o->subject) + 32;
	return PL_OK;
}

void bus_msg_fill(struct bus_msg *out, natsMsg *m)
{
	const char *reply = natsMsg_GetReply(m);
	struct js_pos pos;
	*out = (struct bus_msg){ .subject = natsMsg_GetSubject(m),
				 .data = (const uint8_t *)natsMsg_GetData(m),
				 .len = (size_t)natsMsg_GetDataLength(m),
				 .reply = reply ? reply : "" };
	out->type = bus_hdr(m, "Parley-Type");
	out->actor = bus_hdr(m, "Parley-Actor");
	out->id = bus_hdr(m, "Nats-Msg-Id");
	if (!out->data)
		out->data = (const uint8_t *)"";
	if (*out->reply && js_pos_parse(out->reply, &pos)) {
		out->seq = pos.sseq;
		out->time_us = pos.time_us;
	}
}

enum pl_err bus_publish(struct bus *b, const struct bus_out *o)
{
	natsMsg *m;
	size_t bytes;
	enum pl_err err = bus_msg_new(&m, o, NULL, &bytes);
	return err ? err : bus_send(b, m, bytes, 0);
}

/* --- subscriptions --- */
static void sub_detach(struct bus_sub *s)
{
	if (s->ns && s->b->nc)
		natsSubscription_Unsubscribe(s->ns);
	natsSubscription_Destroy(s->ns);
	s->ns = NULL;
}

void bus_sub_free(struct bus_sub *s)
{
	if (!s)
		return;
	sub_detach(s);
	pl_list_remove(&s->node);
	free(s->subject);
	free(s->queue);
	free(s);
}

static enum pl_err sub_new(struct bus_sub **ret, struct bus *b, const char *subject, const char *queue)
{
	struct bus_sub *s = calloc(1, sizeof(*s));
	if (!s)
		return PL_E_NOMEM;
	pl_list_push(&b->subs, &s->node);
	s->b = b;
	s->subject = strdup(subject);
	s->queue = queue ? strdup(queue) : NULL;
	enum pl_err err = s->subject && (s->queue || !queue) ? bus_sub_attach(s) : PL_E_NOMEM;
	if (err)
		bus_sub_free(s);
	else
		*ret = s;
	return err;
}

enum pl_err bus_subscribe(struct bus_sub **ret, struct bus *b, const char *subject, const char *queue, bus_fn fn,
			  void *arg, struct pl_why *why)
{
	if (!bus_subject_ok(subject, true) || (queue && !bus_subject_ok(queue, false)))
		return pl_why_set(why, PL_E_FORMAT, "\"%.100s\" is no subject", subject ? subject : "");
	struct bus_sub *s;
	enum pl_err err = sub_new(&s, b, subject, queue);
	if (err)
		return pl_why_set(why, err, "%s: cannot be subscribed to", subject);
	s->fn = fn;
	s->arg = arg;
	if (ret)
		*ret = s;
	return PL_OK;
}

enum pl_err bus_subscribe_raw(struct bus_sub **ret, struct bus *b, const char *subject,
			      void (*raw)(void *arg, natsMsg *m), void (*none)(void *arg), void *arg)
{
	enum pl_err err = sub_new(ret, b, subject, NULL);
	if (!err) {
		(*ret)->raw = raw;
		(*ret)->none = none;
		(*ret)->arg = arg;
	}
	return err;
}

void bus_unsubscribe(struct bus_sub *s)
{
	if (!s || s->dead)
		return;
	if (!s->b->draining) {
		bus_sub_free(s);
		return;
	}
	s->dead = s->b->sweep = true; /* the drain walks the list: freed when it has ended */
	sub_detach(s);
}

void bus_subs_sweep(struct bus *b)
{
	b->sweep = false;
	PL_LIST_EACH_SAFE (n, &b->subs) {
		struct bus_sub *s = PL_CONTAINER(n, struct bus_sub, node);
		if (s->dead)
			bus_sub_free(s);
	}
}
