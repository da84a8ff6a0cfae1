/* What pl_time_parse() accepts, pl_time_format() writes back as the same instant. */
#include <parley/base.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char s[64], out[PL_TIME_LEN];
	if (n >= sizeof(s))
		return 0;
	memcpy(s, data, n);
	s[n] = 0;
	int64_t us, again;
	if (pl_time_parse(s, &us) != PL_OK)
		return 0;
	pl_time_format(us, out);
	if (pl_time_parse(out, &again) != PL_OK)
		abort();
	bool clamped = strncmp(out, "0001-01-01T00:00:00.000000", 26) == 0 ||
		       strncmp(out, "9999-12-31T23:59:59.999999", 26) == 0;
	if (again != us && !clamped)
		abort();
	return 0;
}
