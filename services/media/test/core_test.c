/* The media core against phones on 127.0.0.1. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../engine/audio.h"
#include "kit.h"

#define TE "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
enum { WAIT = 20000 };

static void tone(int16_t *pcm, size_t n, unsigned hz, unsigned rate, struct audio_tone *t)
{
	audio_tone(t, hz, 0, rate, pcm, n);
}

START_TEST(a_call_with_one_codec_passes_every_octet_both_ways)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b;
	uint8_t frame[160];
	phone_open(&a, k);
	phone_open(&b, k);
	phone_join(&a, "r", "a", "8 0 101", TE);
	struct job *j = kit_one(k, "r", .kind = OP_CREATE_ENDPOINT, .id = "b");
	ck_assert_ptr_nonnull(strstr(j->results[0].sdp, "m=audio "));
	phone_far(&b, j->results[0].sdp);
	kit_one(k, "r", .kind = OP_SET_REMOTE, .id = "b", .sdp = phone_sdp(&b, "8 101", TE));
	kit_mix(k, "r", "a", "b");
	kit_mix(k, "r", "b", "a");
	uint16_t seq = 0;
	uint32_t ts = 0, ssrc = 0;
	for (int i = 0; i < 20; i++) {
		struct phone *from = i % 2 ? &a : &b, *to = i % 2 ? &b : &a;
		for (int n = 0; n < 160; n++)
			frame[n] = (uint8_t)(n * 3 + i);
		phone_send(from, 8, i == 0, frame, 160, 160);
		do /* a keep-alive of the time before the mix may come first */
			ck_assert(phone_recv(to, WAIT));
		while (i < 2 && to->got.payload[0] == G711_A_SILENCE && to->got.payload[1] == G711_A_SILENCE);
		ck_assert_uint_eq(to->got.len, 160);
		ck_assert_mem_eq(to->got.payload, frame, 160);
		ck_assert_uint_eq(to->got.pt, 8);
		ck_assert_uint_ne(to->got.ssrc, from->ssrc);
		if (to == &b && ssrc) {
			ck_assert_uint_eq(to->got.ssrc, ssrc);
			ck_assert_uint_eq(to->got.seq, (uint16_t)(seq + 1));
			ck_assert_uint_eq(to->got.ts, ts + 160);
		}
		if (to == &b) {
			seq = to->got.seq;
			ts = to->got.ts;
			ssrc = to->got.ssrc;
		}
	}
	ck_assert_int_eq(kit_event(k, EVENT_ENDPOINT_STATE, "a")->state, EP_CONNECTED);
	j = kit_one(k, "r", .kind = OP_DESTROY_ENDPOINT, .id = "a");
	ck_assert(j->results[0].has_stats);
	ck_assert_uint_eq(j->results[0].stats.packets_in, 10);
	ck_assert_uint_eq(j->results[0].stats.packets_out, 10);
	ck_assert_str_eq(j->results[0].stats.codec, "PCMA");
	ck_assert(j->results[0].stats.mos > 4);
	phone_close(&a);
	phone_close(&b);
	kit_close(k);
}
END_TEST

/* Sends a tone in one codec and says how much of what arrives in the other is that tone. */
static double through(struct phone *a, uint8_t pt_a, enum codec ca, struct phone *b, enum codec cb, unsigned hz)
{
	int16_t pcm[160], got[8000];
	uint8_t code[160];
	struct audio_tone t = { 0 };
	size_t n = 0;
	while (phone_recv(b, 0)) { /* what came before */
	}
	int64_t due = pl_mono_us();
	for (int i = 0; i < 60; i++) {
		tone(pcm, 160, hz, 8000, &t);
		g711_encode(ca, pcm, 160, code);
		phone_send(a, pt_a, i == 0, code, 160, 160);
		due += 20000;
		while (phone_recv(b, (int)((due - pl_mono_us()) / 1000)))
			if (n + 160 <= 8000 && b->got.len == 160) {
				g711_decode(cb, b->got.payload, 160, got + n);
				n += 160;
			}
	}
	ck_assert_uint_gt(n, 3200);
	double best = 0; /* a busy machine makes gaps: the best tenth of a second counts */
	for (size_t i = 0; i + 800 <= n; i += 160)
		best = PL_MAX(best, audio_tone_share(got + i, 800, hz, 8000));
	return best;
}

