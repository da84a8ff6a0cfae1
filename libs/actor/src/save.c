/* Machines and their records: written back in order, the newest state only, by compare-and-set. */
#include "actor_int.h"

#include <parley/log.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)256 << 10)
#define MACHINES_MAX 100000

struct machine *machine_find(struct actors *a, const char *id)
{
	struct machine *m;

	HASH_FIND_STR(a->machines, id, m);
	return m;
}

struct machine *machine_new(struct actors *a, const char *id)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->a = a;
	pl_strlcpy(m->id, id, sizeof(m->id));
	HASH_ADD_STR(a->machines, id, m);
	return m;
}

static void machine_free(struct machine *m)
{
	free(m->body);
	free(m);
}

void machine_drop(struct machine *m)
{
	HASH_DEL(m->a->machines, m);
	m->gone = true;
	if (!m->busy)
		machine_free(m);
}

enum pl_err machine_body(struct machine *m, const void *body, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return PL_E_NOMEM;
	memcpy(copy, body, len);
	free(m->body);
	m->body = copy;
	m->len = len;
	return PL_OK;
}

uint8_t *record_pack(struct actors *a, const char *id, const void *body, size_t body_len, size_t *ret_len)
{
	Parley__Common__V1__ActorRecord r = PARLEY__COMMON__V1__ACTOR_RECORD__INIT;

	r.kind = a->kind;
	r.id = (char *)(uintptr_t)id;
	r.owner = (char *)(uintptr_t)bus_node(a->bus);
	r.fence = a->fence;
	r.version = 1;
	r.body = (ProtobufCBinaryData){ body_len, (uint8_t *)(uintptr_t)body };
	*ret_len = parley__common__v1__actor_record__get_packed_size(&r);
	uint8_t *p = malloc(*ret_len);
	if (p)
		parley__common__v1__actor_record__pack(&r, p);
	return p;
}

/* --- what happens when a machine turns out not to be ours --- */

/* The service lets go of everything, then gets back what is still ours: it knows no half loss. */
static void give_up(struct actors *a)
{
	struct machine *m, *next;

	a->taken = false;
	log_warn("actor.taken", LOG_S("kind", a->kind), LOG_I("left", HASH_COUNT(a->machines)));
	a->cfg.lost(a->cfg.arg);
	HASH_ITER(hh, a->machines, m, next)
	{
		m->done = NULL;
		if (!m->ending)
			a->cfg.adopt(a->cfg.arg, m->id, m->body, m->len);
	}
}

static void verified(struct machine *m)
{
	if (!m->verify)
		return;
	m->verify = false;
	m->a->n_verify--;
}

static void settle(struct actors *a)
{
	if (a->n_verify)
		return;
	if (a->taken)
		give_up(a);
	if (a->was_held)
		scan_start(a);
	a->was_held = false;
}

static void taken(struct machine *m)
{
	struct actors *a = m->a;

	verified(m);
	a->taken = true;
	machine_drop(m);
	settle(a);
}

/* --- writing --- */

static void on_look(void *arg, enum pl_err err, const struct bus_msg *msg, const struct pl_why *why)
{
	struct machine *m = arg;
	struct actors *a = m->a;

	m->busy = false;
	if (m->gone) {
		machine_free(m);
		return;
	}
	if (err && err != PL_E_NOTFOUND) {
		m->dirty = true; /* the tick tries again */
		return;
	}
	Parley__Common__V1__ActorRecord *r =
		err ? NULL : parley__common__v1__actor_record__unpack(NULL, msg->len, msg->data);
	bool ours = r && pl_streq(r->owner, bus_node(a->bus)) && r->fence <= a->fence;
	if (r)
		parley__common__v1__actor_record__free_unpacked(r, NULL);
	if (!ours) {
		taken(m);
		return;
	}
	m->rev = msg->seq; /* a write of ours whose answer was lost */
	m->dirty = true;
	machines_flush_soon(a);
}

