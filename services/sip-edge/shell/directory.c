/* Phones and trunks in memory. A load reads everything in one job and swaps it in on the loop in one go. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "directory.h"
#include "legs.h"
#include "store.h"

#define HEAL_S 15

/* --- lookups --- */

struct phone *phone_by_id(const struct edge *e, const char *id)
{
	struct phone *p = NULL;
	HASH_FIND_STR(e->dir->phones, id, p);
	return p;
}

struct phone *phone_by_user(const struct edge *e, const char *user)
{
	struct phone *p = NULL;
	HASH_FIND(hh_user, e->dir->by_user, user, strlen(user), p);
	return p;
}

struct trunk *trunk_by_id(const struct edge *e, const char *id)
{
	struct trunk *t = NULL;
	HASH_FIND_STR(e->dir->trunks, id, t);
	return t;
}

struct trunk *trunk_by_source(const struct edge *e, const struct peer *p)
{
	const struct source_rule *r = source_find(e->dir->rules, e->dir->n_rules, p->addr, p->port);
	return r ? e->dir->rule_owner[r->owner] : NULL;
}

/* --- trunks --- */

static void trunk_free(struct trunk *t)
{
	nta_outgoing_destroy(t->ping);
	free(t);
}

void trunk_take(struct trunk *t)
{
	t->channels++;
}

void trunk_release(struct trunk *t)
{
	t->channels--;
	if (t->removed && !t->channels)
		trunk_free(t);
}

enum pl_err source_rule_make(const char *text, struct source_rule *ret, struct pl_why *why)
{
	struct source_text s;
	struct source_rule r = { .prefix = 128 };
	if (source_split(text, &s))
		return pl_why_set(why, PL_E_FORMAT, "\"%.80s\" is no address, network or address:ports", text);
	if (s.v6) {
		if (inet_pton(AF_INET6, s.addr, r.addr) != 1)
			return pl_why_set(why, PL_E_FORMAT, "\"%.80s\" is no IPv6 address", s.addr);
		r.prefix = s.prefix < 0 ? 128 : (uint8_t)s.prefix;
	} else {
		r.addr[10] = r.addr[11] = 0xff;
		if (inet_pton(AF_INET, s.addr, r.addr + 12) != 1)
			return pl_why_set(why, PL_E_FORMAT, "\"%.80s\" is no IPv4 address", s.addr);
		r.prefix = s.prefix < 0 ? 128 : (uint8_t)(96 + s.prefix);
	}
	r.port_lo = s.port_lo;
	r.port_hi = s.port_hi;
	*ret = r;
	return PL_OK;
}

static void rules_build(struct directory *d)
{
	size_t n_trunks = HASH_COUNT(d->trunks), cap = 0, n = 0, owner = 0;
	for (const struct trunk *t = d->trunks; t; t = t->hh.next)
		for (const char *p = t->sources; *p; p++)
			cap += *p == ',' || p == t->sources;
	free(d->rules);
	free(d->rule_owner);
	d->n_rules = 0;
	d->rules = calloc(cap + n_trunks + 1, sizeof *d->rules);
	d->rule_owner = calloc(n_trunks + 1, sizeof *d->rule_owner);
	for (struct trunk *t = d->trunks; t && d->rules && d->rule_owner; t = t->hh.next) {
		char list[sizeof t->sources], *save = NULL;
		pl_strlcpy(list, t->sources, sizeof list);
		d->rule_owner[owner] = t;
		for (char *s = strtok_r(list, ",", &save); s && t->enabled; s = strtok_r(NULL, ",", &save)) {
			struct pl_why why;
			if (source_rule_make(s, &d->rules[n], &why))
				continue; /* refused at its door already (rpc_trunk.c) */
			d->rules[n++].owner = (uint32_t)owner;
		}
		owner++;
	}
	d->n_rules = n;
}

/* --- loading --- */

struct load {
	struct edge *edge;
	struct pl_arena *arena;
	int64_t known, revision;
	bool same;
	struct phone_row *phones;
	struct trunk_row *trunks;
	size_t n_phones, n_trunks;
};

/* Rows live in pg_tmp(), which dies with the job: copied to the load's arena. */
static enum pl_err keep_phones(struct load *ld, const struct phone_row *rows)
{
	ld->phones = pl_arena_dup(ld->arena, rows, (ld->n_phones + 1) * sizeof *rows);
	for (size_t i = 0; ld->phones && i < ld->n_phones; i++) {
		struct phone_row *p = &ld->phones[i];
		p->id = pl_arena_strdup(ld->arena, p->id);
		p->user = pl_arena_strdup(ld->arena, p->user);
		p->display_name = pl_arena_strdup(ld->arena, p->display_name);
		p->agent_id = pl_arena_strdup(ld->arena, p->agent_id);
		for (int a = 0; a < DIGEST_ALGORITHM_N; a++)
			p->ha1[a] = pl_arena_strdup(ld->arena, p->ha1[a]);
	}
	return ld->phones ? PL_OK : PL_E_NOMEM;
}

