/* LegCommands of the owners. Delivery is at most once per publish and the audit heals the rest; a command that comes
 * twice or too late is known by its number. */
#include <stdlib.h>

#include "directory.h"
#include "legs.h"

typedef Parley__Telephony__V1__LegCommand command_t;
#define IS(k) PARLEY__TELEPHONY__V1__LEG_COMMAND__COMMAND_##k

static bool offer(struct leg *l, const char *sdp)
{
	free(l->offer_sdp);
	l->offer_sdp = strdup(sdp);
	/* While another offer is open it waits; leg_event() asks again when the leg is back up. */
	return l->sm.state != LEG_UP || !leg_event(l, LEG_EV_OFFER, NULL);
}

static bool apply(struct leg *l, const command_t *c)
{
	switch (c->command_case) {
	case IS(PROGRESS):
		return !leg_event(l, LEG_EV_PROGRESS,
				  &(struct leg_input){ .status = (int)c->progress->status, .sdp = c->progress->sdp });
	case IS(ANSWER):
		return !leg_event(l, LEG_EV_ANSWER, &(struct leg_input){ .status = 200, .sdp = c->answer->sdp });
	case IS(HANGUP):
		return !leg_event(l, LEG_EV_HANGUP,
				  &(struct leg_input){ .status = (int)c->hangup->status, .reason = c->hangup->reason });
	case IS(REINVITE):
		return offer(l, c->reinvite->sdp);
	case IS(ANSWER_REINVITE):
		return !leg_event(l, LEG_EV_REANSWER, &(struct leg_input){ .sdp = c->answer_reinvite->sdp });
	case IS(REFER_RESULT):
		leg_refer_result(l, c->refer_result->status);
		return true;
	case IS(ADOPT):
		owner_tell_state(l);
		return true;
	default:
		return false;
	}
}

static void command(struct edge *e, const command_t *c)
{
	struct leg *l = leg_find(e, c->leg_id);
	if (!l && c->command_case == IS(DIAL)) {
		leg_out_dial(e, c);
		return;
	}
	if (!l) {
		if (c->command_case != IS(HANGUP))
			owner_tell_unknown(e, c->owner, c->leg_id);
		return;
	}
	bool new_owner = !pl_streq(l->owner, c->owner);
	if (new_owner && *l->owner && c->command_case != IS(ADOPT)) {
		obs_add(e->m.commands_refused, 1);
		return; /* a former owner that does not know it yet */
	}
	if (!new_owner && c->seq <= l->cmd_seq)
		return;
	if (new_owner)
		pl_strlcpy(l->owner, c->owner, sizeof l->owner);
	l->orphan_us = 0;
	l->unlisted = 0;
	l->cmd_seq = c->seq;
	if (!apply(l, c)) {
		obs_add(e->m.commands_refused, 1);
		log_debug("command.refused", LOG_S("leg", l->id), LOG_I("kind", c->command_case),
			  LOG_S("state", leg_state_name(l->sm.state)));
	}
}

static void on_command(void *arg, const struct bus_msg *m)
{
	struct edge *e = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	obs_add(e->m.commands, 1);
	enum pl_err err = rpc_unpack(&parley__telephony__v1__leg_command__descriptor, m->data, m->len,
				     pl_loop_tmp(e->app->loop), &pm, &why);
	const command_t *c = (const command_t *)pm;
	if (!err && (!pl_id_ok(c->leg_id) || pl_empty(c->owner) || strlen(c->owner) > 48))
		err = pl_why_set(&why, PL_E_FORMAT, "leg_id or owner");
	if (err) {
		log_warn("command.bad", LOG_WHY(&why));
		return;
	}
	command(e, c);
}

enum pl_err commands_open(struct edge *e, struct pl_why *why)
{
	char *subject = pl_arena_printf(e->app->arena, "node.%s.LegCommands", bus_node(e->app->bus));
	return bus_subscribe(&e->sub_commands, e->app->bus, subject, NULL, on_command, e, why);
}
