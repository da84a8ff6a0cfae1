#include "ledger.h"

#include "parley/flow/v1/flow.pb-c.h"
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>

#define S PL_US_PER_S
#define LIMIT_S 120
/* Used by a benchmark too, where no test is running that could fail. */
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

int64_t ledger_t0_us;
static struct bus *bus;
static struct pl_loop *loop;
static bool stream_done;

static void turn(void *l)
{
	pl_loop_turn(l);
}
static bool is_done(void *arg)
{
	return *(bool *)arg;
}

static void on_stream(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	MUST(err == PL_OK);
	stream_done = true;
}

void ledger_open(struct bus *b, struct pl_loop *l, int64_t t0_us)
{
	static const struct bus_stream_cfg ledger = { .name = "LEDGER", .subjects = { "ev.>" } };
	bus = b;
	loop = l;
	ledger_t0_us = t0_us;
	stream_done = false;
	bus_stream_ensure(bus, &ledger, on_stream, NULL);
	MUST(tk_until(is_done, &stream_done, turn, loop, LIMIT_S));
}

static size_t n_acked, n_sent;
static void on_ack(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	MUST(err == PL_OK);
	n_acked++;
}
static bool all_acked(void *arg)
{
	return n_acked == n_sent;
}
void ledger_settle(void)
{
	MUST(tk_until(all_acked, NULL, turn, loop, LIMIT_S));
}
size_t ledger_sent(void)
{
	return n_sent;
}

static struct {
	Parley__Common__V1__EventMeta m;
	Google__Protobuf__Timestamp t;
	char id[PL_ID_LEN];
} meta;

static Parley__Common__V1__EventMeta *about(const struct who *w, double s)
{
	int64_t us = ledger_t0_us + (int64_t)(s * 1e6);
	parley__common__v1__event_meta__init(&meta.m);
	google__protobuf__timestamp__init(&meta.t);
	meta.t.seconds = us / S;
	meta.t.nanos = (int32_t)(us % S * 1000);
	meta.m.event_id = pl_id_new(meta.id);
	meta.m.time = &meta.t;
	meta.m.node = STR("test");
	meta.m.interaction_id = STR(w->ix ? w->ix : "");
	meta.m.agent_id = STR(w->agent ? w->agent : "");
	meta.m.queue_id = STR(w->queue ? w->queue : "");
	meta.m.channel =
		w->ix ? PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE : PARLEY__COMMON__V1__CHANNEL__CHANNEL_UNSPECIFIED;
	return &meta.m;
}

static void emit(const char *subject, const char *id, const ProtobufCMessage *m)
{
	char full[160];
	snprintf(full, sizeof(full), "%s.%s", subject, id);
	n_sent++;
	MUST(rpc_emit(bus, full, meta.id, m, on_ack, NULL) == PL_OK);
}

#define EVENT(Type, init, subject, key, w, s, ...)                                                                     \
	do {                                                                                                           \
		Type m_ = init;                                                                                        \
		m_.meta = about((w), (s));                                                                             \
		__VA_ARGS__;                                                                                           \
		emit(subject, key, &m_.base);                                                                          \
	} while (0)

