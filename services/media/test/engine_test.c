/* The pure parts: RTP, RTCP, jitter buffer, events, sound, STUN, heads of files. */
#include <check.h>
#include <math.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "../engine/audio.h"
#include "../engine/codec.h"
#include "../engine/jb.h"
#include "../engine/rechdr.h"
#include "../engine/rtcp.h"
#include "../engine/stun.h"
#include "../engine/te.h"
#include "../engine/wav.h"

/* --- G.711 --- */
START_TEST(every_code_decodes_and_encodes_to_itself)
{
	for (int i = 0; i < 256; i++) {
		ck_assert_uint_eq(g711_a_code(g711_a_linear[i]), i);
		if (i != 0x7f) /* mu-law has two zeros */
			ck_assert_uint_eq(g711_u_code(g711_u_linear[i]), i);
	}
	ck_assert_int_eq(g711_a_linear[0xd5], 8); /* ITU-T G.711 table 1a: the first positive value */
	ck_assert_int_eq(g711_u_linear[0x00], -32124);
	ck_assert_int_eq(g711_a_linear[0xaa], 32256);
}
END_TEST

START_TEST(any_sample_comes_back_within_its_step)
{
	for (int v = -32768; v < 32768; v++) {
		int a = g711_a_linear[g711_a_code((int16_t)v)], u = g711_u_linear[g711_u_code((int16_t)v)];
		int step = abs(v) / 16 + 16;
		ck_assert_int_le(abs(a - v), PL_MIN(step, 600));
		ck_assert_int_le(abs(u - v), PL_MIN(step, 700));
	}
}
END_TEST

/* --- RTP --- */
START_TEST(a_packet_with_sources_extension_and_padding_gives_its_payload)
{
	uint8_t p[64] = { 0xb2, 0x88, 0x12, 0x34, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef };
	p[20] = 0xbe; /* after two CSRCs: extension of one word */
	p[21] = 0xde;
	p[23] = 1;
	memset(p + 28, 0x55, 4);
	p[35] = 4; /* padding */
	struct rtp_pkt r;
	ck_assert(rtp_parse(p, 36, &r));
	ck_assert_uint_eq(r.pt, 8);
	ck_assert(r.marker);
	ck_assert_uint_eq(r.seq, 0x1234);
	ck_assert_uint_eq(r.ssrc, 0xdeadbeef);
	ck_assert_uint_eq(r.len, 4);
	ck_assert_ptr_eq(r.payload, p + 28);
	ck_assert(!rtp_parse(p, 11, &r));
	p[35] = 40;
	ck_assert(!rtp_parse(p, 36, &r));
	p[0] = 0x40;
	ck_assert(!rtp_parse(p, 36, &r));
}
END_TEST

static struct rtp_pkt pkt(uint16_t seq, uint32_t ts)
{
	return (struct rtp_pkt){ .seq = seq, .ts = ts, .ssrc = 1, .len = 160 };
}

START_TEST(loss_and_jitter_are_counted_over_the_turn_of_the_sequence)
{
	struct rtp_rx rx = { 0 };
	int64_t now = 1000000;
	uint32_t ts = 0;
	for (int i = 0; i < 100; i++, ts += 160, now += 20000) {
		if (i % 10 == 5)
			continue;
		struct rtp_pkt p = pkt((uint16_t)(65500 + i), ts);
		ck_assert_int_eq(rtp_rx_take(&rx, &p, 8000, now), i ? RTP_RX_OK : RTP_RX_NEW_SOURCE);
	}
	ck_assert_uint_eq(rx.packets, 90);
	ck_assert_uint_eq(rtp_rx_lost(&rx), 10);
	ck_assert_double_lt(rtp_rx_jitter_ms(&rx, 8000), 0.2);
	struct rtp_pkt far = pkt(30000, ts);
	ck_assert_int_eq(rtp_rx_take(&rx, &far, 8000, now), RTP_RX_BAD);
	far.seq++;
	ck_assert_int_eq(rtp_rx_take(&rx, &far, 8000, now), RTP_RX_NEW_SOURCE); /* the second says it is meant */
	ck_assert_uint_eq(rtp_rx_lost(&rx), 10);
}
END_TEST

