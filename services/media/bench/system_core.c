/* Our media core in a child process. */
#include <parley/crypto.h>
#include <parley/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shell/core.h"
#include "bench.h"

enum mode { RELAY, RECORD, MUSIC, THREE };

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* with one core both share it */
}

static void on_event(void *arg, const struct event *ev)
{
	(void)arg;
	if (ev->kind == EVENT_RECORDING_DONE || (ev->kind == EVENT_PLAY_DONE && ev->error[0]))
		fprintf(stderr, "%s: %s\n", ev->id, ev->error);
}

static void done(struct job *j)
{
	*(bool *)j->arg = true;
}

static struct job apply(struct core *c, const char *room, struct op *ops, size_t n, struct pl_arena *a)
{
	bool ready = false;
	struct job j = {
		.room_id = room, .owner = "bench", .ops = ops, .n_ops = n, .arena = a, .done = done, .arg = &ready
	};
	core_apply(c, &j);
	while (!ready) {
		struct pollfd p = { .fd = pl_loop_backend_fd(core_loop(c)), .events = POLLIN };
		poll(&p, 1, 100);
		pl_loop_turn(core_loop(c));
	}
	if (j.err)
		fprintf(stderr, "%s: %s\n", pl_err_name(j.err), j.why.text);
	return j;
}

static uint16_t far_port(const struct job *j, size_t i)
{
	return (uint16_t)atoi(strstr(j->results[i].sdp, "m=audio ") + 8);
}

static void sdp_of(const struct leg *l, char out[200])
{
	snprintf(out, 200,
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
		 "a=rtpmap:101 telephone-event/8000\r\n",
		 l->port);
}

static void one_call(struct core *c, struct leg *a, struct leg *b, int i, enum mode mode)
{
	char room[32], rec[32], sa[200], sb[200];
	static const char *ha[] = { "b" }, *hb[] = { "a" };
	struct pl_arena *arena = pl_arena_new(0);
	struct source moh = { .kind = SOURCE_FOLDER, .text = "moh/default" };
	snprintf(room, sizeof(room), "room-%d", i);
	snprintf(rec, sizeof(rec), "rec-%d-%d", (int)getpid(), i);
	sdp_of(a, sa);
	sdp_of(b, sb);
	struct op ops[] = {
		{ .kind = OP_CREATE_ENDPOINT, .id = "a", .sdp = sa },
		{ .kind = OP_CREATE_ENDPOINT, .id = "b", .sdp = sb },
		{ .kind = OP_MIX, .id = "a", .ids = ha, .n_ids = 1 },
		{ .kind = OP_MIX, .id = "b", .ids = hb, .n_ids = 1 },
		{ .kind = OP_START_RECORDING, .id = rec, .ids = hb, .n_ids = 1, .right_ids = ha, .n_right = 1 }
	};
	struct op music[] = { ops[0],
			      { .kind = OP_PLAY,
				.id = "m",
				.ids = hb,
				.n_ids = 1,
				.sources = &moh,
				.n_sources = 1,
				.loop = true,
				.offset_ms = (uint64_t)i * 20 } };
	struct job j =
		mode == MUSIC ? apply(c, room, music, 2, arena) : apply(c, room, ops, mode == RECORD ? 5 : 4, arena);
	a->far_port = far_port(&j, 0);
	if (mode != MUSIC)
		b->far_port = far_port(&j, 1);
	pl_arena_free(arena);
}

/* Three phones that all hear each other. */
static void one_conference(struct core *c, struct leg *l, int i)
{
	char room[32], sdp[3][200];
	static const char *names[] = { "a", "b", "c", "a", "b" };
	struct op ops[6] = { { .kind = OP_CREATE_ENDPOINT } };
	struct pl_arena *arena = pl_arena_new(0);
	snprintf(room, sizeof(room), "room-%d", i);
	for (int k = 0; k < 3; k++) {
		sdp_of(&l[k], sdp[k]);
		ops[k] = (struct op){ .kind = OP_CREATE_ENDPOINT, .id = names[k], .sdp = sdp[k] };
		ops[3 + k] = (struct op){ .kind = OP_MIX, .id = names[k], .ids = &names[k + 1], .n_ids = 2 };
	}
	struct job j = apply(c, room, ops, 6, arena);
	for (size_t k = 0; k < 3; k++)
		l[k].far_port = far_port(&j, k);
	pl_arena_free(arena);
}