void started(const struct who *w, double s, const char *number)
{
	EVENT(Parley__Voice__V1__CallStarted, PARLEY__VOICE__V1__CALL_STARTED__INIT, "ev.call.started", w->ix, w, s,
	      m_.direction = PARLEY__COMMON__V1__DIRECTION__DIRECTION_INBOUND;
	      m_.from_number = STR(number); m_.from_name = STR("Alba \xff\"\\"); m_.to_number = STR("390432900100"));
}
void entered(const struct who *w, double s)
{
	EVENT(Parley__Flow__V1__FlowEntered, PARLEY__FLOW__V1__FLOW_ENTERED__INIT, "ev.flow.entered", w->ix, w, s,
	      (void)0);
}
void chose(const struct who *w, double s, const char *digit, const char *label)
{
	EVENT(Parley__Flow__V1__FlowStepped, PARLEY__FLOW__V1__FLOW_STEPPED__INIT, "ev.flow.step", w->ix, w, s,
	      m_.node = STR("menu");
	      m_.node_type = STR("menu"); m_.output = STR(digit); m_.label = STR(label));
}
void queued(const struct who *w, double s, int32_t priority)
{
	EVENT(Parley__Acd__V1__InteractionQueued, PARLEY__ACD__V1__INTERACTION_QUEUED__INIT, "ev.acd.queued", w->ix, w,
	      s, m_.priority = priority);
}
void offered(const struct who *w, double s, const char *offer)
{
	EVENT(Parley__Acd__V1__InteractionOffered, PARLEY__ACD__V1__INTERACTION_OFFERED__INIT, "ev.acd.offered", w->ix,
	      w, s, m_.offer_id = STR(offer));
}
void offer_ended(const struct who *w, double s, const char *offer, Parley__Acd__V1__OfferOutcome o)
{
	EVENT(Parley__Acd__V1__OfferEnded, PARLEY__ACD__V1__OFFER_ENDED__INIT, "ev.acd.offer-ended", w->ix, w, s,
	      m_.offer_id = STR(offer);
	      m_.outcome = o);
}
void dequeued(const struct who *w, double s, const char *reason)
{
	EVENT(Parley__Acd__V1__InteractionDequeued, PARLEY__ACD__V1__INTERACTION_DEQUEUED__INIT, "ev.acd.dequeued",
	      w->ix, w, s, m_.reason = STR(reason));
}
void connected(const struct who *w, double s)
{
	EVENT(Parley__Voice__V1__AgentConnected, PARLEY__VOICE__V1__AGENT_CONNECTED__INIT, "ev.call.agent-connected",
	      w->ix, w, s, (void)0);
}
void disconnected(const struct who *w, double s)
{
	EVENT(Parley__Voice__V1__AgentDisconnected, PARLEY__VOICE__V1__AGENT_DISCONNECTED__INIT,
	      "ev.call.agent-disconnected", w->ix, w, s, m_.reason = STR("customer-hangup"));
}
void ended(const struct who *w, double s, const char *by, const char *cause)
{
	EVENT(Parley__Voice__V1__CallEnded, PARLEY__VOICE__V1__CALL_ENDED__INIT, "ev.call.ended", w->ix, w, s,
	      m_.ended_by = STR(by);
	      m_.cause = STR(cause); m_.mos = 4.25);
}
void released(const struct who *w, double s, uint64_t wrap_ms)
{
	EVENT(Parley__Acd__V1__InteractionReleased, PARLEY__ACD__V1__INTERACTION_RELEASED__INIT, "ev.acd.released",
	      w->ix, w, s, m_.wrap_up_ms = wrap_ms);
}
void agent_state(const char *agent, double s, Parley__Acd__V1__AgentState state, uint64_t version, const char *ix)
{
	struct who w = { NULL, agent, NULL };
	Parley__Acd__V1__AgentStatus st = PARLEY__ACD__V1__AGENT_STATUS__INIT;
	char *ids[] = { STR(ix) };
	st.agent_id = STR(agent);
	st.agent_name = STR("Marta Rinaldi");
	st.state = state;
	st.version = version;
	st.interaction_ids = ids;
	st.n_interaction_ids = ix != NULL;
	EVENT(Parley__Acd__V1__AgentStateChanged, PARLEY__ACD__V1__AGENT_STATE_CHANGED__INIT, "ev.acd.agent-state",
	      agent, &w, s, m_.status = &st);
}
void recording(const struct who *w, double s, const char *id, Parley__Voice__V1__RecordingStatus status)
{
	Parley__Voice__V1__Recording r = PARLEY__VOICE__V1__RECORDING__INIT;
	r.id = STR(id);
	r.interaction_id = STR(w->ix);
	r.agent_id = STR(w->agent);
	r.status = status;
	if (status == PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_EXPECTED)
		EVENT(Parley__Voice__V1__RecordingExpected, PARLEY__VOICE__V1__RECORDING_EXPECTED__INIT,
		      "ev.recording.expected", id, w, s, m_.recording = &r);
	else
		EVENT(Parley__Voice__V1__RecordingVerified, PARLEY__VOICE__V1__RECORDING_VERIFIED__INIT,
		      "ev.recording.verified", id, w, s, m_.recording = &r);
}
void stopped(const struct who *w, double s, const char *id)
{
	Parley__Voice__V1__RecordingMark mark = PARLEY__VOICE__V1__RECORDING_MARK__INIT, *list[] = { &mark };
	mark.kind = STR("hold");
	EVENT(Parley__Voice__V1__RecordingStopped, PARLEY__VOICE__V1__RECORDING_STOPPED__INIT, "ev.recording.stopped",
	      id, w, s, m_.recording_id = STR(id);
	      m_.marks = list; m_.n_marks = 1);
}
void queue_conf(const char *id, const char *name)
{
	struct who w = { NULL, NULL, id };
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT;
	q.id = STR(id);
	q.name = STR(name);
	q.channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	q.service_level_ms = 20000;
	q.service_level_target_pct = 80;
	EVENT(Parley__Acd__V1__QueueChanged, PARLEY__ACD__V1__QUEUE_CHANGED__INIT, "ev.acd.queue-changed", id, &w, 0,
	      m_.queue = &q);
}
void agent_conf(const char *id, const char *name, const char *queue)
{
	struct who w = { NULL, id, NULL };
	Parley__Acd__V1__Membership mem = PARLEY__ACD__V1__MEMBERSHIP__INIT, *list[] = { &mem };
	Parley__Acd__V1__Agent a = PARLEY__ACD__V1__AGENT__INIT;
	a.id = STR(id);
	a.name = STR(name);
	a.enabled = true;
	mem.queue_id = STR(queue);
	a.memberships = list;
	a.n_memberships = 1;
	EVENT(Parley__Acd__V1__AgentChanged, PARLEY__ACD__V1__AGENT_CHANGED__INIT, "ev.acd.agent-changed", id, &w, 0,
	      m_.agent = &a);
}

/* One of a thousand calls: 0 answered, 1 abandoned in queue, 2 rings out first, 3 self service. */
void one_call(int i)
{
	char id[PL_ID_LEN], o1[16], o2[16], agent[16];
	double s = 100 + (double)(i % 150);
	snprintf(agent, sizeof(agent), "m-%d", i % 7);
	struct who w = { pl_id_new(id), NULL, "q-many" }, a = { id, agent, "q-many" }, b = { id, "m-miss", "q-many" };
	snprintf(o1, sizeof(o1), "x%d", i);
	snprintf(o2, sizeof(o2), "y%d", i);
	started(&w, s, "+39040");
	entered(&w, s);
	if (i % 4 == 3) {
		ended(&w, s + 9, "flow", "normal");
		return;
	}
	queued(&w, s + 1, 0);
	if (i % 4 == 1) {
		ended(&w, s + 8, "customer", "abandoned-queue");
		dequeued(&w, s + 8, "abandoned");
		return;
	}
	if (i % 4 == 2) {
		offered(&b, s + 2, o1);
		offer_ended(&b, s + 5, o1, PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_TIMEOUT);
	}
	offered(&a, s + 6, o2);
	connected(&a, s + 7);
	offer_ended(&a, s + 7, o2, PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ACCEPTED);
	dequeued(&w, s + 7, "answered");
	disconnected(&a, s + 27);
	ended(&a, s + 27, "customer", "normal");
	released(&a, s + 30, 3000);
}
