/* A browser's endpoint: ICE-lite (RFC 8445 2.5), consent (RFC 7675), DTLS-SRTP (RFC 5763, 5764). */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <srtp2/srtp.h>
#include <stdlib.h>

#include "../engine/stun.h"
#include "media.h"

enum { CONSENT_US = 30000000, MTU = 1200, KEYING_MAX = 2 * (16 + 14) };

struct wrtc_cert {
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	EVP_PKEY *key;
	X509 *x509;
	uint8_t fingerprint[32];
	bool srtp;
};

struct wrtc {
	struct ep *e;
	struct wrtc_cert *cert;
	char ufrag[9], pwd[25];
	SSL *ssl;
	const uint8_t *in; /* the datagram that OpenSSL is to read; NULL: none */
	size_t in_len;
	bool up, failed;
	int64_t consent_us;
	srtp_t rx, tx;
};

/* --- certificate and context --- */
static enum pl_err make_cert(struct wrtc_cert *c, struct pl_why *why)
{
	uint8_t serial[8];
	unsigned n = 0;
	c->key = EVP_EC_gen("P-256");
	c->x509 = X509_new();
	if (!c->key || !c->x509 || pl_random(serial, sizeof(serial)))
		return pl_why_set(why, PL_E_INTERNAL, "DTLS: no certificate");
	BIGNUM *bn = BN_bin2bn(serial, sizeof(serial), NULL);
	BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(c->x509));
	BN_free(bn);
	X509_set_version(c->x509, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(c->x509), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c->x509), 10L * 365 * 86400); /* trust is in the fingerprint, RFC 8122 */
	X509_set_pubkey(c->x509, c->key);
	X509_NAME *name = X509_get_subject_name(c->x509);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"parley", -1, -1, 0);
	X509_set_issuer_name(c->x509, name);
	if (!X509_sign(c->x509, c->key, EVP_sha256()) || !X509_digest(c->x509, EVP_sha256(), c->fingerprint, &n))
		return pl_why_set(why, PL_E_INTERNAL, "DTLS: the certificate cannot be signed");
	return PL_OK;
}

static int any_cert(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1; /* self-signed by nature; the fingerprint is compared when the handshake is done */
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct wrtc *x = BIO_get_data(b);
	ep_send_raw(x->e, false, (const uint8_t *)p, (size_t)n);
	return n;
}

static int bio_read(BIO *b, char *p, int n)
{
	struct wrtc *x = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	if (!x->in) {
		BIO_set_retry_read(b);
		return -1;
	}
	size_t got = PL_MIN(x->in_len, (size_t)n);
	memcpy(p, x->in, got);
	x->in = NULL;
	return (int)got;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return MTU;
	default:
		return 0;
	}
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static enum pl_err make_context(struct wrtc_cert *c, struct pl_why *why)
{
	c->ctx = SSL_CTX_new(DTLS_method());
	c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parley datagrams");
	if (!c->ctx || !c->bio)
		return pl_why_set(why, PL_E_NOMEM, "DTLS: memory is out");
	BIO_meth_set_write(c->bio, bio_write);
	BIO_meth_set_read(c->bio, bio_read);
	BIO_meth_set_ctrl(c->bio, bio_ctrl);
	BIO_meth_set_create(c->bio, bio_create);
	SSL_CTX_set_min_proto_version(c->ctx, DTLS1_2_VERSION);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, any_cert);
	SSL_CTX_set_read_ahead(c->ctx, 1);
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_use_certificate(c->ctx, c->x509) != 1 || SSL_CTX_use_PrivateKey(c->ctx, c->key) != 1 ||
	    SSL_CTX_set_tlsext_use_srtp(c->ctx, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0)
		return pl_why_set(why, PL_E_INTERNAL, "DTLS: the context refuses its parameters");
	return PL_OK;
}

enum pl_err wrtc_cert_new(struct wrtc_cert **ret, struct pl_why *why)
{
	struct wrtc_cert *c = calloc(1, sizeof(*c));
	if (!c)
		return pl_why_set(why, PL_E_NOMEM, "DTLS: memory is out");
	*ret = c;
	if (srtp_init() != srtp_err_status_ok)
		return pl_why_set(why, PL_E_INTERNAL, "SRTP: libsrtp2 does not start");
	c->srtp = true;
	enum pl_err err = make_cert(c, why);
	return err ? err : make_context(c, why);
}

void wrtc_cert_free(struct wrtc_cert *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	BIO_meth_free(c->bio);
	EVP_PKEY_free(c->key);
	X509_free(c->x509);
	if (c->srtp)
		srtp_shutdown();
	free(c);
}

const uint8_t *wrtc_fingerprint(const struct wrtc_cert *c)
{
	return c->fingerprint;
}
const char *wrtc_ufrag(const struct wrtc *x)
{
	return x->ufrag;
}
const char *wrtc_pwd(const struct wrtc *x)
{
	return x->pwd;
}
bool wrtc_up(const struct wrtc *x)
{
	return x->up;
}

