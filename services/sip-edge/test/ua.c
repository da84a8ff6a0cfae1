/* SIP by hand: sockets, text, dialogs. */
#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <parley/crypto.h>
#include <poll.h>
#include <sofia-sip/su_md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char sdp_a[] =
	"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
const char sdp_b[] =
	"v=0\r\no=b 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n";

static bool bind_to(int fd, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

struct ua *ua_new(bool carrier, bool tcp)
{
	struct ua *u = calloc(1, sizeof *u);
	int one = 1;
	ck_assert_ptr_nonnull(u);
	u->tcp = tcp;
	u->fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (tcp)
		setsockopt(u->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	for (int i = 0; carrier && i < CARRIER_PORTS - 1 && !u->port; i++)
		if (bind_to(u->fd, rig.carrier_ports[i]))
			u->port = rig.carrier_ports[i];
	ck_assert(carrier ? u->port > 0 : bind_to(u->fd, 0));
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)rig.sip_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(connect(u->fd, (struct sockaddr *)&a, sizeof a), 0);
	socklen_t len = sizeof a;
	getsockname(u->fd, (struct sockaddr *)&a, &len);
	u->port = ntohs(a.sin_port);
	fcntl(u->fd, F_SETFL, O_NONBLOCK);
	return u;
}

void ua_free(struct ua *u)
{
	if (u)
		close(u->fd);
	free(u);
}

void ua_send(struct ua *u, const char *fmt, ...)
{
	static char out[32768];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(out, sizeof out, fmt, ap);
	va_end(ap);
	ck_assert_int_lt(n, (int)sizeof out);
	ck_assert_int_eq(send(u->fd, out, (size_t)n, 0), n);
}

/* Length of the first whole message in the buffer, 0 when there is none. */
static size_t whole(const struct ua *u)
{
	if (!u->n)
		return 0;
	const char *end = memmem(u->buf, u->n, "\r\n\r\n", 4);
	if (!end)
		return 0;
	const char *cl = strcasestr(u->buf, "Content-Length:");
	if (!cl)
		cl = strcasestr(u->buf, "\nl:");
	size_t body = cl && cl < end ? strtoul(strchr(cl, ':') + 1, NULL, 10) : 0;
	size_t all = (size_t)(end - u->buf) + 4 + body;
	return u->n >= all ? all : 0;
}

static bool take(struct ua *u)
{
	if (!whole(u)) {
		ssize_t k = recv(u->fd, u->buf + u->n, sizeof u->buf - 1 - u->n, 0);
		if (k > 0)
			u->n += (size_t)k;
		u->buf[u->n] = 0;
	}
	/* keep-alive CRLFs between messages */
	while (u->n && (*u->buf == '\r' || *u->buf == '\n'))
		memmove(u->buf, u->buf + 1, u->n--);
	size_t n = whole(u);
	if (!n)
		return false;
	ck_assert_uint_lt(n, sizeof u->msg);
	memcpy(u->msg, u->buf, n);
	u->msg[n] = 0;
	u->n -= n;
	memmove(u->buf, u->buf + n, u->n);
	u->buf[u->n] = 0;
	return true;
}

const char *ua_want(struct ua *u, const char *start)
{
	int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	for (;;) {
		while (take(u))
			if (!strncmp(u->msg, start, strlen(start)))
				return u->msg;
		ck_assert_msg(pl_mono_us() < end, "no \"%s\"; last message was:\n%s", start, u->msg);
		rig_turn();
	}
}

bool ua_quiet(struct ua *u, int ms)
{
	int64_t end = pl_mono_us() + ms * PL_US_PER_MS;
	while (pl_mono_us() < end) {
		if (take(u))
			return false;
		rig_turn();
	}
	return true;
}

const char *ua_header_n(const struct ua *u, const char *name, int n)
{
	static char ring[16][1024];
	static int at;
	char *out = ring[at++ % 16];
	size_t len = strlen(name);
	*out = 0;
	for (const char *p = strstr(u->msg, "\r\n"); p && strncmp(p, "\r\n\r\n", 4); p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, len) || p[2 + len] != ':' || n--)
			continue;
		p += 3 + len;
		while (*p == ' ')
			p++;
		snprintf(out, sizeof ring[0], "%.*s", (int)strcspn(p, "\r\n"), p);
		return out;
	}
	return out;
}