START_TEST(sources_follow_each_other_in_one_stream)
{
	struct rtp_tx tx;
	rtp_tx_init(&tx, 7, 65534, 0xfffffff0, 8000);
	struct rtp_out o = rtp_tx_own(&tx, 1, 160, 1000000);
	ck_assert(o.marker);
	ck_assert_uint_eq(o.seq, 65535);
	o = rtp_tx_own(&tx, 1, 160, 1020000);
	ck_assert(!o.marker);
	ck_assert_uint_eq(o.seq, 0);
	uint32_t ts = o.ts;
	struct rtp_pkt in = pkt(500, 77777);
	o = rtp_tx_relay(&tx, 2, &in, 160, 1040000);
	ck_assert(o.marker);
	ck_assert_uint_eq(o.seq, 1);
	ck_assert_uint_eq(o.ts, ts + 160);
	in = pkt(502, 77777 + 320); /* 501 is missing: the gap is passed on */
	o = rtp_tx_relay(&tx, 2, &in, 160, 1080000);
	ck_assert_uint_eq(o.seq, 3);
	ck_assert_uint_eq(o.ts, ts + 480);
	in = pkt(501, 77777 + 160); /* and comes late */
	o = rtp_tx_relay(&tx, 2, &in, 160, 1085000);
	ck_assert_uint_eq(o.seq, 2);
	ck_assert_uint_eq(o.ts, ts + 320);
	o = rtp_tx_own(&tx, 3, 160, 2085000); /* a second of nothing: the clock went on */
	ck_assert_uint_eq(o.seq, 4);
	ck_assert_uint_eq(o.ts, ts + 480 + 8000);
}
END_TEST

START_TEST(reports_say_what_was_lost_and_how_far_the_other_is)
{
	uint8_t buf[RTCP_OUT_MAX];
	struct rtp_rx rx = { 0 };
	for (int i = 0; i < 50; i++) {
		struct rtp_pkt p = pkt((uint16_t)(i + (i >= 40)), (uint32_t)i * 160);
		rtp_rx_take(&rx, &p, 8000, i * 20000);
	}
	struct rtcp_out o = { .ssrc = 9,
			      .ntp = rtcp_ntp(1000000),
			      .rtp_ts = 5,
			      .packets = 3,
			      .octets = 480,
			      .cname = "parley",
			      .last_sr = 0x10000,
			      .since_sr = 0x8000,
			      .bye = true };
	size_t n = rtcp_write(buf, &o, &rx);
	struct rtcp_in in;
	ck_assert(rtcp_parse(buf, n, 1, &in));
	ck_assert(in.sr && in.about_us && in.bye);
	ck_assert_uint_eq(in.lost, 1);
	ck_assert_uint_eq(in.fraction, 256 / 51);
	ck_assert_uint_eq(rtcp_rtt(&in, 0x10000 + 0x8000 + 0x2000), 0x2000);
	for (size_t i = 0; i < n; i++)
		rtcp_parse(buf, i, 1, &in);
	n = rtcp_write(buf, &o, &rx);
	rtcp_parse(buf, n, 1, &in);
	ck_assert_uint_eq(in.fraction, 0); /* nothing new was lost */
	ck_assert(!rtcp_parse((const uint8_t *)"\x80\xc8\x00\x20", 4, 1, &in));
}
END_TEST

/* --- jitter buffer --- */
static uint8_t jb_bytes[JB_SLOTS * 200];

static void put(struct jb *j, uint16_t seq)
{
	(void)!jb_put(j, seq, seq * 160u, 0, (uint8_t[]){ (uint8_t)seq }, 1);
}

static int get(struct jb *j)
{
	struct jb_slot s;
	const uint8_t *p;
	switch (jb_get(j, &s, &p)) {
	case JB_GET_PACKET:
		ck_assert_uint_eq(p[0], (uint8_t)s.seq);
		return s.seq;
	case JB_GET_LOST:
		return -1;
	default:
		return -2;
	}
}

START_TEST(packets_come_out_in_order_and_the_missing_one_is_told)
{
	struct jb j;
	jb_init(&j, jb_bytes, 200);
	ck_assert_int_eq(get(&j), -2);
	put(&j, 11);
	put(&j, 10);
	put(&j, 13);
	ck_assert_int_eq(get(&j), 10);
	ck_assert_int_eq(get(&j), 11);
	ck_assert_int_eq(get(&j), -1);
	ck_assert_int_eq(get(&j), 13);
	ck_assert_int_eq(get(&j), -2);
	ck_assert_int_eq(jb_put(&j, 12, 0, 0, jb_bytes, 1), JB_PUT_LATE);
	ck_assert_uint_eq(j.late, 1);
	ck_assert_uint_eq(j.lost, 1);
	put(&j, 14);
	ck_assert_int_eq(jb_put(&j, 14, 0, 0, jb_bytes, 1), JB_PUT_TWICE);
	ck_assert_int_eq(jb_put(&j, 15, 0, 0, jb_bytes, 201), JB_PUT_TOO_LONG);
}
END_TEST

