/** Growing texts for many rows at once: array literals for unnest(), lines for COPY. Bytes that are no UTF-8 (names
 * come from telephones) are written as "?", so that one caller cannot stop the table. Errors     memory out sticks in
 * `oom`; check once. Ownership: sqltext_free(). */
#ifndef REP_SQLTEXT_H
#define REP_SQLTEXT_H
#include <parley/base.h>

struct sqltext {
	char *p;
	size_t n, cap;
	bool oom;
};
void sqltext_free(struct sqltext *t);
void arr_text(struct sqltext *t, const char *s);
void arr_int(struct sqltext *t, int64_t v);
void arr_real(struct sqltext *t, double v);
void arr_time(struct sqltext *t, int64_t us); /* 0: NULL */
void arr_bytes(struct sqltext *t, const void *p, size_t n);
const char *arr_end(struct sqltext *t);                     /* "{...}" */
void copy_text(struct sqltext *t, const char *s, char end); /* end: '\t' or '\n' */
void copy_int(struct sqltext *t, int64_t v, char end);
void copy_time(struct sqltext *t, int64_t us, char end);
void raw_text(struct sqltext *t, const char *s, size_t n);
void json_text(struct sqltext *t, const char *s); /* quoted */
#endif
