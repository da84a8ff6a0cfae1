/* Digest with sofia's header parser, libsodium's SHA-256 and sofia's MD5; the rules are in engine/digest.c. */
#include <parley/crypto.h>
#include <sofia-sip/su_md5.h>
#include <stdio.h>

#include "auth.h"
#include "directory.h"
#include "legs.h"

static void hash_hex(enum digest_algorithm a, const char *text, size_t n, char out[DIGEST_HEX_MAX])
{
	if (a == DIGEST_SHA256) {
		crypto_sha256_hex(text, n, out);
		return;
	}
	su_md5_t ctx[1];
	uint8_t md[SU_MD5_DIGEST_SIZE];
	su_md5_init(ctx);
	su_md5_update(ctx, text, (usize_t)n);
	su_md5_digest(ctx, md);
	pl_hex(md, sizeof md, out);
}

static void mac(const void *key, const void *p, size_t n, uint8_t out[32])
{
	crypto_hmac_sha256(key, 32, p, n, out);
}

void auth_ha1(const char *user, const char *realm, const char *password, char out[DIGEST_ALGORITHM_N][DIGEST_HEX_MAX])
{
	char text[64 + 64 + 256 + 3];
	int n = snprintf(text, sizeof text, "%s:%s:%s", user, realm, password);
	for (enum digest_algorithm a = 0; a < DIGEST_ALGORITHM_N; a++)
		hash_hex(a, text, PL_MIN((size_t)n, sizeof text - 1), out[a]);
	explicit_bzero(text, sizeof text);
}

static struct digest_fns fns_of(const struct edge *e)
{
	return (struct digest_fns){ hash_hex, mac, e->nonce_key };
}

static void challenge(struct edge *e, msg_t *msg, const struct peer *peer, bool stale)
{
	char nonce[DIGEST_NONCE_LEN], header[DIGEST_ALGORITHM_N][320];
	uint8_t random[8];
	struct digest_fns f = fns_of(e);
	if (pl_random(random, sizeof random)) {
		nta_msg_treply(e->agent, msg, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		return;
	}
	digest_nonce_make(&f, pl_wall_us() / PL_US_PER_S, random, peer->host, nonce);
	for (int a = 0; a < DIGEST_ALGORITHM_N; a++)
		snprintf(header[a], sizeof header[a], "Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s",
			 e->cfg->realm, nonce, digest_algorithm_name((enum digest_algorithm)a),
			 stale ? ", stale=true" : "");
	obs_add(e->m.challenges, 1);
	const sip_t *sip = sip_object(msg);
	bool md5_only = digest_md5_only(sip && sip->sip_user_agent ? sip->sip_user_agent->g_string : NULL);
	/* The one we prefer first (RFC 8760 2.3). */
	nta_msg_treply(e->agent, msg, SIP_401_UNAUTHORIZED,
		       TAG_IF(!md5_only, SIPTAG_WWW_AUTHENTICATE_STR(header[DIGEST_SHA256])),
		       SIPTAG_WWW_AUTHENTICATE_STR(header[DIGEST_MD5]), SIPTAG_SERVER_STR(USER_AGENT), TAG_END());
}

void auth_suspicious(struct edge *e, const struct peer *peer, uint32_t points, const char *what)
{
	int64_t ban = guard_fail(&e->guard, peer->addr, points, edge_now_us(e));
	if (!ban)
		return;
	obs_add(e->m.bans, 1);
	log_warn("source.banned", LOG_S("address", peer->host), LOG_I("ban_s", ban / PL_US_PER_S), LOG_S("for", what));
}

static const char *param(su_home_t *home, const msg_param_t *params, const char *name)
{
	const char *v = msg_params_find(params, name);
	return v && *v == '"' ? msg_unquote_dup(home, v) : v;
}

/* The first Authorization for our realm with an algorithm we know. */
static bool answer_of(struct edge *e, su_home_t *home, const sip_t *sip, struct digest_answer *ret)
{
	for (const sip_authorization_t *au = sip->sip_authorization; au; au = au->au_next) {
		if (!su_casematch(au->au_scheme, "Digest"))
			continue;
		const msg_param_t *p = au->au_params;
		*ret = (struct digest_answer){
			.username = param(home, p, "username="),
			.realm = param(home, p, "realm="),
			.nonce = param(home, p, "nonce="),
			.uri = param(home, p, "uri="),
			.response = param(home, p, "response="),
			.qop = param(home, p, "qop="),
			.nc = param(home, p, "nc="),
			.cnonce = param(home, p, "cnonce="),
		};
		if (pl_streq(ret->realm, e->cfg->realm) &&
		    !digest_algorithm_parse(param(home, p, "algorithm="), &ret->algorithm))
			return true;
	}
	return false;
}

static enum digest_verdict judge(struct edge *e, const sip_t *sip, const struct peer *peer,
				 const struct digest_answer *a, struct phone **ret)
{
	struct phone *p = a->username ? phone_by_user(e, a->username) : NULL;
	bool usable = p && p->enabled && *p->ha1[a->algorithm];
	struct digest_fns f = fns_of(e);
	struct digest_check c = {
		.method = sip->sip_request->rq_method_name,
		.realm = e->cfg->realm,
		.ha1 = usable ? p->ha1[a->algorithm] : NULL,
		.scope = peer->host,
		.now_s = pl_wall_us() / PL_US_PER_S,
		.max_age_s = e->cfg->nonce_age_s,
	};
	enum digest_verdict v = digest_verify(&f, &e->seen, a, &c);
	*ret = p;
	return v;
}

bool phone_of(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer, struct phone **ret)
{
	struct digest_answer a;
	su_home_t *home = msg_home(msg);
	if (!answer_of(e, home, sip, &a)) {
		auth_suspicious(e, peer, GUARD_NO_SECRET, "no credentials");
		challenge(e, msg, peer, false);
		return false;
	}
	switch (judge(e, sip, peer, &a, ret)) {
	case DIGEST_OK:
		guard_ok(&e->guard, peer->addr);
		return true;
	case DIGEST_STALE:
		challenge(e, msg, peer, true);
		return false;
	case DIGEST_FORMAT:
		auth_suspicious(e, peer, GUARD_SCAN, "bad credentials");
		nta_msg_treply(e->agent, msg, SIP_400_BAD_REQUEST, TAG_END());
		return false;
	case DIGEST_WRONG:
		break;
	}
	obs_add(e->m.auth_failures, 1);
	log_info("auth.failed", LOG_S("address", peer->host), LOG_PHONE("user", clean_text(e, a.username, 64)),
		 LOG_S("method", sip->sip_request->rq_method_name));
	auth_suspicious(e, peer, GUARD_WRONG_SECRET, "wrong secret");
	challenge(e, msg, peer, false);
	return false;
}

bool caller_of(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer, struct caller *ret)
{
	*ret = (struct caller){ .trunk = trunk_by_source(e, peer) };
	if (ret->trunk) {
		ret->id = ret->trunk->id;
		return true;
	}
	if (!phone_of(e, msg, sip, peer, &ret->phone))
		return false;
	ret->id = ret->phone->id;
	ret->user = ret->phone->user;
	return true;
}

void auth_init(struct edge *e)
{
	e->guard.lim = (struct guard_limits){
		.points = (uint32_t)e->cfg->ban_points,
		.window_us = e->cfg->ban_window_s * PL_US_PER_S,
		.ban_us = e->cfg->ban_s * PL_US_PER_S,
		.ban_max_us = e->cfg->ban_max_s * PL_US_PER_S,
		.forget_us = 86400 * PL_US_PER_S,
	};
}
