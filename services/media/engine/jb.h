/** A small adaptive jitter buffer of packets: puts them in order, drops what is late, says what is missing. Pure.
 *  Memory     the caller gives JB_SLOTS * stride bytes for payloads; a longer payload is refused.
 *  Depth      between 1 and JB_TARGET_MAX packets: grows at once after an underrun, shrinks one packet after JB_CALM
 * gets that had too many. */
#ifndef MEDIA_ENGINE_JB_H
#define MEDIA_ENGINE_JB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JB_SLOTS = 16, JB_TARGET_MIN = 2, JB_TARGET_MAX = 10, JB_CALM = 100 };

struct jb_slot {
	uint32_t ts;
	uint16_t seq, len;
	uint8_t codec;
	bool used;
};
struct jb {
	struct jb_slot slot[JB_SLOTS];
	uint8_t *bytes;
	uint16_t stride;
	bool playing, any; /* playing: next_seq is what get() gives next */
	uint16_t next_seq, newest_seq;
	uint8_t n, target, waited;
	uint8_t empties; /* underruns in a row */
	uint16_t calm;
	uint64_t late, dropped, lost, played;
};
void jb_init(struct jb *j, uint8_t *bytes, uint16_t stride);
void jb_reset(struct jb *j); /* a new source: forget what is held, keep counters and target */
enum jb_put { JB_PUT_OK, JB_PUT_LATE, JB_PUT_TWICE, JB_PUT_TOO_LONG, JB_PUT_RESET };
enum jb_put jb_put(struct jb *j, uint16_t seq, uint32_t ts, uint8_t codec, const uint8_t *payload, size_t len);
enum jb_get { JB_GET_PACKET, JB_GET_LOST, JB_GET_EMPTY };
/** PACKET: *ret and *payload are valid until the next put. LOST: one is missing but later ones are here. EMPTY:
 * nothing. */
enum jb_get jb_get(struct jb *j, struct jb_slot *ret, const uint8_t **payload);
/** The wanted depth for a measured jitter. */
void jb_aim(struct jb *j, double jitter_ms, double ptime_ms);
#endif
