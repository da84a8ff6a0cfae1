/* sofia-sip's agent and listeners, and the loop that turns both it and the Parley loop.
 *
 * su_root_step() alone would be simpler, but it asks the kernel for waits that are cut to whole milliseconds: with
 * thousands of transactions, whose timers end at every millisecond, it turns in circles until each is due (measured: 4
 * of 5 CPU seconds). So the waiting is ours, on the epoll descriptor of su_root and that of the Parley loop, and
 * sofia's timers are looked at no more often than every TIMERS_MS; SIP's shortest is 200 ms. One turn handles what has
 * come from both sides, and what it has published goes out in one write. */
#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "legs.h"
#include "trace.h"

#define TIMERS_MS 10
#define STEPS_MAX 16 /* of su_root in one turn; each takes up to 4 sockets */
#define FDS_MAX 4096

/* Bit per open eventpoll descriptor below FDS_MAX. */
static void eventpolls(uint8_t bits[FDS_MAX / 8])
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *f;
	memset(bits, 0, FDS_MAX / 8);
	while (d && (f = readdir(d))) {
		char target[64] = "";
		int fd = atoi(f->d_name);
		if (*f->d_name != '.' && readlinkat(dirfd(d), f->d_name, target, sizeof target - 1) > 0 &&
		    fd < FDS_MAX && strstr(target, "[eventpoll]"))
			bits[fd / 8] |= (uint8_t)(1u << (fd % 8));
	}
	if (d)
		closedir(d);
}

/* su_root does not tell its epoll descriptor: it is the one that creating it has added. */
static enum pl_err root_open(struct edge *e, struct pl_why *why)
{
	uint8_t before[FDS_MAX / 8], after[FDS_MAX / 8];
	eventpolls(before);
	e->root = su_root_create(e);
	if (!e->root)
		return pl_why_set(why, PL_E_NOMEM, "su_root_create failed");
	su_root_threading(e->root, 0);
	eventpolls(after);
	e->root_fd = -1;
	for (int fd = 0; fd < FDS_MAX; fd++)
		if ((after[fd / 8] & ~before[fd / 8]) >> (fd % 8) & 1)
			e->root_fd = fd;
	return e->root_fd >= 0 ? PL_OK
			       : pl_why_set(why, PL_E_INTERNAL, "su_root has no epoll descriptor (SU_PORT set?)");
}

void stack_run(struct edge *e)
{
	struct pl_loop *l = e->app->loop;
	pl_loop_turn(l);
	while (!e->stopping) {
		struct pollfd fds[2] = { { .fd = e->root_fd, .events = POLLIN },
					 { .fd = pl_loop_backend_fd(l), .events = POLLIN } };
		int ms = pl_loop_backend_timeout_ms(l);
		poll(fds, 2, ms < 0 || ms > TIMERS_MS ? TIMERS_MS : ms);
		for (int i = 0; i < STEPS_MAX && su_root_step(e->root, 0) == 0; i++)
			;
		pl_loop_turn(l);
		legs_bury(e);
	}
}

static const char *bracketed(const char *addr, char *buf, size_t size)
{
	bool v6 = strchr(addr, ':') && *addr != '[';
	snprintf(buf, size, "%s%s%s", v6 ? "[" : "", addr, v6 ? "]" : "");
	return buf;
}

static enum pl_err listen_on(struct edge *e, const char *scheme, const char *proto, int64_t port, struct pl_why *why)
{
	char bind[80], pub[80], url[256];
	const struct edge_cfg *c = e->cfg;
	bracketed(c->sip_address, bind, sizeof bind);
	bracketed(pl_empty(c->public_address) ? c->sip_address : c->public_address, pub, sizeof pub);
	snprintf(url, sizeof url, "%s:%s:%" PRId64 ";transport=%s%s%s", scheme, pub, port, proto,
		 strcmp(bind, pub) ? ";maddr=" : "", strcmp(bind, pub) ? c->sip_address : "");
	unsigned buffer = (unsigned)c->udp_buffer_bytes;
	int rc = nta_agent_add_tport(e->agent, URL_STRING_MAKE(url), TPTAG_UDP_RMEM(buffer), TPTAG_UDP_WMEM(buffer),
				     TPTAG_REUSE(1), TPTAG_IDLE(600000), TPTAG_QUEUESIZE(256), TPTAG_LOG(c->sip_trace),
				     TAG_IF(!pl_empty(c->tls_dir), TPTAG_CERTIFICATE(c->tls_dir)), TAG_END());
	if (rc < 0)
		return pl_why_field(why, PL_E_IO, "sip-port", "cannot listen on %s: %s", url, strerror(su_errno()));
	return PL_OK;
}

