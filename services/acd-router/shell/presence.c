/* Who is there. Every copy listens, so that a new leader knows; only the leader judges, and gives everybody the full
 * time again from the moment it began to lead. */
#include <stdlib.h>
#include <uthash.h>

#include "parley/telephony/v1/telephony.pb-c.h"
#include "router.h"

#define PHONE_MAX 100000
#define ASK_MS 5000

struct desk {
	UT_hash_handle hh;
	struct acd_id agent;
	int64_t seen_us;
};
struct phone {
	UT_hash_handle hh;
	char id[ACD_PHONE_LEN];
	int64_t gone_us;
};
struct presence {
	struct router *r;
	struct bus_sub *desk_sub, *reg_sub, *unreg_sub;
	struct desk *desks;
	bool asking;
	struct phone *phones; /* those that are gone; the others are there or were never heard of */
};

static void on_desk(void *arg, const struct bus_msg *m)
{
	struct presence *p = arg;
	struct acd_id id;
	struct desk *d = NULL;
	const char *dot = strrchr(m->subject, '.');
	if (!dot || !acd_id_parse(dot + 1, &id) || acd_id_none(id))
		return;
	HASH_FIND(hh, p->desks, &id, sizeof(id), d);
	if (!d && HASH_COUNT(p->desks) < p->r->lim.agents * 2 && (d = calloc(1, sizeof(*d)))) {
		d->agent = id;
		HASH_ADD(hh, p->desks, agent, sizeof(d->agent), d);
	}
	if (d) /* "gone" counts as a sign too: the time runs from the last one */
		d->seen_us = pl_wall_us();
}

static const char *phone_of(const struct bus_msg *m)
{
	const char *dot = strrchr(m->subject, '.');
	return dot && strlen(dot + 1) > 0 && strlen(dot + 1) < ACD_PHONE_LEN ? dot + 1 : NULL;
}

static void phone_there(struct presence *p, const char *id)
{
	struct phone *f = NULL;
	HASH_FIND_STR(p->phones, id, f);
	if (!f)
		return;
	HASH_DEL(p->phones, f);
	free(f);
}

static void phone_gone(struct presence *p, const char *id)
{
	struct phone *f = NULL;
	HASH_FIND_STR(p->phones, id, f);
	if (f || HASH_COUNT(p->phones) >= PHONE_MAX || !(f = calloc(1, sizeof(*f))))
		return;
	pl_strlcpy(f->id, id, sizeof(f->id));
	f->gone_us = pl_wall_us();
	HASH_ADD_STR(p->phones, id, f);
}

static void on_registered(void *arg, const struct bus_msg *m)
{
	if (phone_of(m))
		phone_there(arg, phone_of(m));
}

static void on_unregistered(void *arg, const struct bus_msg *m)
{
	if (phone_of(m))
		phone_gone(arg, phone_of(m));
}

static void on_phones(void *arg, enum pl_err err, const ProtobufCMessage *m, const struct pl_why *why)
{
	struct presence *p = arg;
	const Parley__Telephony__V1__ListPhonesResponse *l = (const void *)m;
	p->asking = false;
	if (err)
		log_debug("acd.phones", LOG_WHY(why));
	for (size_t i = 0; !err && i < l->n_phones; i++) {
		const Parley__Telephony__V1__Phone *f = l->phones[i];
		if (strlen(f->id) >= ACD_PHONE_LEN)
			continue;
		if (f->registered)
			phone_there(p, f->id);
		else
			phone_gone(p, f->id);
	}
}

void presence_ask(struct presence *p)
{
	Parley__Telephony__V1__ListPhonesRequest q = PARLEY__TELEPHONY__V1__LIST_PHONES_REQUEST__INIT;
	struct rpc_to to = { .service = &parley__telephony__v1__phone_service__descriptor,
			     .method = "ListPhones",
			     .actor = "service acd-router",
			     .timeout_ms = ASK_MS };
	struct pl_why why = { 0 };
	if (!p->asking)
		p->asking = rpc_ask(p->r->bus, &to, &q.base, on_phones, p, &why) != 0;
}

enum pl_err presence_new(struct presence **ret, struct router *r, struct pl_why *why)
{
	struct presence *p = calloc(1, sizeof(*p));
	if (!p)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	p->r = r;
	*ret = p;
	enum pl_err err = bus_subscribe(&p->desk_sub, r->bus, "presence.desk.*", NULL, on_desk, p, why);
	if (!err)
		err = bus_subscribe(&p->reg_sub, r->bus, "ev.telephony.registered.*", NULL, on_registered, p, why);
	if (!err)
		err = bus_subscribe(&p->unreg_sub, r->bus, "ev.telephony.unregistered.*", NULL, on_unregistered, p,
				    why);
	return err;
}

void presence_free(struct presence *p)
{
	if (!p)
		return;
	bus_unsubscribe(p->desk_sub);
	bus_unsubscribe(p->reg_sub);
	bus_unsubscribe(p->unreg_sub);
	struct desk *d, *dn;
	HASH_ITER(hh, p->desks, d, dn)
	{
		HASH_DEL(p->desks, d);
		free(d);
	}
	struct phone *f, *fn;
	HASH_ITER(hh, p->phones, f, fn)
	{
		HASH_DEL(p->phones, f);
		free(f);
	}
	free(p);
}

/* Wall time of the last sign of life; INT64_MAX: is there. */
static int64_t last_sign(const struct presence *p, const struct acd_status *st)
{
	if (st->presence == ACD_PR_DESK) {
		struct desk *d = NULL;
		HASH_FIND(hh, p->desks, &st->agent, sizeof(st->agent), d);
		return d ? d->seen_us : 0;
	}
	if (st->presence == ACD_PR_PHONE) {
		struct phone *f = NULL;
		HASH_FIND_STR(p->phones, st->phone, f);
		return f ? f->gone_us : INT64_MAX;
	}
	return INT64_MAX;
}

static void tell_gone(const struct presence *p, const struct acd_status *st)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__PresenceChanged c = PARLEY__ACD__V1__PRESENCE_CHANGED__INIT;
	char agent[PL_ID_LEN];
	struct pl_arena *tmp = pl_loop_tmp(p->r->loop);
	c.agent_id = acd_id_text(st->agent, agent);
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_PRESENCE;
	in.presence = &c;
	/* One per sign-in, however often we look before it is applied. */
	char *id = pl_arena_printf(tmp, "gone-%.36s-%" PRIx64, agent, (uint64_t)st->signed_in_us);
	log_info("acd.presence.lost", LOG_S("agent", agent));
	inlog_put(p->r->in, &in, id ? id : agent, NULL, NULL);
}

void presence_judge(struct presence *p)
{
	int64_t now = pl_wall_us(), limit = p->r->opts->presence_s * PL_US_PER_S;
	struct acd_status st;
	struct acd_id id;
	for (uint32_t pos = 0; acd_agent_next(p->r->e, &pos, &id);) {
		if (!acd_status_get(p->r->e, id, &st) || !st.signed_in_us)
			continue;
		int64_t sign = last_sign(p, &st);
		if (sign == INT64_MAX)
			continue;
		sign = PL_MAX(PL_MAX(sign, st.signed_in_us), lead_since_us(p->r->lead));
		if (now - sign > limit)
			tell_gone(p, &st);
	}
}
