/** Log lines as JSON on stderr: {"t":"...","lvl":"info","svc":"auth","node":"auth-1","ev":"login.failed",...}.
 *  Only shells and top layers log above debug. A fixed event name, then key=value pairs; log once, where it is handled.
 *  Threads    any. Bounds: a line is at most 4096 bytes, longer values are cut and marked; at most 2,000 lines per second
 *             and process, then a line says how many were dropped. Values are escaped; personal data goes through the
 *             mask verb: {LOG_PHONE("caller", num)} writes "+39347•••••82". */
#ifndef PARLEY_LOG_H
#define PARLEY_LOG_H
#include <parley/base.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_N };
void log_open(const char *service, const char *node, enum log_level max);
bool log_on(enum log_level lvl);

enum log_kind { LOG_K_END, LOG_K_STR, LOG_K_INT, LOG_K_PHONE, LOG_K_BOOL };
struct log_kv { const char *key; enum log_kind kind; const char *s; int64_t i; };
#define LOG_S(k, v) { (k), LOG_K_STR, (v), 0 }		/* text; NULL is written as null */
#define LOG_I(k, v) { (k), LOG_K_INT, NULL, (int64_t)(v) }
#define LOG_B(k, v) { (k), LOG_K_BOOL, NULL, (v) }
#define LOG_PHONE(k, v) { (k), LOG_K_PHONE, (v), 0 }	/* masked */
#define LOG_WHY(w) LOG_S("err", pl_err_name((w)->err)), LOG_S("field", (w)->field), LOG_S("why", (w)->text)
void log_write(enum log_level lvl, const char *ev, const struct log_kv *kv);	/* kv ends with {0} */

#define LOG_AT(lvl, ev, ...) \
	do { if (log_on(lvl)) log_write((lvl), (ev), (const struct log_kv[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }); } while (0)
#define log_error(ev, ...) LOG_AT(LOG_ERROR, ev, __VA_ARGS__)
#define log_warn(ev, ...) LOG_AT(LOG_WARN, ev, __VA_ARGS__)
#define log_info(ev, ...) LOG_AT(LOG_INFO, ev, __VA_ARGS__)
#define log_debug(ev, ...) LOG_AT(LOG_DEBUG, ev, __VA_ARGS__)
#endif
