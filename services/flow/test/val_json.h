/* Test helper: JSON text to the value tree the compiler takes, in one static block. */
#ifndef FLOW_VAL_JSON_H
#define FLOW_VAL_JSON_H
#include "val.h"
#include <stddef.h>

/* NULL: no JSON, or too big for the block. Valid until the next call. */
const struct flow_val *val_json(const char *text, size_t len);
#endif