START_TEST(a_lone_packet_comes_out_after_the_wanted_depth)
{
	struct jb j;
	jb_init(&j, jb_bytes, 200);
	put(&j, 65535);
	ck_assert_int_eq(get(&j), -2);
	ck_assert_int_eq(get(&j), 65535);
	put(&j, 0);
	ck_assert_int_eq(get(&j), 0);
}
END_TEST

START_TEST(depth_grows_with_jitter_and_shrinks_when_it_is_calm)
{
	struct jb j;
	jb_init(&j, jb_bytes, 200);
	jb_aim(&j, 45, 20);
	ck_assert_uint_eq(j.target, 6);
	jb_aim(&j, 1, 20);
	ck_assert_uint_eq(j.target, 5);
	for (int i = 0; i < 10; i++)
		jb_aim(&j, 0, 20);
	ck_assert_uint_eq(j.target, JB_TARGET_MIN);
	uint16_t seq = 0;
	while (seq < 8)
		put(&j, seq++);
	for (int i = 0; i < 1500; i++) {
		ck_assert_int_ge(get(&j), 0);
		put(&j, seq++);
	}
	ck_assert_uint_le(j.n, JB_TARGET_MIN + 2);
	ck_assert_uint_gt(j.dropped, 0);
}
END_TEST

START_TEST(a_burst_and_a_jump_do_not_overflow)
{
	struct jb j;
	jb_init(&j, jb_bytes, 200);
	for (uint16_t s = 0; s < 40; s++)
		put(&j, s);
	ck_assert_uint_le(j.n, JB_SLOTS);
	ck_assert_int_eq(get(&j), 40 - JB_SLOTS);
	ck_assert_int_eq(jb_put(&j, 5000, 0, 0, jb_bytes, 1), JB_PUT_RESET);
	ck_assert_uint_eq(j.n, 1);
	uint64_t x = 88172645463325252ull;
	for (int i = 0; i < 200000; i++) { /* whatever comes: bounds hold */
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (x % 3)
			put(&j, (uint16_t)(x >> 20) % 64);
		else
			get(&j);
		unsigned used = 0;
		for (int k = 0; k < JB_SLOTS; k++)
			used += j.slot[k].used;
		ck_assert_uint_eq(used, j.n);
	}
}
END_TEST

/* --- telephone events --- */
START_TEST(an_event_is_one_digit_whatever_is_repeated_or_lost)
{
	struct te_rx t = { 0 };
	struct te_digit d[2];
	uint8_t start[4] = { 11, 10, 0, 160 }, end[4] = { 11, 0x8a, 3, 32 };
	ck_assert_int_eq(te_rx_take(&t, start, 4, 1000, 8000, 0, d), 0);
	ck_assert_int_eq(te_rx_take(&t, end, 4, 1000, 8000, 80000, d), 1);
	ck_assert_int_eq(d[0].digit, '#');
	ck_assert_uint_eq(d[0].duration_ms, 100);
	ck_assert_int_eq(te_rx_take(&t, end, 4, 1000, 8000, 90000, d), 0);
	ck_assert_int_eq(te_rx_take(&t, start, 4, 1000, 8000, 95000, d), 0); /* overtaken */
	ck_assert_int_eq(te_rx_take(&t, start, 4, 5000, 8000, 200000, d), 0);
	ck_assert_int_eq(te_rx_take(&t, start, 4, 9000, 8000, 300000, d), 1); /* the end of the one before is lost */
	ck_assert(!te_rx_poll(&t, 8000, 400000, d));
	ck_assert(te_rx_poll(&t, 8000, 300000 + TE_LOST_END_US, d));
	ck_assert(!te_rx_poll(&t, 8000, 9000000, d));
	ck_assert_int_eq(te_rx_take(&t, start, 3, 99999, 8000, 0, d), 0);
	ck_assert_int_eq(te_rx_take(&t, (uint8_t[]){ 16, 0x80, 0, 1 }, 4, 99999, 8000, 0, d), 0); /* flash */
}
END_TEST

START_TEST(digits_out_have_one_start_three_ends_and_a_pause)
{
	struct te_tx t = { 0 };
	struct te_step s;
	int starts = 0, ends = 0, tones = 0, steps = 0;
	ck_assert(te_tx_add(&t, '0'));
	ck_assert(te_tx_add(&t, 'd'));
	ck_assert(!te_tx_add(&t, 'x'));
	while (te_tx_busy(&t)) {
		te_tx_step(&t, 8000, &s);
		starts += s.first;
		ends += s.send && s.payload[1] >> 7;
		tones += s.tone;
		steps++;
	}
	ck_assert_int_eq(starts, 2);
	ck_assert_int_eq(ends, 6);
	ck_assert_int_eq(tones, 10);
	ck_assert_int_eq(steps, 16);
}
END_TEST