START_TEST(pcmu_is_heard_as_pcma_and_back)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b;
	phone_open(&a, k);
	phone_open(&b, k);
	phone_join(&a, "r", "a", "0", "");
	phone_join(&b, "r", "b", "8", "");
	kit_mix(k, "r", "a", "b");
	kit_mix(k, "r", "b", "a");
	ck_assert_double_gt(through(&a, 0, CODEC_PCMU, &b, CODEC_PCMA, 1000), 0.95);
	ck_assert_double_gt(through(&b, 8, CODEC_PCMA, &a, CODEC_PCMU, 700), 0.95);
	phone_close(&a);
	phone_close(&b);
	kit_close(k);
}
END_TEST

static void make_tone_file(struct kit *k, const char *name, unsigned hz, unsigned ms, int rate)
{
	struct audio_tone t = { 0 };
	size_t n = (size_t)ms * (size_t)rate / 1000;
	int16_t *pcm = malloc(n * sizeof(*pcm));
	tone(pcm, n, hz, (unsigned)rate, &t);
	kit_wav(k, name, pcm, n, rate);
	free(pcm);
}

static void play(struct kit *k, const char *player, const char *ep, struct source *s, size_t n, bool loop)
{
	const char *ids[] = { ep };
	kit_one(k, "r", .kind = OP_PLAY, .id = player, .ids = ids, .n_ids = 1, .sources = s, .n_sources = n,
		.loop = loop, .stop_on_digit = true);
}

START_TEST(a_prompt_then_an_agent_then_music_is_one_stream)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b;
	uint8_t frame[160];
	phone_open(&a, k);
	phone_open(&b, k);
	make_tone_file(k, "prompts/hello", 440, 205, 8000);
	make_tone_file(k, "moh/default/one", 600, 300, 16000);
	phone_join(&a, "r", "a", "8", "");
	phone_join(&b, "r", "b", "8", "");
	play(k, "p1", "a", (struct source[]){ { .kind = SOURCE_FILE, .text = "prompts/hello" } }, 1, false);
	ck_assert(phone_recv(&a, WAIT));
	ck_assert(a.got.marker);
	uint32_t ssrc = a.got.ssrc, ts = a.got.ts;
	uint16_t seq = a.got.seq;
	int got = 1;
	for (; got < 11; got++) { /* 205 ms are eleven frames */
		ck_assert(phone_recv(&a, WAIT));
		ck_assert_uint_eq(a.got.seq, ++seq);
		ck_assert_uint_eq(a.got.ts, ts += 160);
	}
	const struct event *ev = kit_event(k, EVENT_PLAY_DONE, "p1");
	ck_assert_str_eq(ev->reason, "end");
	ck_assert_uint_eq(ev->ms, 220);
	kit_mix(k, "r", "a", "b");
	memset(frame, 0x55, sizeof(frame));
	int64_t before = pl_mono_us();
	phone_send(&b, 8, true, frame, 160, 160);
	do { /* a keep-alive of silence may come first */
		ck_assert(phone_recv(&a, WAIT));
		ck_assert_uint_eq(a.got.seq, ++seq);
		ck_assert_uint_eq(a.got.ssrc, ssrc);
	} while (a.got.payload[0] != 0x55);
	ck_assert(a.got.marker);
	uint32_t step = a.got.ts - ts;
	ck_assert_uint_ge(step, 160);
	ck_assert_uint_lt(step, 8000 * 20);
	ts = a.got.ts;
	(void)before;
	kit_mix(k, "r", "a", NULL);
	play(k, "p2", "a", (struct source[]){ { .kind = SOURCE_FOLDER, .text = "moh/default" } }, 1, true);
	for (int i = 0; i < 30; i++) { /* twice the file and on */
		ck_assert(phone_recv(&a, WAIT));
		ck_assert_uint_eq(a.got.ssrc, ssrc);
		ck_assert_uint_eq(a.got.seq, ++seq);
		ck_assert_int_gt((int32_t)(a.got.ts - ts), 0);
		ts = a.got.ts;
	}
	kit_one(k, "r", .kind = OP_STOP_PLAY, .id = "p2");
	ev = kit_event(k, EVENT_PLAY_DONE, "p2");
	ck_assert_str_eq(ev->reason, "stopped");
	ck_assert_uint_ge(ev->ms, 560);
	phone_close(&a);
	phone_close(&b);
	kit_close(k);
}
END_TEST

