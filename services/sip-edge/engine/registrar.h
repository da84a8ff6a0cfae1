/** What a REGISTER does to the bindings of one user. Pure; the caller owns the array and sees to its size.
 *  Units      UTC microseconds (expiry must survive a restart); expires in seconds as on the wire.
 *  Source     RFC 3261 10.2 and 10.3 (order of the steps; Call-ID and CSeq; 423). */
#ifndef SIP_EDGE_REGISTRAR_H
#define SIP_EDGE_REGISTRAR_H
#include <parley/base.h>

#define REG_BINDINGS_MAX 6
#define REG_CONTACT_LEN 256
struct reg_binding {
	char contact[REG_CONTACT_LEN]; /* URI without name and header parameters */
	char next_hop[96];
	char user_agent[64];
	char call_id[96];
	char node[49];
	uint32_t cseq;
	int64_t expires_us;
};
struct reg_aor {
	struct reg_binding b[REG_BINDINGS_MAX];
	size_t n;
};
struct reg_contact {
	const char *uri;
	int64_t expires_s; /* -1: not said */
};
struct reg_request {
	const struct reg_contact *contacts;
	size_t n;
	bool star;         /* Contact: * */
	int64_t expires_s; /* of the Expires header, -1: absent */
	const char *call_id, *next_hop, *user_agent, *node;
	uint32_t cseq;
};
struct reg_limits {
	int64_t min_s, max_s, default_s;
	size_t max_bindings;
};

/** Returns the SIP status: 200, 400, 423 (too brief), 403 (too many), 500 (older CSeq). Nothing has changed unless it
 * is 200. ret_changed: some binding was added, renewed or removed. */
int reg_apply(struct reg_aor *aor, const struct reg_request *r, const struct reg_limits *lim, int64_t now_us,
	      bool *ret_changed);
/** Drops what has expired; returns how many. */
size_t reg_expire(struct reg_aor *aor, int64_t now_us);
/** Seconds left, rounded up, for the Contact of the answer. */
int64_t reg_left_s(const struct reg_binding *b, int64_t now_us);
#endif