static enum pl_err keep_trunks(struct load *ld, const struct trunk_row *rows)
{
	ld->trunks = pl_arena_dup(ld->arena, rows, (ld->n_trunks + 1) * sizeof *rows);
	for (size_t i = 0; ld->trunks && i < ld->n_trunks; i++) {
		struct trunk_row *t = &ld->trunks[i];
		t->id = pl_arena_strdup(ld->arena, t->id);
		t->name = pl_arena_strdup(ld->arena, t->name);
		t->outbound_uri = pl_arena_strdup(ld->arena, t->outbound_uri);
		t->caller_id = pl_arena_strdup(ld->arena, t->caller_id);
		t->sources = pl_arena_strdup(ld->arena, t->sources);
		t->codecs = pl_arena_strdup(ld->arena, t->codecs);
	}
	return ld->trunks ? PL_OK : PL_E_NOMEM;
}

static enum pl_err load_job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	struct load *ld = arg;
	struct phone_row *phones;
	struct trunk_row *trunks;
	pl_arena_reset(ld->arena);
	enum pl_err err = store_revision(c, &ld->revision, why);
	if (err)
		return err;
	ld->same = ld->revision == ld->known;
	if (ld->same)
		return PL_OK;
	err = store_phones(c, &(struct phone_filter){ 0 }, &phones, &ld->n_phones, why);
	if (!err)
		err = keep_phones(ld, phones);
	if (!err)
		err = store_trunks(c, NULL, &trunks, &ld->n_trunks, why);
	if (!err)
		err = keep_trunks(ld, trunks);
	return err;
}

static void phone_put(struct directory *d, const struct phone_row *r)
{
	struct phone *p = phone_by_id(d->edge, r->id);
	if (!p) {
		p = calloc(1, sizeof *p);
		if (!p)
			return;
		pl_strlcpy(p->id, r->id, sizeof p->id);
		HASH_ADD_STR(d->phones, id, p);
	} else {
		HASH_DELETE(hh_user, d->by_user, p);
	}
	pl_strlcpy(p->user, r->user, sizeof p->user);
	HASH_ADD_KEYPTR(hh_user, d->by_user, p->user, strlen(p->user), p);
	pl_strlcpy(p->display_name, r->display_name, sizeof p->display_name);
	pl_strlcpy(p->agent_id, r->agent_id, sizeof p->agent_id);
	for (int a = 0; a < DIGEST_ALGORITHM_N; a++)
		pl_strlcpy(p->ha1[a], r->ha1[a], sizeof p->ha1[a]);
	p->enabled = r->enabled;
	p->revision = r->revision;
	p->seen = d->round;
}

static void trunk_put(struct directory *d, const struct trunk_row *r)
{
	struct trunk *t = trunk_by_id(d->edge, r->id);
	if (!t) {
		t = calloc(1, sizeof *t);
		if (!t)
			return;
		pl_strlcpy(t->id, r->id, sizeof t->id);
		t->reachable = true;
		HASH_ADD_STR(d->trunks, id, t);
	}
	pl_strlcpy(t->name, r->name, sizeof t->name);
	pl_strlcpy(t->outbound_uri, r->outbound_uri, sizeof t->outbound_uri);
	pl_strlcpy(t->caller_id, r->caller_id, sizeof t->caller_id);
	pl_strlcpy(t->sources, r->sources, sizeof t->sources);
	pl_strlcpy(t->codecs, r->codecs, sizeof t->codecs);
	t->enabled = r->enabled;
	t->max_channels = r->max_channels;
	t->keepalive_ms = r->keepalive_ms;
	t->revision = r->revision;
	t->seen = d->round;
}

static void phone_drop(struct directory *d, struct phone *p)
{
	if (p->aor && p->aor->n) {
		p->aor->n = 0;
		bindings_changed(d->edge, p, true, "removed");
	}
	HASH_DELETE(hh_user, d->by_user, p);
	HASH_DEL(d->phones, p);
	free(p->aor);
	free(p);
}

