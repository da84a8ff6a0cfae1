#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <parley/loop.h>
#include <parley/obs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

struct rig rig;
static struct pl_arena *arena;
typedef Parley__Telephony__V1__LegCommand command_t;
#define COMMAND(c) PARLEY__TELEPHONY__V1__LEG_COMMAND__COMMAND_##c

/* --- the fake call-control --- */

static void legs_command(const char *leg, command_t *c)
{
	c->leg_id = (char *)leg;
	c->owner = (char *)"cc-1";
	c->seq = ++rig.seq;
	ck_assert_int_eq(rpc_send(rig.bus, "node.edge-1.LegCommands", &c->base), PL_OK);
}

/* --- two legs that live and die together --- */

struct pair {
	UT_hash_handle hh_in, hh_out;
	char in[PL_ID_LEN], out[PL_ID_LEN];
};
static struct pair *by_in, *by_out;

static void bridge(const char *leg)
{
	struct pair *p = calloc(1, sizeof *p);
	ck_assert_ptr_nonnull(p);
	pl_strlcpy(p->in, leg, sizeof p->in);
	rig_dial(p->out, rig.far, NULL, 20000);
	HASH_ADD(hh_in, by_in, in, PL_ID_LEN - 1, p);
	HASH_ADD(hh_out, by_out, out, PL_ID_LEN - 1, p);
}

static void bridge_event(const Parley__Telephony__V1__LegEvent *e)
{
	struct pair *i = NULL, *o = NULL;
	HASH_FIND(hh_in, by_in, e->leg_id, PL_ID_LEN - 1, i);
	HASH_FIND(hh_out, by_out, e->leg_id, PL_ID_LEN - 1, o);
	struct pair *p = i ? i : o;
	if (p && o && e->kind == KIND(ANSWERED))
		rig_answer(p->in, e->sdp);
	if (!p || e->kind != KIND(ENDED))
		return;
	rig_hangup(i ? p->out : p->in, 0);
	HASH_DELETE(hh_in, by_in, p);
	HASH_DELETE(hh_out, by_out, p);
	free(p);
}

static void on_incoming(struct rpc_call *c)
{
	const Parley__Telephony__V1__LegIncomingRequest *q = (const void *)c->in;
	struct pl_why why = { 0 };
	Parley__Telephony__V1__LegIncomingResponse r = PARLEY__TELEPHONY__V1__LEG_INCOMING_RESPONSE__INIT;
	pl_strlcpy(rig.leg, q->leg_id, sizeof rig.leg);
	pl_strlcpy(rig.from, q->from_number, sizeof rig.from);
	pl_strlcpy(rig.to, q->to_number, sizeof rig.to);
	pl_strlcpy(rig.source_id, q->source_id, sizeof rig.source_id);
	pl_strlcpy(rig.offer, q->sdp, sizeof rig.offer);
	pl_strlcpy(rig.header, q->n_headers ? q->headers[0]->value : "", sizeof rig.header);
	rig.source = q->source;
	rig.n_incoming++;
	if (rig.policy == RIG_SILENT) {
		ck_assert_uint_lt(rig.n_unanswered, PL_ARRAY_N(rig.unanswered));
		rig.unanswered[rig.n_unanswered++] = c;
		return;
	}
	if (rig.policy == RIG_NOT_FOUND) {
		rpc_fail(c, pl_why_set(&why, PL_E_NOTFOUND, "no route"), &why);
		return;
	}
	char leg[PL_ID_LEN];
	pl_strlcpy(leg, q->leg_id, sizeof leg);
	r.owner = (char *)"cc-1";
	rpc_reply(c, &r.base);
	if (rig.policy == RIG_ANSWER)
		rig_answer(leg, sdp_b);
	if (rig.policy == RIG_BRIDGE)
		bridge(leg);
}

