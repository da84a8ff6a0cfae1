#include "pack.h"

#include <stdio.h>

#define CALLS_MAX 10000
#define CALL_ARENA_BYTES ((size_t)64 << 20)
#define ANSWER_MAX ((size_t)1 << 20)
#define SUBJECT_MAX 256

struct server {
	struct server *next;
	const ProtobufCServiceDescriptor *d;
	struct bus *bus;
	struct bus_sub *sub;
	void *arg;
	size_t calls; /* being answered */
	rpc_fn fns[]; /* by index of the method; NULL: not implemented */
};

struct call {
	struct rpc_call pub; /* first: what handlers see */
	struct server *server;
	rpc_job_fn job;
	void (*after)(struct rpc_call *c);
	ProtobufCMessage *out;
};

/* A server lives as long as its process; the list is what keeps it reachable. One loop, one thread, one list. */
static _Thread_local struct server *servers;

static void call_free(struct call *c)
{
	c->server->calls--;
	pl_arena_free(c->pub.arena);
	free(c);
}

void rpc_fail(struct rpc_call *c, enum pl_err err, const struct pl_why *why)
{
	if (c->req)
		bus_answer_err(c->req, err, why);
	call_free((struct call *)(void *)c);
}

void rpc_reply(struct rpc_call *c, const ProtobufCMessage *out)
{
	struct packed k;
	struct pl_why why = { 0 };

	packed_init(&k, out);
	if (!k.p || k.n > ANSWER_MAX) {
		pl_why_set(&why, k.p ? PL_E_FULL : PL_E_NOMEM, "the answer has %zu bytes, at most %zu fit", k.n,
			   ANSWER_MAX);
		packed_done(&k);
		rpc_fail(c, why.err, &why);
		return;
	}
	if (c->req)
		bus_answer(c->req, c->method->output->name, k.p, k.n);
	packed_done(&k);
	call_free((struct call *)(void *)c);
}

void rpc_pass(struct rpc_call *c, const char *node)
{
	const char *service = ((struct call *)(void *)c)->server->d->short_name;
	struct packed k;
	char subject[SUBJECT_MAX];

	packed_init(&k, c->in);
	int n = snprintf(subject, sizeof(subject), "node.%s.%s.%s", node, service, c->method->name);
	if (!k.p || n < 0 || (size_t)n >= sizeof(subject)) {
		packed_done(&k);
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	struct bus_msg m = { .subject = subject,
			     .type = c->method->input->name,
			     .data = k.p,
			     .len = k.n,
			     .id = "",
			     .actor = c->req ? bus_req_actor(c->req) : "",
			     .reply = "" };
	if (c->req)
		bus_forward(c->req, subject, &m);
	packed_done(&k);
	call_free((struct call *)(void *)c);
}

/* --- a request comes in --- */

static int find_method(const ProtobufCServiceDescriptor *d, const char *name)
{
	for (unsigned i = 0; i < d->n_methods; i++)
		if (pl_streq(d->methods[i].name, name))
			return (int)i;
	return -1;
}

static enum pl_err call_new(struct call **ret, struct server *s, const ProtobufCMethodDescriptor *method,
			    const struct bus_msg *m, struct pl_why *why)
{
	ProtobufCMessage *in;

	struct call *c = calloc(1, sizeof(*c));
	struct pl_arena *a = c ? pl_arena_new(CALL_ARENA_BYTES) : NULL;
	enum pl_err err =
		a ? rpc_unpack(method->input, m->data, m->len, a, &in, why) : pl_why_set(why, PL_E_NOMEM, "no memory");
	if (err) {
		pl_arena_free(a);
		free(c);
		return err;
	}
	c->server = s;
	c->pub = (struct rpc_call){
		.req = m->req, .in = in, .arena = a, .method = method, .arg = s->arg, .bus = s->bus
	};
	rpc_actor_parse(m->actor, &c->pub.actor);
	s->calls++;
	*ret = c;
	return PL_OK;
}

static void on_request(void *arg, const struct bus_msg *m)
{
	struct server *s = arg;
	struct pl_why why = { 0 };
	struct call *c;

	const char *dot = strrchr(m->subject, '.');
	int i = dot ? find_method(s->d, dot + 1) : -1;
	int64_t deadline_us = m->req ? bus_req_deadline_us(m->req) : 0;
	if (i < 0 || !s->fns[i])
		pl_why_set(&why, PL_E_UNSUPPORTED, "%s has no method %.60s", s->d->name, dot ? dot + 1 : "");
	else if (s->calls >= CALLS_MAX)
		pl_why_set(&why, PL_E_FULL, "%s answers %d calls already", s->d->name, CALLS_MAX);
	else if (deadline_us && deadline_us < pl_wall_us()) /* nobody waits any more: no work for it */
		pl_why_set(&why, PL_E_TIMEOUT, "the deadline had passed before the call was read");
	else if (!call_new(&c, s, &s->d->methods[i], m, &why)) {
		s->fns[i](&c->pub);
		return;
	}
	if (m->req)
		bus_answer_err(m->req, why.err, &why);
}

static enum pl_err serve(struct bus *b, const ProtobufCServiceDescriptor *d, const struct rpc_entry *entries, void *arg,
			 const char *subject, const char *queue, struct pl_why *why)
{
	struct server *s = calloc(1, sizeof(*s) + d->n_methods * sizeof(s->fns[0]));

	if (!s)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*s = (struct server){ .d = d, .bus = b, .arg = arg };
	enum pl_err err = PL_OK;
	for (const struct rpc_entry *e = entries; e->method && !err; e++) {
		int i = find_method(d, e->method);
		if (i < 0)
			err = pl_why_set(why, PL_E_INTERNAL, "%s has no method %s", d->name, e->method);
		else
			s->fns[i] = e->fn;
	}
	if (!err)
		err = bus_subscribe(&s->sub, b, subject, queue, on_request, s, why);
	if (err) {
		free(s);
		return err;
	}
	s->next = servers;
	servers = s;
	return PL_OK;
}

enum pl_err rpc_serve(struct bus *b, const ProtobufCServiceDescriptor *d, const struct rpc_entry *entries, void *arg,
		      struct pl_why *why)
{
	char subject[SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "rpc.%s.*", d->name);
	return serve(b, d, entries, arg, subject, d->name, why);
}

enum pl_err rpc_serve_node(struct bus *b, const ProtobufCServiceDescriptor *d, const struct rpc_entry *entries,
			   void *arg, struct pl_why *why)
{
	char subject[SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "node.%s.%s.*", bus_node(b), d->short_name);
	return serve(b, d, entries, arg, subject, NULL, why);
}

/* --- straight SQL --- */

static enum pl_err db_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct call *c = arg;

	c->out = NULL; /* the job may run again after a serialization failure */
	return c->job(&c->pub, db, &c->out, why);
}

static void db_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct call *c = arg;

	if (err) {
		rpc_fail(&c->pub, err, why);
		return;
	}
	if (c->after)
		c->after(&c->pub);
	rpc_reply(&c->pub, c->out);
}

void rpc_on_db(struct rpc_call *pub, struct pg *pg, bool read_only, rpc_job_fn job, void (*after)(struct rpc_call *c))
{
	struct call *c = (struct call *)(void *)pub;
	struct pl_why why = { 0 };

	c->job = job;
	c->after = after;
	enum pl_err err = read_only ? pg_read(pg, db_job, db_done, c) : pg_tx(pg, db_job, db_done, c);
	if (err) {
		pl_why_set(&why, err, "the database has too much to do");
		rpc_fail(pub, err, &why);
	}
}
