/* Any bytes as a TZif file: no read outside, and an offset at any time. */
#include "zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct flow_zone z;
	struct flow_local l;
	if (flow_zone_parse(data, n, &z) != PL_OK)
		return 0;
	for (int64_t t = -62135596800; t < 253402300800; t += 7889231 * 97)
		flow_local_at(t, flow_zone_offset(&z, t) % 100000, &l);
	return 0;
}
