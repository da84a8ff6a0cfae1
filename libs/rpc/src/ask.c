#include "pack.h"

#include <stdio.h>

struct ask {
	struct pl_list link;
	uint64_t handle;
	struct bus *bus;
	const ProtobufCMessageDescriptor *out;
	rpc_done_fn fn;
	void *arg;
};

/* Asks without an answer yet, so that rpc_cancel() can free what the bus only forgets. One loop, one thread, one list.
 */
static _Thread_local struct pl_list asks;

static void ask_free(struct ask *k)
{
	pl_list_remove(&k->link);
	free(k);
}

static void on_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct ask *k = arg;
	struct pl_why here = { 0 };
	ProtobufCMessage *out = NULL;
	rpc_done_fn fn = k->fn;

	arg = k->arg;
	if (!err) {
		err = rpc_unpack(k->out, m->data, m->len, pl_loop_tmp(bus_loop(k->bus)), &out, &here);
		why = &here;
	}
	if (err && !why) {
		pl_why_set(&here, err, "%s", pl_err_connect(err));
		why = &here;
	}
	ask_free(k);
	fn(arg, err, err ? NULL : out, why);
}

uint64_t rpc_ask(struct bus *b, const struct rpc_to *to, const ProtobufCMessage *in, rpc_done_fn fn, void *arg,
		 struct pl_why *why)
{
	const ProtobufCMethodDescriptor *method =
		protobuf_c_service_descriptor_get_method_by_name(to->service, to->method);
	char subject[256], actor[80];
	struct packed packed;

	if (!method) {
		pl_why_set(why, PL_E_INTERNAL, "%s has no method %s", to->service->name, to->method);
		return 0;
	}
	int n = to->node ? snprintf(subject, sizeof(subject), "node.%s.%s.%s", to->node, to->service->short_name,
				    to->method)
			 : snprintf(subject, sizeof(subject), "rpc.%s.%s", to->service->name, to->method);
	snprintf(actor, sizeof(actor), "service %s", bus_service(b));
	struct ask *k = n > 0 && (size_t)n < sizeof(subject) ? calloc(1, sizeof(*k)) : NULL;
	packed_init(&packed, in);
	if (!k || !packed.p) {
		pl_why_set(why, PL_E_NOMEM, "no memory");
		packed_done(&packed);
		free(k);
		return 0;
	}
	*k = (struct ask){ .bus = b, .out = method->output, .fn = fn, .arg = arg };
	if (!asks.next)
		pl_list_init(&asks);
	pl_list_push(&asks, &k->link);
	struct bus_out out = packed_out(&packed, subject, in);
	out.actor = to->actor ? to->actor : actor;
	uint64_t handle = bus_request(b, &out, to->timeout_ms, on_reply, k, why);
	packed_done(&packed);
	if (handle)
		k->handle = handle;
	else
		ask_free(k);
	return handle;
}

void rpc_cancel(struct bus *b, uint64_t handle)
{
	if (!handle || !asks.next)
		return;
	PL_LIST_EACH_SAFE (it, &asks) {
		struct ask *k = PL_CONTAINER(it, struct ask, link);
		if (k->handle != handle || k->bus != b)
			continue;
		bus_cancel(b, handle);
		ask_free(k);
		return;
	}
}

/* --- events and one-way messages --- */

enum pl_err rpc_send(struct bus *b, const char *subject, const ProtobufCMessage *m)
{
	struct packed k;

	packed_init(&k, m);
	struct bus_out out = packed_out(&k, subject, m);
	enum pl_err err = k.p ? bus_publish(b, &out) : PL_E_NOMEM;
	packed_done(&k);
	return err;
}

enum pl_err rpc_emit(struct bus *b, const char *subject, const char *event_id, const ProtobufCMessage *m,
		     bus_reply_fn fn, void *arg)
{
	struct packed k;

	packed_init(&k, m);
	struct bus_out out = packed_out(&k, subject, m);
	out.msg_id = event_id;
	enum pl_err err = k.p ? bus_js_publish(b, &out, fn, arg) : PL_E_NOMEM;
	packed_done(&k);
	return err;
}

enum pl_err rpc_decode(const struct bus_msg *m, struct pl_arena *a, ProtobufCMessage **ret, struct pl_why *why)
{
	const ProtobufCMessageDescriptor *d = rpc_find_message(m->type);

	if (!d)
		return pl_why_set(why, PL_E_FORMAT, "%.100s: no message is called \"%.100s\"", m->subject, m->type);
	return rpc_unpack(d, m->data, m->len, a, ret, why);
}

/* One definition for the whole fleet: two services that ensured different ones would change it back and forth. 90 days
 * are what readers that were away may need; history is in PostgreSQL. */
void rpc_ledger_ensure(struct bus *b, bus_reply_fn done, void *arg)
{
	static const struct bus_stream_cfg ledger = {
		.name = "LEDGER", .subjects = { "ev.>" }, .max_age_s = 90 * 86400, .dup_window_s = 120
	};

	bus_stream_ensure(b, &ledger, done, arg);
}
