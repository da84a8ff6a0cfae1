/* Recording: what was said is in the file, encrypted, checked; what was changed is found out. */
#include <check.h>
#include <fcntl.h>
#include <malloc.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/audio.h"
#include "../shell/rec_file.h"
#include "kit.h"

enum { WAIT = 20000 };

struct call {
	struct kit *k;
	struct phone a, b;
	struct audio_tone ta, tb;
	int64_t due;
};

static void call_open(struct call *c, const struct core_cfg *extra)
{
	memset(c, 0, sizeof(*c));
	c->k = kit_open(extra);
	phone_open(&c->a, c->k);
	phone_open(&c->b, c->k);
	phone_join(&c->a, "r", "a", "8", "");
	phone_join(&c->b, "r", "b", "0", "");
	kit_mix(c->k, "r", "a", "b");
	kit_mix(c->k, "r", "b", "a");
	c->due = pl_mono_us();
}

static void call_close(struct call *c)
{
	phone_close(&c->a);
	phone_close(&c->b);
	kit_close(c->k);
}

static void talk(struct call *c, int frames)
{
	int16_t pcm[160];
	uint8_t code[160];
	for (int i = 0; i < frames; i++) {
		audio_tone(&c->ta, 500, 0, 8000, pcm, 160);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(&c->a, 8, false, code, 160, 160);
		audio_tone(&c->tb, 1500, 0, 8000, pcm, 160);
		g711_encode(CODEC_PCMU, pcm, 160, code);
		phone_send(&c->b, 0, false, code, 160, 160);
		c->due += 20000;
		while (pl_mono_us() < c->due)
			kit_turn(c->k, 1);
	}
}

static void record(struct kit *k, const char *id)
{
	const char *left[] = { "a" }, *right[] = { "b" };
	kit_one(k, "r", .kind = OP_START_RECORDING, .id = id, .ids = left, .n_ids = 1, .right_ids = right,
		.n_right = 1);
}

/* All samples of both channels. */
static size_t read_back(const char *path, const uint8_t *key, int16_t *left, int16_t *right, size_t max, int *ret_marks)
{
	struct rec_in *r = NULL;
	struct pl_why why = { 0 };
	size_t n = 0;
	ck_assert_msg(rec_in_open(&r, path, key, &why) == PL_OK, "%s", why.text);
	while (!r->ended) {
		ck_assert_msg(rec_in_next(r, &why) == PL_OK, "%s", why.text);
		*ret_marks += r->kind == REC_PIECE_MARK;
		for (size_t i = 0; r->kind == REC_PIECE_SOUND && i + 1 < r->len && n < max; i += 2) {
			left[n] = g711_a_linear[r->data[i]];
			right[n++] = g711_a_linear[r->data[i + 1]];
		}
	}
	rec_in_close(r);
	return n;
}

START_TEST(left_is_left_right_is_right_and_the_length_is_true)
{
	static int16_t left[80000], right[80000];
	struct call c;
	int marks = 0;
	call_open(&c, NULL);
	talk(&c, 10);
	int64_t start = pl_mono_us();
	record(c.k, "rec-1");
	talk(&c, 100);
	kit_one(c.k, "r", .kind = OP_STOP_RECORDING, .id = "rec-1");
	int64_t len_ms = (pl_mono_us() - start) / 1000;
	const struct event *ev = kit_event(c.k, EVENT_RECORDING_DONE, "rec-1");
	ck_assert_msg(ev->verified, "%s", ev->error);
	ck_assert_int_le(llabs((int64_t)ev->ms - len_ms), 40);
	ck_assert_uint_ge(ev->packets_left, 99);
	ck_assert_uint_ge(ev->packets_right, 99);
	ck_assert_uint_eq(strlen(ev->sha256), 64);
	char *path = kit_path(c.k, pl_arena_printf(c.k->arena, "recordings/%s", ev->path));
	size_t n = read_back(path, c.k->key, left, right, 80000, &marks);
	ck_assert_uint_eq(n, ev->ms * 8);
	ck_assert_double_gt(audio_tone_share(left + 8000, 4000, 500, 8000), 0.95);
	ck_assert_double_gt(audio_tone_share(right + 8000, 4000, 1500, 8000), 0.95);
	ck_assert_double_lt(audio_tone_share(left + 8000, 4000, 1500, 8000), 0.001);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, ev->bytes);
	call_close(&c);
}
END_TEST

