/* The Connect protocol, unary (connectrpc.com/docs/protocol): HTTP in, a call on the bus, HTTP out. Knows no domain but
 * the few calls that touch the cookie. */
#include "api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 15000
#define TIMEOUT_MAX_MS 60000
#define ARENA_BYTES ((size_t)64 << 20)
#define COOKIE "parley_session"

struct exchange {
	struct api *a;
	struct http_req *r;
	struct pl_arena *arena;
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;
	struct who who;
	bool json;
	int64_t timeout_ms, begun_us;
};

static void finish(struct exchange *x, enum pl_err err, const struct pl_why *why)
{
	if (err)
		answer_error(x->r, err, why);
	if (x->a->m_time)
		obs_observe(x->a->m_time, pl_mono_us() - x->begun_us);
	pl_arena_free(x->arena);
	free(x);
}

/* --- the calls that touch the session --- */

static bool is(const struct exchange *x, const char *method)
{
	return x->service == &parley__auth__v1__auth_service__descriptor && pl_streq(x->method->name, method);
}

static void set_cookie(struct exchange *x, const char *token)
{
	bool tls = !pl_empty(x->a->cfg->tls_cert) || pl_streq(http_header(x->r, "X-Forwarded-Proto"), "https");
	char cookie[256];

	/* a session cookie of the browser: the server decides when it ends */
	snprintf(cookie, sizeof(cookie), COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", token,
		 tls ? "; Secure" : "", *token ? "" : "; Max-Age=0");
	http_add_header(x->r, "Set-Cookie", cookie);
}

const char *api_actor(const struct who *w, char out[128])
{
	static const char *const names[PERM_ROLE_N] = { "nobody", "agent", "supervisor", "admin" };

	snprintf(out, 128, "%s %s %s", names[w->role], w->user_id, w->session_id);
	return out;
}

/* Every "<service>.<verb>" the role may do; the desk shows what is possible by it. */
static enum pl_err permissions(struct exchange *x, enum perm_role role, size_t *ret_n, char ***ret)
{
	static const enum perm_verb verbs[] = { PERM_READ, PERM_EDIT, PERM_DELETE };
	size_t n_services, n = 0;
	const ProtobufCServiceDescriptor *const *all = rpc_services(&n_services);
	char **list = pl_arena_alloc(x->arena, (3 * n_services + 1) * sizeof(*list));

	for (size_t i = 0; list && i < n_services; i++)
		for (size_t k = 0; k < PL_ARRAY_N(verbs); k++) {
			if (perm_internal(all[i]->name) || !(perm_verbs(role, all[i]->name) & (unsigned)verbs[k]))
				continue;
			list[n] = pl_arena_printf(x->arena, "%s.%s", all[i]->name, perm_verb_name(verbs[k]));
			if (!list[n++])
				return PL_E_NOMEM;
		}
	*ret = list;
	*ret_n = n;
	return list ? PL_OK : PL_E_NOMEM;
}

static enum perm_role role_of(const Parley__Auth__V1__User *u)
{
	return u && u->role > 0 && (unsigned)u->role < PERM_ROLE_N ? (enum perm_role)u->role : PERM_NOBODY;
}
_Static_assert((int)PARLEY__AUTH__V1__ROLE__ROLE_ADMIN == (int)PERM_ADMIN &&
		       (int)PARLEY__AUTH__V1__ROLE__ROLE_AGENT == (int)PERM_AGENT,
	       "roles count alike");

/* out is ours to change: it lives in the loop's tmp. */
static enum pl_err before_answer(struct exchange *x, ProtobufCMessage *out)
{
	if (is(x, "Login")) {
		Parley__Auth__V1__LoginResponse *m = (void *)out;
		set_cookie(x, m->token);
		m->token = (char *)(uintptr_t) "";
		return permissions(x, role_of(m->user), &m->n_permissions, &m->permissions);
	}
	if (is(x, "GetMe")) {
		Parley__Auth__V1__GetMeResponse *m = (void *)out;
		return permissions(x, role_of(m->user), &m->n_permissions, &m->permissions);
	}
	if (is(x, "Logout")) {
		seat_ended(x->a, x->who.session_id);
		sse_end_session(x->a, x->who.session_id);
		set_cookie(x, "");
	} else if (is(x, "ChangePassword")) {
		const char *token = seat_token(x->r);
		if (token)
			seat_forget(x->a, token); /* "must change" is over */
	}
	return PL_OK;
}

static void before_call(struct exchange *x, ProtobufCMessage *in)
{
	const char *agent = http_header(x->r, "User-Agent");

	if (!is(x, "Login"))
		return;
	Parley__Auth__V1__LoginRequest *m = (void *)in;
	m->remote_address = (char *)(uintptr_t)http_peer(x->r); /* whatever the client wrote there */
	m->user_agent = pl_arena_printf(x->arena, "%.200s", agent && pl_utf8_ok(agent, strlen(agent)) ? agent : "");
}

/* --- the call --- */

static void on_answer(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct exchange *x = arg;
	struct pl_why here = { 0 };
	char *text;
	size_t n;

	if (!err) {
		why = &here;
		err = before_answer(x, (ProtobufCMessage *)(uintptr_t)out);
	}
	if (!err && x->json) {
		err = rpc_to_json(out, x->arena, &text, &n, &here);
		if (!err)
			http_answer(x->r, 200, "application/json", text, n);
	} else if (!err) {
		n = protobuf_c_message_get_packed_size(out);
		uint8_t *p = pl_arena_alloc(x->arena, n + 1);
		if (p) {
			protobuf_c_message_pack(out, p);
			http_answer(x->r, 200, "application/proto", p, n);
		} else {
			err = PL_E_NOMEM;
		}
	}
	finish(x, err, why);
}