static enum pl_err contacts_make(struct edge *e, struct pl_why *why)
{
	char host[80], text[160];
	const struct edge_cfg *c = e->cfg;
	/* sofia would bind every interface by itself and look for a phone's connection on the first one only. */
	if (pl_streq(c->sip_address, "0.0.0.0") || pl_streq(c->sip_address, "::"))
		return pl_why_field(why, PL_E_FORMAT, "sip-address", "one address of this host, not %s",
				    c->sip_address);
	bracketed(pl_empty(c->public_address) ? c->sip_address : c->public_address, host, sizeof host);
	snprintf(e->host, sizeof e->host, "%s:%" PRId64, host, c->sip_port);
	static const char *const params[2] = { "", ";transport=tcp" };
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof text, "<sip:%s%s>", e->host, params[i]);
		e->contact[i] = sip_contact_make(e->home, text);
		if (!e->contact[i])
			return pl_why_field(why, PL_E_FORMAT, "public-address", "%s is no host", host);
	}
	return PL_OK;
}

static enum pl_err agent_open(struct edge *e, struct pl_why *why)
{
	/* UA: the stack matches dialogs, repeats our 2xx until the ACK, and repeats the ACK. Messages of requests
	 * outside a dialog come to dispatch() before anything is allocated for them. */
	e->agent = nta_agent_create(e->root, (url_string_t *)-1, dispatch, e, NTATAG_UA(1), NTATAG_MERGE_482(1),
				    NTATAG_SERVER_RPORT(1), NTATAG_CANCEL_487(1), NTATAG_USE_NAPTR(0),
				    NTATAG_USE_SRV(0), NTATAG_TIMEOUT_408(1), NTATAG_MAXSIZE(65536),
				    NTATAG_PRELOAD(1024), NTATAG_UDP_MTU(65535), TAG_END());
	return e->agent ? PL_OK : pl_why_set(why, PL_E_NOMEM, "nta_agent_create failed");
}

enum pl_err stack_open(struct edge *e, struct pl_why *why)
{
	if (su_init() < 0)
		return pl_why_set(why, PL_E_INTERNAL, "su_init failed");
	su_home_init(e->home);
	trace_open(e);
	enum pl_err err = root_open(e, why);
	if (!err)
		err = contacts_make(e, why);
	if (!err)
		err = agent_open(e, why);
	if (!err)
		err = listen_on(e, "sip", "udp", e->cfg->sip_port, why);
	if (!err)
		err = listen_on(e, "sip", "tcp", e->cfg->sip_port, why);
	if (!err && !pl_empty(e->cfg->tls_dir))
		err = listen_on(e, "sips", "tls", e->cfg->tls_port, why);
	return err;
}

void stack_close(struct edge *e)
{
	if (e->agent)
		nta_agent_destroy(e->agent);
	if (e->root) {
		su_root_destroy(e->root);
		su_home_deinit(e->home);
		su_deinit();
	}
	e->agent = NULL;
	e->root = NULL;
	trace_close(e);
}

void peer_of(struct edge *e, msg_t *msg, struct peer *ret)
{
	const su_sockaddr_t *sa = msg_addr(msg);
	tport_t *tp = tport_delivered_by(nta_agent_tports(e->agent), msg);
	*ret = (struct peer){ .stream = tp && tport_is_stream(tp) };
	char text[INET6_ADDRSTRLEN] = "?";
	if (sa->su_family == AF_INET6) {
		memcpy(ret->addr, &sa->su_sin6.sin6_addr, 16);
		inet_ntop(AF_INET6, ret->addr, text, sizeof text);
	} else {
		ret->addr[10] = ret->addr[11] = 0xff;
		memcpy(ret->addr + 12, &sa->su_sin.sin_addr, 4);
		inet_ntop(AF_INET, ret->addr + 12, text, sizeof text);
	}
	ret->port = ntohs(sa->su_port);
	bracketed(text, ret->host, sizeof ret->host);
	bool tls = tp && tport_has_tls(tp);
	snprintf(ret->uri, sizeof ret->uri, "%s:%s:%u;transport=%s", tls ? "sips" : "sip", ret->host, ret->port,
		 tls           ? "tls"
		 : ret->stream ? "tcp"
			       : "udp");
}

const sip_contact_t *stack_contact(const struct edge *e, bool stream)
{
	return e->contact[stream];
}
