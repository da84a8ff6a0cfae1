#include "rig.h"

#include <parley/obs.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_S 40

struct rig rig;
struct pl_why rig_why;

static void turn(void *l)
{
	pl_loop_turn(l);
}

bool rig_until(bool (*done)(void *arg), void *arg)
{
	return tk_until(done, arg, turn, rig.loop, LIMIT_S);
}

static bool time_up(void *arg)
{
	return pl_mono_us() >= *(int64_t *)arg;
}

void rig_turn(int ms)
{
	int64_t end = pl_mono_us() + ms * PL_US_PER_MS;
	tk_until(time_up, &end, turn, rig.loop, LIMIT_S);
}

/* --- hearing --- */
static void note(struct seen *s, const ProtobufCMessage *m)
{
	if (m->descriptor == &parley__acd__v1__interaction_offered__descriptor) {
		const Parley__Acd__V1__InteractionOffered *o = (const void *)m;
		pl_strlcpy(s->offer, o->offer_id, sizeof(s->offer));
		pl_strlcpy(s->text, o->why, sizeof(s->text));
		s->fence = o->fence;
	} else if (m->descriptor == &parley__acd__v1__offer_ended__descriptor) {
		const Parley__Acd__V1__OfferEnded *o = (const void *)m;
		pl_strlcpy(s->offer, o->offer_id, sizeof(s->offer));
		s->state = (int)o->outcome;
	} else if (m->descriptor == &parley__acd__v1__interaction_dequeued__descriptor) {
		pl_strlcpy(s->text, ((const Parley__Acd__V1__InteractionDequeued *)(const void *)m)->reason,
			   sizeof(s->text));
	} else if (m->descriptor == &parley__acd__v1__agent_state_changed__descriptor) {
		const Parley__Acd__V1__AgentStateChanged *c = (const void *)m;
		pl_strlcpy(s->text, c->cause, sizeof(s->text));
		s->state = (int)c->status->state;
	}
}

static bool heard_before(const char *id)
{
	for (size_t i = rig.n_seen; i-- > 0;)
		if (pl_streq(rig.seen[i].id, id))
			return true;
	return false;
}

static void on_event(void *arg, const struct bus_msg *m)
{
	ProtobufCMessage *pb = NULL;
	struct pl_arena *tmp = pl_loop_tmp(rig.loop);
	if (rpc_decode(m, tmp, &pb, NULL) != PL_OK)
		return;
	const Parley__Common__V1__EventMeta *meta =
		((const Parley__Acd__V1__InteractionQueued *)(const void *)pb)->meta;
	ck_assert_ptr_nonnull(meta);
	ck_assert_str_eq(meta->event_id, m->id);
	ck_assert(pl_id_ok(m->id));
	ck_assert_uint_lt(rig.n_seen, RIG_SEEN);
	struct seen *s = &rig.seen[rig.n_seen];
	*s = (struct seen){ .at_us = pl_mono_us(), .again = heard_before(m->id) };
	pl_strlcpy(s->type, strrchr(m->type, '.') + 1, sizeof(s->type));
	pl_strlcpy(s->id, meta->event_id, sizeof(s->id));
	pl_strlcpy(s->item, meta->interaction_id, sizeof(s->item));
	pl_strlcpy(s->agent, meta->agent_id, sizeof(s->agent));
	pl_strlcpy(s->queue, meta->queue_id, sizeof(s->queue));
	note(s, pb);
	rig.n_seen++;
	if (rig.answer && !s->again && pl_streq(s->type, "InteractionOffered")) {
		rig_reply(s, PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ACCEPTED);
		rig_ended(s->item, s->agent);
	}
}

size_t rig_count(const char *type)
{
	size_t n = 0;
	for (size_t i = 0; i < rig.n_seen; i++)
		n += !rig.seen[i].again && pl_streq(rig.seen[i].type, type);
	return n;
}

const struct seen *rig_nth(const char *type, size_t n)
{
	for (size_t i = 0; i < rig.n_seen; i++)
		if (!rig.seen[i].again && pl_streq(rig.seen[i].type, type) && n-- == 0)
			return &rig.seen[i];
	return NULL;
}

struct want {
	const char *type;
	size_t n;
};
static bool is_there(void *arg)
{
	return rig_nth(((struct want *)arg)->type, ((struct want *)arg)->n) != NULL;
}

const struct seen *rig_wait(const char *type, size_t n)
{
	struct want w = { type, n };
	ck_assert_msg(rig_until(is_there, &w), "%s number %zu does not come; %zu came", type, n, rig_count(type));
	return rig_nth(type, n);
}

/* --- asking --- */
struct said {
	bool done;
	enum pl_err err;
	const ProtobufCMessage *m;
};
static bool is_done(void *arg)
{
	return ((struct said *)arg)->done;
}

static void on_said(void *arg, enum pl_err err, const ProtobufCMessage *m, const struct pl_why *why)
{
	struct said *s = arg;
	*s = (struct said){ true, err, m ? rpc_dup(m, rig.a) : NULL };
	rig_why = why ? *why : (struct pl_why){ .err = err };
	rig_why.err = err;
}

