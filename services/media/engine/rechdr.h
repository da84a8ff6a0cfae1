/** The head of a recording file, and the pieces behind it. Pure.
 *  File       head of REC_HDR_BYTES, then pieces: 4 octets length (little endian), then that many octets of libsodium
 * secretstream. The plain text of a piece begins with its kind: 'A' sound, 'M' mark, 'E' end (the last one, TAG_FINAL).
 *             All of the head but `samples` is additional data of the first piece: a changed head does not decrypt.
 *  Sound      two channels interleaved (left, right), 8 kHz; format 1: G.711 A-law octets, format 2: 16-bit little
 * endian. Numbers    little endian. */
#ifndef MEDIA_ENGINE_RECHDR_H
#define MEDIA_ENGINE_RECHDR_H
#include <parley/base.h>

enum {
	REC_HDR_BYTES = 512,
	REC_HDR_SIGNED = 496,
	REC_VERSION = 1,
	REC_RATE = 8000,
	REC_TEXT = 64,
	REC_WRAPPED = 72,
	REC_PIECE_MAX = 65536,
	REC_END_BYTES = 64
};
enum rec_format { REC_ALAW = 1, REC_PCM16 = 2 };

struct rec_hdr {
	uint8_t format;
	int64_t started_us;
	uint8_t key_id[8];            /* which master key wraps */
	uint8_t wrapped[REC_WRAPPED]; /* the recording's own key */
	uint8_t stream[24];           /* secretstream's head */
	char id[REC_TEXT], room_id[REC_TEXT], owner[REC_TEXT], node[REC_TEXT];
	uint64_t samples; /* per channel, written when it is closed; 0: still open, or never closed */
};
void rec_hdr_write(uint8_t out[REC_HDR_BYTES], const struct rec_hdr *h);
PL_MUST enum pl_err rec_hdr_parse(const uint8_t *p, size_t n, struct rec_hdr *ret);

struct rec_end {
	uint8_t sha256[32];
	uint64_t samples, packets[2];
	int64_t ended_us;
};
void rec_end_write(uint8_t out[REC_END_BYTES], const struct rec_end *e);
void rec_end_parse(const uint8_t p[REC_END_BYTES], struct rec_end *ret);
void rec_put64(uint8_t *p, uint64_t v);
uint64_t rec_get64(const uint8_t *p);
static inline unsigned rec_sample_bytes(uint8_t format)
{
	return format == REC_PCM16 ? 4 : 2;
} /* of both channels */
#endif
