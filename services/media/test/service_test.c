/* The whole process on a private NATS: Apply, events, rooms that are kept, recordings read back, kill -9. */
#include <check.h>
#include <parley/bus.h>
#include <parley/log.h>
#include <parley/media/v1/media.pb-c.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../engine/audio.h"
#include "kit.h"

typedef Parley__Media__V1__Operation Operation;
typedef Parley__Media__V1__MediaEvent MediaEvent;
enum { LIMIT_S = 30 };

static const char *program;
static struct tk *nats, *svc;
static struct kit kit; /* only its loop and arena: phones need them */
static struct bus *bus;
static char dir[64];
static const MediaEvent *events[256];
static size_t n_events;
static int health_port;

static void turn(void *l)
{
	(void)l;
	kit_turn(&kit, 20);
}

static void on_event(void *arg, const struct bus_msg *m)
{
	ProtobufCMessage *msg = NULL;
	struct pl_why why;
	(void)arg;
	ck_assert_int_eq(rpc_decode(m, kit.arena, &msg, &why), PL_OK);
	ck_assert_uint_lt(n_events, PL_ARRAY_N(events));
	events[n_events++] = (const void *)msg;
}

static void start_service(void)
{
	static char url[80], data[100], health[40];
	snprintf(url, sizeof(url), "--nats-url=%s", tk_url(nats));
	snprintf(data, sizeof(data), "--data-dir=%s", dir);
	snprintf(health, sizeof(health), "--health-port=%d", health_port);
	svc = tk_program((const char *const[]){ program, url, data, health, "--node=media-1", "--rtp-port-min=21000",
						"--workers=2", "--owner-timeout-s=300", NULL },
			 health_port);
}

static bool node_up(void *arg)
{
	(void)arg;
	return bus_pick_node(bus, "media", NULL) != NULL;
}

static void watch(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	(void)arg, (void)c, (void)n;
}

static void setup(void)
{
	struct pl_why why = { 0 };
	struct bus_sub *sub = NULL;
	char path[128];
	log_open("test", "test-1", LOG_ERROR);
	strcpy(dir, "/tmp/parley-media-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/keys", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/keys/master.key", dir);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 32; i++)
		fputs("a7", f);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0600), 0);
	nats = tk_nats(NULL);
	health_port = tk_free_port();
	kit.arena = pl_arena_new(0);
	strcpy(kit.dir, dir);
	ck_assert_int_eq(pl_loop_new(&kit.loop, &why), PL_OK);
	struct bus_cfg bc = {
		.url = tk_url(nats), .service = "call-control", .node = "cc-1", .connect_wait_ms = 20000
	};
	ck_assert_int_eq(bus_open(&bus, kit.loop, NULL, &bc, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&sub, bus, "node.cc-1.MediaEvents", NULL, on_event, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_watch_nodes(bus, "media", watch, NULL), PL_OK);
	start_service();
	ck_assert(tk_until(node_up, NULL, turn, kit.loop, LIMIT_S));
}

