#include "source.h"

static const char *number(const char *p, unsigned max, unsigned *ret)
{
	unsigned v = 0;
	const char *start = p;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max)
			return NULL;
	}
	if (p == start)
		return NULL;
	*ret = v;
	return p;
}

static const char *ports(const char *p, struct source_text *t)
{
	unsigned lo, hi;
	p = number(p, 65535, &lo);
	if (!p)
		return NULL;
	hi = lo;
	if (*p == '-')
		p = number(p + 1, 65535, &hi);
	if (!p || lo > hi || !lo)
		return NULL;
	t->port_lo = (uint16_t)lo;
	t->port_hi = (uint16_t)hi;
	return p;
}

/* Length of the address part; sets v6 and where the rest begins. */
static const char *address(const char *text, struct source_text *t)
{
	const char *start = text, *end;
	bool bracket = *text == '[';
	if (bracket) {
		start++;
		end = strchr(start, ']');
		if (!end)
			return NULL;
		t->v6 = true;
	} else {
		end = start + strcspn(start, "/");
		const char *colon = memchr(start, ':', (size_t)(end - start));
		t->v6 = colon && memchr(colon + 1, ':', (size_t)(end - colon - 1));
		if (!t->v6)
			end = start + strcspn(start, ":/");
	}
	size_t n = (size_t)(end - start);
	if (!n || n >= sizeof t->addr || strspn(start, t->v6 ? "0123456789abcdefABCDEF:." : "0123456789.") < n)
		return NULL;
	memcpy(t->addr, start, n);
	t->addr[n] = 0;
	return end + bracket;
}

enum pl_err source_split(const char *text, struct source_text *ret)
{
	struct source_text t = { .prefix = -1, .port_lo = 0, .port_hi = 65535 };
	unsigned bits;
	const char *p = address(text, &t);
	if (p && *p == '/') {
		p = number(p + 1, t.v6 ? 128 : 32, &bits);
		t.prefix = p ? (int)bits : -1;
	}
	if (p && *p == ':')
		p = ports(p + 1, &t);
	if (!p || *p)
		return PL_E_FORMAT;
	*ret = t;
	return PL_OK;
}

bool source_match(const struct source_rule *r, const uint8_t addr[16], uint16_t port)
{
	size_t whole = r->prefix / 8, rest = r->prefix % 8;
	if (port < r->port_lo || port > r->port_hi || memcmp(r->addr, addr, whole) != 0)
		return false;
	return !rest || !((r->addr[whole] ^ addr[whole]) >> (8 - rest));
}

const struct source_rule *source_find(const struct source_rule *r, size_t n, const uint8_t addr[16], uint16_t port)
{
	const struct source_rule *best = NULL;
	for (size_t i = 0; i < n; i++) {
		if (!source_match(&r[i], addr, port))
			continue;
		int width = r[i].port_hi - r[i].port_lo;
		if (!best || r[i].prefix > best->prefix ||
		    (r[i].prefix == best->prefix && width < best->port_hi - best->port_lo))
			best = &r[i];
	}
	return best;
}
