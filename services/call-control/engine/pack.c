#include "pack.h"

/* Kinds on the wire: 0 varint, 1 bytes. A list is one bytes field per element. */
enum field_kind { F_UINT, F_INT, F_BOOL, F_TEXT, F_TEXTLEN, F_LIST };
struct field {
	uint16_t number;    /* 1..511, never used again for another field */
	uint8_t kind, size; /* size of an integer */
	size_t offset, max; /* TEXT: size of the buffer; LIST: elements */
	size_t len_offset;  /* TEXTLEN: a uint16_t; LIST: a uint8_t count, or 0: all elements that are not empty */
	const struct field *sub;
	size_t elem;
};

/* clang-format off */
#define U(n, s, f) { n, F_UINT, sizeof(((struct s *)0)->f), offsetof(struct s, f), 0, 0, NULL, 0 }
#define I(n, s, f) { n, F_INT, sizeof(((struct s *)0)->f), offsetof(struct s, f), 0, 0, NULL, 0 }
#define B(n, s, f) { n, F_BOOL, 1, offsetof(struct s, f), 0, 0, NULL, 0 }
#define T(n, s, f) { n, F_TEXT, 0, offsetof(struct s, f), sizeof(((struct s *)0)->f), 0, NULL, 0 }
#define TL(n, s, f, l) { n, F_TEXTLEN, 0, offsetof(struct s, f), sizeof(((struct s *)0)->f), offsetof(struct s, l), NULL, 0 }
#define L(n, s, f, count, table) \
	{ n, F_LIST, 0, offsetof(struct s, f), PL_ARRAY_N(((struct s *)0)->f), count, table, sizeof(((struct s *)0)->f[0]) }
#define END { 0, 0, 0, 0, 0, 0, NULL, 0 }

static const struct field leg_fields[] = {
	U(1, call_leg, state), U(2, call_leg, role), U(3, call_leg, kind), U(4, call_leg, target_kind), B(5, call_leg, rang),
	B(6, call_leg, endpoint), B(7, call_leg, lost), B(8, call_leg, muted), B(9, call_leg, auto_answer), T(10, call_leg, id),
	T(11, call_leg, edge), U(12, call_leg, cmd_seq), U(13, call_leg, ev_seq), T(14, call_leg, agent_id),
	T(15, call_leg, offer_id), U(16, call_leg, fence), U(17, call_leg, ring_timeout_ms), T(18, call_leg, target),
	T(19, call_leg, number), I(20, call_leg, since_us), I(21, call_leg, up_us), END
};
static const struct field wait_fields[] = { U(1, call_wait, kind), U(2, call_wait, leg), U(3, call_wait, req), END };
static const struct field due_fields[] = { { 1, F_INT, 8, 0, 0, 0, NULL, 0 }, END };
static const struct field mark_fields[] = { U(1, call_mark, offset_ms), U(2, call_mark, kind), END };
#define SPAN(n, f) U(n, call_act, f.at), U((n) + 1, call_act, f.len)
static const struct field act_fields[] = {
	U(1, call_act, kind), U(2, call_act, max_digits), U(3, call_act, terminator), U(4, call_act, exit_key),
	B(5, call_act, position), B(6, call_act, record), U(7, call_act, status), U(8, call_act, first_ms),
	U(9, call_act, inter_ms), U(10, call_act, every_ms), U(11, call_act, ring_ms), SPAN(12, sources), SPAN(14, greeting),
	SPAN(16, announcement), SPAN(18, language), SPAN(20, id), SPAN(22, name), U(24, call_act, target_kind), END
};
static const struct field call_fields[] = {
	U(1, call, phase), U(2, call, direction), I(3, call, far), T(4, call, id), T(5, call, media), T(6, call, from),
	T(7, call, from_name), T(8, call, to), T(9, call, source_id), I(10, call, started_us), I(11, call, queued_at_us),
	I(12, call, answered_us), U(13, call, counter), U(14, call, media_req), U(15, call, player), U(16, call, media_seq),
	L(17, call, legs, 0, leg_fields), L(18, call, waits, 0, wait_fields), L(19, call, due_us, 0, due_fields),
	B(20, call, flow_on), B(21, call, flow_ended), B(22, call, flow_waits), B(23, call, want_answer), U(24, call, flow_seq),
	U(25, call, flow_empty), T(26, call, flow_node), T(27, call, flow_id), U(28, call, flow_step), T(29, call, flow_why),
	L(30, call, acts, offsetof(struct call, n_acts), act_fields), U(31, call, n_acts), U(32, call, act),
	TL(33, call, text, text_len), T(34, call, digits), TL(35, call, vars, vars_len), T(36, call, answer_sdp),
	T(37, call, queue_id), T(38, call, queue_name), T(39, call, music), T(40, call, only_agent), B(41, call, in_acd),
	B(42, call, record_route), B(43, call, record_queue), U(44, call, plays), U(45, call, playing),
	U(46, call, music_player), U(47, call, music_ms), B(48, call, held), B(49, call, phone_held), I(50, call, held_us),
	I(51, call, held_sum_us), I(52, call, talk_us), U(53, call, holds), U(54, call, recording), T(55, call, recording_id),
	I(56, call, recorded_us), L(57, call, marks, offsetof(struct call, n_marks), mark_fields), U(58, call, n_marks),
	U(59, call, ended_by), U(60, call, cause), U(61, call, sip_status), I(62, call, ended_us), END
};
/* clang-format on */

