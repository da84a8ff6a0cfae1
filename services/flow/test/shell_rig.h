/* What the service's tests share: private servers, two copies, a router that lists one queue, a channel that steps
 * sessions. */
#ifndef FLOW_SHELL_RIG_H
#define FLOW_SHELL_RIG_H
#include "parley/acd/v1/acd.pb-c.h"
#include "parley/flow/v1/flow.pb-c.h"
#include <check.h>
#include <parley/rpc.h>
#include <parley/testkit.h>

#define RUN (&parley__flow__v1__flow_run_internal_service__descriptor)
#define FLOWS (&parley__flow__v1__flow_service__descriptor)
#define SCHEDULES (&parley__flow__v1__schedule_service__descriptor)
#define ADMIN "admin 0193f0a1-0000-7000-8000-000000000001 s"
#define LIMIT_S 40
#define STR(s) ((char *)(uintptr_t)(s))
#define OK(s) ck_assert_msg((s).err == PL_OK, "%s: %s %s", pl_err_name((s).err), (s).why.field, (s).why.text)
#define RESPONSE(s) ((const Parley__Flow__V1__StepResponse *)(const void *)(s).out)

extern struct tk *copy[2];
extern struct pl_loop *loop;
extern struct bus *bus;
extern struct pl_arena *arena;

/* What was published so far. */
struct seen {
	char subject[128], id[80], type[64];
	size_t len;
	uint8_t data[2048];
};
extern struct seen ledger[2000], inputs[200];
extern size_t n_ledger, n_inputs;

struct said {
	bool done;
	enum pl_err err;
	struct pl_why why;
	ProtobufCMessage *out;
};

size_t count(const struct seen *list, size_t n, const char *prefix, const char *id);
void wait_for(const char *prefix, const char *id, size_t n, bool input);
void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w);
bool is_done(void *arg);
struct said ask(const ProtobufCServiceDescriptor *d, const char *method, const char *actor, const ProtobufCMessage *in);
struct said ask_patiently(const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
			  const ProtobufCMessage *in);
void setup(void);
void teardown(void);
Google__Protobuf__Struct *graph_of(const char *quoted);
void publish(const char *id, uint32_t version);
const char *flow_make(const char *name, const char *graph);
Parley__Flow__V1__Schedule *all_week(const char *name);
const char *main_menu(void);
Parley__Flow__V1__StepRequest *req(const char *session, uint32_t seq);
struct said step(Parley__Flow__V1__StepRequest *m);
struct said step_start(const char *session, const char *flow_id);
struct said step_digits(const char *session, uint32_t seq, const char *digits);
struct said step_left(const char *session, uint32_t seq, const char *reason);
struct said step_gone(const char *session, uint32_t seq);
void turn(void *l);
#endif
