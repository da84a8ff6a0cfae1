#include "registrar.h"

static struct reg_binding *find(struct reg_aor *aor, const char *uri)
{
	for (size_t i = 0; i < aor->n; i++)
		if (strcmp(aor->b[i].contact, uri) == 0)
			return &aor->b[i];
	return NULL;
}

static void put(char *dst, size_t size, const char *src)
{
	size_t n = src ? strlen(src) : 0;
	if (n >= size)
		n = size - 1;
	if (n)
		memcpy(dst, src, n);
	dst[n] = 0;
}

static void drop(struct reg_aor *aor, size_t i)
{
	aor->n--;
	memmove(&aor->b[i], &aor->b[i + 1], (aor->n - i) * sizeof aor->b[0]);
}

/* RFC 3261 10.3 step 7: out of order within the same registration session. */
static bool older(const struct reg_binding *b, const struct reg_request *r)
{
	return r->call_id && strcmp(b->call_id, r->call_id) == 0 && r->cseq <= b->cseq;
}

static int64_t wanted_s(const struct reg_contact *c, const struct reg_request *r, const struct reg_limits *lim)
{
	int64_t s = c->expires_s >= 0 ? c->expires_s : r->expires_s >= 0 ? r->expires_s : lim->default_s;
	return s > lim->max_s ? lim->max_s : s;
}

static int remove_all(struct reg_aor *aor, const struct reg_request *r, bool *ret_changed)
{
	if (r->n || r->expires_s != 0)
		return 400;
	for (size_t i = 0; i < aor->n; i++)
		if (older(&aor->b[i], r))
			return 500;
	*ret_changed = aor->n > 0;
	aor->n = 0;
	return 200;
}

/* All of the checks, so that a refused request changes nothing. */
static int check(struct reg_aor *aor, const struct reg_request *r, const struct reg_limits *lim)
{
	size_t max = lim->max_bindings && lim->max_bindings < REG_BINDINGS_MAX ? lim->max_bindings : REG_BINDINGS_MAX;
	size_t more = 0, less = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct reg_contact *c = &r->contacts[i];
		if (pl_empty(c->uri) || strlen(c->uri) >= REG_CONTACT_LEN)
			return 400;
		int64_t s = wanted_s(c, r, lim);
		if (s > 0 && s < lim->min_s)
			return 423;
		struct reg_binding *b = find(aor, c->uri);
		if (b && older(b, r))
			return 500;
		more += !b && s > 0;
		less += b && s == 0;
	}
	return aor->n + more - less > max ? 403 : 200;
}

int reg_apply(struct reg_aor *aor, const struct reg_request *r, const struct reg_limits *lim, int64_t now_us,
	      bool *ret_changed)
{
	*ret_changed = false;
	if (r->star)
		return remove_all(aor, r, ret_changed);
	int status = check(aor, r, lim);
	if (status != 200)
		return status;
	/* Removals first: the array has room for what check() counted only after them. */
	for (int add = 0; add < 2; add++) {
		for (size_t i = 0; i < r->n; i++) {
			const struct reg_contact *c = &r->contacts[i];
			int64_t s = wanted_s(c, r, lim);
			struct reg_binding *b = find(aor, c->uri);
			if ((s > 0) != (add == 1) || (!s && !b))
				continue;
			*ret_changed = true;
			if (!s) {
				drop(aor, (size_t)(b - aor->b));
				continue;
			}
			if (!b && aor->n == REG_BINDINGS_MAX)
				return 403; /* the same contact removed twice in one request made check() count wrong */
			if (!b)
				b = &aor->b[aor->n++];
			put(b->contact, sizeof b->contact, c->uri);
			put(b->next_hop, sizeof b->next_hop, r->next_hop);
			put(b->user_agent, sizeof b->user_agent, r->user_agent);
			put(b->call_id, sizeof b->call_id, r->call_id);
			put(b->node, sizeof b->node, r->node);
			b->cseq = r->cseq;
			b->expires_us = now_us + s * PL_US_PER_S;
		}
	}
	return 200;
}

size_t reg_expire(struct reg_aor *aor, int64_t now_us)
{
	size_t n = 0;
	for (size_t i = aor->n; i-- > 0;) {
		if (aor->b[i].expires_us <= now_us) {
			drop(aor, i);
			n++;
		}
	}
	return n;
}

int64_t reg_left_s(const struct reg_binding *b, int64_t now_us)
{
	int64_t left = b->expires_us - now_us;
	return left > 0 ? (left + PL_US_PER_S - 1) / PL_US_PER_S : 0;
}