START_TEST(an_announcement_is_heard_over_the_talk)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b;
	int16_t pcm[160], got[8000];
	uint8_t code[160];
	struct audio_tone t = { 0 };
	size_t n = 0;
	bool both = false;
	phone_open(&a, k);
	phone_open(&b, k);
	make_tone_file(k, "prompts/beep", 1600, 5000, 44100);
	phone_join(&a, "r", "a", "8", "");
	phone_join(&b, "r", "b", "8", "");
	kit_mix(k, "r", "a", "b");
	play(k, "p", "a", (struct source[]){ { .kind = SOURCE_FILE, .text = "prompts/beep" } }, 1, false);
	int64_t due = pl_mono_us();
	for (int i = 0; i < 50; i++) {
		tone(pcm, 160, 500, 8000, &t);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(&b, 8, i == 0, code, 160, 160);
		due += 20000;
		while (phone_recv(&a, (int)((due - pl_mono_us()) / 1000)) && n + 160 <= 8000) {
			g711_decode(CODEC_PCMA, a.got.payload, 160, got + n);
			n += 160;
		}
	}
	for (size_t at = 0; at + 800 <= n; at += 160)
		both |= audio_tone_share(got + at, 800, 500, 8000) > 0.3 &&
			audio_tone_share(got + at, 800, 1600, 8000) > 0.3;
	ck_assert(both);
	phone_close(&a);
	phone_close(&b);
	kit_close(k);
}
END_TEST

START_TEST(a_missing_sound_fails_by_name)
{
	struct kit *k = kit_open(NULL);
	struct phone a;
	phone_open(&a, k);
	phone_join(&a, "r", "a", "8", "");
	play(k, "p", "a", (struct source[]){ { .kind = SOURCE_FILE, .text = "prompts/nowhere" } }, 1, false);
	const struct event *ev = kit_event(k, EVENT_PLAY_DONE, "p");
	ck_assert_str_eq(ev->reason, "failed");
	ck_assert_ptr_nonnull(strstr(ev->error, "prompts/nowhere"));
	play(k, "p2", "a", (struct source[]){ { .kind = SOURCE_FILE, .text = "../../etc/passwd" } }, 1, false);
	ck_assert_str_eq(kit_event(k, EVENT_PLAY_DONE, "p2")->reason, "failed");
	phone_close(&a);
	kit_close(k);
}
END_TEST

START_TEST(speech_is_made_and_heard)
{
	struct kit *k = kit_open(NULL);
	struct phone a;
	int16_t pcm[160];
	int loud = 0;
	phone_open(&a, k);
	phone_join(&a, "r", "a", "8", "");
	struct source s[] = { { .kind = SOURCE_SAY, .text = "Good morning, you are number two.", .language = "en" },
			      { .kind = SOURCE_SILENCE, .on_ms = 100 } };
	play(k, "p", "a", s, 2, false);
	while (kit_count(k, EVENT_PLAY_DONE, "p") == 0)
		if (phone_recv(&a, 100)) {
			g711_decode(CODEC_PCMA, a.got.payload, 160, pcm);
			loud += audio_peak(pcm, 160) > 2000;
		}
	ck_assert_str_eq(kit_event(k, EVENT_PLAY_DONE, "p")->reason, "end");
	ck_assert_int_gt(loud, 40);
	phone_close(&a);
	kit_close(k);
}
END_TEST

static void press(struct phone *p, uint8_t event, int end_packets)
{
	uint32_t ts = p->ts;
	for (int i = 1; i <= 4 + end_packets; i++) {
		int n = i > 5 ? 5 : i;
		uint8_t te[4] = { event, (uint8_t)(i >= 5 ? 0x8a : 10), (uint8_t)(n * 160 >> 8), (uint8_t)(n * 160) };
		p->ts = ts;
		phone_send(p, 101, i == 1, te, 4, 0);
	}
	p->ts = ts + 960;
}

