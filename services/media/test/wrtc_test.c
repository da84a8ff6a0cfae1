/* A small browser in C: ICE checks, DTLS, SRTP, Opus; against the real core. */
#include <arpa/inet.h>
#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <opus/opus.h>
#include <poll.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../engine/audio.h"
#include "../engine/stun.h"
#include "kit.h"

enum { WAIT = 20000 };

struct browser {
	struct kit *k;
	int fd;
	uint16_t far_port;
	char sdp[3000], far_ufrag[64], far_pwd[64];
	EVP_PKEY *key;
	X509 *cert;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	bool up, client;
	srtp_t rx, tx;
	uint32_t ssrc, ts;
	uint16_t seq;
	struct rtp_pkt got;
	uint8_t buf[2048];
	unsigned checks_ok, errors;
};

static void hmac_sha1(const void *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[20])
{
	unsigned len = 20;
	HMAC(EVP_sha1(), key, (int)key_len, p, n, out, &len);
}

static void to_node(struct browser *b, const uint8_t *p, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(b->far_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(sendto(b->fd, p, n, 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)n);
}

static void make_cert(struct browser *b)
{
	b->key = EVP_EC_gen("P-256");
	b->cert = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(b->cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(b->cert), 3600);
	X509_set_pubkey(b->cert, b->key);
	X509_sign(b->cert, b->key, EVP_sha256());
	b->ctx = SSL_CTX_new(DTLS_method());
	SSL_CTX_use_certificate(b->ctx, b->cert);
	SSL_CTX_use_PrivateKey(b->ctx, b->key);
	SSL_CTX_set_verify(b->ctx, SSL_VERIFY_NONE, NULL);
}

static void browser_open(struct browser *b, struct kit *k, const char *profiles, const char *setup)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint8_t md[32];
	unsigned n;
	char fp[100] = "";
	memset(b, 0, sizeof(*b));
	b->k = k;
	b->fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(b->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	make_cert(b);
	ck_assert_int_eq(SSL_CTX_set_tlsext_use_srtp(b->ctx, profiles), 0);
	X509_digest(b->cert, EVP_sha256(), md, &n);
	for (int i = 0; i < 32; i++)
		sprintf(fp + 3 * i, i < 31 ? "%02X:" : "%02X", md[i]);
	b->client = strcmp(setup, "passive") != 0;
	snprintf(b->sdp, sizeof(b->sdp),
		 "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
		 "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 "
		 "0.0.0.0\r\na=ice-ufrag:brow\r\n"
		 "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "
		 "%s\r\na=setup:%s\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
		 "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:110 "
		 "telephone-event/48000\r\n"
		 "a=rtpmap:126 telephone-event/8000\r\n"
		 "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n",
		 fp, setup);
	b->ssrc = 4711;
}

static void attr(const char *sdp, const char *name, char out[64])
{
	const char *p = strstr(sdp, name);
	ck_assert_ptr_nonnull(p);
	p += strlen(name);
	size_t n = strcspn(p, "\r\n");
	ck_assert_uint_lt(n, 64);
	memcpy(out, p, n);
	out[n] = '\0';
}

static const char *browser_join(struct browser *b, const char *id)
{
	struct job *j = kit_one(b->k, "r", .kind = OP_CREATE_ENDPOINT, .id = id, .webrtc = true, .sdp = b->sdp);
	const char *sdp = j->results[0].sdp;
	attr(sdp, "a=ice-ufrag:", b->far_ufrag);
	attr(sdp, "a=ice-pwd:", b->far_pwd);
	b->far_port = (uint16_t)atoi(strstr(sdp, "m=audio ") + 8);
	return sdp;
}

static void check_now(struct browser *b, const char *pwd)
{
	uint8_t m[512], id[12] = { 1, 2, 3 };
	char user[140];
	snprintf(user, sizeof(user), "%s:brow", b->far_ufrag);
	to_node(b, m, stun_request(m, id, user, true, pwd, hmac_sha1));
}

static void srtp_up(struct browser *b)
{
	const SRTP_PROTECTION_PROFILE *prof = SSL_get_selected_srtp_profile(b->ssl);
	ck_assert_ptr_nonnull(prof);
	bool gcm = prof->id == SRTP_AEAD_AES_128_GCM;
	size_t salt = gcm ? 12 : 14;
	uint8_t k[60], c[30], s[30];
	ck_assert_int_eq(SSL_export_keying_material(b->ssl, k, 2 * (16 + salt), "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
			 1);
	memcpy(c, k, 16);
	memcpy(s, k + 16, 16);
	memcpy(c + 16, k + 32, salt);
	memcpy(s + 16, k + 32 + salt, salt);
	srtp_policy_t p = { .window_size = 128 };
	if (gcm) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p.rtcp);
	}
	p.ssrc.type = ssrc_any_inbound;
	p.key = b->client ? s : c;
	ck_assert_int_eq(srtp_create(&b->rx, &p), srtp_err_status_ok);
	p.ssrc.type = ssrc_any_outbound;
	p.key = b->client ? c : s;
	ck_assert_int_eq(srtp_create(&b->tx, &p), srtp_err_status_ok);
	b->up = true;
}