START_TEST(a_pause_is_silence_of_the_same_length_with_marks)
{
	static int16_t left[80000], right[80000];
	struct call c;
	int marks = 0;
	call_open(&c, NULL);
	record(c.k, "rec-2");
	talk(&c, 40);
	kit_one(c.k, "r", .kind = OP_PAUSE_RECORDING, .id = "rec-2", .paused = true, .text = "card number");
	talk(&c, 40);
	kit_one(c.k, "r", .kind = OP_PAUSE_RECORDING, .id = "rec-2", .paused = false, .text = "");
	talk(&c, 40);
	kit_one(c.k, "r", .kind = OP_DESTROY_ROOM); /* the end of the call ends the recording */
	const struct event *ev = kit_event(c.k, EVENT_RECORDING_DONE, "rec-2");
	ck_assert_msg(ev->verified, "%s", ev->error);
	size_t n = read_back(kit_path(c.k, pl_arena_printf(c.k->arena, "recordings/%s", ev->path)), c.k->key, left,
			     right, 80000, &marks);
	ck_assert_int_eq(marks, 2);
	ck_assert_uint_gt(n, 115 * 160);
	ck_assert_int_lt(audio_peak(left + 45 * 160, 30 * 160), 16);
	ck_assert_int_lt(audio_peak(right + 45 * 160, 30 * 160), 16);
	ck_assert_double_gt(audio_tone_share(left + 90 * 160, 1600, 500, 8000), 0.9);
	call_close(&c);
}
END_TEST

START_TEST(a_changed_octet_and_another_master_key_are_found_out)
{
	static int16_t pcm[8000];
	struct call c;
	struct pl_why why = { 0 };
	struct rec_in *r = NULL;
	uint8_t other[32] = { 9 }, octet;
	call_open(&c, NULL);
	record(c.k, "rec-3");
	talk(&c, 30);
	kit_one(c.k, "r", .kind = OP_STOP_RECORDING, .id = "rec-3");
	const struct event *ev = kit_event(c.k, EVENT_RECORDING_DONE, "rec-3");
	char *path = kit_path(c.k, pl_arena_printf(c.k->arena, "recordings/%s", ev->path));
	ck_assert_int_eq(rec_in_open(&r, path, other, &why), PL_E_DENIED);
	ck_assert_ptr_nonnull(strstr(why.text, "another master key"));
	static const off_t places[] = { 20, 40, 110, 140, REC_HDR_BYTES + 40, 3000 };
	for (size_t i = 0; i < PL_ARRAY_N(places); i++) {
		int fd = open(path, O_RDWR);
		ck_assert_int_eq(pread(fd, &octet, 1, places[i]), 1);
		octet ^= 0x10;
		ck_assert_int_eq(pwrite(fd, &octet, 1, places[i]), 1);
		enum pl_err err = rec_in_open(&r, path, c.k->key, &why);
		bool opened = !err;
		while (!err && !r->ended)
			err = rec_in_next(r, &why);
		ck_assert_msg(err == PL_E_INTERNAL, "octet %ld changed: %s", (long)places[i], pl_err_name(err));
		if (opened)
			rec_in_close(r);
		octet ^= 0x10;
		ck_assert_int_eq(pwrite(fd, &octet, 1, places[i]), 1);
		close(fd);
	}
	int marks = 0;
	ck_assert_uint_gt(read_back(path, c.k->key, pcm, pcm, 8000, &marks), 0);
	call_close(&c);
}
END_TEST