START_TEST(a_key_is_told_once_relayed_and_stops_the_prompt)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b;
	phone_open(&a, k);
	phone_open(&b, k);
	make_tone_file(k, "prompts/menu", 440, 5000, 8000);
	phone_join(&a, "r", "a", "8 101", TE);
	phone_join(&b, "r", "b", "8 96", "a=rtpmap:96 telephone-event/8000\r\n");
	play(k, "menu", "a", (struct source[]){ { .kind = SOURCE_FILE, .text = "prompts/menu" } }, 1, false);
	ck_assert(phone_recv(&a, WAIT));
	press(&a, 5, 3);
	const struct event *d = kit_event(k, EVENT_DIGIT, "a");
	ck_assert_int_eq(d->digit, '5');
	ck_assert_uint_eq(d->ms, 100);
	ck_assert_str_eq(kit_event(k, EVENT_PLAY_DONE, "menu")->reason, "digit");
	kit_mix(k, "r", "b", "a");
	press(&a, 11, 3);
	int events = 0;
	while (events < 7) {
		ck_assert(phone_recv(&b, WAIT));
		events += b.got.pt == 96;
		if (b.got.pt == 96)
			ck_assert_uint_eq(b.got.payload[0], 11);
	}
	press(&a, 1, 0); /* its end is lost */
	d = kit_event(k, EVENT_DIGIT, "a");
	ck_assert_int_eq(d->digit, '#');
	ck_assert_int_eq(kit_event(k, EVENT_DIGIT, "a")->digit, '1');
	ck_assert_uint_eq(kit_count(k, EVENT_DIGIT, "a"), 3);
	phone_close(&a);
	phone_close(&b);
	kit_close(k);
}
END_TEST

START_TEST(a_tone_in_the_sound_is_a_key_where_no_events_were_agreed)
{
	struct kit *k = kit_open(NULL);
	struct phone a;
	int16_t pcm[160];
	uint8_t code[160];
	struct audio_tone t = { 0 };
	phone_open(&a, k);
	phone_join(&a, "r", "a", "8", "");
	int64_t due = pl_mono_us();
	for (int i = 0; i < 30; i++) {
		memset(pcm, 0, sizeof(pcm));
		if (i >= 10 && i < 16)
			audio_tone(&t, 770, 1336, 8000, pcm, 160);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(&a, 8, false, code, 160, 160);
		due += 20000;
		while (pl_mono_us() < due)
			kit_turn(k, 1);
	}
	ck_assert_int_eq(kit_event(k, EVENT_DIGIT, "a")->digit, '5');
	ck_assert_uint_eq(kit_count(k, EVENT_DIGIT, "a"), 1);
	phone_close(&a);
	kit_close(k);
}
END_TEST

START_TEST(digits_are_sent_as_events)
{
	struct kit *k = kit_open(NULL);
	struct phone a;
	uint32_t ts = 0;
	int ends = 0, starts = 0;
	phone_open(&a, k);
	phone_join(&a, "r", "a", "8 101", TE);
	kit_one(k, "r", .kind = OP_SEND_DIGITS, .id = "a", .text = "1#");
	while (ends < 6) {
		ck_assert(phone_recv(&a, WAIT));
		if (a.got.pt != 101)
			continue;
		ck_assert_uint_eq(a.got.payload[0], starts + a.got.marker <= 1 ? 1 : 11);
		if (a.got.marker) {
			starts++;
			ts = a.got.ts;
		}
		ck_assert_uint_eq(a.got.ts, ts);
		ends += a.got.payload[1] >> 7;
		if (a.got.payload[1] >> 7)
			ck_assert_uint_eq(a.got.payload[2] << 8 | a.got.payload[3], 800);
	}
	ck_assert_int_eq(starts, 2);
	phone_close(&a);
	kit_close(k);
}
END_TEST

START_TEST(a_stranger_is_not_heard_and_the_right_one_is)
{
	struct kit *k = kit_open(NULL);
	struct phone a, b, evil;
	uint8_t frame[160] = { 1 };
	phone_open(&a, k);
	phone_open(&b, k);
	phone_open(&evil, k);
	phone_join(&a, "r", "a", "8", "");
	phone_join(&b, "r", "b", "8", "");
	kit_mix(k, "r", "b", "a");
	phone_send(&a, 8, true, frame, 160, 160);
	ck_assert(phone_recv(&b, WAIT));
	evil.far_port = a.far_port;
	frame[0] = 66;
	phone_send(&evil, 8, true, frame, 160, 160);
	frame[0] = 2;
	phone_send(&a, 8, false, frame, 160, 160);
	ck_assert(phone_recv(&b, WAIT));
	ck_assert_uint_eq(b.got.payload[0], 2);
	phone_close(&a);
	phone_close(&b);
	phone_close(&evil);
	kit_close(k);
}
END_TEST