static void dtls_flush(struct browser *b)
{
	uint8_t buf[4096];
	int n;
	while ((n = BIO_read(b->out, buf, sizeof(buf))) > 0)
		to_node(b, buf, (size_t)n);
}

static void dtls_step(struct browser *b)
{
	if (!b->ssl) {
		b->ssl = SSL_new(b->ctx);
		b->in = BIO_new(BIO_s_mem());
		b->out = BIO_new(BIO_s_mem());
		BIO_set_mem_eof_return(b->in, -1);
		SSL_set_bio(b->ssl, b->in, b->out);
		SSL_set_options(b->ssl, SSL_OP_NO_QUERY_MTU);
		SSL_set_mtu(b->ssl, 1200);
		if (b->client)
			SSL_set_connect_state(b->ssl);
		else
			SSL_set_accept_state(b->ssl);
	}
	if (SSL_do_handshake(b->ssl) == 1 && !b->up)
		srtp_up(b);
	dtls_flush(b);
}

/* True: an RTP packet is in b->got. */
static bool take(struct browser *b, size_t n)
{
	struct stun_msg m;
	if (stun_looks(b->buf, n)) {
		ck_assert(stun_parse(b->buf, n, &m));
		b->checks_ok += m.cls == STUN_SUCCESS && stun_integrity_ok(b->buf, n, &m, b->far_pwd, hmac_sha1) &&
				m.fingerprint_ok;
		b->errors += m.cls == STUN_ERROR;
		return false;
	}
	if (b->buf[0] < 128) {
		if (!b->ssl)
			dtls_step(b);
		BIO_write(b->in, b->buf, (int)n);
		dtls_step(b);
		return false;
	}
	int len = (int)n;
	if (!b->up)
		return false;
	if (rtp_is_rtcp(b->buf, n)) {
		ck_assert_int_eq(srtp_unprotect_rtcp(b->rx, b->buf, &len), srtp_err_status_ok);
		return false;
	}
	ck_assert_int_eq(srtp_unprotect(b->rx, b->buf, &len), srtp_err_status_ok);
	ck_assert(rtp_parse(b->buf, (size_t)len, &b->got));
	return true;
}

static bool browser_recv(struct browser *b, int wait_ms)
{
	int64_t until = pl_mono_us() + wait_ms * PL_US_PER_MS;
	for (;;) {
		struct pollfd p = { .fd = b->fd, .events = POLLIN };
		pl_loop_turn(b->k->loop);
		if (poll(&p, 1, 5) > 0) {
			ssize_t n = recv(b->fd, b->buf, sizeof(b->buf), 0);
			if (n > 0 && take(b, (size_t)n))
				return true;
		}
		if (pl_mono_us() >= until)
			return false;
	}
}