/* --- life --- */
static bool ice_text(char *out, size_t n) /* RFC 8839 5.4: ice-char, at least 24 and 128 bits */
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t r[32];
	if (pl_random(r, n - 1))
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		out[i] = set[r[i] & 63];
	out[n - 1] = '\0';
	return true;
}

bool wrtc_restart(struct wrtc *x)
{
	return ice_text(x->ufrag, sizeof(x->ufrag)) && ice_text(x->pwd, sizeof(x->pwd));
}

struct wrtc *wrtc_new(struct ep *e, struct wrtc_cert *cert)
{
	struct wrtc *x = calloc(1, sizeof(*x));
	if (x && !wrtc_restart(x)) {
		free(x);
		return NULL;
	}
	if (x) {
		x->e = e;
		x->cert = cert;
	}
	return x;
}

void wrtc_free(struct wrtc *x)
{
	if (!x)
		return;
	SSL_free(x->ssl);
	if (x->rx)
		srtp_dealloc(x->rx);
	if (x->tx)
		srtp_dealloc(x->tx);
	OPENSSL_cleanse(x->pwd, sizeof(x->pwd));
	free(x);
}

/* --- DTLS --- */
static bool dtls_open(struct wrtc *x)
{
	if (x->ssl)
		return true;
	BIO *b = BIO_new(x->cert->bio);
	x->ssl = SSL_new(x->cert->ctx);
	if (!b || !x->ssl) {
		BIO_free(b);
		SSL_free(x->ssl);
		x->ssl = NULL;
		return false;
	}
	BIO_set_data(b, x);
	SSL_set_bio(x->ssl, b, b);
	SSL_set_mtu(x->ssl, MTU);
	if (x->e->nego.dtls_client)
		SSL_set_connect_state(x->ssl);
	else
		SSL_set_accept_state(x->ssl);
	return true;
}

static bool fingerprint_fits(struct wrtc *x)
{
	uint8_t got[32];
	unsigned n = 0;
	X509 *peer = SSL_get1_peer_certificate(x->ssl);
	bool ok = peer && X509_digest(peer, EVP_sha256(), got, &n) && n == 32 &&
		  CRYPTO_memcmp(got, x->e->nego.fingerprint, 32) == 0;
	X509_free(peer);
	return ok;
}

/* RFC 5764 4.2: client key, server key, client salt, server salt. */
static bool open_srtp(struct wrtc *x)
{
	const SRTP_PROTECTION_PROFILE *prof = SSL_get_selected_srtp_profile(x->ssl);
	bool gcm = prof && prof->id == SRTP_AEAD_AES_128_GCM;
	size_t salt = gcm ? 12 : 14, all = 2 * (16 + salt);
	uint8_t k[KEYING_MAX], client[30], server[30];
	if (!prof || SSL_export_keying_material(x->ssl, k, all, "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0) != 1)
		return false;
	memcpy(client, k, 16);
	memcpy(server, k + 16, 16);
	memcpy(client + 16, k + 32, salt);
	memcpy(server + 16, k + 32 + salt, salt);
	srtp_policy_t rx = { .window_size = 1024, .allow_repeat_tx = 1 }, tx;
	if (gcm) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&rx.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&rx.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&rx.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&rx.rtcp);
	}
	tx = rx;
	rx.ssrc.type = ssrc_any_inbound;
	tx.ssrc.type = ssrc_any_outbound;
	rx.key = x->e->nego.dtls_client ? server : client;
	tx.key = x->e->nego.dtls_client ? client : server;
	bool ok = srtp_create(&x->rx, &rx) == srtp_err_status_ok && srtp_create(&x->tx, &tx) == srtp_err_status_ok;
	OPENSSL_cleanse(k, sizeof(k));
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(server, sizeof(server));
	return ok;
}

static void lost(struct wrtc *x)
{
	x->e->has_to = false;
	if (x->e->lost)
		return;
	x->e->lost = true;
	ep_state(x->e, EP_LOST);
}

static void handshake(struct wrtc *x)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(x->ssl);
	int err = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(x->ssl, rc);
	if (rc == 1) {
		x->up = fingerprint_fits(x) && open_srtp(x);
		x->failed = !x->up;
	} else if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE) {
		x->failed = true;
	}
	if (x->failed)
		lost(x);
}