START_TEST(three_hear_each_other_without_themselves)
{
	struct kit *k = kit_open(NULL);
	struct phone p[3];
	static const char *const names[] = { "a", "b", "c" };
	static const unsigned hz[] = { 400, 900, 1700 };
	struct audio_tone t[3] = { { 0 } };
	int16_t pcm[160], got[3][16000];
	uint8_t code[160];
	size_t n[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		phone_open(&p[i], k);
		phone_join(&p[i], "r", names[i], "8", "");
	}
	for (int i = 0; i < 3; i++) {
		const char *ids[] = { names[(i + 1) % 3], names[(i + 2) % 3] };
		kit_one(k, "r", .kind = OP_MIX, .id = names[i], .ids = ids, .n_ids = 2);
	}
	int64_t due = pl_mono_us();
	for (int f = 0; f < 50; f++) {
		for (int i = 0; i < 3; i++) {
			tone(pcm, 160, hz[i], 8000, &t[i]);
			g711_encode(CODEC_PCMA, pcm, 160, code);
			phone_send(&p[i], 8, f == 0, code, 160, 160);
		}
		due += 20000;
		while (pl_mono_us() < due)
			for (int i = 0; i < 3; i++)
				while (phone_recv(&p[i], 1) && n[i] + 160 < 16000) {
					g711_decode(CODEC_PCMA, p[i].got.payload, 160, got[i] + n[i]);
					n[i] += 160;
				}
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_gt(n[i], 4800);
		bool both = false; /* somewhere, for a tenth of a second: a busy machine makes gaps */
		for (size_t at = 0; at + 800 <= n[i]; at += 160) {
			both |= audio_tone_share(got[i] + at, 800, hz[(i + 1) % 3], 8000) > 0.4 &&
				audio_tone_share(got[i] + at, 800, hz[(i + 2) % 3], 8000) > 0.4;
			ck_assert(audio_peak(got[i] + at, 800) < 100 ||
				  audio_tone_share(got[i] + at, 800, hz[i], 8000) < 0.1);
		}
		ck_assert(both);
		phone_close(&p[i]);
	}
	kit_close(k);
}
END_TEST

START_TEST(what_the_other_side_holds_is_not_sent_to)
{
	struct kit *k = kit_open(NULL);
	struct phone a;
	phone_open(&a, k);
	make_tone_file(k, "moh/default/one", 600, 300, 8000);
	phone_join(&a, "r", "a", "8", "");
	play(k, "m", "a", (struct source[]){ { .kind = SOURCE_FOLDER, .text = "moh/default" } }, 1, true);
	ck_assert(phone_recv(&a, WAIT));
	struct job *j = kit_one(k, "r", .kind = OP_SET_REMOTE, .id = "a", .is_offer = true,
				.sdp = phone_sdp(&a, "8", "a=sendonly\r\n"));
	ck_assert_ptr_nonnull(strstr(j->results[0].sdp, "a=recvonly"));
	while (phone_recv(&a, 200)) { /* what was under way */
	}
	ck_assert(!phone_recv(&a, 300));
	kit_one(k, "r", .kind = OP_SET_REMOTE, .id = "a", .is_offer = true,
		.sdp = phone_sdp(&a, "8", "a=sendrecv\r\n"));
	ck_assert(phone_recv(&a, WAIT));
	phone_close(&a);
	kit_close(k);
}
END_TEST

