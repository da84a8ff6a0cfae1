/* Packed sources, SDP's hold, route patterns: whatever the bytes, nothing is read past their end. */
#include "../engine/route.h"
#include "../engine/source.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct call_source s;
	char out[256], *text = malloc(n + 1);
	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = 0;
	for (size_t at = 0; source_next((const char *)data, n, &at, &s);) {
		size_t len = 0;
		if (source_put(out, sizeof(out), &len, &s) == PL_OK && len > sizeof(out))
			abort();
	}
	(void)sdp_holds(text);
	struct route r = { .id = "r",
			   .number = route_number_ok(text) ? text : "1*",
			   .dest = "sip:{number}-{rest}@h",
			   .enabled = true };
	if (route_find(&r, 1, text, "t") && route_uri(&r, text, out, sizeof(out)) == PL_OK &&
	    strpbrk(out + 4, ";?<> \r\n"))
		abort(); /* a dialled number wrote a URI of its own */
	free(text);
	return 0;
}