const ProtobufCMessage *rig_call(const ProtobufCServiceDescriptor *s, const char *method, const char *actor,
				 const ProtobufCMessage *in)
{
	char header[128];
	const char *nil = "00000000-0000-7000-8000-000000000001";
	struct said said = { false, PL_OK, NULL };
	snprintf(header, sizeof(header), strchr(actor, ' ') ? "%s %s" : "%s %s %s", actor, nil, nil);
	struct rpc_to to = { .service = s, .method = method, .actor = header, .timeout_ms = 12000 };
	ck_assert_uint_ne(rpc_ask(rig.bus, &to, in, on_said, &said, &rig_why), 0);
	ck_assert(rig_until(is_done, &said));
	return said.err ? NULL : said.m;
}

static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	*(struct said *)arg = (struct said){ true, err, NULL };
}

void rig_put(const Parley__Acd__V1__AcdInput *in, const char *msg_id)
{
	uint8_t buf[4096];
	char id[PL_ID_LEN];
	static struct said said;
	size_t n = protobuf_c_message_get_packed_size(&in->base);
	ck_assert_uint_lt(n, sizeof(buf));
	protobuf_c_message_pack(&in->base, buf);
	struct bus_out o = { .subject = "acd.in.test",
			     .type = in->base.descriptor->name,
			     .data = buf,
			     .len = n,
			     .msg_id = msg_id ? msg_id : pl_id_new(id) };
	said.done = false;
	ck_assert_int_eq(bus_js_publish(rig.bus, &o, on_stored, &said), PL_OK);
	if (rig.answer) /* we may be inside the loop's turn */
		return;
	ck_assert(rig_until(is_done, &said));
	ck_assert_int_eq(said.err, PL_OK);
}

const char *rig_queue(const char *name, int strategy)
{
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT;
	Parley__Acd__V1__CreateQueueRequest in = PARLEY__ACD__V1__CREATE_QUEUE_REQUEST__INIT;
	q.name = (char *)(uintptr_t)name;
	q.enabled = q.join_when_empty = 1;
	q.strategy = (Parley__Acd__V1__Strategy)strategy;
	q.ring_timeout_ms = 20000;
	q.retry_ms = 500;
	in.queue = &q;
	const Parley__Acd__V1__CreateQueueResponse *r =
		(const void *)rig_call(&parley__acd__v1__queue_service__descriptor, "CreateQueue", "admin", &in.base);
	ck_assert_msg(r != NULL, "%s: %s", rig_why.field, rig_why.text);
	return r->queue->id;
}

static const char *agent(const char *name, const char *queue, bool fixed, bool must)
{
	Parley__Acd__V1__Agent g = PARLEY__ACD__V1__AGENT__INIT;
	Parley__Acd__V1__Membership m = PARLEY__ACD__V1__MEMBERSHIP__INIT, *ms = &m;
	Parley__Acd__V1__CreateAgentRequest in = PARLEY__ACD__V1__CREATE_AGENT_REQUEST__INIT;
	char id[PL_ID_LEN];
	m.queue_id = (char *)(uintptr_t)queue;
	g.name = (char *)(uintptr_t)name;
	g.enabled = 1;
	g.memberships = &ms;
	g.n_memberships = queue != NULL;
	g.kind =
		fixed ? PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_STATIC : PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_PERSON;
	if (fixed)
		g.address = (char *)"sip:m0@127.0.0.1:5070";
	else
		g.id = pl_id_new(id);
	in.agent = &g;
	const Parley__Acd__V1__CreateAgentResponse *r =
		(const void *)rig_call(&parley__acd__v1__agent_service__descriptor, "CreateAgent", "admin", &in.base);
	ck_assert_msg(r != NULL || !must, "%s: %s", rig_why.field, rig_why.text);
	return r ? r->agent->id : NULL;
}

const char *rig_static(const char *name, const char *queue)
{
	return agent(name, queue, true, true);
}

const char *rig_static_try(const char *name, const char *queue)
{
	return agent(name, queue, true, false);
}

const char *rig_person(const char *name, const char *queue)
{
	return agent(name, queue, false, true);
}

const char *rig_enqueue(const char *queue)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Enqueue e = PARLEY__ACD__V1__ENQUEUE__INIT;
	char id[PL_ID_LEN];
	e.interaction_id = pl_id_new(id);
	e.queue_id = (char *)(uintptr_t)queue;
	e.customer_name = (char *)"Ada";
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE;
	in.enqueue = &e;
	rig_put(&in, NULL);
	return pl_arena_strdup(rig.a, id);
}

void rig_reply(const struct seen *offer, int outcome)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__OfferReply r = PARLEY__ACD__V1__OFFER_REPLY__INIT;
	r.interaction_id = (char *)(uintptr_t)offer->item;
	r.offer_id = (char *)(uintptr_t)offer->offer;
	r.fence = offer->fence;
	r.outcome = (Parley__Acd__V1__OfferOutcome)outcome;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_OFFER_REPLY;
	in.offer_reply = &r;
	rig_put(&in, NULL);
}

