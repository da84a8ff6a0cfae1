/* sofia-sip with our context types; the only place that includes it. Every callback context is a void pointer: one
 * transaction type serves legs, forks and keepalives. */
#ifndef SIP_EDGE_SOFIA_H
#define SIP_EDGE_SOFIA_H
#define SU_ROOT_MAGIC_T void
#define SU_WAKEUP_ARG_T void
#define NTA_AGENT_MAGIC_T void
#define NTA_LEG_MAGIC_T void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#include <sofia-sip/su_wait.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/url_tag.h>
#endif