static void teardown(void)
{
	char cmd[100];
	bus_close(bus);
	tk_free(svc);
	tk_free(nats);
	pl_loop_free(kit.loop);
	pl_arena_free(kit.arena);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

struct answer {
	bool done;
	enum pl_err err;
	struct pl_why why;
	const ProtobufCMessage *out;
};

static void on_answer(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct answer *a = arg;
	*a = (struct answer){ .done = true, .err = err };
	if (why)
		a->why = *why;
	if (out)
		a->out = rpc_dup(out, kit.arena);
}

static bool answered(void *arg)
{
	return ((struct answer *)arg)->done;
}

static struct answer ask(const ProtobufCServiceDescriptor *d, const char *method, const char *node,
			 const ProtobufCMessage *in)
{
	struct answer a = { 0 };
	struct pl_why why = { 0 };
	struct rpc_to to = { .service = d, .method = method, .node = node, .timeout_ms = 20000 };
	ck_assert_msg(rpc_ask(bus, &to, in, on_answer, &a, &why) != 0, "%s", why.text);
	ck_assert(tk_until(answered, &a, turn, kit.loop, LIMIT_S));
	return a;
}

static struct answer apply(const char *room, Operation **ops, size_t n)
{
	Parley__Media__V1__ApplyRequest in = PARLEY__MEDIA__V1__APPLY_REQUEST__INIT;
	in.room_id = (char *)(uintptr_t)room;
	in.owner = (char *)(uintptr_t) "cc-1";
	in.operations = ops;
	in.n_operations = n;
	return ask(&parley__media__v1__media_internal_service__descriptor, "Apply", "media-1", &in.base);
}

#define OP(name, Case, field, Type, init)                                                                              \
	Parley__Media__V1__##Type name##_body = init;                                                                  \
	Operation name = PARLEY__MEDIA__V1__OPERATION__INIT;                                                           \
	name.op_case = PARLEY__MEDIA__V1__OPERATION__OP_##Case;                                                        \
	name.field = &name##_body

static void join(struct phone *p, const char *room, const char *id)
{
	phone_open(p, &kit);
	OP(op, CREATE_ENDPOINT, create_endpoint, CreateEndpoint, PARLEY__MEDIA__V1__CREATE_ENDPOINT__INIT);
	op_body.endpoint_id = (char *)(uintptr_t)id;
	op_body.kind = PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_SIP;
	op_body.remote_sdp = phone_sdp(p, "8", "");
	struct answer a = apply(room, (Operation *[]){ &op }, 1);
	ck_assert_msg(a.err == PL_OK, "%s: %s", a.why.field, a.why.text);
	const Parley__Media__V1__ApplyResponse *r = (const void *)a.out;
	ck_assert_str_eq(r->node, "media-1");
	phone_far(p, r->results[0]->sdp);
}

static void mix(const char *room, const char *id, char *hears)
{
	OP(op, MIX, mix, Mix, PARLEY__MEDIA__V1__MIX__INIT);
	op_body.endpoint_id = (char *)(uintptr_t)id;
	op_body.hears = &hears;
	op_body.n_hears = 1;
	ck_assert_int_eq(apply(room, (Operation *[]){ &op }, 1).err, PL_OK);
}

static struct wanted {
	int which;
	const MediaEvent *found;
} wanted;

static bool found(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n_events; i++)
		if (events[i] && (int)events[i]->event_case == wanted.which) {
			wanted.found = events[i];
			events[i] = NULL;
			return true;
		}
	return false;
}

static const MediaEvent *event(int which)
{
	wanted = (struct wanted){ which, NULL };
	ck_assert(tk_until(found, NULL, turn, kit.loop, LIMIT_S));
	return wanted.found;
}

static void start_recording(const char *room, const char *id)
{
	OP(op, START_RECORDING, start_recording, StartRecording, PARLEY__MEDIA__V1__START_RECORDING__INIT);
	char *left = (char *)(uintptr_t) "a", *right = (char *)(uintptr_t) "b";
	op_body.recording_id = (char *)(uintptr_t)id;
	op_body.left_endpoint_ids = &left;
	op_body.n_left_endpoint_ids = 1;
	op_body.right_endpoint_ids = &right;
	op_body.n_right_endpoint_ids = 1;
	ck_assert_int_eq(apply(room, (Operation *[]){ &op }, 1).err, PL_OK);
}

static void talk(struct phone *a, struct phone *b, int frames)
{
	int16_t pcm[160];
	uint8_t code[160];
	struct audio_tone t = { 0 };
	int64_t due = pl_mono_us();
	for (int i = 0; i < frames; i++) {
		audio_tone(&t, 500, 0, 8000, pcm, 160);
		g711_encode(CODEC_PCMA, pcm, 160, code);
		phone_send(a, 8, i == 0, code, 160, 160);
		memset(code, G711_A_SILENCE, sizeof(code));
		phone_send(b, 8, i == 0, code, 160, 160);
		due += 20000;
		while (pl_mono_us() < due)
			kit_turn(&kit, 1);
	}
}

static Operation *destroy(Operation *op, Parley__Media__V1__DestroyRoom *body)
{
	parley__media__v1__operation__init(op);
	parley__media__v1__destroy_room__init(body);
	op->op_case = PARLEY__MEDIA__V1__OPERATION__OP_DESTROY_ROOM;
	op->destroy_room = body;
	return op;
}