void rig_ended(const char *item, const char *agent_id)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__InteractionEnded e = PARLEY__ACD__V1__INTERACTION_ENDED__INIT;
	e.interaction_id = (char *)(uintptr_t)item;
	e.agent_id = (char *)(uintptr_t)agent_id;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_ENDED;
	in.ended = &e;
	rig_put(&in, NULL);
}

/* --- processes --- */
static size_t http_get(int port, const char *path, char *out, size_t cap)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	char q[200];
	size_t n = 0;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = 1 }; /* a copy that is stopped does not answer */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	int k = snprintf(q, sizeof(q), "GET %s HTTP/1.0\r\nHost: x\r\n\r\n", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(fd, q, (size_t)k) == k)
		for (ssize_t got; n < cap - 1 && (got = read(fd, out + n, cap - 1 - n)) > 0;)
			n += (size_t)got;
	close(fd);
	out[n] = 0;
	return n;
}

double rig_metric(int copy, const char *name)
{
	static char body[1 << 20];
	http_get(rig.health[copy], "/metrics", body, sizeof(body));
	for (char *p = body; (p = strstr(p, name)); p++)
		if (p[-1] == '\n' && (p[strlen(name)] == ' ' || p[strlen(name)] == '{'))
			return atof(strchr(p, ' ') + 1);
	return -1;
}

static bool is_ready(void *arg)
{
	static char body[8192];
	http_get(rig.health[*(int *)arg], "/readyz", body, sizeof(body));
	return strstr(body, " 200 ") != NULL;
}

void rig_copy_start(int i)
{
	static char text[8][300];
	snprintf(text[0], 300, "--nats-url=%s", tk_url(rig.nats));
	snprintf(text[1], 300, "--pg-dsn=%s", tk_url(rig.pg));
	snprintf(text[2], 300, "--sql-dir=%s", getenv("SQL_DIR"));
	snprintf(text[3], 300, "--health-port=%d", rig.health[i] = rig.health[i] ? rig.health[i] : tk_free_port());
	snprintf(text[4], 300, "--node=acd-router-%d", i + 1);
	snprintf(text[5], 300, "--presence-s=%s", rig.presence_s ? rig.presence_s : "15");
	const char *argv[] = { getenv("ROUTER"), text[0], text[1],        text[2], text[3],
			       text[4],          text[5], "--pg-conns=2", NULL };
	if (rig.copy[i])
		tk_start(rig.copy[i]);
	else
		rig.copy[i] = tk_program(argv, rig.health[i]);
	ck_assert_msg(rig_until(is_ready, &i), "copy %d is not ready", i + 1);
}

static bool one_leads(void *arg)
{
	for (int i = 0; i < RIG_COPIES; i++)
		if (rig.copy[i] && tk_pid(rig.copy[i]) && rig_metric(i, "parley_acd_router_leader") > 0) {
			*(int *)arg = i;
			return true;
		}
	return false;
}

int rig_leader(void)
{
	int i = -1;
	ck_assert(rig_until(one_leads, &i));
	return i;
}

void rig_start(int copies)
{
	rig.nats = tk_nats(NULL);
	rig.pg = tk_pg();
	rig.a = pl_arena_new(0);
	rig.seen = calloc(RIG_SEEN, sizeof(*rig.seen));
	ck_assert_int_eq(pl_loop_new(&rig.loop, &rig_why), PL_OK);
	ck_assert_int_eq(obs_new(&rig.obs, rig.loop, "test", "test-1", &rig_why), PL_OK);
	struct bus_cfg c = { .url = tk_url(rig.nats), .service = "test", .node = "test-1", .connect_wait_ms = 20000 };
	ck_assert_int_eq(bus_open(&rig.bus, rig.loop, rig.obs, &c, &rig_why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&rig.sub, rig.bus, "ev.acd.>", NULL, on_event, NULL, &rig_why), PL_OK);
	for (int i = 0; i < copies; i++)
		rig_copy_start(i);
}

static void print_log(int i)
{
	char path[200], line[2000];
	snprintf(path, sizeof(path), "%s/log", tk_dir(rig.copy[i]));
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

/* Each copy must leave in good order when asked. */
void rig_stop(void)
{
	for (int i = 0; i < RIG_COPIES; i++) {
		int status = rig.copy[i] && tk_pid(rig.copy[i]) ? tk_stop(rig.copy[i]) : 0;
		if (status)
			print_log(i);
		ck_assert_msg(status == 0, "copy %d ended with %x", i + 1, (unsigned)status);
		tk_free(rig.copy[i]);
		rig.copy[i] = NULL;
		rig.health[i] = 0;
	}
	bus_unsubscribe(rig.sub);
	bus_close(rig.bus);
	obs_free(rig.obs);
	pl_loop_free(rig.loop);
	tk_free(rig.nats);
	tk_free(rig.pg);
	pl_arena_free(rig.a);
	free(rig.seen);
	rig = (struct rig){ 0 };
}
