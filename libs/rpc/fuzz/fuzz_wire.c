/* Bytes from outside: unpacking, the check of the text, and the writer must neither crash nor go deeper than they say.
 */
#include <parley/rpc.h>
#include <sample.pb-c.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	PL_AUTO(pl_arena_freep) struct pl_arena *a = pl_arena_new((size_t)64 << 20);
	ProtobufCMessage *m, *back;
	struct pl_why why;
	char *json;
	size_t len;

	if (!a || rpc_unpack(&parley__rpctest__v1__sample__descriptor, data, size, a, &m, &why))
		return 0;
	enum pl_err text = rpc_text_ok(m, &why);
	if (rpc_to_json(m, a, &json, &len, &why) || text)
		return 0;
	/* a time beyond year 9999 and the like were refused by the writer; what it wrote, the reader may still refuse
	 * (keys that differ on the wire only in their encoding), but must not choke on */
	if (rpc_from_json(m->descriptor, json, len, a, &back, &why))
		return 0;
	return rpc_dup(back, a) ? 0 : 0;
}