/* --- writing --- */

struct out {
	uint8_t *p;
	size_t n, size;
	bool full;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (o->size - o->n < n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put_varint(struct out *o, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;
	do
		b[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	while ((v >>= 7));
	put(o, b, n);
}

static uint64_t load(const void *p, size_t size)
{
	uint64_t v = 0; /* little endian or big: by width, not by bytes */
	switch (size) {
	case 1:
		v = *(const uint8_t *)p;
		break;
	case 2: {
		uint16_t x;
		memcpy(&x, p, 2);
		v = x;
		break;
	}
	case 4: {
		uint32_t x;
		memcpy(&x, p, 4);
		v = x;
		break;
	}
	default:
		memcpy(&v, p, 8);
	}
	return v;
}

static int64_t load_signed(const void *p, size_t size)
{
	return size == 1 ? *(const int8_t *)p : (int64_t)load(p, size);
}

static void put_bytes(struct out *o, uint16_t number, const void *p, size_t n)
{
	put_varint(o, (uint64_t)number << 1 | 1);
	put_varint(o, n);
	put(o, p, n);
}

static void put_fields(struct out *o, const void *from, const struct field *t);

static void put_list(struct out *o, const char *base, const struct field *f)
{
	size_t n = f->len_offset ? PL_MIN((size_t)(uint8_t)base[f->len_offset], f->max) : f->max;
	while (!f->len_offset && n) { /* empty ones at the end are not written */
		const char *e = base + f->offset + (n - 1) * f->elem;
		size_t k = 0;
		while (k < f->elem && e[k] == 0)
			k++;
		if (k < f->elem)
			break;
		n--;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t buf[1024];
		struct out sub = { buf, 0, sizeof(buf), false };
		put_fields(&sub, base + f->offset + i * f->elem, f->sub);
		o->full |= sub.full;
		put_bytes(o, f->number, buf, sub.n);
	}
}

static void put_field(struct out *o, const char *base, const struct field *f)
{
	const char *p = base + f->offset;
	uint64_t v = 0;
	switch (f->kind) {
	case F_TEXT:
		if (*p)
			put_bytes(o, f->number, p, strnlen(p, f->max - 1));
		return;
	case F_TEXTLEN: {
		size_t n = PL_MIN((size_t)load(base + f->len_offset, 2), f->max);
		if (n)
			put_bytes(o, f->number, p, n);
		return;
	}
	case F_LIST:
		put_list(o, base, f);
		return;
	case F_INT: {
		int64_t i = load_signed(p, f->size);
		v = (uint64_t)i << 1 ^ (uint64_t)(i >> 63); /* zigzag */
		break;
	}
	case F_BOOL:
		v = *p != 0;
		break;
	default:
		v = load(p, f->size);
	}
	if (!v)
		return;
	put_varint(o, (uint64_t)f->number << 1);
	put_varint(o, v);
}

static void put_fields(struct out *o, const void *from, const struct field *t)
{
	for (; t->number; t++)
		put_field(o, from, t);
}

enum pl_err call_pack(const struct call *c, uint8_t *out, size_t size, size_t *ret_len)
{
	struct out o = { out, 0, size, false };
	put(&o, (const uint8_t[]){ CALL_PACK_VERSION }, 1);
	put_fields(&o, c, call_fields);
	if (o.full)
		return PL_E_FULL;
	*ret_len = o.n;
	return PL_OK;
}

/* --- reading --- */

struct in {
	const uint8_t *p;
	size_t n, at;
};

static bool get_varint(struct in *in, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && in->at < in->n; shift += 7) {
		uint8_t b = in->p[in->at++];
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool store(void *p, const struct field *f, uint64_t v)
{
	if (f->kind == F_BOOL) {
		*(bool *)p = v != 0;
		return v <= 1;
	}
	if (f->kind == F_INT) {
		int64_t i = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
		if (f->size == 1)
			*(int8_t *)p = (int8_t)i;
		else
			memcpy(p, &i, 8);
		return f->size != 1 || (i >= INT8_MIN && i <= INT8_MAX);
	}
	switch (f->size) {
	case 1:
		*(uint8_t *)p = (uint8_t)v;
		return v <= UINT8_MAX;
	case 2: {
		uint16_t x = (uint16_t)v;
		memcpy(p, &x, 2);
		return v <= UINT16_MAX;
	}
	case 4: {
		uint32_t x = (uint32_t)v;
		memcpy(p, &x, 4);
		return v <= UINT32_MAX;
	}
	default:
		memcpy(p, &v, 8);
		return true;
	}
}

static bool get_fields(struct in *in, void *to, const struct field *t);

static bool get_bytes(struct in *in, char *base, const struct field *f, size_t index)
{
	uint64_t n;
	if (!get_varint(in, &n) || n > in->n - in->at)
		return false;
	struct in sub = { in->p + in->at, (size_t)n, 0 };
	in->at += (size_t)n;
	if (!f)
		return true; /* of a newer version */
	switch (f->kind) {
	case F_TEXT:
		if (n >= f->max || memchr(sub.p, 0, sub.n))
			return false;
		memcpy(base + f->offset, sub.p, sub.n);
		return true;
	case F_TEXTLEN: {
		if (n > f->max)
			return false;
		uint16_t len = (uint16_t)n;
		memcpy(base + f->offset, sub.p, sub.n);
		memcpy(base + f->len_offset, &len, sizeof(len));
		return true;
	}
	case F_LIST:
		return index < f->max && get_fields(&sub, base + f->offset + index * f->elem, f->sub);
	default:
		return false;
	}
}

static bool get_fields(struct in *in, void *to, const struct field *t)
{
	size_t index = 0;
	uint64_t last = 0;
	while (in->at < in->n) {
		uint64_t key, v;
		if (!get_varint(in, &key))
			return false;
		const struct field *f = t;
		while (f->number && f->number != key >> 1)
			f++;
		if (!f->number)
			f = NULL;
		index = key == last ? index + 1 : 0;
		last = key;
		if (key & 1) {
			if (!get_bytes(in, to, f, index))
				return false;
		} else if (!get_varint(in, &v) || (f && (f->kind == F_TEXT || f->kind == F_TEXTLEN ||
							 f->kind == F_LIST || !store((char *)to + f->offset, f, v)))) {
			return false;
		}
	}
	return true;
}

static bool span_ok(const struct call *c, struct call_span s)
{
	return (size_t)s.at + s.len <= c->text_len && (s.at < c->text_len || s.len == 0);
}

/* What a correct call cannot be; the engine trusts these. */
static bool sane(const struct call *c)
{
	if (c->phase >= CALL_PHASE_N || c->far < -1 || c->far >= CALL_LEGS || c->n_acts > CALL_ACTIONS ||
	    c->n_marks > CALL_MARKS || !*c->id || (c->far == 0) || (c->phase == CALL_TALK) != (c->far > 0))
		return false;
	if (c->far > 0 && c->legs[c->far].state != LEG_UP)
		return false;
	for (unsigned i = 0; i < CALL_LEGS; i++)
		if (c->legs[i].state >= LEG_STATE_N || c->legs[i].role > LEG_PEER || c->legs[i].kind > LEG_BROWSER ||
		    (c->legs[i].role == LEG_CUSTOMER && i && c->legs[i].state != LEG_FREE))
			return false;
	for (unsigned i = 0; i < CALL_WAITS; i++)
		if (c->waits[i].kind >= WAIT_KIND_N || c->waits[i].leg >= CALL_LEGS)
			return false;
	for (unsigned i = 0; i < c->n_acts; i++) {
		const struct call_act *a = &c->acts[i];
		if (a->kind >= ACT_KIND_N || a->max_digits >= CALL_DIGITS || !span_ok(c, a->sources) ||
		    !span_ok(c, a->greeting) || !span_ok(c, a->announcement) || !span_ok(c, a->language) ||
		    !span_ok(c, a->id) || !span_ok(c, a->name))
			return false;
	}
	return true;
}

enum pl_err call_unpack(struct call *c, const uint8_t *data, size_t len)
{
	struct in in = { data, len, 1 };
	memset(c, 0, sizeof(*c));
	c->far = -1;
	if (len < 1 || data[0] != CALL_PACK_VERSION || !get_fields(&in, c, call_fields) || !sane(c))
		return PL_E_FORMAT;
	c->text[sizeof(c->text) - 1] = 0; /* spans of text end with their 0; the last too */
	return PL_OK;
}
