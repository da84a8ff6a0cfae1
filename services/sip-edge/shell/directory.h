/** Phones and trunks in memory: what every request needs to know without asking anybody. Filled from PostgreSQL at
 * start, kept by events, healed every 15 s by comparing revisions. Bindings hang on their phone (bindings.c). Ownership
 * entries belong to the directory; a trunk lives on while legs count against it. */
#ifndef SIP_EDGE_DIRECTORY_H
#define SIP_EDGE_DIRECTORY_H
#include <uthash.h>

#include "../engine/registrar.h"
#include "../engine/source.h"
#include "edge.h"

struct phone {
	UT_hash_handle hh, hh_user;
	char id[PL_ID_LEN], user[65], display_name[129], agent_id[65];
	char ha1[DIGEST_ALGORITHM_N][DIGEST_HEX_MAX]; /* "": that algorithm cannot be used */
	bool enabled;
	uint64_t revision, seen;
	struct reg_aor *aor; /* NULL: no binding */
	bool dirty;          /* aor differs from Redis */
};

struct trunk {
	UT_hash_handle hh;
	char id[PL_ID_LEN], name[129], outbound_uri[256], caller_id[65], sources[1024], codecs[640];
	bool enabled, removed, reachable, pinging;
	uint32_t max_channels, channels, keepalive_ms;
	int64_t ping_us; /* when the next keepalive is due */
	uint64_t revision, seen;
	nta_outgoing_t *ping;
};

struct directory {
	struct edge *edge;
	struct phone *phones, *by_user;
	struct trunk *trunks;
	struct source_rule *rules; /* of enabled trunks */
	struct trunk **rule_owner;
	size_t n_rules;
	uint64_t round;   /* of loading */
	int64_t revision; /* of what is loaded; 0: nothing yet */
	bool loading, again;
	struct load_waiter *waiting, *waiting_next; /* for the load that runs; for the one after it */
	size_t n_registered;
};

PL_MUST enum pl_err directory_open(struct edge *e, struct pl_why *why);
void directory_close(struct edge *e);
/** Loads everything again, in the background; done quickly when nothing has changed. */
void directory_reload(struct edge *e);
/** fn runs when a load that begins after now is done, well or not. */
void directory_after_load(struct edge *e, void (*fn)(void *arg), void *arg);
/** Once a second. */
void directory_tick(struct edge *e);

struct phone *phone_by_id(const struct edge *e, const char *id);
struct phone *phone_by_user(const struct edge *e, const char *user);
struct trunk *trunk_by_id(const struct edge *e, const char *id);
struct trunk *trunk_by_source(const struct edge *e, const struct peer *p);
void trunk_take(struct trunk *t);
void trunk_release(struct trunk *t);
/** One pattern of a source list as bytes; PL_E_FORMAT with the reason. */
PL_MUST enum pl_err source_rule_make(const char *text, struct source_rule *ret, struct pl_why *why);

/* keepalive.c: OPTIONS to carriers */
void keepalive_tick(struct edge *e);

/* bindings.c */
PL_MUST enum pl_err bindings_open(struct edge *e, struct pl_why *why);
void bindings_tick(struct edge *e);
/** After a REGISTER has changed the bindings of p: Redis, the other edges, the ledger. */
void bindings_changed(struct edge *e, struct phone *p, bool had_some, const char *why_gone);
void bindings_load(struct edge *e); /* from Redis, once phones are known */
void bindings_redis_up(void *edge);
struct reg_aor *bindings_of(struct phone *p); /* allocated on demand; NULL when memory is out */
void bindings_drop_empty(struct phone *p);
#endif