static void on_event(void *arg, const struct bus_msg *m)
{
	struct pl_why why;
	ProtobufCMessage *pm;
	ck_assert_int_eq(rpc_unpack(&parley__telephony__v1__leg_event__descriptor, m->data, m->len,
				    pl_loop_tmp(rig.loop), &pm, &why),
			 PL_OK);
	const Parley__Telephony__V1__LegEvent *e = (const void *)pm;
	rig.n_ended += e->kind == KIND(ENDED);
	if (rig.policy == RIG_BRIDGE) {
		bridge_event(e);
		return;
	}
	if (rig.n_events == EVENTS_MAX)
		return;
	struct rig_event *r = &rig.events[rig.n_events++];
	*r = (struct rig_event){
		.kind = e->kind, .state = e->state, .status = e->status, .seq = e->seq, .by_remote = e->by_remote
	};
	pl_strlcpy(r->leg, e->leg_id, sizeof r->leg);
	pl_strlcpy(r->sdp, e->sdp, sizeof r->sdp);
	pl_strlcpy(r->reason, e->reason, sizeof r->reason);
	pl_strlcpy(r->digits, e->digits, sizeof r->digits);
	pl_strlcpy(r->refer_to, e->refer_to, sizeof r->refer_to);
	pl_strlcpy(r->contact, e->contact, sizeof r->contact);
}

static void on_ledger(void *arg, const struct bus_msg *m)
{
	rig.n_registered += strstr(m->subject, ".registered.") != NULL;
	rig.n_unregistered += strstr(m->subject, ".unregistered.") != NULL;
}

/* Tells the edge what it said itself: a call-control that agrees. */
static void on_audit(void *arg, const struct bus_msg *m)
{
	struct pl_why why;
	ProtobufCMessage *pm;
	ck_assert_int_eq(rpc_unpack(&parley__telephony__v1__leg_audit__descriptor, m->data, m->len,
				    pl_loop_tmp(rig.loop), &pm, &why),
			 PL_OK);
	Parley__Telephony__V1__LegAudit *a = (void *)pm;
	a->node = (char *)"cc-1";
	if (rig.list_nothing)
		a->n_leg_ids = 0;
	ck_assert_int_eq(rpc_send(rig.bus, "node.edge-1.LegAudit", &a->base), PL_OK);
}

static const struct rpc_entry incoming_entries[] = { { "LegIncoming", on_incoming }, { NULL, NULL } };

void rig_turn(void)
{
	int ms = pl_loop_backend_timeout_ms(rig.loop);
	struct pollfd p = { .fd = pl_loop_backend_fd(rig.loop), .events = POLLIN };
	poll(&p, 1, ms < 0 || ms > 10 ? 10 : ms);
	pl_loop_turn(rig.loop);
}

bool rig_until(bool (*done)(void *arg), void *arg)
{
	int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	while (!done(arg)) {
		if (pl_mono_us() > end)
			return false;
		rig_turn();
	}
	return true;
}

/* --- HTTP of the edge's health port --- */

static char page[262144];
static bool http_get(const char *path)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)rig.health_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	bool ok = false;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
		dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
		ssize_t k;
		while (n < sizeof page - 1 && (k = read(fd, page + n, sizeof page - 1 - n)) > 0)
			n += (size_t)k;
		page[n] = 0;
		ok = !strncmp(page, "HTTP/1.1 200", 12) || !strncmp(page, "HTTP/1.0 200", 12);
	}
	close(fd);
	return ok;
}

double rig_metric(const char *name)
{
	http_get("/metrics");
	size_t n = strlen(name);
	for (const char *p = page; (p = strstr(p, name)); p += n)
		if ((p == page || p[-1] == '\n') && p[n] == ' ')
			return strtod(p + n, NULL);
	return -1;
}

static bool is_ready(void *arg)
{
	return http_get("/readyz");
}

long rig_edge_rss_kb(void)
{
	char path[64];
	long pages = 0, rss = 0;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)tk_pid(rig.edge));
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%ld %ld", &pages, &rss) != 2)
		rss = 0;
	if (f)
		fclose(f);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

