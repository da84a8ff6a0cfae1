/** TrunkService and PhoneService of this edge (any copy answers). */
#ifndef SIP_EDGE_RPC_H
#define SIP_EDGE_RPC_H
#include "edge.h"
#include "parley/telephony/v1/telephony.pb-c.h"

PL_MUST enum pl_err rpc_phone_open(struct edge *e, struct pl_why *why);
PL_MUST enum pl_err rpc_trunk_open(struct edge *e, struct pl_why *why);
/** An admin's change: the job in a transaction, then the outbox is kicked; the reply waits until memory has the change.
 */
void rpc_edit(struct rpc_call *c, rpc_job_fn job);
/** Head of an event of this call, in its arena; NULL when memory is out. */
Parley__Common__V1__EventMeta *rpc_event_meta(struct rpc_call *c, const char *agent_id);
#endif
