/** Who may send from where: "10.0.0.1", "10.0.0.0/24", "127.0.0.1:5080-5099", "[2001:db8::1]:5060", "2001:db8::/32".
 * Pure. The text of the address itself is turned into bytes by the caller (IPv4 as IPv4-mapped IPv6, RFC 4291 2.5.5.2).
 */
#ifndef SIP_EDGE_SOURCE_H
#define SIP_EDGE_SOURCE_H
#include <parley/base.h>

struct source_text {
	char addr[64];
	int prefix; /* -1: not said, the whole address */
	bool v6;
	uint16_t port_lo, port_hi;
};
/** Parts of one pattern. PL_E_FORMAT when it is none; *ret is untouched then. */
PL_MUST enum pl_err source_split(const char *text, struct source_text *ret);

struct source_rule {
	uint8_t addr[16];
	uint8_t prefix; /* 0..128 of the mapped form */
	uint16_t port_lo, port_hi;
	uint32_t owner; /* what matches, the caller's index */
};
bool source_match(const struct source_rule *r, const uint8_t addr[16], uint16_t port);
/** The most exact match: longest prefix, then narrowest ports; NULL when none. */
const struct source_rule *source_find(const struct source_rule *r, size_t n, const uint8_t addr[16], uint16_t port);
#endif
