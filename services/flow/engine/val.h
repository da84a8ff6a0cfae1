/** A JSON value as the graph compiler sees it: plain, borrowed, already bounded in depth by whoever built it. The shell
 * builds it from google.protobuf.Struct; tests from text. */
#ifndef FLOW_VAL_H
#define FLOW_VAL_H
#include <stdbool.h>
#include <stdint.h>

enum flow_val_kind { FLOW_VAL_NULL, FLOW_VAL_BOOL, FLOW_VAL_NUM, FLOW_VAL_STR, FLOW_VAL_LIST, FLOW_VAL_MAP };

struct flow_val {
	enum flow_val_kind kind;
	bool b;
	uint32_t n;      /* of items */
	const char *key; /* when it stands in a map */
	const char *str; /* UTF-8, without a zero byte inside */
	double num;
	const struct flow_val
		*items; /* of a list or a map, in the order given; keys may repeat (the compiler refuses that) */
};
#endif