const char *ua_header(const struct ua *u, const char *name)
{
	return ua_header_n(u, name, 0);
}

const char *ua_body(const struct ua *u)
{
	const char *p = strstr(u->msg, "\r\n\r\n");
	return p ? p + 4 : "";
}

/* --- dialogs --- */

static void request(struct dlg *d, const char *method, const char *uri, unsigned cseq, const char *sdp)
{
	const char *tr = d->ua->tcp ? "TCP" : "UDP", *ct = d->ua->tcp ? ";transport=tcp" : "";
	ua_send(d->ua,
		"%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%d;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: "
		"%s\r\n"
		"Call-ID: %s\r\nCSeq: %u %s\r\nContact: <sip:ua@127.0.0.1:%d%s>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
		method, uri, tr, d->ua->port, d->branch, d->local, d->remote, d->call_id, cseq, method, d->ua->port, ct,
		d->extra, sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
}

static void new_branch(struct dlg *d)
{
	char id[PL_ID_LEN];
	snprintf(d->branch, sizeof d->branch, "z9hG4bK%s", pl_id_new(id));
}

void dlg_invite(struct dlg *d, struct ua *u, const char *to, const char *sdp)
{
	char id[PL_ID_LEN], extra[sizeof d->extra];
	pl_strlcpy(extra, d->extra, sizeof extra);
	*d = (struct dlg){ .ua = u, .cseq = 1 };
	pl_strlcpy(d->extra, extra, sizeof d->extra);
	pl_strlcpy(d->call_id, pl_id_new(id), sizeof d->call_id);
	snprintf(d->local, sizeof d->local, "\"Caller\" <sip:+391234@127.0.0.1>;tag=%.8s", d->call_id + 24);
	snprintf(d->target, sizeof d->target, "sip:%s@127.0.0.1:%d", to, rig.sip_port);
	snprintf(d->remote, sizeof d->remote, "<%s>", d->target);
	new_branch(d);
	request(d, "INVITE", d->target, d->cseq, sdp);
}

void dlg_request(struct dlg *d, const char *method, const char *sdp)
{
	new_branch(d);
	request(d, method, d->target, ++d->cseq, sdp);
}

void dlg_take(struct dlg *d)
{
	pl_strlcpy(d->remote, ua_header(d->ua, "To"), sizeof d->remote);
	const char *c = ua_header(d->ua, "Contact");
	if (*c == '<')
		snprintf(d->target, sizeof d->target, "%.*s", (int)strcspn(c + 1, ">"), c + 1);
}

void dlg_ack(struct dlg *d)
{
	dlg_take(d);
	new_branch(d);
	request(d, "ACK", d->target, d->cseq, NULL);
}

void dlg_ack_fail(struct dlg *d)
{
	char remote[sizeof d->remote];
	pl_strlcpy(remote, d->remote, sizeof remote);
	pl_strlcpy(d->remote, ua_header(d->ua, "To"), sizeof d->remote);
	request(d, "ACK", d->target, d->cseq, NULL);
	pl_strlcpy(d->remote, remote, sizeof d->remote);
}

void dlg_cancel(struct dlg *d)
{
	request(d, "CANCEL", d->target, d->cseq, NULL);
}

void dlg_mark(struct dlg *d)
{
	struct ua *u = d->ua;
	pl_strlcpy(d->via, ua_header(u, "Via"), sizeof d->via);
	pl_strlcpy(d->cseq_line, ua_header(u, "CSeq"), sizeof d->cseq_line);
	pl_strlcpy(d->from_line, ua_header(u, "From"), sizeof d->from_line);
	pl_strlcpy(d->to_line, ua_header(u, "To"), sizeof d->to_line);
}

void dlg_incoming(struct dlg *d, struct ua *u)
{
	*d = (struct dlg){ .ua = u, .cseq = 100 };
	dlg_mark(d);
	pl_strlcpy(d->call_id, ua_header(u, "Call-ID"), sizeof d->call_id);
	pl_strlcpy(d->remote, d->from_line, sizeof d->remote);
	snprintf(d->local, sizeof d->local, "%.140s;tag=u%d", d->to_line, u->port);
	const char *c = ua_header(u, "Contact");
	snprintf(d->target, sizeof d->target, "%.*s", (int)strcspn(c + 1, ">"), c + 1);
}

void dlg_reply(struct dlg *d, int status, const char *phrase, const char *sdp)
{
	const char *ct = d->ua->tcp ? ";transport=tcp" : "";
	bool tag = strstr(d->to_line, "tag=");
	ua_send(d->ua,
		"SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: "
		"<sip:ua@127.0.0.1:%d%s>\r\n"
		"%sContent-Length: %zu\r\n\r\n%s",
		status, phrase, d->via, d->from_line,
		tag             ? d->to_line
		: status == 100 ? d->to_line
				: d->local,
		d->call_id, d->cseq_line, d->ua->port, ct, sdp ? "Content-Type: application/sdp\r\n" : "",
		sdp ? strlen(sdp) : 0, sdp ? sdp : "");
}

/* --- digest --- */

static void hash(bool sha, const char *text, char out[65])
{
	if (sha) {
		crypto_sha256_hex(text, strlen(text), out);
		return;
	}
	su_md5_t ctx[1];
	uint8_t md[16];
	su_md5_init(ctx);
	su_md5_update(ctx, text, (usize_t)strlen(text));
	su_md5_digest(ctx, md);
	pl_hex(md, 16, out);
}

static void parameter(const char *header, const char *name, char *out, size_t size)
{
	const char *p = strstr(header, name);
	*out = 0;
	if (!p)
		return;
	p += strlen(name);
	snprintf(out, size, "%.*s", (int)strcspn(p, "\""), p);
}

void ua_authorize(const struct ua *u, const char *algorithm, const char *user, const char *password, const char *method,
		  const char *uri, char *out, size_t size)
{
	char realm[64], nonce[128], a1[65], a2[65], response[65], text[512], want[64];
	bool sha = !strcmp(algorithm, "SHA-256");
	snprintf(want, sizeof want, "algorithm=%s,", algorithm);
	const char *h = ua_header_n(u, "WWW-Authenticate", 0);
	if (!strstr(h, want))
		h = ua_header_n(u, "WWW-Authenticate", 1);
	ck_assert_msg(strstr(h, want) != NULL, "no challenge for %s in:\n%s", algorithm, u->msg);
	parameter(h, "realm=\"", realm, sizeof realm);
	parameter(h, "nonce=\"", nonce, sizeof nonce);
	snprintf(text, sizeof text, "%s:%s:%s", user, realm, password);
	hash(sha, text, a1);
	snprintf(text, sizeof text, "%s:%s", method, uri);
	hash(sha, text, a2);
	snprintf(text, sizeof text, "%s:%s:00000001:cafe:auth:%s", a1, nonce, a2);
	hash(sha, text, response);
	snprintf(out, size,
		 "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\", "
		 "algorithm=%s, "
		 "qop=auth, nc=00000001, cnonce=\"cafe\"\r\n",
		 user, realm, nonce, uri, response, algorithm);
}

int ua_register(struct ua *u, const char *user, const char *password, const char *algorithm, int expires)
{
	struct dlg d = { .ua = u };
	char id[PL_ID_LEN], auth[900];
	snprintf(d.call_id, sizeof d.call_id, "reg-%s", pl_id_new(id));
	snprintf(d.target, sizeof d.target, "sip:127.0.0.1:%d", rig.sip_port);
	snprintf(d.local, sizeof d.local, "<sip:%s@127.0.0.1>;tag=r%d", user, u->port);
	snprintf(d.remote, sizeof d.remote, "<sip:%s@127.0.0.1>", user);
	snprintf(d.extra, sizeof d.extra, "Expires: %d\r\n", expires);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 401");
	ua_authorize(u, algorithm, user, password, "REGISTER", d.target, auth, sizeof auth);
	snprintf(d.extra, sizeof d.extra, "Expires: %d\r\n%.900s", expires, auth);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 ");
	return atoi(u->msg + 8);
}