static void make_music(const char *dir)
{
	char path[200];
	SF_INFO info = { .samplerate = 8000, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16 };
	snprintf(path, sizeof(path), "%s/sounds", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sounds/moh", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sounds/moh/default", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sounds/moh/default/one.wav", dir);
	SNDFILE *f = sf_open(path, SFM_WRITE, &info);
	for (int i = 0; i < 8000 * 30; i++) {
		short v = (short)(i * 37 % 8000);
		sf_write_short(f, &v, 1);
	}
	sf_close(f);
}

static void run(int in, int out, struct leg *legs, int n_calls, enum mode mode)
{
	static uint8_t key[32] = { 1 };
	char dir[] = "/tmp/parley-bench-XXXXXX", cmd[64];
	struct pl_loop *loop = NULL;
	struct core *core = NULL;
	struct pl_why why = { 0 };
	if (!mkdtemp(dir) || crypto_open() || pl_loop_new(&loop, &why))
		_exit(1);
	make_music(dir);
	const char *hold = getenv("HOLD_US");
	struct core_cfg c = { .workers = 1,
			      .rtp_port_min = 20000,
			      .rtp_port_max = 59999,
			      .rtp_address = "127.0.0.1",
			      .public_address = "",
			      .data_dir = dir,
			      .node = "bench",
			      .master_key = key,
			      .hold_us = hold ? atoi(hold) : 4000,
			      .cache_bytes = 64 << 20,
			      .max_rooms = 100000,
			      .record_queue_bytes = 64 << 20,
			      .sip_codecs = { CODEC_PCMA },
			      .n_sip_codecs = 1,
			      .webrtc_codecs = { CODEC_OPUS },
			      .n_webrtc_codecs = 1 };
	if (core_open(&core, loop, &c, on_event, NULL, &why)) {
		fprintf(stderr, "%s\n", why.text);
		_exit(1);
	}
	int64_t began = pl_mono_us();
	for (int i = 0; mode == THREE && i < 2 * n_calls / 3; i++)
		one_conference(core, &legs[3 * i], i);
	for (int i = 0; mode != THREE && i < n_calls; i++)
		one_call(core, &legs[2 * i], &legs[2 * i + 1], i, mode);
	fprintf(stderr, "an Apply takes %.0f us\n",
		(double)(pl_mono_us() - began) / (mode == THREE ? 2 * n_calls / 3 : n_calls));
	for (int i = 0; i < 2 * n_calls; i++)
		if (write(out, &legs[i].far_port, 2) != 2)
			_exit(1);
	struct pollfd p[2] = { { .fd = in, .events = POLLIN }, { .fd = pl_loop_backend_fd(loop), .events = POLLIN } };
	while (poll(p, 2, -1) >= 0 && !p[0].revents)
		pl_loop_turn(loop);
	struct core_counts n;
	core_count(core, &n);
	fprintf(stderr, "late ticks %llu, latest %llu us, send errors %llu, refused %llu, recorder failures %llu\n",
		(unsigned long long)n.ticks_late, (unsigned long long)n.tick_max_us, (unsigned long long)n.send_errors,
		(unsigned long long)n.bad_packets, (unsigned long long)n.recorder_failures);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd)) { /* it is below /tmp anyway */
	}
	_exit(0);
}

static bool start(struct system *s, struct leg *legs, int n_calls, enum mode mode)
{
	int up[2], down[2];
	if (pipe(up) || pipe(down))
		return false;
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		close(down[1]);
		run(down[0], up[1], legs, n_calls, mode);
	}
	close(up[1]);
	close(down[0]);
	s->ctl = down[1];
	bool ok = true;
	for (int i = 0; i < 2 * n_calls && ok; i++)
		ok = read(up[0], &legs[i].far_port, 2) == 2;
	close(up[0]);
	return ok;
}

bool core_start(struct system *s, struct leg *legs, int n_calls)
{
	return start(s, legs, n_calls, RELAY);
}
bool core_start_recording(struct system *s, struct leg *legs, int n_calls)
{
	return start(s, legs, n_calls, RECORD);
}
bool core_start_music(struct system *s, struct leg *legs, int n_calls)
{
	return start(s, legs, n_calls, MUSIC);
}
bool core_start_three(struct system *s, struct leg *legs, int n_calls)
{
	return start(s, legs, n_calls, THREE);
}
