#include "rig_int.h"

#include <stdlib.h>
#include <unistd.h>

struct rig rig;
struct pl_why rig_why;

static void rig_print(void)
{
	for (size_t i = 0; i < rig.n; i++)
		fprintf(stderr, "%s %s\n", rig.used[i] ? "  " : "* ", rig.lines[i]);
}

/* What a sanitizer said of a process of ours; true when it said something. */
static bool rig_complaints(void)
{
	bool any = false;
	char path[300], line[500];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/log", rig.cc[i] ? tk_dir(rig.cc[i]) : "");
		FILE *f = rig.cc[i] ? fopen(path, "r") : NULL;
		for (bool on = false; f && fgets(line, sizeof(line), f);) {
			on |= strstr(line, "Sanitizer") || strstr(line, "runtime error");
			any |= on;
			if (on)
				fputs(line, stderr);
		}
		if (f)
			fclose(f);
	}
	return any;
}

void rig_must(enum pl_err err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "%s: %s %s\n", what, pl_err_name(err), rig_why.text);
	rig_print();
	(void)rig_complaints();
	exit(99);
}

/* --- the log --- */

void rig_note(const char *fmt, ...)
{
	va_list ap;
	if (rig.n == RIG_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(rig.lines[rig.n], sizeof(rig.lines[0]), fmt, ap);
	va_end(ap);
	rig.n++;
}

static void turn(void *l)
{
	pl_loop_turn(l);
	usleep(200); /* a turn does not wait; the machine is shared */
}
void rig_turn(void)
{
	pl_loop_turn(rig.loop);
}

struct wanted {
	const char *what;
	size_t at;
};

static bool found(void *arg)
{
	struct wanted *w = arg;
	for (w->at = 0; w->at < rig.n; w->at++)
		if (!rig.used[w->at] && strstr(rig.lines[w->at], w->what))
			return true;
	return false;
}

const char *rig_line(const char *what)
{
	struct wanted w = { what, 0 };
	if (tk_until(found, &w, turn, rig.loop, RIG_LIMIT_S)) {
		rig.used[w.at] = true;
		return rig.lines[w.at];
	}
	fprintf(stderr, "no line with \"%s\" came; the log:\n", what);
	rig_print();
	return NULL;
}

size_t rig_count(const char *what)
{
	size_t n = 0;
	for (size_t i = 0; i < rig.n; i++)
		n += strstr(rig.lines[i], what) != NULL;
	return n;
}

bool rig_has(const char *what)
{
	return rig_count(what) > 0;
}

const char *rig_word(const char *line, const char *key)
{
	static char words[8][80];
	static unsigned next;
	char *out = words[next++ % 8];
	const char *p = line ? strstr(line, key) : NULL;
	size_t n = p ? strcspn(p + strlen(key), " ") : 0;
	pl_strlcpy(out, p ? p + strlen(key) : "", PL_MIN(n + 1, sizeof(words[0])));
	return out;
}

/* --- asking --- */

struct answer {
	bool done;
	enum pl_err err;
	struct pl_arena *arena;
	const ProtobufCMessage *m;
};
static struct answer answer;

static void on_answer(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	answer.done = true;
	answer.err = err;
	answer.m = out ? rpc_dup(out, answer.arena) : NULL;
	if (err && w)
		rig_note("refused: %s %s", pl_err_name(err), w->text);
}

static bool answered(void *arg)
{
	return answer.done;
}

enum pl_err rig_ask(struct bus *b, const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
		    const ProtobufCMessage *in, const ProtobufCMessage **ret)
{
	struct rpc_to to = { d, method, NULL, actor, 10000 };
	pl_arena_free(answer.arena);
	answer = (struct answer){ .arena = pl_arena_new(0) };
	if (!rpc_ask(b, &to, in, on_answer, NULL, &rig_why))
		rig_must(PL_E_INTERNAL, method);
	if (!tk_until(answered, NULL, turn, rig.loop, RIG_LIMIT_S))
		rig_must(PL_E_TIMEOUT, method);
	if (answer.err == PL_E_TIMEOUT)
		(void)rig_complaints();
	*ret = answer.m;
	return answer.err;
}

void rig_route(const char *number, Parley__Voice__V1__InboundRoute__DestinationCase kind, const char *dest, bool record)
{
	Parley__Voice__V1__CreateInboundRouteRequest m = PARLEY__VOICE__V1__CREATE_INBOUND_ROUTE_REQUEST__INIT;
	Parley__Voice__V1__InboundRoute r = PARLEY__VOICE__V1__INBOUND_ROUTE__INIT;
	const ProtobufCMessage *out;
	r.name = r.number = (char *)(uintptr_t)number;
	r.enabled = true;
	r.record = record;
	r.destination_case = kind;
	r.flow_id = (char *)(uintptr_t)dest;
	m.route = &r;
	rig_must(rig_ask(rig.router, &parley__voice__v1__route_service__descriptor, "CreateInboundRoute", ADMIN,
			 &m.base, &out),
		 "route");
	(void)!rig_line("ev.voice.route-changed");
}

/* --- up and down --- */

struct bus *rig_connect(const char *service, const char *node)
{
	struct bus *b = NULL;
	struct bus_cfg c = { .url = tk_url(rig.nats), .service = service, .node = node, .connect_wait_ms = 20000 };
	rig_must(bus_open(&b, rig.loop, NULL, &c, &rig_why), node);
	rig_must(bus_announce(b, NULL, 1000, "", NULL), node);
	return b;
}

void rig_second_media(void)
{
	rig.media2 = rig_media_node("media-2");
}

void rig_lose_media(void)
{
	bus_close(rig.media);
	rig.media = NULL;
}

static bool is_up(void *arg)
{
	const char *node = arg;
	return bus_find_node(rig.router, "call-control", node) != NULL;
}

/* A call to a route of the test's own is taken: the lease, the routes, the media node and the edge are known. */
static bool takes_calls(void *arg)
{
	const char *node = arg;
	struct rpc_to to = { &parley__telephony__v1__leg_internal_service__descriptor, "LegIncoming", node, NULL,
			     2000 };
	Parley__Telephony__V1__LegIncomingRequest m = PARLEY__TELEPHONY__V1__LEG_INCOMING_REQUEST__INIT;
	m.leg_id = (char *)(uintptr_t)node;
	m.edge_node = (char *)(uintptr_t) "edge-1";
	m.to_number = (char *)(uintptr_t) "probe";
	m.sdp = (char *)(uintptr_t) "probe";
	pl_arena_free(answer.arena);
	answer = (struct answer){ .arena = pl_arena_new(0) };
	if (!rpc_ask(rig.edge, &to, &m.base, on_answer, NULL, &rig_why))
		return false;
	(void)!tk_until(answered, NULL, turn, rig.loop, 5);
	return !answer.err;
}

void rig_start(int cc)
{
	char node[64], sql[512], pg[512], nats[128];
	snprintf(node, sizeof(node), "--node=cc-%d", cc + 1);
	snprintf(sql, sizeof(sql), "--sql-dir=%s/sql", getenv("CC_SOURCE"));
	snprintf(pg, sizeof(pg), "--pg-dsn=%s", tk_url(rig.pg));
	snprintf(nats, sizeof(nats), "--nats-url=%s", tk_url(rig.nats));
	const char *const argv[] = { getenv("CC_PROGRAM"), node,          sql, pg, nats, "--pg-conns=2",
				     "--health-port=0",    "--drain-s=5", NULL };
	rig.cc[cc] = tk_program(argv, 0);
	if (!tk_until(is_up, node + 7, turn, rig.loop, RIG_LIMIT_S))
		rig_must(PL_E_TIMEOUT, node);
	if (cc == 0)
		rig_route("probe", PARLEY__VOICE__V1__INBOUND_ROUTE__DESTINATION_QUEUE_ID, "probe", false);
	if (!tk_until(takes_calls, node + 7, turn, rig.loop, RIG_LIMIT_S))
		rig_must(PL_E_TIMEOUT, node);
	rig_leg_event(node + 7, node + 7, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_ENDED, "", 200);
	if (!rig_line("by=customer"))
		rig_must(PL_E_TIMEOUT, node);
	rig.applies = rig.steps = rig.inputs = 0;
	rig.n = 0;
	memset(rig.used, 0, sizeof(rig.used));
}

static void on_stream(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	rig_must(err, "stream");
	*(bool *)arg = true;
}
static bool is_true(void *arg)
{
	return *(bool *)arg;
}

void rig_up(void)
{
	bool streams = false;
	struct bus_stream_cfg acd = {
		.name = "ACD_IN", .subjects = { "acd.in.>" }, .max_age_s = 3600, .dup_window_s = 120, .replicas = 1
	};
	memset(&rig, 0, sizeof(rig));
	rig.nats = tk_nats(NULL);
	rig.pg = tk_pg();
	rig_must(pl_loop_new(&rig.loop, &rig_why), "loop");
	rig.edge = rig_connect("sip-edge", "edge-1");
	rig.flow = rig_connect("flow", "flow-1");
	rig.router = rig_connect("acd-router", "router-1");
	rig.media = rig_media_node("media-1");
	rig_must(bus_watch_nodes(rig.router, "call-control", NULL, NULL), "watch");
	bus_stream_ensure(rig.router, &acd, on_stream, &streams);
	if (!tk_until(is_true, &streams, turn, rig.loop, RIG_LIMIT_S))
		rig_must(PL_E_TIMEOUT, "streams");
	rig_serve_all();
	struct pg_cfg pc = { tk_url(rig.pg), NULL, "voice", "test", 1 };
	rig_must(pg_open(&rig.db, rig.loop, NULL, &pc, &rig_why), "pg");
}

void rig_down(void)
{
	for (int i = 0; i < 2; i++)
		if (rig.cc[i])
			(void)tk_stop(rig.cc[i]); /* leaks are told at the end */
	if (rig_complaints())
		exit(98);
	tk_free(rig.cc[0]);
	tk_free(rig.cc[1]);
	pg_close(rig.db);
	bus_close(rig.media2);
	bus_close(rig.media);
	bus_close(rig.edge);
	bus_close(rig.flow);
	bus_close(rig.router);
	pl_arena_free(answer.arena);
	answer.arena = NULL;
	pl_loop_free(rig.loop);
	tk_free(rig.pg);
	tk_free(rig.nats);
}
