#include "call_int.h"

const char *or_empty(const char *s)
{
	return s ? s : "";
}

bool str_eq(const char *a, const char *b)
{
	return strcmp(or_empty(a), or_empty(b)) == 0;
}

void str_put(char *dst, size_t size, const char *src)
{
	size_t n = strlen(or_empty(src));
	if (n >= size)
		n = size - 1;
	memcpy(dst, or_empty(src), n);
	memset(dst + n, 0, size - n); /* a call is compared and packed as bytes */
}

bool str_fits(const char *s, size_t size)
{
	return strlen(or_empty(s)) < size;
}

#define NAME_OF(table, i) ((i) < PL_ARRAY_N(table) && (table)[i] ? (table)[i] : "")

const char *call_by_name(unsigned by)
{
	static const char *const names[ENDED_BY_N] = { "", "customer", "agent", "flow", "system", "lost" };
	return NAME_OF(names, by);
}

const char *call_cause_name(unsigned cause)
{
	static const char *const names[END_CAUSE_N] = { "",         "normal", "abandoned-menu", "abandoned-queue",
							"no-route", "failed", "rejected" };
	return NAME_OF(names, cause);
}

const char *call_event_name(unsigned kind)
{
	static const char *const names[CALL_EVENT_N] = {
		"incoming", "dial-out",  "ringing",     "answered", "ended",    "reinvited", "reinvite",
		"refer",    "info",      "result",      "played",   "digit",    "endpoint",  "recfail",
		"flow",     "offered",   "offer-ended", "dequeued", "position", "accept",    "reject",
		"attach",   "hold",      "resume",      "mute",     "digits",   "transfer",  "hangup",
		"pause",    "edge-lost", "media-lost",  "timer",    "adopted",
	};
	return NAME_OF(names, kind);
}

const char *call_ledger_name(unsigned kind)
{
	static const char *const names[CALL_LEDGER_N] = {
		"call.started",      "call.answered", "call.agent-ringing",      "call.agent-connected",
		"call.held",         "call.resumed",  "call.agent-disconnected", "call.transferred",
		"call.dialled",      "call.ended",    "recording.expected",      "recording.paused",
		"recording.stopped",
	};
	return NAME_OF(names, kind);
}

static uint64_t mix(uint64_t h)
{ /* finalizer of splitmix64 */
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

static uint64_t hash(uint64_t h, const char *s)
{ /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void call_derive_id(const char *call_id, char kind, uint32_t n, char out[CALL_ID])
{
	static const char hex[] = "0123456789abcdef";
	static const char form[] = "........-....-7...-x...-............";
	uint64_t h[2];
	for (unsigned k = 0; k < 2; k++)
		h[k] = mix(hash(UINT64_C(0xcbf29ce484222325) + k * UINT64_C(0x9e3779b97f4a7c15), call_id) ^
			   ((uint64_t)n << 8 | (uint8_t)kind));
	bool time_ok = strlen(call_id) >= 13 && call_id[8] == '-';
	for (unsigned i = 0; time_ok && i < 13; i++)
		time_ok = i == 8 || is_hex(call_id[i]);
	unsigned nibble = 0;
	for (unsigned i = 0; i < sizeof(form) - 1; i++) {
		uint8_t v = (uint8_t)(h[nibble / 16] >> (nibble % 16 * 4) & 15);
		if (form[i] == '.')
			out[i] = i < 13 && time_ok ? call_id[i] : hex[v];
		else
			out[i] = form[i] == 'x' ? hex[8 | (v & 3)] : form[i];
		nibble += i >= 13 && (form[i] == '.' || form[i] == 'x');
	}
	memset(out + sizeof(form) - 1, 0, CALL_ID - sizeof(form) + 1);
}