static void take_dtls(struct wrtc *x, const uint8_t *p, size_t n)
{
	uint8_t scrap[256];
	if (x->failed || !x->e->nego.agreed || !dtls_open(x))
		return;
	x->in = p;
	x->in_len = n;
	if (!SSL_is_init_finished(x->ssl)) {
		handshake(x);
	} else {
		ERR_clear_error();
		int rc = SSL_read(x->ssl, scrap, sizeof(scrap));
		if (rc <= 0 && SSL_get_error(x->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			lost(x); /* close_notify */
	}
	x->in = NULL;
}

/* --- ICE --- */
static void hmac_sha1(const void *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[20])
{
	unsigned len = 20;
	if (!HMAC(EVP_sha1(), key, (int)key_len, p, n, out, &len))
		memset(out, 0, 20);
}

static bool username_fits(const struct wrtc *x, const struct stun_msg *m)
{
	size_t ours = strlen(x->ufrag), theirs = strlen(x->e->nego.ufrag);
	return m->username_len == ours + 1 + theirs && memcmp(m->username, x->ufrag, ours) == 0 &&
	       m->username[ours] == ':' && memcmp(m->username + ours + 1, x->e->nego.ufrag, theirs) == 0;
}

static void reply(struct wrtc *x, const uint8_t *p, size_t n, const union addr *to)
{
	if (sendto(x->e->rtp.fd, p, n, MSG_NOSIGNAL, &to->sa, addr_len(to)) < 0)
		count_add(&x->e->room->w->counts.send_errors, 1);
}

static struct stun_addr stun_addr_of(const union addr *a)
{
	struct stun_addr s = { .ip6 = a->sa.sa_family == AF_INET6, .port = addr_port(a) };
	if (s.ip6)
		memcpy(s.ip, &a->in6.sin6_addr, 16);
	else
		memcpy(s.ip, &a->in.sin_addr, 4);
	return s;
}

/* A check that proves who it is chooses the way back: the nominated one, or the first while none is (RFC 8445 7.3.1.5).
 */
static void choose(struct wrtc *x, const struct stun_msg *m, const union addr *from)
{
	struct ep *e = x->e;
	x->consent_us = e->room->w->now_us;
	if (m->use_candidate || !e->has_to) {
		e->to = *from;
		e->has_to = true;
	}
	if (e->lost && !x->failed) {
		e->lost = false;
		ep_state(e, EP_BACK);
	}
	if (e->nego.dtls_client && !x->ssl && dtls_open(x))
		handshake(x);
}

static void take_stun(struct wrtc *x, const uint8_t *p, size_t n, const union addr *from)
{
	uint8_t out[STUN_REPLY_MAX];
	struct stun_msg m;
	if (!x->e->nego.agreed || !stun_parse(p, n, &m) || m.cls != STUN_REQUEST || m.method != 1 ||
	    (m.has_fingerprint && !m.fingerprint_ok))
		return;
	if (!m.username || !m.integrity_at) {
		reply(x, out, stun_error(out, m.id, 400, "Bad Request", NULL, hmac_sha1), from);
	} else if (!username_fits(x, &m) || !stun_integrity_ok(p, n, &m, x->pwd, hmac_sha1)) {
		reply(x, out, stun_error(out, m.id, 401, "Unauthenticated", NULL, hmac_sha1), from);
	} else if (m.controlled) {
		reply(x, out, stun_error(out, m.id, 487, "Role Conflict", x->pwd, hmac_sha1),
		      from); /* lite is always controlled */
	} else {
		struct stun_addr a = stun_addr_of(from);
		reply(x, out, stun_success(out, m.id, &a, x->pwd, hmac_sha1), from);
		choose(x, &m, from);
	}
}

bool wrtc_take(struct wrtc *x, uint8_t *p, size_t *n, const union addr *from)
{
	if (stun_looks(p, *n)) {
		take_stun(x, p, *n, from);
		return false;
	}
	if (!x->e->has_to || !addr_same(from, &x->e->to))
		return false; /* only from where a check proved itself */
	if (p[0] >= 20 && p[0] <= 63) {
		take_dtls(x, p, *n);
		return false;
	}
	if (!x->up || p[0] < 128 || p[0] > 191)
		return false;
	int len = (int)*n;
	srtp_err_status_t st =
		rtp_is_rtcp(p, *n) ? srtp_unprotect_rtcp(x->rx, p, &len) : srtp_unprotect(x->rx, p, &len);
	if (st != srtp_err_status_ok) {
		count_add(&x->e->room->w->counts.bad, 1);
		return false;
	}
	*n = (size_t)len;
	return true;
}

bool wrtc_protect(struct wrtc *x, bool rtcp, uint8_t *p, size_t *n)
{
	int len = (int)*n;
	if (!x->up)
		return false;
	srtp_err_status_t st = rtcp ? srtp_protect_rtcp(x->tx, p, &len) : srtp_protect(x->tx, p, &len);
	*n = (size_t)len;
	return st == srtp_err_status_ok;
}

void wrtc_check(struct wrtc *x)
{
	struct timeval tv;
	if (x->ssl && !x->up && !x->failed && DTLSv1_get_timeout(x->ssl, &tv) && tv.tv_sec == 0 && tv.tv_usec == 0)
		DTLSv1_handle_timeout(x->ssl);
	if (x->e->has_to && x->consent_us && x->e->room->w->now_us - x->consent_us > CONSENT_US)
		lost(x);
}
