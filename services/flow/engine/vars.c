/* Variables of a session, texts with variables in them, conditions over them. */
#include "run.h"

#include <string.h>

static bool name_ok(const char *s)
{
	size_t n = strlen(s);
	return n > 0 && n < FLOW_VAR_NAME_MAX;
}

/* At most max bytes of s, cut before the UTF-8 sequence that would not fit whole. */
static size_t utf8_cut(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);
	if (n <= max)
		return n;
	for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
		n--;
	return n;
}

const struct flow_var *flow_var_find(const struct flow_state *s, const char *name, size_t name_len)
{
	for (uint32_t i = 0; i < s->n_vars; i++)
		if (strlen(s->vars[i].name) == name_len && memcmp(s->vars[i].name, name, name_len) == 0)
			return &s->vars[i];
	return NULL;
}

bool flow_var_set(struct flow_state *s, const char *name, const char *value, bool secret)
{
	if (!name_ok(name)) {
		s->dropped++;
		return false;
	}
	const struct flow_var *old = flow_var_find(s, name, strlen(name));
	uint32_t at = old ? (uint32_t)(old - s->vars) : s->n_vars;
	if (at == FLOW_VARS_MAX) {
		s->dropped++;
		return false;
	}
	struct flow_var *v = &s->vars[at];
	if (!old) {
		memcpy(v->name, name, strlen(name) + 1);
		s->n_vars++;
	}
	size_t n = utf8_cut(value, FLOW_VAR_VALUE_MAX);
	memmove(v->value, value, n);
	v->value[n] = 0;
	v->secret = secret;
	return true;
}

const char *flow_expand(const struct flow_state *s, const char *text, struct flow_mem *mem)
{
	if (!strstr(text, "{{"))
		return text;
	char buf[FLOW_TEXT_MAX + 1];
	size_t used = 0;
	while (*text) {
		const char *open = strstr(text, "{{"), *close = open ? strstr(open, "}}") : NULL;
		size_t plain = close ? (size_t)(open - text) : strlen(text);
		const struct flow_var *v = close ? flow_var_find(s, open + 2, (size_t)(close - open - 2)) : NULL;
		size_t n = PL_MIN(plain, FLOW_TEXT_MAX - used);
		memcpy(buf + used, text, n);
		used += n;
		if (v && !v->secret) {
			n = utf8_cut(v->value, FLOW_TEXT_MAX - used);
			memcpy(buf + used, v->value, n);
			used += n;
		}
		text = close ? close + 2 : text + plain;
	}
	buf[used] = 0;
	return flow_mem_str(mem, buf, utf8_cut(buf, FLOW_TEXT_MAX));
}

/* A decimal number as millionths: "12", "-3.5". Anything else is no number. */
static bool number(const char *s, int64_t *ret)
{
	bool neg = *s == '-';
	int64_t v = 0;
	int whole = 0, frac = 0;
	for (s += neg; *s >= '0' && *s <= '9' && whole < 12; s++, whole++)
		v = v * 10 + (*s - '0');
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9' && frac < 6; s++, frac++)
			v = v * 10 + (*s - '0');
	if (*s || whole == 0)
		return false;
	for (; frac < 6; frac++)
		v *= 10;
	*ret = neg ? -v : v;
	return true;
}

static bool compare(const struct flow_state *s, const struct flow_cond *c)
{
	const struct flow_var *var = flow_var_find(s, c->variable, strlen(c->variable));
	const char *a = var ? var->value : "";
	char space[FLOW_TEXT_MAX + 16];
	struct flow_mem mem = { space, sizeof(space), 0, false };
	const char *b = flow_expand(s, c->value, &mem);
	int64_t x = 0, y = 0;
	bool numbers = number(a, &x) && number(b, &y);
	switch (c->op) {
	case FLOW_OP_EQ:
		return strcmp(a, b) == 0 || (numbers && x == y);
	case FLOW_OP_NE:
		return strcmp(a, b) != 0 && !(numbers && x == y);
	case FLOW_OP_LT:
		return numbers && x < y;
	case FLOW_OP_GT:
		return numbers && x > y;
	case FLOW_OP_CONTAINS:
		return strstr(a, b) != NULL;
	case FLOW_OP_PREFIX:
		return strncmp(a, b, strlen(b)) == 0;
	case FLOW_OP_EMPTY:
		return !*a;
	case FLOW_OP_ALL:
	case FLOW_OP_ANY:
	case FLOW_OP_NOT:
		break;
	}
	return false;
}

bool flow_cond_true(const struct flow_state *s, const struct flow_cond *c) /* depth is bounded by the compiler */
{
	if (c->op == FLOW_OP_NOT)
		return c->n == 1 && !flow_cond_true(s, c->sub);
	if (c->op != FLOW_OP_ALL && c->op != FLOW_OP_ANY)
		return compare(s, c);
	for (uint32_t i = 0; i < c->n; i++)
		if (flow_cond_true(s, &c->sub[i]) != (c->op == FLOW_OP_ALL))
			return c->op == FLOW_OP_ANY;
	return c->op == FLOW_OP_ALL;
}
