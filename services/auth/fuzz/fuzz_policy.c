/* Names and passwords as people type them. */
#include "../engine/policy.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[600], name[65], again[65];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (username_normalise(text, name)) {
		assert(username_normalise(name, again) && strcmp(name, again) == 0);
		assert(password_check(text, name) != PASSWORD_OK || strlen(name) < 3);
	}
	enum password_fault f = password_check(text, "marta");
	assert((unsigned)f < PASSWORD_FAULT_N);
	return locale_ok(text) && time_zone_ok(text) && email_ok(text) ? 0 : 0;
}
