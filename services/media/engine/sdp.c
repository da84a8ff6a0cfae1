#include "sdp.h"

#include <strings.h>

/* --- slices --- */
static bool starts(struct sdp_str s, const char *with)
{
	return s.n >= strlen(with) && memcmp(s.s, with, strlen(with)) == 0;
}

static struct sdp_str after(struct sdp_str s, size_t n)
{
	return (struct sdp_str){ s.s + n, s.n - n };
}

/* Cuts the part before the first `sep` off *s; without one it is all of it. */
static struct sdp_str cut(struct sdp_str *s, char sep)
{
	const char *at = memchr(s->s, sep, s->n);
	struct sdp_str head = { s->s, at ? (size_t)(at - s->s) : s->n };
	*s = at ? after(*s, head.n + 1) : (struct sdp_str){ s->s + s->n, 0 };
	return head;
}

static struct sdp_str word(struct sdp_str *s)
{
	while (s->n > 0 && *s->s == ' ')
		*s = after(*s, 1);
	return cut(s, ' ');
}

static bool number(struct sdp_str s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.s[i] < '0' || s.s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.s[i] - '0');
	}
	*ret = v;
	return v <= max;
}

static enum pl_err bad(struct sdp *d, const char *what)
{
	d->what = what;
	return PL_E_FORMAT;
}

/* --- lines --- */
static enum pl_err take_c(struct sdp *d, struct sdp_str v, char addr[SDP_ADDR_LEN], bool *ip6)
{
	struct sdp_str net = word(&v), type = word(&v), a = word(&v);
	a = cut(&a, '/');
	if (!sdp_is(net, "IN") || (!sdp_is(type, "IP4") && !sdp_is(type, "IP6")) || a.n == 0 || a.n >= SDP_ADDR_LEN)
		return bad(d, "c= must be IN IP4 or IP6 and an address");
	memcpy(addr, a.s, a.n);
	addr[a.n] = '\0';
	*ip6 = sdp_is(type, "IP6");
	return PL_OK;
}

static enum sdp_proto proto_of(struct sdp_str s)
{
	static const char *const names[] = {
		[SDP_RTP_AVP] = "RTP/AVP",           [SDP_RTP_AVPF] = "RTP/AVPF",
		[SDP_RTP_SAVP] = "RTP/SAVP",         [SDP_RTP_SAVPF] = "RTP/SAVPF",
		[SDP_TLS_SAVP] = "UDP/TLS/RTP/SAVP", [SDP_TLS_SAVPF] = "UDP/TLS/RTP/SAVPF"
	};
	for (int i = SDP_RTP_AVP; i <= SDP_TLS_SAVPF; i++)
		if (sdp_is(s, names[i]))
			return (enum sdp_proto)i;
	return SDP_PROTO_OTHER;
}

static enum pl_err take_m(struct sdp *d, struct sdp_str v)
{
	uint64_t n;
	if (d->n_media == SDP_MEDIA_MAX) {
		d->what = "too many m= lines";
		return PL_E_FULL;
	}
	struct sdp_media *m = &d->media[d->n_media];
	m->line = v;
	m->type = word(&v);
	struct sdp_str port = word(&v);
	m->proto_text = word(&v);
	m->fmts = v;
	if (m->type.n == 0 || m->proto_text.n == 0 || !number(cut(&port, '/'), 65535, &n))
		return bad(d, "m= must be type, port, protocol, formats");
	m->port = (uint16_t)n;
	m->proto = proto_of(m->proto_text);
	m->audio = sdp_is(m->type, "audio");
	d->n_media++;
	if (!m->audio || m->proto == SDP_PROTO_OTHER)
		return PL_OK;
	while (v.n > 0) {
		struct sdp_str f = word(&v);
		if (f.n == 0)
			continue;
		if (!number(f, 127, &n))
			return bad(d, "a payload type is a number up to 127");
		if (m->n_fmt == SDP_FMT_MAX)
			return bad(d, "too many formats");
		m->fmt[m->n_fmt++] = (struct sdp_fmt){ .pt = (uint8_t)n, .channels = 1 };
	}
	return PL_OK;
}

