#include "stun.h"

#include <string.h>

#include "rtp.h"

enum {
	COOKIE = 0x2112a442,
	BINDING = 1,
	AT_USERNAME = 0x0006,
	AT_INTEGRITY = 0x0008,
	AT_ERROR = 0x0009,
	AT_UNKNOWN = 0x000a,
	AT_XOR_MAPPED = 0x0020,
	AT_PRIORITY = 0x0024,
	AT_USE_CANDIDATE = 0x0025,
	AT_FINGERPRINT = 0x8028,
	AT_CONTROLLED = 0x8029,
	INTEGRITY_BYTES = 24,
	FINGERPRINT_BYTES = 8
};
#define FINGERPRINT_XOR UINT32_C(0x5354554e)

/* CRC-32 of ISO 3309 (RFC 8489 14.7), bit by bit: a STUN message is 100 octets once in seconds. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int b = 0; b < 8; b++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

bool stun_looks(const uint8_t *p, size_t n)
{
	return n >= STUN_HDR_BYTES && p[0] < 4 && rtp_get32(p + 4) == COOKIE;
}

static void take_attr(const uint8_t *p, size_t at, uint16_t type, size_t len, struct stun_msg *ret)
{
	switch (type) {
	case AT_USERNAME:
		ret->username = p + at;
		ret->username_len = len;
		break;
	case AT_INTEGRITY:
		if (len == 20)
			ret->integrity_at = at - 4;
		break;
	case AT_USE_CANDIDATE:
		ret->use_candidate = true;
		break;
	case AT_CONTROLLED:
		ret->controlled = true;
		break;
	case AT_XOR_MAPPED:
		ret->has_addr = true;
		break;
	case AT_PRIORITY:
	case AT_ERROR:
	case AT_UNKNOWN:
		break;
	default:
		if (type < 0x8000 && !ret->unknown)
			ret->unknown = type;
	}
}

bool stun_parse(const uint8_t *p, size_t n, struct stun_msg *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!stun_looks(p, n) || rtp_get16(p + 2) % 4 || rtp_get16(p + 2) + (size_t)STUN_HDR_BYTES != n)
		return false;
	unsigned type = rtp_get16(p);
	ret->cls = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	ret->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	ret->id = p + 8;
	for (size_t at = STUN_HDR_BYTES; at < n;) {
		if (n - at < 4)
			return false;
		uint16_t t = rtp_get16(p + at);
		size_t len = rtp_get16(p + at + 2), padded = (len + 3) & ~(size_t)3;
		if (padded > n - at - 4)
			return false;
		if (t == AT_FINGERPRINT) { /* must be last; what follows is not looked at */
			ret->has_fingerprint = true;
			ret->fingerprint_ok = len == 4 && (crc32(p, at) ^ FINGERPRINT_XOR) == rtp_get32(p + at + 4);
			return at + 4 + padded == n;
		}
		if (!ret->integrity_at) /* 14.5: after MESSAGE-INTEGRITY only FINGERPRINT counts */
			take_attr(p, at + 4, t, len, ret);
		at += 4 + padded;
	}
	return true;
}

/* The HMAC covers the message up to MESSAGE-INTEGRITY, with a length that ends after it. */
static void integrity(const uint8_t *p, size_t at, const char *key, stun_hmac_fn hmac, uint8_t out[20])
{
	uint8_t copy[1500];
	memcpy(copy, p, at);
	rtp_put16(copy + 2, (uint16_t)(at + INTEGRITY_BYTES - STUN_HDR_BYTES));
	hmac(key, strlen(key), copy, at, out);
}

bool stun_integrity_ok(const uint8_t *p, size_t n, const struct stun_msg *m, const char *key, stun_hmac_fn hmac)
{
	uint8_t want[20], diff = 0;
	if (m->integrity_at < STUN_HDR_BYTES || m->integrity_at + INTEGRITY_BYTES > n || m->integrity_at > 1500)
		return false;
	integrity(p, m->integrity_at, key, hmac, want);
	for (int i = 0; i < 20; i++) /* constant time */
		diff |= (uint8_t)(want[i] ^ p[m->integrity_at + 4 + (size_t)i]);
	return diff == 0;
}

static size_t head(uint8_t *out, uint16_t type, const uint8_t *id)
{
	rtp_put16(out, type);
	rtp_put16(out + 2, 0);
	rtp_put32(out + 4, COOKIE);
	memcpy(out + 8, id, STUN_ID_BYTES);
	return STUN_HDR_BYTES;
}

static size_t attr(uint8_t *out, size_t at, uint16_t type, const void *v, size_t len)
{
	rtp_put16(out + at, type);
	rtp_put16(out + at + 2, (uint16_t)len);
	memcpy(out + at + 4, v, len);
	for (at += 4 + len; at % 4; at++)
		out[at] = 0;
	return at;
}

static size_t seal(uint8_t *out, size_t at, const char *key, stun_hmac_fn hmac)
{
	if (key) {
		uint8_t mac[20];
		integrity(out, at, key, hmac, mac);
		at = attr(out, at, AT_INTEGRITY, mac, sizeof(mac));
	}
	rtp_put16(out + 2, (uint16_t)(at + FINGERPRINT_BYTES - STUN_HDR_BYTES));
	uint8_t crc[4];
	rtp_put32(crc, crc32(out, at) ^ FINGERPRINT_XOR);
	return attr(out, at, AT_FINGERPRINT, crc, sizeof(crc));
}

size_t stun_success(uint8_t out[STUN_REPLY_MAX], const uint8_t id[STUN_ID_BYTES], const struct stun_addr *from,
		    const char *key, stun_hmac_fn hmac)
{
	size_t at = head(out, 0x0101, id), ip = from->ip6 ? 16 : 4;
	uint8_t v[20] = { 0, from->ip6 ? 2 : 1 };
	rtp_put16(v + 2, (uint16_t)(from->port ^ COOKIE >> 16));
	for (size_t i = 0; i < ip; i++) /* 14.2: XOR with the cookie and the transaction id */
		v[4 + i] = from->ip[i] ^ out[4 + i];
	at = attr(out, at, AT_XOR_MAPPED, v, 4 + ip);
	return seal(out, at, key, hmac);
}

size_t stun_error(uint8_t out[STUN_REPLY_MAX], const uint8_t id[STUN_ID_BYTES], unsigned code, const char *reason,
		  const char *key, stun_hmac_fn hmac)
{
	uint8_t v[64] = { 0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100) };
	size_t len = strlen(reason);
	len = len > sizeof(v) - 4 ? sizeof(v) - 4 : len;
	memcpy(v + 4, reason, len);
	return seal(out, attr(out, head(out, 0x0111, id), AT_ERROR, v, 4 + len), key, hmac);
}

size_t stun_request(uint8_t *out, const uint8_t id[STUN_ID_BYTES], const char *username, bool use_candidate,
		    const char *key, stun_hmac_fn hmac)
{
	static const uint8_t prio[4] = { 0x6e, 0, 0x1, 0xff }, tie[8] = { 1 };
	size_t at = attr(out, head(out, BINDING, id), AT_USERNAME, username, strlen(username));
	at = attr(out, at, AT_PRIORITY, prio, sizeof(prio));
	at = attr(out, at, 0x802a, tie, sizeof(tie)); /* ICE-CONTROLLING */
	if (use_candidate)
		at = attr(out, at, AT_USE_CANDIDATE, "", 0);
	return seal(out, at, key, hmac);
}