static void browser_connect(struct browser *b)
{
	int64_t until = pl_mono_us() + WAIT * PL_US_PER_MS;
	check_now(b, b->far_pwd);
	while (!b->checks_ok && pl_mono_us() < until)
		browser_recv(b, 10);
	ck_assert_uint_eq(b->checks_ok, 1);
	if (b->client)
		dtls_step(b);
	while (!b->up && pl_mono_us() < until)
		browser_recv(b, 10);
	ck_assert(b->up);
}

static void browser_send(struct browser *b, uint8_t pt, const uint8_t *payload, size_t n, uint32_t ticks)
{
	uint8_t buf[1500];
	int len = (int)(RTP_HDR_BYTES + n);
	rtp_write(buf, pt, false, ++b->seq, b->ts, b->ssrc);
	memcpy(buf + RTP_HDR_BYTES, payload, n);
	ck_assert_int_eq(srtp_protect(b->tx, buf, &len), srtp_err_status_ok);
	to_node(b, buf, (size_t)len);
	b->ts += ticks;
}

static void browser_close(struct browser *b)
{
	SSL_free(b->ssl);
	SSL_CTX_free(b->ctx);
	EVP_PKEY_free(b->key);
	X509_free(b->cert);
	if (b->rx)
		srtp_dealloc(b->rx);
	if (b->tx)
		srtp_dealloc(b->tx);
	close(b->fd);
}

static double best_share(const int16_t *pcm, size_t n, unsigned hz, unsigned rate)
{
	double best = 0;
	for (size_t i = 0; i + rate / 10 <= n; i += rate / 50)
		best = PL_MAX(best, audio_tone_share(pcm + i, rate / 10, hz, rate));
	return best;
}

/* Opus at the browser, PCMA at the phone, a tone each way. */
static void tones_both_ways(struct kit *k, struct browser *b, struct phone *p)
{
	static int16_t at_phone[16000], at_browser[96000];
	size_t n_phone = 0, n_browser = 0;
	int err;
	int16_t pcm[960];
	uint8_t code[400];
	struct audio_tone tb = { 0 }, tp = { 0 };
	OpusEncoder *enc = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	OpusDecoder *dec = opus_decoder_create(48000, 1, &err);
	int64_t due = pl_mono_us();
	for (int i = 0; i < 90; i++) {
		audio_tone(&tb, 800, 0, 48000, pcm, 960);
		int n = opus_encode(enc, pcm, 960, code, sizeof(code));
		browser_send(b, 111, code, (size_t)n, 960);
		audio_tone(&tp, 1300, 0, 8000, pcm, 160);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(p, 8, false, code, 160, 160);
		due += 20000;
		while (pl_mono_us() < due) {
			if (browser_recv(b, 1) && n_browser + 960 <= 96000) {
				ck_assert_uint_eq(b->got.pt, 111);
				int got = opus_decode(dec, b->got.payload, (int)b->got.len, at_browser + n_browser, 960,
						      0);
				n_browser += got > 0 ? (size_t)got : 0;
			}
			if (phone_recv(p, 1) && n_phone + 160 <= 16000) {
				g711_decode(CODEC_PCMA, p->got.payload, 160, at_phone + n_phone);
				n_phone += 160;
			}
		}
	}
	(void)k;
	opus_encoder_destroy(enc);
	opus_decoder_destroy(dec);
	ck_assert_double_gt(best_share(at_phone, n_phone, 800, 8000), 0.9);
	ck_assert_double_gt(best_share(at_browser, n_browser, 1300, 48000), 0.9);
}

