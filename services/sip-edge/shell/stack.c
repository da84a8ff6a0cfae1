/* sofia-sip's loop, agent and listeners, with the Parley loop inside.
 * su_root_step() waits for sockets; among them is the descriptor of the Parley loop, which only wakes it: the turn itself is
 * taken right after each step, so that whatever SIP caused to be published goes out in one write. */
#include <arpa/inet.h>
#include <stdio.h>

#include "edge.h"
#include "trace.h"

#define STEP_MAX_MS 1000	/* nothing depends on it: every wake-up has its own descriptor or timer */

static int on_loop_ready(void *magic, su_wait_t *w, void *arg)
{
	return 0;
}

static enum pl_err embed(struct edge *e, struct pl_why *why)
{
	if (su_wait_create(e->loop_wait, pl_loop_backend_fd(e->app->loop), SU_WAIT_IN) < 0)
		return pl_why_set(why, PL_E_IO, "su_wait_create failed");
	e->loop_wait_index = su_root_register(e->root, e->loop_wait, on_loop_ready, e, 0);
	return e->loop_wait_index > 0 ? PL_OK : pl_why_set(why, PL_E_IO, "su_root_register failed");
}

void stack_run(struct edge *e)
{
	struct pl_loop *l = e->app->loop;
	pl_loop_turn(l);
	while (!e->stopping) {
		int ms = pl_loop_backend_timeout_ms(l);
		su_root_step(e->root, ms < 0 || ms > STEP_MAX_MS ? STEP_MAX_MS : ms);
		pl_loop_turn(l);
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
	/* UA: the stack matches dialogs, repeats our 2xx until the ACK, and repeats the ACK. Messages of requests outside a dialog come
	 * to dispatch() before anything is allocated for them. */
	e->agent = nta_agent_create(e->root, (url_string_t *)-1, dispatch, e, NTATAG_UA(1), NTATAG_MERGE_482(1),
				    NTATAG_SERVER_RPORT(1), NTATAG_CANCEL_487(1), NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0),
				    NTATAG_TIMEOUT_408(1), NTATAG_MAXSIZE(65536), NTATAG_UDP_MTU(65535), TAG_END());
	return e->agent ? PL_OK : pl_why_set(why, PL_E_NOMEM, "nta_agent_create failed");
}

enum pl_err stack_open(struct edge *e, struct pl_why *why)
{
	if (su_init() < 0)
		return pl_why_set(why, PL_E_INTERNAL, "su_init failed");
	su_home_init(e->home);
	trace_open(e);
	e->root = su_root_create(e);
	if (!e->root)
		return pl_why_set(why, PL_E_NOMEM, "su_root_create failed");
	su_root_threading(e->root, 0);
	enum pl_err err = embed(e, why);
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
	if (e->loop_wait_index > 0)
		su_root_deregister(e->root, e->loop_wait_index);
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
		 tls ? "tls" : ret->stream ? "tcp" : "udp");
}

const sip_contact_t *stack_contact(const struct edge *e, bool stream)
{
	return e->contact[stream];
}
