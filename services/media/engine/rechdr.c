#include "rechdr.h"

static const uint8_t magic[8] = { 'P', 'L', 'R', 'E', 'C', 0, 13, 10 };
enum {
	AT_VERSION = 8,
	AT_FORMAT = 9,
	AT_STARTED = 16,
	AT_KEY_ID = 24,
	AT_WRAPPED = 32,
	AT_STREAM = 104,
	AT_ID = 128,
	AT_ROOM = 192,
	AT_OWNER = 256,
	AT_NODE = 320,
	AT_SAMPLES = REC_HDR_SIGNED
};

void rec_put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

uint64_t rec_get64(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void put_text(uint8_t *p, const char *s)
{
	size_t n = strlen(s);
	memcpy(p, s, n < REC_TEXT ? n : REC_TEXT - 1);
}

static void get_text(const uint8_t *p, char *out)
{
	memcpy(out, p, REC_TEXT);
	out[REC_TEXT - 1] = '\0';
}

void rec_hdr_write(uint8_t out[REC_HDR_BYTES], const struct rec_hdr *h)
{
	memset(out, 0, REC_HDR_BYTES);
	memcpy(out, magic, sizeof(magic));
	out[AT_VERSION] = REC_VERSION;
	out[AT_FORMAT] = h->format;
	rec_put64(out + AT_STARTED, (uint64_t)h->started_us);
	memcpy(out + AT_KEY_ID, h->key_id, sizeof(h->key_id));
	memcpy(out + AT_WRAPPED, h->wrapped, sizeof(h->wrapped));
	memcpy(out + AT_STREAM, h->stream, sizeof(h->stream));
	put_text(out + AT_ID, h->id);
	put_text(out + AT_ROOM, h->room_id);
	put_text(out + AT_OWNER, h->owner);
	put_text(out + AT_NODE, h->node);
	rec_put64(out + AT_SAMPLES, h->samples);
}

enum pl_err rec_hdr_parse(const uint8_t *p, size_t n, struct rec_hdr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (n < REC_HDR_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
		return PL_E_FORMAT;
	if (p[AT_VERSION] != REC_VERSION || (p[AT_FORMAT] != REC_ALAW && p[AT_FORMAT] != REC_PCM16))
		return PL_E_UNSUPPORTED;
	ret->format = p[AT_FORMAT];
	ret->started_us = (int64_t)rec_get64(p + AT_STARTED);
	memcpy(ret->key_id, p + AT_KEY_ID, sizeof(ret->key_id));
	memcpy(ret->wrapped, p + AT_WRAPPED, sizeof(ret->wrapped));
	memcpy(ret->stream, p + AT_STREAM, sizeof(ret->stream));
	get_text(p + AT_ID, ret->id);
	get_text(p + AT_ROOM, ret->room_id);
	get_text(p + AT_OWNER, ret->owner);
	get_text(p + AT_NODE, ret->node);
	ret->samples = rec_get64(p + AT_SAMPLES);
	return PL_OK;
}

void rec_end_write(uint8_t out[REC_END_BYTES], const struct rec_end *e)
{
	memcpy(out, e->sha256, 32);
	rec_put64(out + 32, e->samples);
	rec_put64(out + 40, e->packets[0]);
	rec_put64(out + 48, e->packets[1]);
	rec_put64(out + 56, (uint64_t)e->ended_us);
}

void rec_end_parse(const uint8_t p[REC_END_BYTES], struct rec_end *ret)
{
	memcpy(ret->sha256, p, 32);
	ret->samples = rec_get64(p + 32);
	ret->packets[0] = rec_get64(p + 40);
	ret->packets[1] = rec_get64(p + 48);
	ret->ended_us = (int64_t)rec_get64(p + 56);
}
