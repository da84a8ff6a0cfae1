/** "Why did this interaction wait", "why did this agent get nothing", in plain words. Both answer the call. */
#ifndef ACD_EXPLAIN_H
#define ACD_EXPLAIN_H
#include "router.h"

void explain_item(struct rpc_call *c);  /* from the ledger, which keeps its events, and from the present state */
void explain_agent(struct rpc_call *c); /* from the present state and the latest decisions */
#endif
