/* SDP of real user agents in, our answer and what was agreed out: golden files in test/sdp. UPDATE_GOLDEN=1 writes
 * them. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../engine/nego.h"

static const char *folder;

static size_t slurp(const char *path, char *buf, size_t max)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, max - 1, f) : 0;
	if (f)
		fclose(f);
	buf[n] = '\0';
	return n;
}

static void summary(const struct nego *n, char *out, size_t size)
{
	snprintf(out, size, "# send %s as %u, events as %u at %u Hz, to %s port %u, rtcp %u%s, %s, %s%s\n",
		 codec_infos[n->codec].name, n->tx_pt[n->codec], n->te_tx_pt, n->te_clock_hz, n->addr, n->port,
		 n->rtcp_port, n->mux ? " (mux)" : "", n->we_send ? "we send" : "we are silent",
		 n->we_hear ? "we hear" : "we do not hear", n->dtls_client ? ", DTLS client" : "");
}

static const enum codec sip_codecs[] = { CODEC_PCMA, CODEC_PCMU },
			web_codecs[] = { CODEC_OPUS, CODEC_PCMA, CODEC_PCMU };
static uint8_t fingerprint[32] = { 0xab, 1, 2 };

static struct nego_us us_of(bool webrtc, bool mux)
{
	return (struct nego_us){ .addr = "192.0.2.1",
				 .port = 20000,
				 .rtcp_port = webrtc || mux ? 0 : 20001,
				 .session = 42,
				 .version = 1,
				 .codecs = webrtc ? web_codecs : sip_codecs,
				 .n_codecs = webrtc ? 3 : 2,
				 .our_order = true,
				 .webrtc = webrtc,
				 .ufrag = "abcdefgh",
				 .pwd = "abcdefghijklmnopqrstuvwx",
				 .fingerprint = fingerprint,
				 .host_addr = "10.0.0.1",
				 .ssrc = 4711,
				 .cname = "parley" };
}

static void golden(const char *name)
{
	char path[400], text[16384], want[8192], got[8192], *end;
	struct sdp *d = calloc(1, sizeof(*d));
	struct nego n;
	const char *what = "";
	bool webrtc = strstr(name, ".webrtc") != NULL;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	size_t len = slurp(path, text, sizeof(text));
	ck_assert_msg(sdp_parse(text, len, d) == PL_OK, "%s line %u: %s", name, d->line, d->what);
	struct nego_us us = us_of(webrtc, nego_wants_mux(d));
	struct sdp_out o = { got, sizeof(got) - 300, 0, false };
	ck_assert_msg(nego_answer(&us, d, &n, &o, &what) == PL_OK, "%s: %s", name, what);
	end = got + strlen(got);
	summary(&n, end, 300);
	snprintf(strrchr(path, '.'), 20, ".answer");
	if (getenv("UPDATE_GOLDEN")) {
		FILE *f = fopen(path, "wb");
		fputs(got, f);
		fclose(f);
	}
	slurp(path, want, sizeof(want));
	ck_assert_msg(strcmp(want, got) == 0, "%s: answered\n%s\ninstead of\n%s", name, got, want);
	free(d);
}

START_TEST(offers_of_real_phones_and_browsers_get_these_answers)
{
	int n = 0;
	DIR *d = opendir(folder);
	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		if (strstr(e->d_name, ".offer")) {
			golden(e->d_name);
			n++;
		}
	closedir(d);
	ck_assert_int_ge(n, 11);
}
END_TEST

static enum pl_err parse(const char *text, struct sdp *d)
{
	return sdp_parse(text, strlen(text), d);
}

START_TEST(what_is_no_sdp_is_refused_with_the_line)
{
	static struct sdp d;
	ck_assert_int_eq(parse("", &d), PL_E_FORMAT);
	ck_assert_int_eq(parse("v=0\r\ns=-\r\n", &d), PL_E_FORMAT);
	ck_assert_int_eq(parse("v=0\r\nc=IN IP5 x\r\nm=audio 1 RTP/AVP 0\r\n", &d), PL_E_FORMAT);
	ck_assert_uint_eq(d.line, 2);
	ck_assert_int_eq(parse("v=0\r\nm=audio 70000 RTP/AVP 0\r\n", &d), PL_E_FORMAT);
	ck_assert_int_eq(parse("v=0\r\nm=audio 1 RTP/AVP 128\r\n", &d), PL_E_FORMAT);
	ck_assert_int_eq(parse("v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU\r\n", &d), PL_E_FORMAT);
	ck_assert_int_eq(parse("v=0\r\nm=audio 1 RTP/AVP 0\r\na=fingerprint:sha-256 AA:BB\r\n", &d), PL_E_FORMAT);
	char many[600] = "v=0\r\n";
	for (int i = 0; i < SDP_MEDIA_MAX + 1; i++)
		strcat(many, "m=audio 1 RTP/AVP 0\r\n");
	ck_assert_int_eq(parse(many, &d), PL_E_FULL);
}
END_TEST

START_TEST(line_ends_without_cr_and_case_of_codecs_do_not_matter)
{
	static struct sdp d;
	ck_assert_int_eq(parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 5 RTP/AVP 97\na=rtpmap:97 pcma/8000/1\n", &d), PL_OK);
	struct nego_us us = us_of(false, false);
	struct nego n;
	char buf[2000];
	struct sdp_out o = { buf, sizeof(buf), 0, false };
	const char *what = "";
	ck_assert_int_eq(nego_answer(&us, &d, &n, &o, &what), PL_OK);
	ck_assert_int_eq(n.codec, CODEC_PCMA);
	ck_assert_uint_eq(n.tx_pt[CODEC_PCMA], 97);
}
END_TEST

START_TEST(no_codec_in_common_and_no_room_for_the_answer_are_errors)
{
	static struct sdp d;
	struct nego_us us = us_of(false, false);
	struct nego n;
	char buf[60];
	struct sdp_out o = { buf, sizeof(buf), 0, false };
	const char *what = "";
	ck_assert_int_eq(parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 5 RTP/AVP 18 3\n", &d), PL_OK);
	ck_assert_int_eq(nego_answer(&us, &d, &n, &o, &what), PL_E_UNSUPPORTED);
	ck_assert_str_eq(what, "no codec in common");
	ck_assert_int_eq(parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 5 RTP/AVP 8\n", &d), PL_OK);
	o = (struct sdp_out){ buf, sizeof(buf), 0, false };
	ck_assert_int_eq(nego_answer(&us, &d, &n, &o, &what), PL_E_FULL);
	us = us_of(true, true);
	ck_assert_int_eq(nego_answer(&us, &d, &n, &o, &what),
			 PL_E_UNSUPPORTED); /* a phone's offer to a browser's endpoint */
}
END_TEST