START_TEST(errors_name_what_is_wrong_and_leave_nothing_behind)
{
	struct kit *k = kit_open(NULL);
	struct core_counts n;
	struct job *j = kit_try(
		k, "r", (struct op[]){ { .kind = OP_CREATE_ENDPOINT, .id = "a", .sdp = "v=0\r\nnonsense\r\n" } }, 1);
	ck_assert_int_eq(j->err, PL_E_FORMAT);
	ck_assert_str_eq(j->why.field, "remote_sdp");
	struct phone a;
	phone_open(&a, k);
	j = kit_try(k, "r", (struct op[]){ { .kind = OP_CREATE_ENDPOINT, .id = "a", .sdp = phone_sdp(&a, "3 4", "") } },
		    1);
	ck_assert_int_eq(j->err, PL_E_UNSUPPORTED);
	j = kit_try(k, "r", (struct op[]){ { .kind = OP_MIX, .id = "a" } }, 1);
	ck_assert_int_eq(j->err, PL_E_NOTFOUND);
	core_count(k->core, &n);
	ck_assert_uint_eq(n.rooms, 0);
	ck_assert_uint_eq(n.endpoints, 0);
	phone_join(&a, "r", "a", "8", "");
	j = kit_one(k, "r", .kind = OP_CREATE_ENDPOINT, .id = "a", .sdp = phone_sdp(&a, "8", "")); /* asked twice */
	core_count(k->core, &n);
	ck_assert_uint_eq(n.endpoints, 1);
	kit_one(k, "r", .kind = OP_DESTROY_ROOM);
	core_count(k->core, &n);
	ck_assert_uint_eq(n.rooms + n.endpoints, 0);
	phone_close(&a);
	kit_close(k);
}
END_TEST

/* 500 callers with music on one worker: no packet is missing, and none comes before its time. */
START_TEST(five_hundred_listeners_get_every_packet)
{
	enum { N = 500, FRAMES = 100 };
	static struct phone p[N];
	static uint16_t first[N], n[N];
	struct rlimit r;
	struct core_counts c;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	struct kit *k = kit_open(NULL);
	make_tone_file(k, "moh/default/one", 600, 3000, 8000);
	struct source s = { .kind = SOURCE_FOLDER, .text = "moh/default" };
	for (int i = 0; i < N; i++) {
		char *room = pl_arena_printf(k->arena, "room-%d", i);
		static const char *ids[] = { "a" };
		phone_open(&p[i], k);
		phone_join(&p[i], room, "a", "8 101", TE);
		kit_one(k, room, .kind = OP_PLAY, .id = "m", .ids = ids, .n_ids = 1, .sources = &s, .n_sources = 1,
			.loop = true);
	}
	int64_t start = pl_mono_us(), limit = start + 60 * PL_US_PER_S;
	int done = 0;
	while (done < N) {
		ck_assert_int_lt(pl_mono_us(), limit);
		for (int i = done = 0; i < N; i++) {
			while (n[i] < FRAMES && phone_recv(&p[i], 0)) {
				if (n[i]++ == 0)
					first[i] = p[i].got.seq;
				ck_assert_uint_eq(p[i].got.seq, (uint16_t)(first[i] + n[i] - 1));
			}
			done += n[i] >= FRAMES;
		}
		kit_turn(k, 2);
	}
	ck_assert_int_lt(pl_mono_us() - start, 10 * PL_US_PER_S); /* 2 s of sound, begun while the phones joined */
	core_count(k->core, &c);
	ck_assert_uint_eq(c.send_errors, 0);
	for (int i = 0; i < N; i++)
		phone_close(&p[i]);
	kit_close(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("media core");
	TCase *t = tcase_create("phones");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_call_with_one_codec_passes_every_octet_both_ways);
	tcase_add_test(t, pcmu_is_heard_as_pcma_and_back);
	tcase_add_test(t, a_prompt_then_an_agent_then_music_is_one_stream);
	tcase_add_test(t, an_announcement_is_heard_over_the_talk);
	tcase_add_test(t, a_missing_sound_fails_by_name);
	tcase_add_test(t, speech_is_made_and_heard);
	tcase_add_test(t, a_key_is_told_once_relayed_and_stops_the_prompt);
	tcase_add_test(t, a_tone_in_the_sound_is_a_key_where_no_events_were_agreed);
	tcase_add_test(t, digits_are_sent_as_events);
	tcase_add_test(t, a_stranger_is_not_heard_and_the_right_one_is);
	tcase_add_test(t, three_hear_each_other_without_themselves);
	tcase_add_test(t, what_the_other_side_holds_is_not_sent_to);
	tcase_add_test(t, errors_name_what_is_wrong_and_leave_nothing_behind);
	tcase_add_test(t, five_hundred_listeners_get_every_packet);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