static const Parley__Media__V1__ReadRecordingResponse *read_part(const char *id, const char *path, uint64_t at,
								 uint32_t n)
{
	Parley__Media__V1__ReadRecordingRequest in = PARLEY__MEDIA__V1__READ_RECORDING_REQUEST__INIT;
	in.recording_id = (char *)(uintptr_t)id;
	in.path = (char *)(uintptr_t)path;
	in.offset = at;
	in.length = n;
	struct answer a =
		ask(&parley__media__v1__recording_store_internal_service__descriptor, "ReadRecording", NULL, &in.base);
	ck_assert_msg(a.err == PL_OK, "%s", a.why.text);
	return (const void *)a.out;
}

static void look_verify_delete(char *id, const Parley__Media__V1__RecordingDone *done)
{
	Parley__Media__V1__GetPeaksRequest pk = PARLEY__MEDIA__V1__GET_PEAKS_REQUEST__INIT;
	pk.recording_id = id;
	pk.path = done->path;
	pk.buckets = 50;
	struct answer p =
		ask(&parley__media__v1__recording_store_internal_service__descriptor, "GetPeaks", NULL, &pk.base);
	const Parley__Media__V1__GetPeaksResponse *peaks = (const void *)p.out;
	ck_assert_uint_eq(peaks->n_left, 50);
	ck_assert_uint_gt(peaks->left[25], 15);
	ck_assert_uint_lt(peaks->right[25], 2);

	Parley__Media__V1__VerifyRecordingRequest vr = PARLEY__MEDIA__V1__VERIFY_RECORDING_REQUEST__INIT;
	vr.recording_id = id;
	struct answer v = ask(&parley__media__v1__recording_store_internal_service__descriptor, "VerifyRecording", NULL,
			      &vr.base);
	ck_assert_str_eq(((const Parley__Media__V1__VerifyRecordingResponse *)(const void *)v.out)->recording->sha256, done->sha256);
	Parley__Media__V1__DeleteRecordingRequest dr = PARLEY__MEDIA__V1__DELETE_RECORDING_REQUEST__INIT;
	dr.recording_id = id;
	dr.path = done->path;
	ck_assert_int_eq(
		ask(&parley__media__v1__recording_store_internal_service__descriptor, "DeleteRecording", NULL, &dr.base)
			.err,
		PL_OK);
	v = ask(&parley__media__v1__recording_store_internal_service__descriptor, "VerifyRecording", NULL, &vr.base);
	ck_assert_int_eq(v.err, PL_E_NOTFOUND);
	vr.path = (char *)(uintptr_t) "../../etc/passwd";
	v = ask(&parley__media__v1__recording_store_internal_service__descriptor, "VerifyRecording", NULL, &vr.base);
	ck_assert_int_eq(v.err, PL_E_FORMAT);
}

START_TEST(a_recorded_call_over_the_bus_is_read_back_as_a_wav)
{
	struct phone a, b;
	char id[PL_ID_LEN];
	pl_id_new(id);
	join(&a, "room-1", "a");
	join(&b, "room-1", "b");
	mix("room-1", "a", (char *)(uintptr_t) "b");
	mix("room-1", "b", (char *)(uintptr_t) "a");
	start_recording("room-1", id);
	talk(&a, &b, 60);
	ck_assert(phone_recv(&b, 20000));
	Operation op;
	Parley__Media__V1__DestroyRoom body;
	ck_assert_int_eq(apply("room-1", (Operation *[]){ destroy(&op, &body) }, 1).err, PL_OK);
	const MediaEvent *ev = event(PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_RECORDING_DONE);
	const Parley__Media__V1__RecordingDone *done = ev->recording_done;
	ck_assert_msg(done->verified, "%s", done->error);
	ck_assert_uint_gt(ev->seq, 0);
	/* in odd pieces, forwards; then all at once by the id alone */
	const Parley__Media__V1__ReadRecordingResponse *r = read_part(id, done->path, 0, 1000);
	uint64_t total = r->total_bytes;
	ck_assert_uint_eq(total, 44 + done->duration_ms * 32);
	uint8_t *wav = malloc(total), *again;
	size_t n = 0;
	while (n < total) {
		r = read_part(id, done->path, n, 7777);
		ck_assert_uint_gt(r->data.len, 0);
		memcpy(wav + n, r->data.data, r->data.len);
		n += r->data.len;
	}
	ck_assert_mem_eq(wav, "RIFF", 4);
	r = read_part(id, "", 0, 524288);
	again = r->data.data;
	ck_assert_uint_eq(r->data.len, total);
	ck_assert_mem_eq(wav, again, total);
	r = read_part(id, "", 101, 5);
	ck_assert_mem_eq(wav + 101, r->data.data, 5);
	int16_t left[4000];
	for (size_t i = 0; i < 4000; i++)
		memcpy(&left[i], wav + 44 + 4 * (i + 3200), 2);
	ck_assert_double_gt(audio_tone_share(left, 4000, 500, 8000), 0.8);

	look_verify_delete(id, done);
	free(wav);
	phone_close(&a);
	phone_close(&b);
}
END_TEST

