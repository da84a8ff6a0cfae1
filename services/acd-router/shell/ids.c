#include "router.h"

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool acd_id_parse(const char *s, struct acd_id *ret)
{
	uint64_t w[2] = { 0, 0 };
	if (pl_empty(s)) {
		*ret = (struct acd_id){ 0, 0 };
		return true;
	}
	if (!pl_id_ok(s))
		return false;
	for (unsigned n = 0; *s; s++)
		if (*s != '-') {
			w[n / 16] = w[n / 16] << 4 | (unsigned)hex(*s);
			n++;
		}
	*ret = (struct acd_id){ w[0], w[1] };
	return true;
}

char *acd_id_text(struct acd_id id, char out[PL_ID_LEN])
{
	char *p = out;
	if (acd_id_none(id)) {
		*p = 0;
		return out;
	}
	for (unsigned n = 0; n < 32; n++) {
		if (n == 8 || n == 12 || n == 16 || n == 20)
			*p++ = '-';
		uint64_t w = n < 16 ? id.hi : id.lo;
		*p++ = "0123456789abcdef"[w >> (60 - 4 * (n % 16)) & 15];
	}
	*p = 0;
	return out;
}

char *acd_id_dup(struct pl_arena *a, struct acd_id id)
{
	char text[PL_ID_LEN];
	char *s = pl_arena_strdup(a, acd_id_text(id, text));
	return s ? s : (char *)"";
}
