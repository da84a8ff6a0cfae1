/* What sip-edge itself reads of bytes from outside (the rest of SIP is sofia's): source patterns, INFO bodies, digest
 * parameters. */
#include <stdlib.h>

#include "../engine/digest.h"
#include "../engine/info.h"
#include "../engine/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hash(enum digest_algorithm a, const char *text, size_t n, char out[DIGEST_HEX_MAX])
{
	memset(out, 'a' + (int)a + (n ? text[0] & 1 : 0), 32);
	out[32] = 0;
}

static void mac(const void *key, const void *p, size_t n, uint8_t out[32])
{
	memset(out, n ? ((const uint8_t *)p)[0] : 0, 32);
}

/* The input is cut at its 0 bytes into the parameters, in the order of the struct. */
static void digest(const char *text, size_t size)
{
	static struct digest_seen_slot slots[16];
	struct digest_fns f = { hash, mac, NULL };
	struct digest_seen seen = { slots, 16 };
	const char *p[8] = { NULL };
	for (size_t i = 0, k = 0; i < size && k < 8; i += strlen(text + i) + 1, k++)
		p[k] = text + i;
	struct digest_answer a = { p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], DIGEST_MD5 };
	if (digest_algorithm_parse(p[0], &a.algorithm))
		a.algorithm = DIGEST_SHA256;
	struct digest_check c = { .method = "INVITE",
				  .realm = "parley",
				  .ha1 = "0123456789abcdef0123456789abcdef",
				  .scope = p[1],
				  .now_s = 100,
				  .max_age_s = 10 };
	enum digest_verdict v = digest_verify(&f, &seen, &a, &c);
	if (v == DIGEST_OK && (!p[7] || strcmp(p[5], "auth")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct source_text t;
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (!source_split(text, &t) && (!*t.addr || t.port_lo > t.port_hi || t.prefix > (t.v6 ? 128 : 32)))
		abort();
	char d = info_digit((const char *)data, size, true), e = info_digit((const char *)data, size, false);
	if ((d && !strchr("0123456789*#ABCD", d)) || (e && !strchr("0123456789*#ABCD", e)))
		abort();
	digest(text, size);
	free(text);
	return 0;
}