double rig_edge_cpu_s(void)
{
	char path[64], stat[1024] = "";
	unsigned long user = 0, sys = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)tk_pid(rig.edge));
	FILE *f = fopen(path, "r");
	if (f && fgets(stat, sizeof stat, f) && strrchr(stat, ')'))
		sscanf(strrchr(stat, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
	if (f)
		fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* --- start --- */

static void bus_start(void)
{
	struct pl_why why = { 0 };
	ck_assert_int_eq(pl_loop_new(&rig.loop, &why), PL_OK);
	ck_assert_int_eq(obs_new(&rig.obs, rig.loop, "call-control", "cc-1", &why), PL_OK);
	struct bus_cfg c = {
		.url = tk_url(rig.nats), .service = "call-control", .node = "cc-1", .connect_wait_ms = 20000
	};
	ck_assert_msg(bus_open(&rig.bus, rig.loop, rig.obs, &c, &why) == PL_OK, "%s", why.text);
	ck_assert_int_eq(rpc_serve(rig.bus, &parley__telephony__v1__leg_internal_service__descriptor, incoming_entries,
				   NULL, &why),
			 PL_OK);
	struct bus_sub *s;
	ck_assert_int_eq(bus_subscribe(&s, rig.bus, "node.cc-1.LegEvents", NULL, on_event, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&s, rig.bus, "node.cc-1.LegAudit", NULL, on_audit, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&s, rig.bus, "ev.telephony.*.*", NULL, on_ledger, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_announce(rig.bus, NULL, 1, "", NULL), PL_OK);
}

static void edge_start(const char *const *options)
{
	char node[] = "--node=edge-1", nats[128], redis[128], dsn[256], sip[64], health[64], sql[512];
	const char *argv[24] = { SIP_EDGE_BIN, node, nats, redis, dsn, sip, health, sql, "--pg-conns=2" };
	int n = 9;
	rig.sip_port = tk_free_port();
	rig.health_port = tk_free_port();
	snprintf(nats, sizeof nats, "--nats-url=%s", tk_url(rig.nats));
	snprintf(redis, sizeof redis, "--redis-url=%s", tk_url(rig.redis));
	snprintf(dsn, sizeof dsn, "--pg-dsn=%s", tk_url(rig.pg));
	snprintf(sip, sizeof sip, "--sip-port=%d", rig.sip_port);
	snprintf(health, sizeof health, "--health-port=%d", rig.health_port);
	snprintf(sql, sizeof sql, "--sql-dir=%s", SIP_EDGE_SQL);
	for (; options && *options && n < 23; options++)
		argv[n++] = *options;
	rig.edge = tk_program(argv, rig.health_port);
	ck_assert_msg(rig_until(is_ready, NULL), "not ready: %s", page);
}

static void trunk_make(void)
{
	Parley__Telephony__V1__CreateTrunkRequest q = PARLEY__TELEPHONY__V1__CREATE_TRUNK_REQUEST__INIT;
	Parley__Telephony__V1__Trunk t = PARLEY__TELEPHONY__V1__TRUNK__INIT;
	char *sources[CARRIER_PORTS];
	const ProtobufCMessage *out;
	t.name = (char *)"carrier";
	t.enabled = true;
	t.source_addresses = sources;
	t.n_source_addresses = CARRIER_PORTS;
	for (int i = 0; i < CARRIER_PORTS; i++) {
		rig.carrier_ports[i] = tk_free_port();
		snprintf(rig.carrier_sources[i], sizeof rig.carrier_sources[i], "127.0.0.1:%d", rig.carrier_ports[i]);
		sources[i] = rig.carrier_sources[i];
	}
	t.outbound_uri = (char *)"sip:127.0.0.1:20099";
	q.trunk = &t;
	ck_assert_int_eq(
		rig_rpc(&parley__telephony__v1__trunk_service__descriptor, "CreateTrunk", "admin u s", &q.base, &out),
		PL_OK);
	pl_strlcpy(rig.trunk_id, ((const Parley__Telephony__V1__CreateTrunkResponse *)(const void *)out)->trunk->id,
		   sizeof rig.trunk_id);
}

void rig_open(const char *const *options)
{
	if (rig.edge)
		return;
	arena = pl_arena_new(0);
	rig.nats = tk_nats(NULL);
	rig.redis = tk_redis();
	rig.pg = tk_pg();
	bus_start();
	edge_start(options);
	trunk_make();
}

const char *rig_log(void)
{
	static char text[65536];
	char path[128];
	snprintf(path, sizeof path, "%s/log", tk_dir(rig.edge));
	FILE *f = fopen(path, "r");
	if (!f)
		return "";
	fseek(f, 0, SEEK_END);
	long n = ftell(f), most = (long)sizeof text - 1;
	fseek(f, n > most ? n - most : 0, SEEK_SET);
	text[fread(text, 1, (size_t)most, f)] = 0;
	fclose(f);
	return text;
}

void rig_close(void)
{
	if (!rig.edge)
		return;
	int status = tk_stop(rig.edge);
	if (status)
		fprintf(stderr, "%s\n", rig_log()); /* a sanitizer's report */
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "sip-edge ended with %x", (unsigned)status);
	while (rig.n_unanswered)
		rpc_fail(rig.unanswered[--rig.n_unanswered], PL_E_TIMEOUT, NULL);
	bus_close(rig.bus);
	obs_free(rig.obs);
	pl_loop_free(rig.loop);
	pl_arena_free(arena);
	tk_free(rig.edge);
	tk_free(rig.nats);
	tk_free(rig.redis);
	tk_free(rig.pg);
	rig.edge = NULL;
}

/* --- events and commands --- */

bool rig_has_event(const char *leg, int kind)
{
	for (size_t i = 0; i < rig.n_events; i++)
		if (rig.events[i].kind == kind && !rig.events[i].taken && (!leg || !strcmp(rig.events[i].leg, leg)))
			return true;
	return false;
}

const struct rig_event *rig_event(const char *leg, int kind)
{
	int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	for (;;) {
		for (size_t i = 0; i < rig.n_events; i++) {
			struct rig_event *e = &rig.events[i];
			if (e->kind == kind && !e->taken && (!leg || !strcmp(e->leg, leg))) {
				e->taken = true;
				return e;
			}
		}
		const struct rig_event *last = rig.n_events ? &rig.events[rig.n_events - 1] : &(struct rig_event){ 0 };
		ck_assert_msg(pl_mono_us() < end,
			      "no event of kind %d for leg %s; the last one was kind %d, status %u, %s, for %s", kind,
			      leg ? leg : "(any)", last->kind, last->status, last->reason, last->leg);
		rig_turn();
	}
}

static bool incoming_reached(void *arg)
{
	return rig.n_incoming >= *(int *)arg;
}

void rig_wait_incoming(int n)
{
	ck_assert_msg(rig_until(incoming_reached, &n), "no LegIncoming");
}

void rig_progress(const char *leg, unsigned status, const char *sdp)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegProgress p = PARLEY__TELEPHONY__V1__LEG_PROGRESS__INIT;
	p.status = status;
	p.sdp = (char *)(sdp ? sdp : "");
	c.command_case = COMMAND(PROGRESS);
	c.progress = &p;
	legs_command(leg, &c);
}

void rig_answer(const char *leg, const char *sdp)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegAnswer a = PARLEY__TELEPHONY__V1__LEG_ANSWER__INIT;
	a.sdp = (char *)sdp;
	c.command_case = COMMAND(ANSWER);
	c.answer = &a;
	legs_command(leg, &c);
}

