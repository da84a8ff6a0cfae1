/** Rows of the schema `telephony` as plain structs, and the queries. In pg jobs only; results are in pg_tmp() or the
 * arena given. */
#ifndef SIP_EDGE_STORE_H
#define SIP_EDGE_STORE_H
#include <parley/pg.h>

#include "../engine/digest.h"
#include "parley/telephony/v1/telephony.pb-c.h"

struct phone_row {
	const char *id, *user, *display_name, *agent_id, *ha1[DIGEST_ALGORITHM_N];
	bool enabled;
	uint64_t revision;
};
struct trunk_row {
	const char *id, *name, *outbound_uri, *caller_id;
	const char *sources; /* separated by commas */
	const char *codecs;
	bool enabled;
	uint32_t max_channels, keepalive_ms;
	uint64_t revision;
};

PL_MUST enum pl_err store_revision(struct pg_conn *c, int64_t *ret, struct pl_why *why);

/** All, or of one agent, or one by id or by user; NULL: no such condition. */
struct phone_filter {
	const char *agent_id, *id, *user;
};
PL_MUST enum pl_err store_phones(struct pg_conn *c, const struct phone_filter *f, struct phone_row **ret, size_t *ret_n,
				 struct pl_why *why);
PL_MUST enum pl_err store_phone_insert(struct pg_conn *c, struct phone_row *p, struct pl_why *why); /* sets revision */
/** ha1 NULL: the secret stays. revision 0: whatever it was; else PL_E_CONFLICT when it changed. */
PL_MUST enum pl_err store_phone_update(struct pg_conn *c, struct phone_row *p, struct pl_why *why);
PL_MUST enum pl_err store_phone_delete(struct pg_conn *c, const char *id, struct pl_why *why);

PL_MUST enum pl_err store_trunks(struct pg_conn *c, const char *id, struct trunk_row **ret, size_t *ret_n,
				 struct pl_why *why);
PL_MUST enum pl_err store_trunk_insert(struct pg_conn *c, struct trunk_row *t, struct pl_why *why);
PL_MUST enum pl_err store_trunk_update(struct pg_conn *c, struct trunk_row *t, struct pl_why *why);
PL_MUST enum pl_err store_trunk_delete(struct pg_conn *c, const char *id, struct pl_why *why);
#endif