static enum pl_err read_body(struct exchange *x, ProtobufCMessage **ret, struct pl_why *why)
{
	size_t n;
	const void *body = http_body(x->r, &n);

	if (x->json)
		return rpc_from_json(x->method->input, n ? body : "{}", n ? n : 2, x->arena, ret, why);
	enum pl_err err = rpc_unpack(x->method->input, body, n, x->arena, ret, why);
	return err ? err : rpc_text_ok(*ret, why);
}

static void call(struct exchange *x)
{
	struct rpc_to to = { .service = x->service, .method = x->method->name, .timeout_ms = x->timeout_ms };
	struct pl_why why = { 0 };
	ProtobufCMessage *in;
	char actor[128];

	enum pl_err err = read_body(x, &in, &why);
	if (err) {
		finish(x, err, &why);
		return;
	}
	before_call(x, in);
	to.actor = x->who.role == PERM_NOBODY ? "" : api_actor(&x->who, actor);
	if (!rpc_ask(x->a->app->bus, &to, in, on_answer, x, &why))
		finish(x, why.err ? why.err : PL_E_UNAVAIL, &why);
}

static void on_seat(void *arg, enum pl_err err, const struct who *w, const struct pl_why *why)
{
	struct exchange *x = arg;
	struct pl_why here = { 0 };

	if (!err) {
		x->who = *w;
		if (!perm_allowed(w->role, x->service->name, x->method->name))
			err = pl_why_set(&here, PL_E_DENIED, "your role may not %s %s",
					 perm_verb_name(perm_verb_of(x->method->name)), x->service->short_name);
		else if (w->must_change && x->service != &parley__auth__v1__auth_service__descriptor)
			err = pl_why_set(&here, PL_E_DENIED, "change your password first");
		why = err ? &here : why;
	}
	if (err)
		finish(x, err, why);
	else
		call(x);
}

/* --- what the headers say --- */

static bool type_is(const char *header, const char *type)
{
	size_t n = strlen(type);

	return header && strncasecmp(header, type, n) == 0 && (!header[n] || header[n] == ';' || header[n] == ' ');
}

static enum pl_err read_headers(struct exchange *x, struct pl_why *why)
{
	const char *timeout = http_header(x->r, "Connect-Timeout-Ms"),
		   *version = http_header(x->r, "Connect-Protocol-Version");
	const char *encoding = http_header(x->r, "Content-Encoding");

	if (version && !pl_streq(version, "1"))
		return pl_why_set(why, PL_E_FORMAT, "Connect-Protocol-Version must be 1");
	if (encoding && strcasecmp(encoding, "identity") != 0)
		return pl_why_set(why, PL_E_UNSUPPORTED, "compressed requests are not read");
	x->timeout_ms = TIMEOUT_MS;
	if (timeout) {
		size_t n = strspn(timeout, "0123456789");
		if (!n || n > 10 || timeout[n])
			return pl_why_set(why, PL_E_FORMAT, "Connect-Timeout-Ms must be up to 10 digits");
		x->timeout_ms = PL_MIN(strtoll(timeout, NULL, 10), TIMEOUT_MAX_MS);
		if (!x->timeout_ms)
			return pl_why_set(why, PL_E_TIMEOUT, "no time was given");
	}
	return PL_OK;
}

static enum pl_err find_method(const char *service, const char *method, const ProtobufCServiceDescriptor **ret_s,
			       const ProtobufCMethodDescriptor **ret_m, struct pl_why *why)
{
	*ret_s = perm_internal(service) ? NULL : rpc_find_service(service);
	*ret_m = *ret_s ? protobuf_c_service_descriptor_get_method_by_name(*ret_s, method) : NULL;
	return *ret_m ? PL_OK : pl_why_set(why, PL_E_UNSUPPORTED, "there is no %s/%s", service, method);
}

void connect_serve(struct api *a, struct http_req *r, const char *service, const char *method)
{
	const char *type = http_header(r, "Content-Type");
	struct pl_why why = { 0 };
	enum pl_err err = PL_OK;

	if (!pl_streq(http_method(r), "POST")) {
		http_add_header(r, "Allow", "POST");
		http_answer(r, 405, "text/plain", "POST only\n", 10);
		return;
	}
	if (!type_is(type, "application/json") && !type_is(type, "application/proto")) {
		http_add_header(r, "Accept-Post", "application/json, application/proto");
		http_answer(r, 415, "text/plain", "application/json or application/proto\n", 38);
		return;
	}
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x) {
		answer_error(r, PL_E_NOMEM, NULL);
		return;
	}
	*x = (struct exchange){ .a = a,
				.r = r,
				.json = type_is(type, "application/json"),
				.begun_us = pl_mono_us(),
				.arena = pl_arena_new(ARENA_BYTES) };
	if (!x->arena)
		err = pl_why_set(&why, PL_E_NOMEM, "no memory");
	if (!err)
		err = find_method(service, method, &x->service, &x->method, &why);
	if (!err)
		err = read_headers(x, &why);
	if (!err && perm_open(service, method) && !seat_addr_take(a, http_peer(r)))
		err = pl_why_set(&why, PL_E_FULL, "too many requests from this address");
	if (err)
		finish(x, err, &why);
	else if (!bus_connected(a->app->bus)) /* better told now than after the whole timeout */
		finish(x, pl_why_set(&why, PL_E_UNAVAIL, "the bus is away"), &why);
	else if (perm_open(service, method))
		call(x);
	else
		seat_find(a, r, on_seat, x);
}
