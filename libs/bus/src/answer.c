/* How a message reaches its handler, and how requests are answered. */
#include "bus_int.h"

#include <stdlib.h>

struct bus_req {
	struct pl_list node;
	struct bus *b;
	int64_t deadline_us;
	char *actor; /* in text, after the reply subject */
	char reply[];
};

static struct bus_req *answer_new(struct bus *b, const struct bus_msg *m, natsMsg *nm)
{
	size_t nr = strlen(m->reply) + 1, na = strlen(m->actor) + 1;
	struct bus_req *r = malloc(sizeof(*r) + nr + na);
	if (!r)
		return NULL;
	r->b = b;
	r->deadline_us = strtoll(bus_hdr(nm, "Parley-Deadline"), NULL, 10) * 1000;
	r->actor = r->reply + nr;
	memcpy(r->reply, m->reply, nr);
	memcpy(r->actor, m->actor, na);
	pl_list_push(&b->reqs, &r->node);
	return r;
}

static void answer_free(struct bus_req *r)
{
	pl_list_remove(&r->node);
	free(r);
}

void bus_reqs_free(struct bus *b)
{
	PL_LIST_EACH_SAFE (n, &b->reqs)
		answer_free(PL_CONTAINER(n, struct bus_req, node));
}

void bus_dispatch(struct bus_sub *s, natsMsg *m)
{
	if (s->raw && (!s->b->closing || s->raw == mux_on_inbox))
		s->raw(s->arg, m);
	if (s->raw || s->b->closing)
		return;
	struct bus_msg msg;
	bus_msg_fill(&msg, m);
	if (*msg.reply && msg.seq == 0 && !(msg.req = answer_new(s->b, &msg, m)))
		return; /* memory is out: who asks will hear of the deadline */
	s->fn(s->arg, &msg);
}

void bus_answer(struct bus_req *r, const char *type, const void *data, size_t len)
{
	struct bus_out o = { .subject = r->reply, .type = type, .data = data, .len = len };
	natsMsg *m;
	size_t bytes;
	enum pl_err err = bus_msg_new(&m, &o, NULL, &bytes);
	if (!err)
		err = bus_send(r->b, m, bytes, 0);
	if (err == PL_E_FULL || err == PL_E_FORMAT) {
		struct pl_why why = { 0 };
		pl_why_set(&why, PL_E_INTERNAL, "the answer cannot be sent: %zu bytes (%s)", len, pl_err_name(err));
		bus_answer_err(r, PL_E_INTERNAL, &why);
		return;
	}
	answer_free(r);
}

/* What a user typed may stand in the reason: header values must stay on their line. */
static const char *one_line(const char *s, char *out, size_t size)
{
	pl_strlcpy(out, s, size);
	for (char *p = out; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return out;
}

void bus_answer_err(struct bus_req *r, enum pl_err err, const struct pl_why *why)
{
	char text[sizeof(why->text)];
	natsMsg *m = NULL;
	natsStatus s = natsMsg_Create(&m, r->reply, NULL, NULL, 0);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(m, "Parley-Error", pl_err_name(err == PL_OK ? PL_E_INTERNAL : err));
	if (s == NATS_OK && why && *why->field)
		s = natsMsgHeader_Set(m, "Parley-Field", one_line(why->field, text, sizeof(text)));
	if (s == NATS_OK && why && *why->text)
		s = natsMsgHeader_Set(m, "Parley-Why", one_line(why->text, text, sizeof(text)));
	if (s == NATS_OK)
		bus_send(r->b, m, 512, 0);
	else
		natsMsg_Destroy(m);
	answer_free(r);
}

void bus_forward(struct bus_req *r, const char *subject, const struct bus_msg *m)
{
	struct bus_out o = { .subject = subject, .type = m->type, .data = m->data, .len = m->len, .actor = r->actor };
	char deadline[24];
	natsMsg *nm;
	size_t bytes;
	enum pl_err err = bus_msg_new(&nm, &o, r->reply, &bytes);
	if (!err && r->deadline_us) {
		snprintf(deadline, sizeof(deadline), "%" PRId64, r->deadline_us / 1000);
		natsMsgHeader_Set(nm, "Parley-Deadline", deadline);
	}
	if (!err)
		err = bus_send(r->b, nm, bytes + 40, 0);
	if (err)
		bus_answer_err(r, err, NULL);
	else
		answer_free(r);
}

const char *bus_req_actor(const struct bus_req *r)
{
	return r->actor;
}

int64_t bus_req_deadline_us(const struct bus_req *r)
{
	return r->deadline_us;
}