static struct sdp_fmt *find_fmt(struct sdp_media *m, uint64_t pt)
{
	for (size_t i = 0; m && i < m->n_fmt; i++)
		if (m->fmt[i].pt == pt)
			return &m->fmt[i];
	return NULL;
}

static enum pl_err take_rtpmap(struct sdp *d, struct sdp_media *m, struct sdp_str v)
{
	uint64_t pt, clock, ch = 1;
	if (!m || !m->audio)
		return PL_OK;
	if (!number(word(&v), 127, &pt))
		return bad(d, "rtpmap without a payload type");
	struct sdp_fmt *f = find_fmt(m, pt);
	struct sdp_str name = cut(&v, '/'), rate = cut(&v, '/');
	if (name.n == 0 || !number(rate, 1000000, &clock) || (v.n > 0 && !number(v, 255, &ch)))
		return bad(d, "rtpmap must be name/clock[/channels]");
	if (f) {
		f->name = name;
		f->clock_hz = (uint32_t)clock;
		f->channels = (uint8_t)ch;
	}
	return PL_OK;
}

static void take_fmtp(struct sdp_media *m, struct sdp_str v)
{
	uint64_t pt;
	struct sdp_fmt *f = m && number(word(&v), 127, &pt) ? find_fmt(m, pt) : NULL;
	if (f)
		f->fmtp = v;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum pl_err take_fingerprint(struct sdp *d, struct sdp_sec *sec, struct sdp_str v)
{
	struct sdp_str alg = word(&v);
	if (alg.n != 7 || strncasecmp(alg.s, "sha-256", 7) != 0)
		return PL_OK; /* another hash: there may be a line with ours */
	if (v.n < 32 * 3 - 1)
		return bad(d, "a sha-256 fingerprint has 32 octets");
	for (size_t i = 0; i < 32; i++) {
		int hi = hex_digit(v.s[3 * i]), lo = hex_digit(v.s[3 * i + 1]);
		if (hi < 0 || lo < 0 || (i < 31 && v.s[3 * i + 2] != ':'))
			return bad(d, "a sha-256 fingerprint is hex with colons");
		sec->fingerprint[i] = (uint8_t)(hi << 4 | lo);
	}
	sec->has_fingerprint = true;
	return PL_OK;
}

static bool take_dir(struct sdp_str a, enum sdp_dir *ret)
{
	static const char *const names[] = { "", "sendrecv", "sendonly", "recvonly", "inactive" };
	for (int i = SDP_SENDRECV; i <= SDP_INACTIVE; i++)
		if (sdp_is(a, names[i])) {
			*ret = (enum sdp_dir)i;
			return true;
		}
	return false;
}

static void take_setup(struct sdp_sec *sec, struct sdp_str v)
{
	static const char *const names[] = { "", "actpass", "active", "passive", "holdconn" };
	for (int i = SDP_ACTPASS; i <= SDP_HOLDCONN; i++)
		if (sdp_is(v, names[i]))
			sec->setup = (enum sdp_setup)i;
}

static void take_small(struct sdp *d, struct sdp_media *m, struct sdp_str key, struct sdp_str v)
{
	uint64_t n;
	if (sdp_is(key, "group") && !m && starts(v, "BUNDLE "))
		d->bundle = after(v, 7);
	if (!m)
		return;
	if (sdp_is(key, "mid"))
		m->mid = v;
	else if (sdp_is(key, "rtcp-mux"))
		m->rtcp_mux = true;
	else if (sdp_is(key, "bundle-only"))
		m->bundle_only = true;
	else if (sdp_is(key, "rtcp") && number(word(&v), 65535, &n))
		m->rtcp_port = (uint16_t)n;
	else if (sdp_is(key, "ptime") && number(v, 1000, &n))
		m->ptime_ms = (unsigned)n;
}

static enum pl_err take_a(struct sdp *d, struct sdp_media *m, struct sdp_str v)
{
	struct sdp_sec *sec = m ? &m->sec : &d->sec;
	struct sdp_str key = cut(&v, ':');
	if (take_dir(key, m ? &m->dir : &d->dir))
		return PL_OK;
	if (sdp_is(key, "rtpmap"))
		return take_rtpmap(d, m, v);
	if (sdp_is(key, "fingerprint"))
		return take_fingerprint(d, sec, v);
	if (sdp_is(key, "fmtp"))
		take_fmtp(m, v);
	else if (sdp_is(key, "ice-ufrag"))
		sec->ufrag = v;
	else if (sdp_is(key, "ice-pwd"))
		sec->pwd = v;
	else if (sdp_is(key, "setup"))
		take_setup(sec, v);
	else
		take_small(d, m, key, v);
	return PL_OK;
}

static enum pl_err take_line(struct sdp *d, struct sdp_str line)
{
	struct sdp_media *m = d->n_media ? &d->media[d->n_media - 1] : NULL;
	if (line.n < 2 || line.s[1] != '=')
		return bad(d, "a line must be <letter>=<value>");
	struct sdp_str v = after(line, 2);
	switch (line.s[0]) {
	case 'c':
		return take_c(d, v, m ? m->addr : d->addr, m ? &m->ip6 : &d->ip6);
	case 'm':
		return take_m(d, v);
	case 'a':
		return take_a(d, m, v);
	default:
		return PL_OK;
	}
}

static void inherit(struct sdp *d)
{
	for (size_t i = 0; i < d->n_media; i++) {
		struct sdp_media *m = &d->media[i];
		if (!m->addr[0]) {
			memcpy(m->addr, d->addr, sizeof(m->addr));
			m->ip6 = d->ip6;
		}
		if (m->dir == SDP_DIR_UNSET)
			m->dir = d->dir == SDP_DIR_UNSET ? SDP_SENDRECV : d->dir;
		if (m->sec.ufrag.n == 0)
			m->sec.ufrag = d->sec.ufrag;
		if (m->sec.pwd.n == 0)
			m->sec.pwd = d->sec.pwd;
		if (m->sec.setup == SDP_SETUP_UNSET)
			m->sec.setup = d->sec.setup;
		if (!m->sec.has_fingerprint && d->sec.has_fingerprint) {
			memcpy(m->sec.fingerprint, d->sec.fingerprint, sizeof(m->sec.fingerprint));
			m->sec.has_fingerprint = true;
		}
	}
}

enum pl_err sdp_parse(const char *text, size_t n, struct sdp *ret)
{
	memset(ret, 0, sizeof(*ret));
	struct sdp_str rest = { text, n };
	if (n > SDP_TEXT_MAX)
		return bad(ret, "longer than 16 KiB");
	if (n < 2 || memcmp(text, "v=", 2) != 0)
		return bad(ret, "must begin with v=");
	while (rest.n > 0) {
		struct sdp_str line = cut(&rest, '\n');
		while (line.n > 0 && (line.s[line.n - 1] == '\r' || line.s[line.n - 1] == ' '))
			line.n--;
		ret->line++;
		enum pl_err err = line.n > 0 ? take_line(ret, line) : PL_OK;
		if (err)
			return err;
	}
	if (ret->n_media == 0)
		return bad(ret, "has no m= line");
	inherit(ret);
	return PL_OK;
}

/* --- writing --- */
void sdp_put_n(struct sdp_out *o, const char *s, size_t n)
{
	if (o->over || n >= o->cap - o->len) {
		o->over = true;
		return;
	}
	memcpy(o->buf + o->len, s, n);
	o->len += n;
	o->buf[o->len] = '\0';
}

void sdp_put(struct sdp_out *o, const char *s)
{
	sdp_put_n(o, s, strlen(s));
}

void sdp_put_u(struct sdp_out *o, uint64_t v)
{
	char d[20];
	size_t i = sizeof(d);
	do
		d[--i] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	sdp_put_n(o, d + i, sizeof(d) - i);
}

void sdp_put_hex(struct sdp_out *o, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[p[i] >> 4], hex[p[i] & 15], ':' };
		sdp_put_n(o, two, i + 1 < n ? 3 : 2);
	}
}