/* A file as a killed process leaves it: pieces, the last one cut. */
START_TEST(what_a_killed_node_left_is_closed_and_told)
{
	struct kit *k = kit_open(NULL);
	struct pl_why why = { 0 };
	struct rec_out o;
	struct rec_hdr h = { .format = REC_ALAW,
			     .started_us = pl_wall_us(),
			     .id = "rec-4",
			     .room_id = "r",
			     .owner = "cc-9",
			     .node = "m" };
	uint8_t piece[8000];
	char *dir = kit_path(k, "recordings");
	kit_core_close(k);
	memset(piece, 0x55, sizeof(piece));
	ck_assert_int_eq(rec_out_open(&o, dir, &h, k->key, &why), PL_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(rec_out_sound(&o, piece, sizeof(piece), &why), PL_OK);
	ck_assert_int_eq(ftruncate(o.fd, (off_t)o.bytes - 100), 0);
	rec_out_abort(&o);
	kit_core_open(k, NULL);
	const struct event *ev = kit_event(k, EVENT_RECORDING_DONE, "rec-4");
	ck_assert(!ev->verified);
	ck_assert_str_eq(ev->owner, "cc-9");
	ck_assert_uint_eq(ev->ms, 1000);
	static int16_t l[80000];
	int marks = 0;
	char *path = kit_path(k, pl_arena_printf(k->arena, "recordings/%s", ev->path));
	ck_assert_uint_eq(read_back(path, k->key, l, l, 80000, &marks), 8000);
	ck_assert_int_ne(access(pl_arena_printf(k->arena, "%s.part", path), F_OK), 0);
	kit_close(k);
}
END_TEST

START_TEST(a_disk_that_is_too_slow_fails_the_recording_loudly_and_the_call_goes_on)
{
	struct call c;
	call_open(&c, &(struct core_cfg){ .record_queue_bytes = 1000 }); /* less than one piece */
	record(c.k, "rec-5");
	talk(&c, 30);
	const struct event *ev = kit_event(c.k, EVENT_RECORDING_DONE, "rec-5");
	ck_assert(!ev->verified);
	ck_assert_ptr_nonnull(strstr(ev->error, "too slow"));
	ck_assert(phone_recv(&c.b, WAIT));
	kit_one(c.k, "r", .kind = OP_STOP_RECORDING, .id = "rec-5");
	ck_assert_uint_eq(kit_count(c.k, EVENT_RECORDING_DONE, "rec-5"), 1);
	call_close(&c);
}
END_TEST

START_TEST(many_calls_come_and_go_and_memory_stays)
{
	struct call c;
	struct core_counts n;
	size_t before = 0, after = 0;
	call_open(&c, NULL);
	for (int i = 0; i < 300; i++) {
		char *room = pl_arena_printf(c.k->arena, "room-%d", i), *id = pl_arena_printf(c.k->arena, "rec-%d", i);
		static const char *left[] = { "a" }, *right[] = { "b" };
		static uint8_t frame[160];
		struct op ops[] = { { .kind = OP_CREATE_ENDPOINT, .id = "a", .sdp = phone_sdp(&c.a, "8", "") },
				    { .kind = OP_CREATE_ENDPOINT, .id = "b", .sdp = c.a.sdp },
				    { .kind = OP_MIX, .id = "a", .ids = right, .n_ids = 1 },
				    { .kind = OP_START_RECORDING,
				      .id = id,
				      .ids = left,
				      .n_ids = 1,
				      .right_ids = right,
				      .n_right = 1 } };
		struct job *j = kit_apply(c.k, room, ops, 4);
		phone_far(&c.a, j->results[1].sdp);
		phone_send(&c.a, 8, true, frame, 160, 160);
		kit_one(c.k, room, .kind = OP_DESTROY_ROOM);
		kit_event(c.k, EVENT_RECORDING_DONE, id);
		size_t used = mallinfo2().uordblks - pl_arena_used(c.k->arena);
		before = i == 99 ? used : before;
		after = used;
	}
	core_count(c.k->core, &n);
	ck_assert_uint_eq(n.rooms, 1);
	ck_assert_uint_eq(n.record_queue_bytes, 0);
	ck_assert_msg(after < before + 100000, "%zu bytes after 100 calls, %zu after 300", before, after);
	call_close(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recording");
	TCase *t = tcase_create("files");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, left_is_left_right_is_right_and_the_length_is_true);
	tcase_add_test(t, a_pause_is_silence_of_the_same_length_with_marks);
	tcase_add_test(t, a_changed_octet_and_another_master_key_are_found_out);
	tcase_add_test(t, what_a_killed_node_left_is_closed_and_told);
	tcase_add_test(t, a_disk_that_is_too_slow_fails_the_recording_loudly_and_the_call_goes_on);
	tcase_add_test(t, many_calls_come_and_go_and_memory_stays);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