START_TEST(an_answer_may_number_its_formats_as_it_likes)
{
	static struct sdp d;
	struct nego_us us = us_of(false, false);
	struct nego n;
	char buf[2000];
	struct sdp_out o = { buf, sizeof(buf), 0, false };
	const char *what = "";
	ck_assert_int_eq(nego_offer(&us, &n, &o), PL_OK);
	ck_assert_ptr_nonnull(strstr(buf, "m=audio 20000 RTP/AVP 8 0 101\r\n"));
	ck_assert_int_eq(
		parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 5 RTP/AVP 0 8 97\na=rtpmap:97 telephone-event/8000\n", &d),
		PL_OK);
	ck_assert_int_eq(nego_take_answer(&us, &d, &n, &what), PL_OK);
	ck_assert_int_eq(n.codec, CODEC_PCMA); /* ours first; the other was accepted too */
	ck_assert_uint_eq(n.tx_pt[CODEC_PCMU], 0);
	ck_assert_uint_eq(n.te_tx_pt, 97);
	ck_assert_uint_eq(n.te_rx_pt, 101);
	ck_assert_int_eq(nego_rx_codec(&n, 0), CODEC_PCMU);
	ck_assert_int_eq(nego_rx_codec(&n, 3), CODEC_NONE);
	ck_assert_int_eq(parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 0 RTP/AVP 0\n", &d), PL_OK);
	ck_assert_int_eq(nego_take_answer(&us, &d, &n, &what), PL_E_UNSUPPORTED);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	folder = argv[1];
	Suite *s = suite_create("sdp");
	TCase *t = tcase_create("sdp");
	tcase_add_test(t, offers_of_real_phones_and_browsers_get_these_answers);
	tcase_add_test(t, what_is_no_sdp_is_refused_with_the_line);
	tcase_add_test(t, line_ends_without_cr_and_case_of_codecs_do_not_matter);
	tcase_add_test(t, no_codec_in_common_and_no_room_for_the_answer_are_errors);
	tcase_add_test(t, an_answer_may_number_its_formats_as_it_likes);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
