/** What a list of effects says, as one number: equal lists have equal numbers on every machine. */
#ifndef ACD_FXHASH_H
#define ACD_FXHASH_H
#include "acd.h"

uint64_t fx_hash(const struct acd_fx_list *l, uint64_t h);
#endif