static void on_put(void *arg, enum pl_err err, const struct bus_msg *msg, const struct pl_why *why)
{
	struct machine *m = arg;
	struct actors *a = m->a;

	m->busy = false;
	if (m->gone) {
		machine_free(m);
		return;
	}
	if (err == PL_E_CONFLICT ||
	    err == PL_E_EXISTS) { /* somebody else, or our own write whose answer was lost: look */
		m->busy = true;
		bus_kv_get(a->bus, a->bucket, m->id, on_look, m);
		return;
	}
	if (err) {
		m->dirty = true; /* the tick tries again */
		return;
	}
	m->rev = msg->seq;
	verified(m);
	if (m->dirty || m->ending)
		machines_flush_soon(a);
	else if (m->done) {
		void (*done)(void *) = m->done;
		m->done = NULL;
		done(m->done_arg);
	}
	if (a->was_held)
		settle(a);
}

static void on_deleted(void *arg, enum pl_err err, const struct bus_msg *msg, const struct pl_why *why)
{
	struct machine *m = arg;
	struct actors *a = m->a;

	m->busy = false;
	if (m->gone) {
		machine_free(m);
		return;
	}
	if (err && err != PL_E_NOTFOUND && err != PL_E_CONFLICT)
		return;   /* still ending: the tick tries again */
	if (!m->ending) { /* saved anew meanwhile: a new record */
		m->rev = 0;
		m->dirty = true;
		machines_flush_soon(a);
		return;
	}
	verified(m);
	machine_drop(m);
	if (a->was_held)
		settle(a);
}

static void write_back(struct machine *m)
{
	struct actors *a = m->a;
	size_t len;

	if (m->ending && !m->rev) { /* never stored: nothing to delete */
		verified(m);
		machine_drop(m);
		return;
	}
	m->busy = true;
	if (m->ending) {
		bus_kv_delete(a->bus, a->bucket, m->id, m->rev, on_deleted, m);
		return;
	}
	uint8_t *p = record_pack(a, m->id, m->body, m->len, &len);
	if (!p) {
		m->busy = false;
		return;
	}
	m->dirty = false;
	bus_kv_put(a->bus, a->bucket, m->id, p, len, m->rev, on_put, m);
	free(p);
}

/* Without the lease nothing is written: another node may own it by now. */
static void flush(void *arg)
{
	struct actors *a = arg;
	struct machine *m, *next;

	if (!a->bucket_ready || !a->fence || !bus_lease_held(a->lease))
		return;
	HASH_ITER(hh, a->machines, m, next)
	if ((m->dirty || m->ending) && !m->busy)
		write_back(m);
}

void machines_flush_soon(struct actors *a)
{
	if (!a->flush_timer && pl_timer_new(&a->flush_timer, a->loop, flush, a))
		return; /* no memory: the tick writes */
	pl_timer_set(a->flush_timer, 0);
}

void machines_verify(struct actors *a)
{
	struct machine *m, *next;

	a->was_held = true;
	HASH_ITER(hh, a->machines, m, next)
	{
		m->dirty = true;
		if (!m->verify && (m->rev || m->busy)) {
			m->verify = true;
			a->n_verify++;
		}
	}
	machines_flush_soon(a);
	settle(a);
}

/* --- the public part --- */

static bool id_ok(const char *id)
{
	size_t n = strlen(id);

	return n && n < ID_MAX && id[0] != '.' && id[n - 1] != '.' &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=.-") == n;
}

enum pl_err actor_save(struct actors *a, const char *id, const void *body, size_t len, void (*done)(void *arg),
		       void *arg)
{
	struct machine *m = machine_find(a, id);

	if (len > BODY_MAX || (!m && HASH_COUNT(a->machines) >= MACHINES_MAX))
		return PL_E_FULL;
	if (!m && !id_ok(id))
		return PL_E_FORMAT;
	if (!m && !(m = machine_new(a, id)))
		return PL_E_NOMEM;
	enum pl_err err = machine_body(m, body, len);
	if (err)
		return err;
	m->ending = false;
	m->dirty = true;
	m->done = done;
	m->done_arg = arg;
	machines_flush_soon(a);
	return PL_OK;
}

void actor_end(struct actors *a, const char *id)
{
	struct machine *m = machine_find(a, id);

	if (!m)
		return;
	m->ending = true;
	m->done = NULL;
	machines_flush_soon(a);
}

size_t actors_n(const struct actors *a)
{
	return HASH_COUNT(a->machines);
}