static void trunk_drop(struct directory *d, struct trunk *t)
{
	HASH_DEL(d->trunks, t);
	if (!t->channels) {
		trunk_free(t);
		return;
	}
	t->removed = true; /* its last leg frees it */
	t->enabled = false;
}

static void swap_in(struct directory *d, const struct load *ld)
{
	struct phone *p, *pnext;
	struct trunk *t, *tnext;
	d->round++;
	for (size_t i = 0; i < ld->n_phones; i++)
		phone_put(d, &ld->phones[i]);
	for (size_t i = 0; i < ld->n_trunks; i++)
		trunk_put(d, &ld->trunks[i]);
	HASH_ITER(hh, d->phones, p, pnext)
	if (p->seen != d->round)
		phone_drop(d, p);
	HASH_ITER(hh, d->trunks, t, tnext)
	if (t->seen != d->round)
		trunk_drop(d, t);
	rules_build(d);
	log_info("directory.loaded", LOG_I("phones", ld->n_phones), LOG_I("trunks", ld->n_trunks),
		 LOG_I("revision", ld->revision));
}

struct load_waiter {
	struct load_waiter *next;
	void (*fn)(void *arg);
	void *arg;
};

static void waiters_run(struct load_waiter *w)
{
	while (w) {
		struct load_waiter *next = w->next;
		w->fn(w->arg);
		free(w);
		w = next;
	}
}

static void loaded(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct load *ld = arg;
	struct edge *e = ld->edge;
	struct directory *d = e->dir;
	if (d) {
		d->loading = false;
		if (err) {
			log_warn("directory.not_loaded", LOG_WHY(why));
		} else {
			bool first = !d->revision;
			if (!ld->same)
				swap_in(d, ld);
			d->revision = ld->revision;
			obs_check_set(e->ready_config, true, "");
			if (first)
				bindings_load(e);
		}
		waiters_run(PL_TAKE(d->waiting));
		if (d->again) {
			d->again = false;
			directory_reload(e);
		}
	}
	pl_arena_free(ld->arena);
	free(ld);
}

void directory_reload(struct edge *e)
{
	struct directory *d = e->dir;
	if (d->loading) {
		d->again = true;
		return;
	}
	struct load *ld = e->pg ? calloc(1, sizeof *ld) : NULL; /* no database: we are leaving */
	if (!ld)
		return;
	ld->edge = e;
	ld->known = d->revision;
	ld->arena = pl_arena_new(0);
	if (!ld->arena || pg_read(e->pg, load_job, loaded, ld)) {
		pl_arena_free(ld->arena);
		free(ld);
		return;
	}
	d->loading = true;
	d->waiting = PL_TAKE(d->waiting_next);
}

void directory_after_load(struct edge *e, void (*fn)(void *arg), void *arg)
{
	struct load_waiter *w = malloc(sizeof *w);
	if (!w) {
		fn(arg);
		return;
	}
	*w = (struct load_waiter){ e->dir->waiting_next, fn, arg };
	e->dir->waiting_next = w;
	directory_reload(e);
}

static void on_change(void *arg, const struct bus_msg *m)
{
	directory_reload(arg);
}

void directory_tick(struct edge *e)
{
	if (e->seconds % (e->dir->revision ? HEAL_S : 1) == 0)
		directory_reload(e);
	bindings_tick(e);
	keepalive_tick(e);
}

enum pl_err directory_open(struct edge *e, struct pl_why *why)
{
	static const char *const subjects[2] = { "ev.telephony.phone-changed.*", "ev.telephony.trunk-changed.*" };
	e->dir = calloc(1, sizeof *e->dir);
	if (!e->dir)
		return PL_E_NOMEM;
	e->dir->edge = e;
	enum pl_err err = PL_OK;
	for (int i = 0; i < 2 && !err; i++)
		err = bus_subscribe(&e->sub_changes[i], e->app->bus, subjects[i], NULL, on_change, e, why);
	if (!err)
		directory_reload(e);
	return err;
}

void directory_close(struct edge *e)
{
	struct directory *d = PL_TAKE(e->dir);
	struct phone *p, *pnext;
	struct trunk *t, *tnext;
	if (!d)
		return;
	waiters_run(d->waiting);
	waiters_run(d->waiting_next);
	HASH_CLEAR(hh_user, d->by_user);
	HASH_ITER(hh, d->phones, p, pnext)
	{
		HASH_DEL(d->phones, p);
		free(p->aor);
		free(p);
	}
	HASH_ITER(hh, d->trunks, t, tnext)
	{
		HASH_DEL(d->trunks, t);
		trunk_free(t);
	}
	free(d->rules);
	free(d->rule_owner);
	free(d);
}