void rig_hangup(const char *leg, unsigned status)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegHangup h = PARLEY__TELEPHONY__V1__LEG_HANGUP__INIT;
	h.status = status;
	c.command_case = COMMAND(HANGUP);
	c.hangup = &h;
	legs_command(leg, &c);
}

void rig_reinvite(const char *leg, const char *sdp)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegReinvite r = PARLEY__TELEPHONY__V1__LEG_REINVITE__INIT;
	r.sdp = (char *)sdp;
	c.command_case = COMMAND(REINVITE);
	c.reinvite = &r;
	legs_command(leg, &c);
}

void rig_answer_reinvite(const char *leg, const char *sdp)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegAnswerReinvite r = PARLEY__TELEPHONY__V1__LEG_ANSWER_REINVITE__INIT;
	r.sdp = (char *)sdp;
	c.command_case = COMMAND(ANSWER_REINVITE);
	c.answer_reinvite = &r;
	legs_command(leg, &c);
}

void rig_refer_result(const char *leg, unsigned status)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegReferResult r = PARLEY__TELEPHONY__V1__LEG_REFER_RESULT__INIT;
	r.status = status;
	c.command_case = COMMAND(REFER_RESULT);
	c.refer_result = &r;
	legs_command(leg, &c);
}

void rig_adopt(const char *leg, const char *owner)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegAdopt a = PARLEY__TELEPHONY__V1__LEG_ADOPT__INIT;
	c.command_case = COMMAND(ADOPT);
	c.adopt = &a;
	c.leg_id = (char *)leg;
	c.owner = (char *)owner;
	c.seq = ++rig.seq;
	ck_assert_int_eq(rpc_send(rig.bus, "node.edge-1.LegCommands", &c.base), PL_OK);
}