static void call(const char *profiles, const char *setup, const char *want_setup)
{
	struct kit *k = kit_open(NULL);
	struct browser b;
	struct phone p;
	srtp_init();
	phone_open(&p, k);
	browser_open(&b, k, profiles, setup);
	phone_join(&p, "r", "p", "8 101", "a=rtpmap:101 telephone-event/8000\r\n");
	const char *sdp = browser_join(&b, "b");
	ck_assert_ptr_nonnull(strstr(sdp, want_setup));
	ck_assert_ptr_nonnull(strstr(sdp, "a=ice-lite"));
	ck_assert_ptr_nonnull(strstr(sdp, "a=group:BUNDLE 0\r\n"));
	ck_assert_ptr_nonnull(strstr(sdp, "m=video 0 "));
	ck_assert_ptr_nonnull(strstr(sdp, "a=candidate:1 1 udp "));
	kit_mix(k, "r", "p", "b");
	kit_mix(k, "r", "b", "p");
	browser_connect(&b);
	tones_both_ways(k, &b, &p);
	ck_assert_int_eq(kit_event(k, EVENT_ENDPOINT_STATE, "b")->state, EP_CONNECTED);
	/* a key of the browser reaches the phone as an event of the phone's own kind */
	uint32_t ts = b.ts;
	for (int i = 1; i <= 7; i++) {
		uint16_t d = (uint16_t)(960 * (i > 5 ? 5 : i));
		uint8_t te[4] = { 7, i >= 5 ? 0x8a : 10, (uint8_t)(d >> 8), (uint8_t)d };
		b.ts = ts;
		browser_send(&b, 110, te, 4, 0);
	}
	ck_assert_int_eq(kit_event(k, EVENT_DIGIT, "b")->digit, '7');
	do
		ck_assert(phone_recv(&p, WAIT));
	while (p.got.pt != 101);
	ck_assert_uint_eq(p.got.payload[0], 7);
	browser_close(&b);
	phone_close(&p);
	kit_close(k);
}

START_TEST(a_browser_with_opus_talks_to_a_phone_with_pcma)
{
	call("SRTP_AES128_CM_SHA1_80", "actpass", "a=setup:passive");
}
END_TEST

START_TEST(a_browser_that_wants_to_be_called_gets_our_hello_and_gcm)
{
	call("SRTP_AEAD_AES_128_GCM", "passive", "a=setup:active");
}
END_TEST

START_TEST(two_browsers_pass_opus_untouched)
{
	struct kit *k = kit_open(NULL);
	struct browser a, b;
	uint8_t frame[80];
	srtp_init();
	browser_open(&a, k, "SRTP_AEAD_AES_128_GCM", "actpass");
	browser_open(&b, k, "SRTP_AES128_CM_SHA1_80", "actpass");
	browser_join(&a, "a");
	browser_join(&b, "b");
	kit_mix(k, "r", "b", "a");
	browser_connect(&a);
	browser_connect(&b);
	for (int i = 0; i < 5; i++) {
		memset(frame, i + 1, sizeof(frame));
		browser_send(&a, 111, frame, sizeof(frame), 960);
		do /* keep-alives may come first */
			ck_assert(browser_recv(&b, WAIT));
		while (b.got.len != sizeof(frame));
		ck_assert_mem_eq(b.got.payload, frame, sizeof(frame));
	}
	browser_close(&a);
	browser_close(&b);
	kit_close(k);
}
END_TEST

