/* A checkpoint comes from the bus: any bytes must be refused or give a call that can be carried on, and written again.
 */
#include "../engine/pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct call c;
	static struct call_fx fx;
	static uint8_t out[CALL_PACK_MAX];
	size_t len = 0;
	struct call_env env = {
		.now_us = INT64_C(1790000000000000), .edge = "e", .media = "m", .lim = &call_limits_default
	};
	if (call_unpack(&c, data, n) != PL_OK)
		return 0;
	if (call_pack(&c, out, sizeof(out), &len) != PL_OK)
		abort();
	static const enum call_event_kind kinds[] = { CALL_EV_ADOPTED, CALL_EV_TIMER, CALL_EV_MEDIA_LOST,
						      CALL_EV_EDGE_LOST, CALL_EV_TIMER };
	for (size_t i = 0; i < PL_ARRAY_N(kinds); i++) {
		struct call_event ev = { .kind = kinds[i] };
		ev.id = kinds[i] == CALL_EV_MEDIA_LOST ? c.media : c.legs[0].edge;
		(void)!call_step(&c, &ev, &env, &fx);
		env.now_us += 86400 * PL_US_PER_S;
	}
	return 0;
}
