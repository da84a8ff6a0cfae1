/* An interaction's facts to and from the message that is checkpointed. */
#include "rep.h"

#include <stdlib.h>

Parley__Report__V1__InteractionFacts *facts_message(const struct ix *x, struct pl_arena *a)
{
	const struct rep_ix *f = &x->f;
	Parley__Report__V1__InteractionFacts *m = PL_NEW(a, Parley__Report__V1__InteractionFacts);
	Parley__Report__V1__Fact *facts = pl_arena_alloc(a, (f->n_facts + 1) * sizeof(*facts));
	Parley__Common__V1__KeyValue *path = pl_arena_alloc(a, (f->path_used / 2 + 1) * sizeof(*path));
	if (!m || !facts || !path)
		return NULL;
	parley__report__v1__interaction_facts__init(m);
	m->facts = pl_arena_alloc(a, (f->n_facts + 1) * sizeof(*m->facts));
	m->ids = pl_arena_alloc(a, (f->n_ids + 1) * sizeof(*m->ids));
	m->menu_path = pl_arena_alloc(a, (f->path_used / 2 + 1) * sizeof(*m->menu_path));
	if (!m->facts || !m->ids || !m->menu_path)
		return NULL;
	m->id = (char *)(uintptr_t)x->id;
	m->channel = (Parley__Common__V1__Channel)f->channel;
	m->direction = (Parley__Common__V1__Direction)f->direction;
	m->customer_number = (char *)(uintptr_t)f->customer_number;
	m->customer_name = (char *)(uintptr_t)f->customer_name;
	m->dialled_number = (char *)(uintptr_t)f->dialled_number;
	m->mos = f->mos;
	m->loss_pct = f->loss_pct;
	m->priority = x->priority;
	for (m->n_ids = 0; m->n_ids < f->n_ids; m->n_ids++)
		m->ids[m->n_ids] = f->ids[m->n_ids].s;
	for (m->n_facts = 0; m->n_facts < f->n_facts; m->n_facts++) {
		const struct rep_fact *k = &f->facts[m->n_facts];
		Parley__Report__V1__Fact *t = m->facts[m->n_facts] = &facts[m->n_facts];
		parley__report__v1__fact__init(t);
		t->time_us = (uint64_t)k->time_us;
		t->seq = k->seq;
		t->event = k->id;
		t->kind = k->kind;
		t->result = k->result;
		t->by = k->by;
		t->agent = k->agent;
		t->queue = k->queue;
		t->value = k->value;
		t->of_queue = k->flag;
	}
	for (uint32_t at = 0; at < f->path_used; m->n_menu_path++) {
		Parley__Common__V1__KeyValue *kv = m->menu_path[m->n_menu_path] = &path[m->n_menu_path];
		parley__common__v1__key_value__init(kv);
		kv->key = f->path + at;
		at += (uint32_t)strlen(kv->key) + 1;
		kv->value = f->path + at;
		at += (uint32_t)strlen(kv->value) + 1;
	}
	return m;
}

static bool room(struct rep_ix *f, const Parley__Report__V1__InteractionFacts *m)
{
	size_t path = 0;
	for (size_t i = 0; i < m->n_menu_path; i++)
		path += strlen(m->menu_path[i]->key) + strlen(m->menu_path[i]->value) + 2;
	if (m->n_facts > REP_FACTS_MAX || m->n_ids > REP_IDS_MAX || path > REP_PATH_BYTES)
		return false;
	f->cap_facts = (uint32_t)m->n_facts + 8;
	f->cap_ids = (uint32_t)m->n_ids + 2;
	f->cap_path = (uint32_t)path + 16;
	f->facts = calloc(f->cap_facts, sizeof(*f->facts));
	f->ids = calloc(f->cap_ids, sizeof(*f->ids));
	f->path = calloc(f->cap_path, 1);
	return f->facts && f->ids && f->path;
}

enum pl_err facts_restore(struct ix *x, const Parley__Report__V1__InteractionFacts *m)
{
	struct rep_ix *f = &x->f;
	if (!room(f, m))
		return PL_E_FORMAT;
	f->channel = (int)m->channel;
	f->direction = (int)m->direction;
	pl_strlcpy(f->customer_number, m->customer_number, sizeof(f->customer_number));
	pl_strlcpy(f->customer_name, m->customer_name, sizeof(f->customer_name));
	pl_strlcpy(f->dialled_number, m->dialled_number, sizeof(f->dialled_number));
	f->mos = m->mos;
	f->loss_pct = m->loss_pct;
	x->priority = m->priority;
	for (; f->n_ids < m->n_ids; f->n_ids++)
		pl_strlcpy(f->ids[f->n_ids].s, m->ids[f->n_ids], sizeof(f->ids[0].s));
	for (; f->n_facts < m->n_facts; f->n_facts++) {
		const Parley__Report__V1__Fact *t = m->facts[f->n_facts];
		f->facts[f->n_facts] = (struct rep_fact){ .time_us = (int64_t)t->time_us,
							  .seq = t->seq,
							  .id = t->event,
							  .value = t->value,
							  .kind = (uint8_t)t->kind,
							  .result = (uint8_t)t->result,
							  .by = (uint8_t)t->by,
							  .agent = (uint8_t)t->agent,
							  .queue = (uint8_t)t->queue,
							  .flag = t->of_queue != 0 };
	}
	for (size_t i = 0; i < m->n_menu_path; i++) {
		size_t k = strlen(m->menu_path[i]->key) + 1, v = strlen(m->menu_path[i]->value) + 1;
		memcpy(f->path + f->path_used, m->menu_path[i]->key, k);
		memcpy(f->path + f->path_used + k, m->menu_path[i]->value, v);
		f->path_used += (uint32_t)(k + v);
	}
	return PL_OK;
}
