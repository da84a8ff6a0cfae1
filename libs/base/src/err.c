#include <parley/base.h>

#include <stdio.h>

static const struct {
	const char *name, *connect;
	int http, sip;
} errs[PL_ERR_N] = {
#define X(n, c, h, s) [PL_##n] = { #n, c, h, s },
	PL_ERRS(X)
#undef X
};

static size_t idx(enum pl_err err)
{
	return (size_t)err < PL_ERR_N ? (size_t)err : PL_E_INTERNAL;
}

const char *pl_err_name(enum pl_err err)
{
	return errs[idx(err)].name;
}

const char *pl_err_connect(enum pl_err err)
{
	return errs[idx(err)].connect;
}

int pl_err_http(enum pl_err err)
{
	return errs[idx(err)].http;
}

int pl_err_sip(enum pl_err err)
{
	return errs[idx(err)].sip;
}

enum pl_err pl_err_from_name(const char *name)
{
	for (size_t i = 0; name && i < PL_ERR_N; i++)
		if (strcmp(errs[i].name, name) == 0)
			return (enum pl_err)i;
	return PL_E_INTERNAL;
}

static enum pl_err why_fill(struct pl_why *why, enum pl_err err, const char *field, const char *fmt, va_list ap)
{
	if (!why)
		return err;
	/* Formatted aside: the arguments may point into *why, when a caller wraps a reason. */
	char text[sizeof(why->text)], where[sizeof(why->field)];
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = 0;
	pl_strlcpy(where, field, sizeof(where));
	why->err = err;
	memcpy(why->text, text, sizeof(text));
	memcpy(why->field, where, sizeof(where));
	return err;
}

enum pl_err pl_why_set(struct pl_why *why, enum pl_err err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	why_fill(why, err, "", fmt, ap);
	va_end(ap);
	return err;
}

enum pl_err pl_why_field(struct pl_why *why, enum pl_err err, const char *field, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	why_fill(why, err, field, fmt, ap);
	va_end(ap);
	return err;
}