/* --- sound --- */
START_TEST(an_upsampled_tone_has_no_image_and_comes_back)
{
	int16_t narrow[1600], wide[3200], back[1600];
	struct audio_tone t = { 0 };
	struct audio_half up = { 0 }, down = { 0 };
	audio_tone(&t, 1037, 0, 8000, narrow, 1600);
	for (int i = 0; i < 10; i++)
		audio_up2(&up, narrow + 160 * i, 160, wide + 320 * i);
	ck_assert_double_gt(audio_tone_share(wide + 320, 2880, 1037, 16000), 0.999);
	ck_assert_double_lt(audio_tone_share(wide + 320, 2880, 8000 - 1037, 16000), 1e-5);
	for (int i = 0; i < 10; i++)
		audio_down2(&down, wide + 320 * i, 320, back + 160 * i);
	ck_assert_double_gt(audio_tone_share(back + 160, 1440, 1037, 8000), 0.999);
	ck_assert_int_le(abs(audio_peak(back + 160, 1440) - audio_peak(narrow, 1600)), 200);
	audio_tone(&t, 6000, 0, 16000, wide, 3200); /* above what 8 kHz can hold: must not fold down to 2 kHz */
	memset(&down, 0, sizeof(down));
	audio_down2(&down, wide, 1920, back);
	ck_assert_int_lt(audio_peak(back + 40, 900), 100);
}
END_TEST

START_TEST(sums_saturate)
{
	int32_t sum[2] = { 0 };
	int16_t a[2] = { 30000, -30000 }, out[2];
	audio_add(sum, a, 2);
	audio_add(sum, a, 2);
	audio_clip(sum, out, 2);
	ck_assert_int_eq(out[0], 32767);
	ck_assert_int_eq(out[1], -32768);
}
END_TEST

START_TEST(quality_falls_with_loss_and_delay)
{
	double best = audio_mos(&(struct audio_quality){ 0, 40, 0 }),
	       loss = audio_mos(&(struct audio_quality){ 0.05, 40, 0 });
	double late = audio_mos(&(struct audio_quality){ 0, 400, 0 });
	ck_assert(best > 4.3 && best < 4.5);
	ck_assert(loss < best - 0.3 && late < best - 0.5);
	ck_assert_double_ge(audio_mos(&(struct audio_quality){ 1, 5000, 0 }), 1);
}
END_TEST

START_TEST(a_wav_head_says_its_sizes)
{
	uint8_t h[WAV_HDR_BYTES];
	wav_header(h, 2, 8000, 64000);
	ck_assert_mem_eq(h + 8, "WAVEfmt ", 8);
	ck_assert_uint_eq(h[4] | h[5] << 8 | h[6] << 16, 64036);
	ck_assert_uint_eq(h[32], 4);
	ck_assert_uint_eq(h[40] | h[41] << 8, 64000);
}
END_TEST

/* --- STUN: RFC 5769 2.1 and 2.2 --- */
static void hmac_sha1(const void *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[20])
{
	unsigned len = 20;
	HMAC(EVP_sha1(), key, (int)key_len, p, n, out, &len);
}

static const uint8_t rfc5769_request[] = "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf"
					 "\xae\x80\x22\x00\x10\x53\x54\x55\x4e\x20\x74"
					 "\x65\x73\x74\x20\x63\x6c\x69\x65\x6e\x74\x00\x24\x00\x04\x6e\x00\x01\xff\x80"
					 "\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
					 "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00"
					 "\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e"
					 "\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
static const char rfc5769_password[] = "VOkJxbRl1RmTxUk/WvJxBt";

START_TEST(the_request_of_rfc_5769_is_understood)
{
	struct stun_msg m;
	size_t n = sizeof(rfc5769_request) - 1;
	uint8_t copy[200];
	ck_assert(stun_parse(rfc5769_request, n, &m));
	ck_assert_int_eq(m.cls, STUN_REQUEST);
	ck_assert_uint_eq(m.method, 1);
	ck_assert_uint_eq(m.username_len, 9);
	ck_assert_mem_eq(m.username, "evtj:h6vY", 9);
	ck_assert(m.has_fingerprint && m.fingerprint_ok && m.controlled);
	ck_assert(stun_integrity_ok(rfc5769_request, n, &m, rfc5769_password, hmac_sha1));
	ck_assert(!stun_integrity_ok(rfc5769_request, n, &m, "another", hmac_sha1));
	for (size_t i = 0; i < n - 8; i++) { /* any changed octet is noticed */
		memcpy(copy, rfc5769_request, n);
		copy[i] ^= 1;
		bool ok = stun_parse(copy, n, &m) && m.fingerprint_ok &&
			  stun_integrity_ok(copy, n, &m, rfc5769_password, hmac_sha1);
		ck_assert_msg(!ok, "octet %zu", i);
	}
}
END_TEST

