/* Machines whose owner is gone: found by reading the bucket once, then claimed by compare-and-set, our share first. */
#include "actor_int.h"

#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>

#define CLAIMS_AT_ONCE 64
#define LEASE_KEY_MAX 128

static const char *lease_key(struct actors *a, const char *node, char key[LEASE_KEY_MAX])
{
	snprintf(key, LEASE_KEY_MAX, "actor.%s.%s", a->kind, node);
	return key;
}

struct orphan {
	struct orphan *next;
	struct scan *scan;
	char id[ID_MAX], owner[NODE_MAX];
	uint64_t rev;
	uint8_t *body;
	size_t len;
};

struct scan {
	struct actors *a;
	struct bus_tail *tail;
	struct pl_timer *timer;
	struct orphan *mine, *others; /* by share */
	int n_flying;
	size_t n_claimed;
	bool read, stopped;
};

static void orphan_free(struct orphan *o)
{
	free(o->body);
	free(o);
}

static void drop_list(struct orphan **list)
{
	while (*list) {
		struct orphan *o = *list;
		*list = o->next;
		orphan_free(o);
	}
}

static void scan_free(struct scan *s)
{
	drop_list(&s->mine);
	drop_list(&s->others);
	bus_tail_close(s->tail);
	pl_timer_free(s->timer);
	free(s);
}

static void scan_end(struct scan *s)
{
	struct actors *a = s->a;

	if (s->n_claimed)
		log_info("actor.adopted", LOG_S("kind", a->kind), LOG_I("n", s->n_claimed));
	a->scan = NULL;
	bool again = a->scan_again;
	scan_free(s);
	if (again)
		scan_start(a);
}

void scan_stop(struct actors *a)
{
	struct scan *s = a->scan;

	if (!s)
		return;
	a->scan = NULL;
	s->stopped = true;
	bus_tail_close(s->tail);
	s->tail = NULL;
	if (!s->n_flying)
		scan_free(s);
}

/* --- claiming one record; shared with actor_claim() --- */

static bool wanted(struct actors *a, const char *id, const char *owner)
{
	if (pl_streq(owner, bus_node(a->bus)))
		return !machine_find(a, id); /* ours from a life before this one */
	return !peer_alive(a, owner);
}

static bool take_over(struct actors *a, const char *id, const void *body, size_t len, uint64_t rev)
{
	struct machine *m = machine_find(a, id) ? NULL : machine_new(a, id);

	if (!m || machine_body(m, body, len))
		return false;
	m->rev = rev;
	a->cfg.adopt(a->cfg.arg, m->id, m->body, m->len);
	return true;
}

static void pump(struct scan *s);

static void on_claimed(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct orphan *o = arg;
	struct scan *s = o->scan;

	s->n_flying--;
	if (!err && !s->stopped && take_over(s->a, o->id, o->body, o->len, m->seq))
		s->n_claimed++;
	orphan_free(o);
	pump(s);
}

/* The bucket of leases has the last word: what we saw of the owner may be old. */
static void on_lease_looked(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct orphan *o = arg;
	struct scan *s = o->scan;
	size_t len;

	if (!err && !s->stopped)
		peer_seen(s->a, o->owner); /* it lives, or has just died: the tick will look again */
	uint8_t *p = NULL;
	if (err == PL_E_NOTFOUND && !s->stopped && actors_held(s->a))
		p = record_pack(s->a, o->id, o->body, o->len, &len);
	if (!p) {
		s->n_flying--;
		orphan_free(o);
		pump(s);
		return;
	}
	bus_kv_put(s->a->bus, s->a->bucket, o->id, p, len, o->rev, on_claimed, o);
	free(p);
}

static void claim(struct orphan *o)
{
	struct actors *a = o->scan->a;
	char key[LEASE_KEY_MAX];

	o->scan->n_flying++;
	if (pl_streq(o->owner, bus_node(a->bus))) {
		on_lease_looked(o, PL_E_NOTFOUND, NULL, NULL);
		return;
	}
	bus_kv_get(a->bus, "LEASES", lease_key(a, o->owner, key), on_lease_looked, o);
}

static void pump(struct scan *s)
{
	while (!s->stopped && s->read && s->n_flying < CLAIMS_AT_ONCE && (s->mine || s->others)) {
		struct orphan **list = s->mine ? &s->mine : &s->others, *o = *list;
		*list = o->next;
		if (!wanted(s->a, o->id, o->owner) || !actors_held(s->a))
			orphan_free(o);
		else
			claim(o);
	}
	if (s->n_flying)
		return;
	if (s->stopped)
		scan_free(s);
	else if (s->read && !s->mine && !s->others)
		scan_end(s);
}

/* --- reading the bucket --- */

/* Every survivor begins with another part of the ids, so that they meet little. */
static bool my_share(struct actors *a, const char *id)
{
	size_t n = 1, me = 0;
	struct peer *p, *next;

	HASH_ITER(hh, a->peers, p, next)
	{
		int c = strcmp(p->node, bus_node(a->bus));
		n += c != 0;
		me += c < 0;
	}
	return pl_hash(id, strlen(id)) % n == me;
}

