/* JSON numbers, strings and bytes. A number may come as a JSON number or, as 64-bit ones must in JavaScript, as a
 * string. */
#include "codec.h"

#include <errno.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <parley/crypto.h>
#include <stdlib.h>

const char *kind_name(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

enum pl_err get_string(struct reader *r, const json_t *j, const struct path *at, char **ret)
{
	if (!json_is_string(j))
		return bad(r, at, PL_E_FORMAT, "must be a string, not %s", kind_name(j));
	char *s = pl_arena_dup(r->a, json_string_value(j), json_string_length(j) + 1);
	if (!s)
		return bad(r, at, PL_E_NOMEM, "no memory");
	*ret = s;
	return PL_OK;
}

enum pl_err get_bytes(struct reader *r, const json_t *j, const struct path *at, ProtobufCBinaryData *ret)
{
	if (!json_is_string(j))
		return bad(r, at, PL_E_FORMAT, "must be a base64 string, not %s", kind_name(j));
	size_t n = json_string_length(j), max = n / 4 * 3 + 3;
	uint8_t *p = pl_arena_alloc(r->a, max);
	if (!p)
		return bad(r, at, PL_E_NOMEM, "no memory");
	if (crypto_unb64(json_string_value(j), n, p, max, &n))
		return bad(r, at, PL_E_FORMAT, "must be base64");
	*ret = (ProtobufCBinaryData){ n, p };
	return PL_OK;
}

/* Only what JSON allows as a number: strtod() would also take hex, "inf" and leading blanks. */
static bool numeric(const char *s)
{
	s += *s == '-';
	if (!(*s >= '0' && *s <= '9') || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
		return false;
	return strspn(s, "0123456789.eE+-") == strlen(s);
}

static bool text_double(const char *s, double *ret)
{
	char *end;

	if (!numeric(s))
		return false;
	*ret = strtod(s, &end);
	return !*end && !isinf(*ret);
}

/* 1.0 and 1e3 are whole numbers too. Beyond 2^53 a double cannot say which it means. */
static bool whole(double d, int64_t *ret)
{
	if (!(fabs(d) <= 9007199254740992.0) || fabs(d - trunc(d)) > 0)
		return false;
	*ret = (int64_t)d;
	return true;
}

enum pl_err get_int(struct reader *r, const json_t *j, const struct path *at, int64_t min, int64_t max, int64_t *ret)
{
	const char *s = json_string_value(j);
	int64_t v = 0;
	double d;
	bool ok;

	if (s && numeric(s) && strspn(s, "-0123456789") == strlen(s)) {
		char *end;
		errno = 0;
		v = strtoll(s, &end, 10);
		ok = !*end && !errno;
	} else if (s) {
		ok = text_double(s, &d) && whole(d, &v);
	} else if (json_is_integer(j)) {
		v = json_integer_value(j);
		ok = true;
	} else {
		ok = json_is_real(j) && whole(json_real_value(j), &v);
	}
	if (!ok || v < min || v > max)
		return bad(r, at, PL_E_FORMAT, "must be a whole number from %" PRId64 " to %" PRId64, min, max);
	*ret = v;
	return PL_OK;
}

enum pl_err get_uint(struct reader *r, const json_t *j, const struct path *at, uint64_t max, uint64_t *ret)
{
	const char *s = json_string_value(j);
	int64_t v;

	if (s && numeric(s) && strspn(s, "0123456789") == strlen(s)) {
		errno = 0;
		uint64_t u = strtoull(s, NULL, 10);
		if (errno || u > max)
			return bad(r, at, PL_E_FORMAT, "must be a whole number from 0 to %" PRIu64, max);
		*ret = u;
		return PL_OK;
	}
	enum pl_err err = get_int(r, j, at, 0, max > INT64_MAX ? INT64_MAX : (int64_t)max, &v);
	if (!err)
		*ret = (uint64_t)v;
	return err;
}

enum pl_err get_double(struct reader *r, const json_t *j, const struct path *at, bool single, double *ret)
{
	static const struct {
		const char *text;
		double v;
	} special[] = { { "NaN", (double)NAN }, { "Infinity", (double)INFINITY }, { "-Infinity", -(double)INFINITY } };
	const char *s = json_string_value(j);
	double d = 0;

	for (size_t i = 0; s && i < PL_ARRAY_N(special); i++)
		if (pl_streq(s, special[i].text)) {
			*ret = special[i].v;
			return PL_OK;
		}
	bool ok = s ? text_double(s, &d) : json_is_number(j);
	if (ok && !s)
		d = json_number_value(j);
	if (!ok || (single && fabs(d) > (double)FLT_MAX))
		return bad(r, at, PL_E_FORMAT, "must be a number%s", single ? " of single precision" : "");
	*ret = d;
	return PL_OK;
}
