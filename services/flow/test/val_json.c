#include "val_json.h"

#include <jansson.h>
#include <string.h>

static struct {
	_Alignas(16) char b[4 << 20];
	size_t used;
} block;

static void *get(size_t n)
{
	size_t at = (block.used + 15) & ~(size_t)15;
	if (n > sizeof(block.b) - at)
		return NULL;
	block.used = at + n;
	return memset(block.b + at, 0, n);
}

static bool convert(const json_t *j, int depth, struct flow_val *ret);

static const char *text_of(const char *s)
{
	char *p = get(strlen(s) + 1);
	return p ? strcpy(p, s) : NULL;
}

static bool items(const json_t *j, int depth, struct flow_val *ret)
{
	ret->n = (uint32_t)(json_is_array(j) ? json_array_size(j) : json_object_size(j));
	struct flow_val *v = get(ret->n * sizeof(*v));
	if (!v)
		return false;
	ret->items = v;
	if (json_is_array(j)) {
		for (uint32_t i = 0; i < ret->n; i++)
			if (!convert(json_array_get(j, i), depth + 1, &v[i]))
				return false;
		return true;
	}
	uint32_t i = 0;
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		v[i].key = text_of(key);
		if (!v[i].key || !convert(value, depth + 1, &v[i]))
			return false;
		i++;
	}
	return true;
}

static bool convert(const json_t *j, int depth, struct flow_val *ret)
{
	if (depth > 16)
		return false;
	if (json_is_string(j)) {
		ret->kind = FLOW_VAL_STR;
		return (ret->str = text_of(json_string_value(j))) != NULL;
	}
	ret->kind = json_is_array(j)     ? FLOW_VAL_LIST
		    : json_is_object(j)  ? FLOW_VAL_MAP
		    : json_is_number(j)  ? FLOW_VAL_NUM
		    : json_is_boolean(j) ? FLOW_VAL_BOOL
					 : FLOW_VAL_NULL;
	ret->num = json_is_number(j) ? json_number_value(j) : 0;
	ret->b = json_is_true(j);
	return ret->kind == FLOW_VAL_LIST || ret->kind == FLOW_VAL_MAP ? items(j, depth, ret) : true;
}

const struct flow_val *val_json(const char *text, size_t len)
{
	block.used = 0;
	json_t *j = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	struct flow_val *v = j ? get(sizeof(*v)) : NULL;
	bool ok = v && convert(j, 0, v);
	json_decref(j);
	return ok ? v : NULL;
}
