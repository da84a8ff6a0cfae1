/* Every HTTP request comes through here. */
#include "api.h"

#include <parley/common/v1/common.pb-c.h>
#include <stdio.h>

/* --- answers --- */

static void put(char **p, char *end, const char *s, size_t n)
{
	if (*p + n < end) {
		memcpy(*p, s, n);
		*p += n;
	}
}

static void put_text(char **p, char *end, const char *s)
{
	put(p, end, s, strlen(s));
}

/* A JSON string; what is not plain is left to a space: these texts are ours or checked. */
static void put_string(char **p, char *end, const char *s)
{
	put_text(p, end, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			put(p, end, "\\", 1);
		put(p, end, (unsigned char)*s < 0x20 ? " " : s, 1);
	}
	put_text(p, end, "\"");
}

/* connectrpc.com/docs/protocol, "Error end-stream" and "details": value is base64 without padding, debug is for people.
 */
static void put_field(char **p, char *end, const struct pl_why *why)
{
	Parley__Common__V1__FieldError f = PARLEY__COMMON__V1__FIELD_ERROR__INIT;
	uint8_t wire[sizeof(why->field) + sizeof(why->text) + 16];
	char text[sizeof(wire) * 4 / 3 + 8];

	f.field = (char *)(uintptr_t)why->field;
	f.reason = (char *)(uintptr_t)why->text;
	size_t n = crypto_b64(wire, parley__common__v1__field_error__pack(&f, wire), text);
	while (n && text[n - 1] == '=')
		n--;
	put_text(p, end, ",\"details\":[{\"type\":\"parley.common.v1.FieldError\",\"value\":\"");
	put(p, end, text, n);
	put_text(p, end, "\",\"debug\":{\"field\":");
	put_string(p, end, why->field);
	put_text(p, end, ",\"reason\":");
	put_string(p, end, why->text);
	put_text(p, end, "}}]");
}

void answer_error(struct http_req *r, enum pl_err err, const struct pl_why *why)
{
	char body[2048], *p = body, *end = body + sizeof(body), message[400];
	bool field = why && *why->field;

	snprintf(message, sizeof(message), "%s%s%s", field ? why->field : "", field ? " " : "",
		 why && *why->text ? why->text : pl_err_connect(err));
	if (!pl_utf8_ok(message, strlen(message)))
		pl_strlcpy(message, pl_err_connect(err), sizeof(message));
	put_text(&p, end, "{\"code\":");
	put_string(&p, end, pl_err_connect(err));
	put_text(&p, end, ",\"message\":");
	put_string(&p, end, message);
	if (field && pl_utf8_ok(why->field, strlen(why->field)) && pl_utf8_ok(why->text, strlen(why->text)))
		put_field(&p, end, why);
	put_text(&p, end, "}");
	http_answer(r, pl_err_http(err), "application/json", body, (size_t)(p - body));
}

static void refuse(struct http_req *r, enum pl_err err, const char *text)
{
	struct pl_why why = { 0 };

	pl_why_set(&why, err, "%s", text);
	answer_error(r, err, &why);
}

/* --- headers of every answer --- */

static void secure(struct api *a, struct http_req *r)
{
	http_add_header(r, "X-Content-Type-Options", "nosniff");
	http_add_header(r, "X-Frame-Options", "DENY");
	http_add_header(r, "Referrer-Policy", "no-referrer");
	http_add_header(r, "Cross-Origin-Opener-Policy", "same-origin");
	http_add_header(r, "Permissions-Policy", "microphone=(self), camera=(), geolocation=()");
	/* styles: the component library sets inline ones; scripts: only files of our own */
	http_add_header(r, "Content-Security-Policy",
			"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
			"blob:; font-src 'self' data:;"
			" media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
			"base-uri 'none';"
			" form-action 'self'; frame-ancestors 'none'");
	if (a->cfg->tls_cert && *a->cfg->tls_cert)
		http_add_header(r, "Strict-Transport-Security", "max-age=31536000");
}

/* A browser tells where a request was made; others have no cookies to be abused. */
static bool same_site(struct api *a, struct http_req *r)
{
	const char *origin = http_header(r, "Origin"), *host = http_header(r, "Host"),
		   *site = http_header(r, "Sec-Fetch-Site");

	if (origin)
		return door_origin_ok(origin, host ? host : "", a->cfg->allowed_origins);
	return !site || !pl_streq(site, "cross-site");
}

/* Fetch standard, "CORS protocol": only for origins on our list. */
static void allow_origin(struct api *a, struct http_req *r)
{
	const char *origin = http_header(r, "Origin");

	if (!origin || !door_origin_listed(origin, a->cfg->allowed_origins))
		return;
	http_add_header(r, "Access-Control-Allow-Origin", origin);
	http_add_header(r, "Access-Control-Allow-Credentials", "true");
	http_add_header(r, "Access-Control-Allow-Methods", "GET, POST");
	http_add_header(r, "Access-Control-Allow-Headers",
			"Authorization, Connect-Protocol-Version, Connect-Timeout-Ms, Content-Type, Last-Event-ID");
	http_add_header(r, "Access-Control-Max-Age", "600");
	http_add_header(r, "Vary", "Origin");
}

/* --- the way in --- */

static bool reads(const char *method)
{
	return pl_streq(method, "GET") || pl_streq(method, "HEAD");
}

static void serve_web(struct api *a, struct http_req *r)
{
	static const char *const caching[] = { [DOOR_FILE] = "no-cache",
					       [DOOR_ASSET] = "public, max-age=31536000, immutable",
					       [DOOR_INDEX] = "no-cache" };
	const char *rel;

	if (pl_empty(a->cfg->web_dir)) {
		refuse(r, PL_E_NOTFOUND, "there are no web files here");
		return;
	}
	enum door_file kind = door_web_path(http_path(r), &rel);
	http_answer_file(r, a->cfg->web_dir, rel, caching[kind]);
}

static void serve_api(struct api *a, struct http_req *r)
{
	char service[128], method[64], id[64], what[16];
	const char *path = http_path(r);

	http_add_header(r, "Cache-Control", "no-store");
	allow_origin(a, r);
	if (pl_streq(http_method(r), "OPTIONS"))
		http_answer(r, 204, NULL, "", 0);
	else if (door_rpc_path(path, service, method))
		connect_serve(a, r, service, method);
	else if (!reads(http_method(r)))
		refuse(r, PL_E_UNSUPPORTED, "there is no such call");
	else if (pl_streq(path, "/api/events"))
		sse_open(a, r);
	else if (door_recording_path(path, id, what))
		recording_serve(a, r, id, what);
	else if (pl_streq(path, "/api/openapi.yaml") && !pl_empty(a->cfg->docs_dir))
		http_answer_file(r, a->cfg->docs_dir, "openapi.yaml", NULL);
	else
		refuse(r, PL_E_NOTFOUND, "there is nothing here");
}

void door_on_request(void *arg, struct http_req *r)
{
	struct api *a = arg;

	obs_add(a->m_requests, 1);
	secure(a, r);
	if (!reads(http_method(r)) && !pl_streq(http_method(r), "OPTIONS") && !same_site(a, r)) {
		obs_add(a->m_refused, 1);
		refuse(r, PL_E_DENIED, "requests from another site are refused");
		return;
	}
	if (strncmp(http_path(r), "/api/", 5) == 0 || pl_streq(http_path(r), "/api"))
		serve_api(a, r);
	else
		serve_web(a, r);
}
