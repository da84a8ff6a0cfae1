#ifndef SIP_EDGE_REGISTER_H
#define SIP_EDGE_REGISTER_H
#include "edge.h"
/** Answers a REGISTER (RFC 3261 10.3); takes the message. */
void register_handle(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer);
#endif
