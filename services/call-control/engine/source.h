/** Prompts as text: a list of sources packed as <kind><text>0, so that a call can keep them in a bounded buffer and a
 * checkpoint can carry them. Pure. Errors: PL_E_FULL (does not fit), PL_E_FORMAT (text holds what it must not). */
#ifndef CALL_CONTROL_SOURCE_H
#define CALL_CONTROL_SOURCE_H
#include <parley/base.h>

enum source_kind {
	SOURCE_FILE = 'f',    /* below the sounds folder */
	SOURCE_FOLDER = 'd',  /* all files of a folder */
	SOURCE_SAY = 's',     /* text, in `language` */
	SOURCE_SILENCE = 'z', /* a = ms */
	SOURCE_TONE = 't',    /* a, b = Hz; c on ms, d off ms */
};
struct call_source {
	enum source_kind kind;
	const char *text;
	const char *language; /* SAY */
	uint32_t a, b, c, d;
};
/** Adds one to buf (of size bytes, *len used). */
PL_MUST enum pl_err source_put(char *buf, size_t size, size_t *len, const struct call_source *s);
/** Reads one at *at of len bytes and moves *at; false at the end or where the bytes are not a list. text and language
 * point into buf. */
bool source_next(const char *buf, size_t len, size_t *at, struct call_source *ret);
/** The position in the queue as a sentence ("You are number 3 in the queue."), packed. Languages: en, it, de, fr, es;
 * else en. */
PL_MUST enum pl_err source_position(char *buf, size_t size, size_t *len, const char *language, uint32_t position);
/** Does this SDP put the other side on hold (RFC 3264 8.4: sendonly or inactive, or the old 0.0.0.0)? */
bool sdp_holds(const char *sdp);
#endif
