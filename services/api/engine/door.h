/** What the HTTP door decides without I/O: origins, paths, rates. Pure. */
#ifndef API_DOOR_H
#define API_DOOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An Origin header (RFC 6454 7) against the Host header and a list of allowed origins separated by commas. Compares
 * host and port without regard to case; the scheme is not compared with Host, because TLS may end at a proxy. "null"
 * and nonsense are refused. */
bool door_origin_ok(const char *origin, const char *host, const char *allowed);
bool door_origin_listed(const char *origin, const char *allowed);

/** "/api/<package.Service>/<Method>": false when it is not of this form. service and method are 0-terminated copies. */
bool door_rpc_path(const char *path, char service[128], char method[64]);
/** "/api/recordings/<id>/<what>" with an id of [0-9a-f-]. */
bool door_recording_path(const char *path, char id[64], char what[16]);

enum door_file { DOOR_FILE, DOOR_ASSET, DOOR_INDEX }; /* a file; one whose name carries its hash; the page of the app */
/** Which file of the web folder a path means; *ret_rel points into path or to "index.html". */
enum door_file door_web_path(const char *path, const char **ret_rel);

/** A token bucket: rate per second, burst twice that. All zero is a full one. Monotonic microseconds. */
struct door_bucket {
	int64_t at_us;
	int64_t used_us; /* time that requests have used up, each 1 s / rate; drains with time */
};
bool door_take(struct door_bucket *b, int64_t now_us, int64_t rate);
#endif
