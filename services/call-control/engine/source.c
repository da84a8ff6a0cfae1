#include "source.h"

static bool put_str(char *buf, size_t size, size_t *len, const char *s)
{
	size_t n = strlen(s) + 1;
	if (size - *len < n)
		return false;
	memcpy(buf + *len, s, n);
	*len += n;
	return true;
}

static size_t put_u32(char *out, uint32_t v)
{
	char tmp[10];
	size_t n = 0;
	do
		tmp[n++] = (char)('0' + v % 10);
	while ((v /= 10));
	for (size_t i = 0; i < n; i++)
		out[i] = tmp[n - 1 - i];
	return n;
}

static void put_numbers(char *out, const struct call_source *s)
{
	const uint32_t v[] = { s->a, s->b, s->c, s->d };
	size_t n = 0;
	for (size_t i = 0; i < (s->kind == SOURCE_TONE ? 4u : 1u); i++) {
		if (i)
			out[n++] = ',';
		n += put_u32(out + n, v[i]);
	}
	out[n] = 0;
}

enum pl_err source_put(char *buf, size_t size, size_t *len, const struct call_source *s)
{
	char numbers[4 * 11 + 1];
	size_t at = *len;
	bool has_text = s->kind == SOURCE_FILE || s->kind == SOURCE_FOLDER || s->kind == SOURCE_SAY;
	if (!has_text && s->kind != SOURCE_SILENCE && s->kind != SOURCE_TONE)
		return PL_E_FORMAT;
	if (!has_text)
		put_numbers(numbers, s);
	const char *text = has_text ? (s->text ? s->text : "") : numbers;
	if (at >= size)
		return PL_E_FULL;
	buf[at++] = (char)s->kind;
	if (!put_str(buf, size, &at, text) ||
	    (s->kind == SOURCE_SAY && !put_str(buf, size, &at, s->language ? s->language : "")))
		return PL_E_FULL;
	*len = at;
	return PL_OK;
}

/* A string that ends within len bytes; NULL when it does not. */
static const char *take_str(const char *buf, size_t len, size_t *at)
{
	const char *s = buf + *at, *end = *at < len ? memchr(s, 0, len - *at) : NULL;
	if (!end)
		return NULL;
	*at += (size_t)(end - s) + 1;
	return s;
}

static void take_numbers(const char *s, struct call_source *ret)
{
	uint32_t *const v[] = { &ret->a, &ret->b, &ret->c, &ret->d };
	for (size_t i = 0; *s && i < 4; s++) {
		if (*s == ',')
			i++;
		else
			*v[i] = *v[i] * 10u + (uint32_t)(*s - '0');
	}
}

bool source_next(const char *buf, size_t len, size_t *at, struct call_source *ret)
{
	if (*at >= len)
		return false;
	size_t i = *at;
	struct call_source s = { .kind = (enum source_kind)buf[i++] };
	s.text = take_str(buf, len, &i);
	if (!s.text)
		return false;
	switch (s.kind) {
	case SOURCE_FILE:
	case SOURCE_FOLDER:
		break;
	case SOURCE_SAY:
		s.language = take_str(buf, len, &i);
		if (!s.language)
			return false;
		break;
	case SOURCE_SILENCE:
	case SOURCE_TONE:
		take_numbers(s.text, &s);
		break;
	default:
		return false;
	}
	*at = i;
	*ret = s;
	return true;
}

enum pl_err source_position(char *buf, size_t size, size_t *len, const char *language, uint32_t position)
{
	static const struct {
		const char *lang, *before, *after, *next;
	} texts[] = {
		{ "en", "You are number ", " in the queue.", "You are next in the queue." },
		{ "it", "Lei \xc3\xa8 il numero ", " in coda.", "Lei \xc3\xa8 il prossimo in coda." },
		{ "de", "Sie sind die Nummer ", " in der Warteschlange.",
		  "Sie sind als N\xc3\xa4"
		  "chstes an der Reihe." },
		{ "fr", "Vous \xc3\xaates num\xc3\xa9ro ", " dans la file d'attente.",
		  "Vous \xc3\xaates le prochain." },
		{ "es", "Usted es el n\xc3\xbamero ", " en la cola.", "Usted es el siguiente." },
	};
	size_t t = 0;
	for (size_t i = 0; i < PL_ARRAY_N(texts); i++)
		if (language && strncmp(language, texts[i].lang, 2) == 0)
			t = i;
	char text[128];
	size_t n = 0;
	const char *parts[] = { position > 1 ? texts[t].before : texts[t].next, position > 1 ? texts[t].after : "" };
	for (size_t i = 0; i < 2; i++) {
		memcpy(text + n, parts[i], strlen(parts[i]));
		n += strlen(parts[i]);
		if (i == 0 && position > 1)
			n += put_u32(text + n, position);
	}
	text[n] = 0;
	return source_put(buf, size, len,
			  &(struct call_source){ .kind = SOURCE_SAY, .text = text, .language = texts[t].lang });
}

/* The line of the first media (m=) counts; before it, the session's. */
bool sdp_holds(const char *sdp)
{
	if (!sdp)
		return false;
	for (const char *l = sdp; l && *l; l = strchr(l, '\n'), l = l ? l + 1 : NULL) {
		if (strncmp(l, "a=sendonly", 10) == 0 || strncmp(l, "a=inactive", 10) == 0 ||
		    strncmp(l, "c=IN IP4 0.0.0.0", 16) == 0)
			return true;
	}
	return false;
}
