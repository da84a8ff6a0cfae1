/* The latest decisions, for the question "why did this agent get nothing": by agent they cannot be found in the
 * ledger. */
#include <stdlib.h>

#include "router.h"

#define KEPT 4096

struct page {
	size_t len;
	uint8_t *data;
};
struct diary {
	struct page pages[KEPT];
	size_t next;
};

enum pl_err diary_new(struct diary **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? PL_OK : PL_E_NOMEM;
}

void diary_free(struct diary *d)
{
	for (size_t i = 0; d && i < KEPT; i++)
		free(d->pages[i].data);
	free(d);
}

void diary_add(struct diary *d, const Parley__Acd__V1__Decision *m)
{
	struct page *p = &d->pages[d->next++ % KEPT];
	size_t len = protobuf_c_message_get_packed_size(&m->base);
	free(p->data);
	p->data = malloc(len ? len : 1);
	p->len = p->data ? protobuf_c_message_pack(&m->base, p->data) : 0;
}

static bool names(const Parley__Acd__V1__Decision *m, const char *agent_id)
{
	for (size_t i = 0; i < m->n_candidates; i++)
		if (pl_streq(m->candidates[i]->agent_id, agent_id))
			return true;
	return false;
}

size_t diary_find(const struct diary *d, const char *agent_id, struct pl_arena *a, Parley__Acd__V1__Decision **out,
		  size_t max)
{
	size_t n = 0;
	for (size_t back = 1; back <= PL_MIN(d->next, (size_t)KEPT) && n < max; back++) {
		const struct page *p = &d->pages[(d->next - back) % KEPT];
		ProtobufCMessage *m = NULL;
		if (!p->len ||
		    rpc_unpack(&parley__acd__v1__decision__descriptor, p->data, p->len, a, &m, NULL) != PL_OK)
			continue;
		Parley__Acd__V1__Decision *dec = (Parley__Acd__V1__Decision *)(void *)m;
		if (names(dec, agent_id))
			out[n++] = dec;
	}
	return n;
}
