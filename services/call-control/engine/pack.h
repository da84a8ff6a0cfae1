/** A call as bytes, for its checkpoint: a table of fields, each written as number, kind and value, so that a newer
 * version reads what an older one wrote and the other way round (unknown fields are skipped, missing ones are zero).
 *  Errors     pack: PL_E_FULL (size too small; CALL_PACK_MAX always suffices). unpack: PL_E_FORMAT for anything that is
 * not a whole packed call; *c is then of no use. */
#ifndef CALL_CONTROL_PACK_H
#define CALL_CONTROL_PACK_H
#include "call.h"

#define CALL_PACK_MAX 24576
#define CALL_PACK_VERSION 1
PL_MUST enum pl_err call_pack(const struct call *c, uint8_t *out, size_t size, size_t *ret_len);
PL_MUST enum pl_err call_unpack(struct call *c, const uint8_t *data, size_t len);
#endif
