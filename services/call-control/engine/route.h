/** Which inbound route a dialled number takes. Pure.
 *  Order      an exact number before a pattern, a longer pattern before a shorter one; of equals the one for this trunk
 * before the one for any, then the smaller id. Routes that are not enabled do not count. */
#ifndef CALL_CONTROL_ROUTE_H
#define CALL_CONTROL_ROUTE_H
#include <parley/base.h>

enum route_kind { ROUTE_NONE, ROUTE_FLOW, ROUTE_QUEUE, ROUTE_PHONE, ROUTE_URI };
struct route {
	const char *id, *name, *number, *trunk_id;
	enum route_kind kind;
	const char *dest; /* flow or queue id, phone user, URI */
	bool enabled, record;
	uint64_t revision;
};
const struct route *route_find(const struct route *at, size_t n, const char *number, const char *trunk_id);
/** The URI with {number} and {rest} filled in; what is put in must be [A-Za-z0-9+*#._-], so that a caller cannot write
 * a URI. PL_E_FULL, PL_E_FORMAT. */
PL_MUST enum pl_err route_uri(const struct route *r, const char *number, char *out, size_t size);
/** Digits, or a pattern with one "*" at the end; 1 to 63 of [A-Za-z0-9+#._-]. */
bool route_number_ok(const char *number);
#endif