START_TEST(the_response_of_rfc_5769_is_what_we_would_say)
{
	/* 2.2 without SOFTWARE, which we do not send: the address attribute is compared octet by octet */
	static const uint8_t id[12] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };
	static const uint8_t v4[12] = { 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43 };
	static const uint8_t v6[24] = { 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
					0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9 };
	uint8_t out[STUN_REPLY_MAX];
	struct stun_msg m;
	struct stun_addr a = { .ip = { 192, 0, 2, 1 }, .port = 32853 };
	size_t n = stun_success(out, id, &a, rfc5769_password, hmac_sha1);
	ck_assert_mem_eq(out + 20, v4, sizeof(v4));
	ck_assert(stun_parse(out, n, &m) && m.fingerprint_ok && m.has_addr && m.cls == STUN_SUCCESS);
	ck_assert(stun_integrity_ok(out, n, &m, rfc5769_password, hmac_sha1));
	a = (struct stun_addr){ .ip6 = true,
				.port = 32853,
				.ip = { 0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78, 0x00, 0x11, 0x22, 0x33, 0x44,
					0x55, 0x66, 0x77 } };
	n = stun_success(out, id, &a, rfc5769_password, hmac_sha1);
	ck_assert_mem_eq(out + 20, v6, sizeof(v6));
	n = stun_error(out, id, 487, "Role Conflict", rfc5769_password, hmac_sha1);
	ck_assert(stun_parse(out, n, &m) && m.cls == STUN_ERROR);
}
END_TEST

START_TEST(the_head_of_a_recording_comes_back)
{
	struct rec_hdr h = { .format = REC_ALAW,
			     .started_us = 1234567890123456,
			     .id = "rec",
			     .room_id = "room",
			     .owner = "cc",
			     .node = "m",
			     .samples = 99 },
		       r;
	uint8_t buf[REC_HDR_BYTES];
	memset(h.wrapped, 5, sizeof(h.wrapped));
	rec_hdr_write(buf, &h);
	ck_assert_int_eq(rec_hdr_parse(buf, sizeof(buf), &r), PL_OK);
	ck_assert_mem_eq(&h, &r, sizeof(h));
	ck_assert_int_eq(rec_hdr_parse(buf, sizeof(buf) - 1, &r), PL_E_FORMAT);
	buf[8] = 9;
	ck_assert_int_eq(rec_hdr_parse(buf, sizeof(buf), &r), PL_E_UNSUPPORTED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("media engines");
	TCase *t = tcase_create("engines");
	tcase_add_test(t, every_code_decodes_and_encodes_to_itself);
	tcase_add_test(t, any_sample_comes_back_within_its_step);
	tcase_add_test(t, a_packet_with_sources_extension_and_padding_gives_its_payload);
	tcase_add_test(t, loss_and_jitter_are_counted_over_the_turn_of_the_sequence);
	tcase_add_test(t, sources_follow_each_other_in_one_stream);
	tcase_add_test(t, reports_say_what_was_lost_and_how_far_the_other_is);
	tcase_add_test(t, packets_come_out_in_order_and_the_missing_one_is_told);
	tcase_add_test(t, a_lone_packet_comes_out_after_the_wanted_depth);
	tcase_add_test(t, depth_grows_with_jitter_and_shrinks_when_it_is_calm);
	tcase_add_test(t, a_burst_and_a_jump_do_not_overflow);
	tcase_add_test(t, an_event_is_one_digit_whatever_is_repeated_or_lost);
	tcase_add_test(t, digits_out_have_one_start_three_ends_and_a_pause);
	tcase_add_test(t, an_upsampled_tone_has_no_image_and_comes_back);
	tcase_add_test(t, sums_saturate);
	tcase_add_test(t, quality_falls_with_loss_and_delay);
	tcase_add_test(t, a_wav_head_says_its_sizes);
	tcase_add_test(t, the_request_of_rfc_5769_is_understood);
	tcase_add_test(t, the_response_of_rfc_5769_is_what_we_would_say);
	tcase_add_test(t, the_head_of_a_recording_comes_back);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
