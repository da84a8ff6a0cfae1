/* Tells the router whose desk is open: presence.desk.<user>, at once, every 5 s, and when the last stream closes. */
#include "api.h"

#include <parley/acd/v1/acd.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

struct presence {
	UT_hash_handle hh;
	char user_id[40];
	int streams;
};

static void tell(struct api *a, const char *user_id, bool gone)
{
	Parley__Acd__V1__DeskPresence m = PARLEY__ACD__V1__DESK_PRESENCE__INIT;
	char subject[80];

	snprintf(subject, sizeof(subject), "presence.desk.%s", user_id);
	m.agent_id = (char *)(uintptr_t)user_id;
	m.node = (char *)(uintptr_t)bus_node(a->app->bus);
	m.gone = gone;
	enum pl_err err = rpc_send(a->app->bus, subject, &m.base);
	if (err)
		log_debug("presence.untold", LOG_S("user", user_id)); /* the next one is 5 s away */
}

void presence_enter(struct api *a, const char *user_id)
{
	struct presence *p;

	HASH_FIND_STR(a->present, user_id, p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		pl_strlcpy(p->user_id, user_id, sizeof(p->user_id));
		HASH_ADD_STR(a->present, user_id, p);
	}
	if (p->streams++ == 0)
		tell(a, user_id, false);
}

void presence_leave(struct api *a, const char *user_id)
{
	struct presence *p;

	HASH_FIND_STR(a->present, user_id, p);
	if (!p || --p->streams > 0)
		return;
	tell(a, user_id, true);
	HASH_DEL(a->present, p);
	free(p);
}

void presence_tick(struct api *a)
{
	struct presence *p, *next;

	HASH_ITER(hh, a->present, p, next)
	tell(a, p->user_id, false);
}

void presence_free(struct api *a)
{
	struct presence *p, *next;

	HASH_ITER(hh, a->present, p, next)
	{
		HASH_DEL(a->present, p);
		free(p);
	}
}
