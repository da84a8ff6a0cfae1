/* What the reader takes must survive: JSON -> message -> bytes -> message -> JSON -> message gives the same bytes. */
#include <assert.h>
#include <parley/rpc.h>
#include <sample.pb-c.h>
#include <stdlib.h>

static const ProtobufCMessageDescriptor *const desc = &parley__rpctest__v1__sample__descriptor;

static uint8_t *pack(const ProtobufCMessage *m, struct pl_arena *a, size_t *ret_n)
{
	*ret_n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = pl_arena_alloc(a, *ret_n + 1);
	assert(p);
	protobuf_c_message_pack(m, p);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	PL_AUTO(pl_arena_freep) struct pl_arena *a = pl_arena_new(0);
	ProtobufCMessage *m, *again, *back;
	struct pl_why why;
	char *json;
	size_t n, n2, len;

	if (!a || rpc_from_json(desc, (const char *)data, size, a, &m, &why))
		return 0;
	uint8_t *wire = pack(m, a, &n);
	enum pl_err err = rpc_unpack(desc, wire, n, a, &again, &why);
	assert(!err);
	err = rpc_text_ok(again, &why);
	assert(!err);
	err = rpc_to_json(again, a, &json, &len, &why);
	assert(!err || err == PL_E_FULL);
	if (err)
		return 0;
	err = rpc_from_json(desc, json, len, a, &back, &why);
	assert(!err);
	uint8_t *wire2 = pack(back, a, &n2);
	assert(n == n2 && memcmp(wire, wire2, n) == 0);
	return 0;
}
