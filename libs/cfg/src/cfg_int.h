#ifndef CFG_INT_H
#define CFG_INT_H
#include <parley/cfg.h>

#define CFG_FILE_MAX_BYTES (256u * 1024u)
#define CFG_STR_MAX 4096u

void cfg_print_help(const struct cfg_opt *const *tables, size_t n, const char *program);
void cfg_print_json(const struct cfg_opt *const *tables, size_t n);
#endif
