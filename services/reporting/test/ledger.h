/* Test helper: writes the events that other services would write, as they would. Times are seconds after ledger_t0_us.
 */
#ifndef REP_TEST_LEDGER_H
#define REP_TEST_LEDGER_H
#include "parley/acd/v1/acd.pb-c.h"
#include "parley/voice/v1/voice.pb-c.h"
#include <parley/rpc.h>

#define STR(s) ((char *)(uintptr_t)(s))
struct who {
	const char *ix, *agent, *queue;
};

extern int64_t ledger_t0_us;
void ledger_open(struct bus *b, struct pl_loop *l, int64_t t0_us); /* makes the stream */
void ledger_settle(void);                                          /* until everything is stored */
size_t ledger_sent(void);
void started(const struct who *w, double s, const char *number);
void entered(const struct who *w, double s);
void chose(const struct who *w, double s, const char *digit, const char *label);
void queued(const struct who *w, double s, int32_t priority);
void offered(const struct who *w, double s, const char *offer);
void offer_ended(const struct who *w, double s, const char *offer, Parley__Acd__V1__OfferOutcome o);
void dequeued(const struct who *w, double s, const char *reason);
void connected(const struct who *w, double s);
void disconnected(const struct who *w, double s);
void ended(const struct who *w, double s, const char *by, const char *cause);
void released(const struct who *w, double s, uint64_t wrap_ms);
void agent_state(const char *agent, double s, Parley__Acd__V1__AgentState state, uint64_t version, const char *ix);
void recording(const struct who *w, double s, const char *id, Parley__Voice__V1__RecordingStatus status);
void stopped(const struct who *w, double s, const char *id);
void queue_conf(const char *id, const char *name);
void agent_conf(const char *id, const char *name, const char *queue);
/** One of many calls: i % 4 is 0 answered, 1 abandoned in the queue, 2 rings out first, 3 self service. */
void one_call(int i);
#endif