static void on_record(void *arg, const struct bus_msg *m)
{
	struct scan *s = arg;

	if (!m->len) /* deleted */
		return;
	Parley__Common__V1__ActorRecord *r = parley__common__v1__actor_record__unpack(NULL, m->len, m->data);
	struct orphan *o = NULL;
	if (r && wanted(s->a, r->id, r->owner))
		o = calloc(1, sizeof(*o));
	if (o) {
		o->scan = s;
		o->rev = m->seq;
		pl_strlcpy(o->id, r->id, sizeof(o->id));
		pl_strlcpy(o->owner, r->owner, sizeof(o->owner));
		o->len = r->body.len;
		o->body = r->body.data; /* taken from the record */
		r->body = (ProtobufCBinaryData){ 0, NULL };
		struct orphan **list = my_share(s->a, o->id) ? &s->mine : &s->others;
		o->next = *list;
		*list = o;
	}
	if (r)
		parley__common__v1__actor_record__free_unpacked(r, NULL);
}

static void on_read(void *arg)
{
	struct scan *s = arg;

	bus_tail_close(s->tail);
	s->tail = NULL;
	s->read = true;
	pump(s);
}

/* The tail is not closed from within its own callback. */
static void on_caught_up(void *arg)
{
	pl_timer_set(((struct scan *)arg)->timer, 0);
}

void scan_start(struct actors *a)
{
	struct pl_why why;
	char stream[64], filter[64];

	a->scan_again = a->scan != NULL;
	if (a->scan || !a->peers_known || !actors_held(a))
		return;
	struct scan *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->a = a;
	snprintf(stream, sizeof(stream), "KV_%s", a->bucket);
	snprintf(filter, sizeof(filter), "$KV.%s.>", a->bucket);
	struct bus_tail_cfg c = { .stream = stream,
				  .filter = filter,
				  .from_seq = 1,
				  .last_per_subject = true,
				  .fn = on_record,
				  .caught_up = on_caught_up,
				  .arg = s };
	if (pl_timer_new(&s->timer, a->loop, on_read, s) || bus_tail_open(&s->tail, a->bus, &c, &why)) {
		scan_free(s);
		a->scan_again = true; /* the tick starts again */
		return;
	}
	a->scan = s;
}

/* --- on demand --- */

struct demand {
	struct actors *a;
	char id[ID_MAX], owner[NODE_MAX];
	uint8_t *body;
	size_t len;
	uint64_t rev;
	void (*on_owner)(void *arg, const char *node);
	void (*on_claim)(void *arg, bool ours);
	void *arg;
};

static void demand_end(struct demand *d, bool ours, const char *owner)
{
	if (actors_unref(d->a)) { /* else nobody asks any more */
		if (d->on_owner)
			d->on_owner(d->arg, owner);
		else
			d->on_claim(d->arg, ours);
	}
	free(d->body);
	free(d);
}

static void on_demand_put(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct demand *d = arg;
	bool ours =
		!err && !d->a->closed && (machine_find(d->a, d->id) || take_over(d->a, d->id, d->body, d->len, m->seq));

	demand_end(d, ours, "");
}

static void on_demand_lease(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct demand *d = arg;
	size_t len;

	if (!err) {
		demand_end(d, false, d->owner); /* the owner lives */
		return;
	}
	uint8_t *p = NULL;
	if (err == PL_E_NOTFOUND && d->on_claim && !d->a->closed && actors_held(d->a))
		p = record_pack(d->a, d->id, d->body, d->len, &len);
	if (!p) {
		demand_end(d, false, "");
		return;
	}
	bus_kv_put(d->a->bus, d->a->bucket, d->id, p, len, d->rev, on_demand_put, d);
	free(p);
}

static void on_demand_record(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct demand *d = arg;
	Parley__Common__V1__ActorRecord *r =
		err ? NULL : parley__common__v1__actor_record__unpack(NULL, m->len, m->data);

	if (!r) {
		demand_end(d, false, "");
		return;
	}
	pl_strlcpy(d->owner, r->owner, sizeof(d->owner));
	d->rev = m->seq;
	d->len = r->body.len;
	d->body = r->body.data;
	r->body = (ProtobufCBinaryData){ 0, NULL };
	parley__common__v1__actor_record__free_unpacked(r, NULL);
	if (pl_streq(d->owner, bus_node(d->a->bus))) { /* a life before this one */
		on_demand_lease(d, PL_E_NOTFOUND, NULL, NULL);
		return;
	}
	char key[LEASE_KEY_MAX];
	bus_kv_get(d->a->bus, "LEASES", lease_key(d->a, d->owner, key), on_demand_lease, d);
}

static struct demand *demand_new(struct actors *a, const char *id, void *arg)
{
	struct demand *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->a = a;
	actors_ref(a);
	d->arg = arg;
	pl_strlcpy(d->id, id, sizeof(d->id));
	return d;
}

void actor_owner(struct actors *a, const char *id, void (*fn)(void *arg, const char *node), void *arg)
{
	struct demand *d = machine_find(a, id) ? NULL : demand_new(a, id, arg);

	if (!d) {
		fn(arg, machine_find(a, id) ? bus_node(a->bus) : "");
		return;
	}
	d->on_owner = fn;
	bus_kv_get(a->bus, a->bucket, d->id, on_demand_record, d);
}

void actor_claim(struct actors *a, const char *id, void (*fn)(void *arg, bool ours), void *arg)
{
	struct demand *d = machine_find(a, id) ? NULL : demand_new(a, id, arg);

	if (!d) {
		fn(arg, machine_find(a, id) != NULL);
		return;
	}
	d->on_claim = fn;
	bus_kv_get(a->bus, a->bucket, d->id, on_demand_record, d);
}