START_TEST(rooms_that_are_not_here_are_told)
{
	struct phone a;
	join(&a, "room-2", "a");
	Parley__Media__V1__KeepRoomsRequest in = PARLEY__MEDIA__V1__KEEP_ROOMS_REQUEST__INIT;
	char *ids[] = { (char *)(uintptr_t) "room-2", (char *)(uintptr_t) "room-x" };
	in.owner = (char *)(uintptr_t) "cc-1";
	in.room_ids = ids;
	in.n_room_ids = 2;
	struct answer r = ask(&parley__media__v1__media_internal_service__descriptor, "KeepRooms", "media-1", &in.base);
	const Parley__Media__V1__KeepRoomsResponse *out = (const void *)r.out;
	ck_assert_int_eq(r.err, PL_OK);
	ck_assert_uint_eq(out->n_unknown_room_ids, 1);
	ck_assert_str_eq(out->unknown_room_ids[0], "room-x");
	phone_close(&a);
}
END_TEST

START_TEST(a_killed_node_tells_of_its_recordings_when_it_is_back)
{
	struct phone a, b;
	char id[PL_ID_LEN];
	pl_id_new(id);
	join(&a, "room-3", "a");
	join(&b, "room-3", "b");
	start_recording("room-3", id);
	talk(&a, &b, 80);
	tk_kill(svc);
	tk_start(svc);
	const Parley__Media__V1__RecordingDone *done =
		event(PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_RECORDING_DONE)->recording_done;
	ck_assert_str_eq(done->recording_id, id);
	ck_assert(!done->verified);
	ck_assert_uint_ge(done->duration_ms, 1000);
	ck_assert_uint_eq(read_part(id, done->path, 0, 44)->total_bytes, 44 + done->duration_ms * 32);
	phone_close(&a);
	phone_close(&b);
}
END_TEST

START_TEST(on_sigterm_calls_end_first)
{
	struct phone a;
	join(&a, "room-4", "a");
	ck_assert_int_eq(kill(tk_pid(svc), SIGTERM), 0);
	struct answer r = { 0 };
	Operation op;
	Parley__Media__V1__DestroyRoom body;
	for (int i = 0; i < 50 && r.err == PL_OK; i++) { /* until the drain has begun, new rooms are still taken */
		struct phone b;
		phone_open(&b, &kit);
		OP(c, CREATE_ENDPOINT, create_endpoint, CreateEndpoint, PARLEY__MEDIA__V1__CREATE_ENDPOINT__INIT);
		char room[20];
		snprintf(room, sizeof(room), "room-4-%d", i);
		c_body.endpoint_id = (char *)(uintptr_t) "b";
		c_body.kind = PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_SIP;
		c_body.remote_sdp = phone_sdp(&b, "8", "");
		r = apply(room, (Operation *[]){ &c }, 1);
		if (!r.err)
			apply(room, (Operation *[]){ destroy(&op, &body) }, 1);
		phone_close(&b);
	}
	ck_assert_int_eq(r.err, PL_E_UNAVAIL);
	ck_assert_ptr_nonnull(strstr(r.why.text, "draining"));
	ck_assert_int_eq(apply("room-4", (Operation *[]){ destroy(&op, &body) }, 1).err, PL_OK);
	ck_assert_int_eq(tk_stop(svc), 0);
	phone_close(&a);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	program = argv[1];
	Suite *s = suite_create("media service");
	TCase *t = tcase_create("bus");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_recorded_call_over_the_bus_is_read_back_as_a_wav);
	tcase_add_test(t, rooms_that_are_not_here_are_told);
	tcase_add_test(t, a_killed_node_tells_of_its_recordings_when_it_is_back);
	tcase_add_test(t, on_sigterm_calls_end_first);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
