/* What JetStream sends: an ack subject (first line) and a JSON answer (the rest). */
#include "../src/bus_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char line[512];
	const uint8_t *nl = memchr(data, '\n', n);
	size_t head = nl ? (size_t)(nl - data) : n;
	struct js_pos p;
	if (head < sizeof(line)) {
		memcpy(line, data, head);
		line[head] = 0;
		if (js_pos_parse(line, &p) &&
		    (p.sseq == 0 || p.stream < line || p.consumer + p.consumer_len > line + head))
			abort();
	}
	struct bus_msg m = { .data = nl ? nl + 1 : data, .len = nl ? n - head - 1 : 0 };
	struct pl_why why = { 0 };
	uint64_t seq = 0;
	int code = 0;
	enum pl_err err = js_ack_parse(&m, &seq, &code, &why);
	if (err == PL_OK ? seq == 0 : !*why.text)
		abort();
	return 0;
}
