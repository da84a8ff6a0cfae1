/* Paths and origins as anybody may send them. What the door takes has only characters that mean nothing to the bus or
 * the disk. */
#include "../engine/door.h"
#include "../engine/permission.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512], service[128], method[64], id[64], what[16];
	const char *rel;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (door_rpc_path(text, service, method)) {
		assert(!strpbrk(service, "*> /\r\n") && !strpbrk(method, "*> /.\r\n") && *service && *method);
		for (int role = 0; role < PERM_ROLE_N; role++)
			assert(!perm_internal(service) || !perm_allowed((enum perm_role)role, service, method));
	}
	if (door_recording_path(text, id, what))
		assert(!strpbrk(id, "./*> ") && !strpbrk(what, "./*> "));
	door_web_path(text, &rel);
	assert(rel[0] == 'i' || (rel > text && rel <= text + size));
	/* an origin that is ours ends in our host */
	if (door_origin_ok(text, "desk.example", ""))
		assert(size >= 12 && strlen(text) >= 12);
	return door_origin_listed(text, "https://a.example,https://b.example") ? 0 : 0;
}