/* Two wide-band endpoints and a phone, all mixed: the room runs at 16 kHz. */
START_TEST(two_browsers_and_a_phone_confer)
{
	static int16_t at_phone[16000], at_b[96000];
	struct kit *k = kit_open(NULL);
	struct browser a, b;
	struct phone p;
	size_t n_phone = 0, n_b = 0;
	int err;
	int16_t pcm[960];
	uint8_t code[400];
	struct audio_tone ta = { 0 }, tp = { 0 };
	OpusEncoder *enc = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	OpusDecoder *dec = opus_decoder_create(48000, 1, &err);
	srtp_init();
	phone_open(&p, k);
	browser_open(&a, k, "SRTP_AEAD_AES_128_GCM", "actpass");
	browser_open(&b, k, "SRTP_AEAD_AES_128_GCM", "actpass");
	browser_join(&a, "a");
	browser_join(&b, "b");
	phone_join(&p, "r", "p", "8", "");
	static const char *ids[] = { "a", "b", "p", "a", "b" };
	for (int i = 0; i < 3; i++)
		kit_one(k, "r", .kind = OP_MIX, .id = ids[i], .ids = &ids[i + 1], .n_ids = 2);
	browser_connect(&a);
	browser_connect(&b);
	int64_t due = pl_mono_us();
	for (int i = 0; i < 90; i++) {
		audio_tone(&ta, 800, 0, 48000, pcm, 960);
		int n = opus_encode(enc, pcm, 960, code, sizeof(code));
		browser_send(&a, 111, code, (size_t)n, 960);
		audio_tone(&tp, 1300, 0, 8000, pcm, 160);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(&p, 8, false, code, 160, 160);
		due += 20000;
		while (pl_mono_us() < due) {
			if (browser_recv(&b, 1) && n_b + 960 <= 96000) {
				int got = opus_decode(dec, b.got.payload, (int)b.got.len, at_b + n_b, 960, 0);
				n_b += got > 0 ? (size_t)got : 0;
			}
			if (phone_recv(&p, 1) && n_phone + 160 <= 16000) {
				g711_decode(CODEC_PCMA, p.got.payload, 160, at_phone + n_phone);
				n_phone += 160;
			}
		}
	}
	opus_encoder_destroy(enc);
	opus_decoder_destroy(dec);
	ck_assert_double_gt(best_share(at_phone, n_phone, 800, 8000), 0.9);
	ck_assert_double_gt(best_share(at_b, n_b, 1300, 48000), 0.3);
	ck_assert_double_gt(best_share(at_b, n_b, 800, 48000), 0.3);
	browser_close(&a);
	browser_close(&b);
	phone_close(&p);
	kit_close(k);
}
END_TEST

START_TEST(a_check_with_a_wrong_password_is_refused)
{
	struct kit *k = kit_open(NULL);
	struct browser b;
	srtp_init();
	browser_open(&b, k, "SRTP_AES128_CM_SHA1_80", "actpass");
	browser_join(&b, "b");
	check_now(&b, "this is not the password");
	int64_t until = pl_mono_us() + WAIT * PL_US_PER_MS;
	while (!b.errors && pl_mono_us() < until)
		browser_recv(&b, 10);
	ck_assert_uint_eq(b.errors, 1);
	ck_assert_uint_eq(b.checks_ok, 0);
	browser_close(&b);
	kit_close(k);
}
END_TEST

START_TEST(a_browser_with_another_certificate_than_announced_is_not_connected)
{
	struct kit *k = kit_open(NULL);
	struct browser b;
	srtp_init();
	browser_open(&b, k, "SRTP_AES128_CM_SHA1_80", "actpass");
	char *fp = strstr(b.sdp, "sha-256 ") + 8;
	fp[0] = fp[0] == 'A' ? 'B' : 'A';
	browser_join(&b, "b");
	check_now(&b, b.far_pwd);
	int64_t until = pl_mono_us() + WAIT * PL_US_PER_MS;
	while (!b.checks_ok && pl_mono_us() < until)
		browser_recv(&b, 10);
	dtls_step(&b);
	while (kit_count(k, EVENT_ENDPOINT_STATE, "b") == 0 && pl_mono_us() < until)
		browser_recv(&b, 10);
	ck_assert_int_eq(kit_event(k, EVENT_ENDPOINT_STATE, "b")->state, EP_LOST);
	browser_close(&b);
	kit_close(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("webrtc");
	TCase *t = tcase_create("browser");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_browser_with_opus_talks_to_a_phone_with_pcma);
	tcase_add_test(t, a_browser_that_wants_to_be_called_gets_our_hello_and_gcm);
	tcase_add_test(t, two_browsers_pass_opus_untouched);
	tcase_add_test(t, two_browsers_and_a_phone_confer);
	tcase_add_test(t, a_check_with_a_wrong_password_is_refused);
	tcase_add_test(t, a_browser_with_another_certificate_than_announced_is_not_connected);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
