/** Who sends a request: a trunk by its address, or a phone by its digest. */
#ifndef SIP_EDGE_AUTH_H
#define SIP_EDGE_AUTH_H
#include "edge.h"

struct trunk;
struct phone;
struct caller {
	struct trunk *trunk;
	struct phone *phone;
	const char *id, *user; /* user NULL for trunks: their From says who calls */
};
/** False: the message has been answered (challenge, 403, 400) or, for a banned address, dropped without a word. */
bool caller_of(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer, struct caller *ret);
/** Digest only; as above. */
bool phone_of(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer, struct phone **ret);
/** A stranger did something a phone or carrier does not do; may begin a ban. */
void auth_suspicious(struct edge *e, const struct peer *peer, uint32_t points, const char *what);
void auth_init(struct edge *e);
/** H(user:realm:password) for both algorithms. */
void auth_ha1(const char *user, const char *realm, const char *password, char out[DIGEST_ALGORITHM_N][DIGEST_HEX_MAX]);
#endif
