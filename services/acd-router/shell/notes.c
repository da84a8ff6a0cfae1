/* Notes the engine carries for us: packed messages of the contract. */
#include "router.h"

static const ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *d, struct acd_note n, struct pl_arena *a)
{
	ProtobufCMessage *m = NULL;
	if (n.n && rpc_unpack(d, n.p, n.n, a, &m, NULL) == PL_OK)
		return m;
	m = pl_arena_alloc(a, d->sizeof_message);
	if (m)
		protobuf_c_message_init(d, m);
	return m;
}

/* A note is read when the loop has memory or the process ends: these never give NULL in practice, so one static empty
 * message stands in for an arena that is full. */
const Parley__Acd__V1__Queue *note_queue(const struct router *r, struct acd_id id, struct pl_arena *a)
{
	static const Parley__Acd__V1__Queue none = PARLEY__ACD__V1__QUEUE__INIT;
	const void *m = unpack(&parley__acd__v1__queue__descriptor, acd_queue_note(r->e, id), a);
	return m ? m : &none;
}

const Parley__Acd__V1__Agent *note_agent(const struct router *r, struct acd_id id, struct pl_arena *a)
{
	static const Parley__Acd__V1__Agent none = PARLEY__ACD__V1__AGENT__INIT;
	const void *m = unpack(&parley__acd__v1__agent__descriptor, acd_agent_note(r->e, id), a);
	return m ? m : &none;
}

const Parley__Acd__V1__PauseReason *note_reason(const struct router *r, struct acd_id id, struct pl_arena *a)
{
	static const Parley__Acd__V1__PauseReason none = PARLEY__ACD__V1__PAUSE_REASON__INIT;
	const void *m = unpack(&parley__acd__v1__pause_reason__descriptor, acd_reason_note(r->e, id), a);
	return m ? m : &none;
}

const Parley__Acd__V1__Enqueue *note_item(const struct router *r, uint32_t item_ref, struct pl_arena *a)
{
	static const Parley__Acd__V1__Enqueue none = PARLEY__ACD__V1__ENQUEUE__INIT;
	const void *m = unpack(&parley__acd__v1__enqueue__descriptor, acd_item_note(r->e, item_ref), a);
	return m ? m : &none;
}