void rig_dial(char leg[PL_ID_LEN], const char *uri, const char *phone_id, unsigned ring_ms)
{
	command_t c = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegDial d = PARLEY__TELEPHONY__V1__LEG_DIAL__INIT;
	Parley__Common__V1__KeyValue kv = PARLEY__COMMON__V1__KEY_VALUE__INIT, *list[1] = { &kv };
	d.target_case =
		uri ? PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_URI : PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_PHONE_ID;
	if (uri)
		d.uri = (char *)uri;
	else
		d.phone_id = (char *)phone_id;
	kv.key = (char *)"X-Queue";
	kv.value = (char *)"support";
	d.headers = list;
	d.n_headers = 1;
	d.from_number = (char *)"+39 347 1234567";
	d.from_name = (char *)"Anna \"A\"";
	d.sdp = (char *)sdp_a;
	d.ring_timeout_ms = ring_ms;
	c.command_case = COMMAND(DIAL);
	c.dial = &d;
	legs_command(pl_id_new(leg), &c);
}

/* --- RPC --- */

struct reply {
	bool done;
	enum pl_err err;
	const ProtobufCMessage *out;
	struct pl_why why;
};

static void on_reply(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct reply *r = arg;
	r->done = true;
	r->err = err;
	r->out = out ? rpc_dup(out, arena) : NULL;
	if (why)
		r->why = *why;
}

static bool reply_came(void *arg)
{
	return ((struct reply *)arg)->done;
}

enum pl_err rig_rpc(const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
		    const ProtobufCMessage *in, const ProtobufCMessage **out)
{
	struct reply r = { 0 };
	struct pl_why why = { 0 };
	struct rpc_to to = { .service = d, .method = method, .actor = actor, .timeout_ms = LIMIT_S * 1000 };
	ck_assert_msg(rpc_ask(rig.bus, &to, in, on_reply, &r, &why) != 0, "%s", why.text);
	ck_assert(rig_until(reply_came, &r));
	*out = r.out;
	return r.err;
}

void rig_phone(const char *user, const char *password, char id[PL_ID_LEN])
{
	Parley__Telephony__V1__CreatePhoneRequest q = PARLEY__TELEPHONY__V1__CREATE_PHONE_REQUEST__INIT;
	Parley__Telephony__V1__Phone p = PARLEY__TELEPHONY__V1__PHONE__INIT;
	const ProtobufCMessage *out;
	p.user = (char *)user;
	p.enabled = true;
	q.phone = &p;
	q.password = (char *)password;
	ck_assert_int_eq(
		rig_rpc(&parley__telephony__v1__phone_service__descriptor, "CreatePhone", "admin u s", &q.base, &out),
		PL_OK);
	pl_strlcpy(id, ((const Parley__Telephony__V1__CreatePhoneResponse *)(const void *)out)->phone->id, PL_ID_LEN);
}
