/* sofia logs by printf to a function; lines are put together here and written as one log record each. */
#include <ctype.h>
#include <sofia-sip/su_log.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge.h"
#include "trace.h"

#define LINE_MAX_BYTES 1024
extern su_log_t tport_log[], nta_log[], su_log_default[];

struct trace {
	char line[LINE_MAX_BYTES];
	size_t n;
};

static bool secret(const char *line)
{
	while (isspace((unsigned char)*line))
		line++;
	return !strncasecmp(line, "Authorization:", 14) || !strncasecmp(line, "Proxy-Authorization:", 20);
}

/* Runs of more than four digits keep their first two and last two; addresses and ports are shorter. */
static void mask(char *line)
{
	if (secret(line)) {
		strcpy(strchr(line, ':') + 1, " ***");
		return;
	}
	for (char *p = line; *p;) {
		size_t n = strspn(p, "0123456789");
		if (n > 5)
			memset(p + 2, '*', n - 4);
		p += n ? n : 1;
	}
}

static void write_line(struct trace *t)
{
	t->line[t->n] = 0;
	t->n = 0;
	if (!*t->line)
		return;
	mask(t->line);
	log_debug("sip.trace", LOG_S("line", t->line));
}

static void on_log(void *stream, const char *fmt, va_list ap)
{
	struct trace *t = stream;
	char text[4096];
	if (vsnprintf(text, sizeof text, fmt, ap) < 0)
		return;
	for (const char *p = text; *p; p++) {
		if (*p == '\n' || t->n == sizeof t->line - 1)
			write_line(t);
		if (*p != '\n' && *p != '\r')
			t->line[t->n++] = *p;
	}
}

void trace_open(struct edge *e)
{
	e->trace = calloc(1, sizeof *e->trace);
	if (!e->trace)
		return;
	su_log_t *const logs[] = { tport_log, nta_log, su_log_default };
	for (size_t i = 0; i < PL_ARRAY_N(logs); i++) {
		su_log_redirect(logs[i], on_log, e->trace);
		su_log_set_level(logs[i], 1);
	}
}

void trace_close(struct edge *e)
{
	su_log_t *const logs[] = { tport_log, nta_log, su_log_default };
	for (size_t i = 0; i < PL_ARRAY_N(logs); i++)
		su_log_redirect(logs[i], NULL, NULL);
	free(e->trace);
	e->trace = NULL;
}
