#include <parley/log.h>

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096u
#define VALUE_MAX_BYTES 1024u
#define LINES_PER_S 2000

static struct {
	char head[160]; /* ,"svc":"...","node":"..." */
	_Atomic int max;
} cfg = { .max = LOG_INFO };

static const char *const level_names[LOG_LEVEL_N] = { "error", "warn", "info", "debug" };

/* A line being built. Once a piece did not fit, nothing more is added but the marker and the brace. */
struct line {
	char b[LINE_MAX_BYTES];
	size_t n;
	bool cut;
};
#define TAIL ",\"cut\":true}\n"
#define ROOM (LINE_MAX_BYTES - sizeof(TAIL))

static bool put(struct line *l, const char *s, size_t n)
{
	if (l->cut || n > ROOM - l->n) {
		l->cut = true;
		return false;
	}
	memcpy(l->b + l->n, s, n);
	l->n += n;
	return true;
}

static void puts_(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t seq_len(const char *s, size_t left)
{
	uint8_t c = (uint8_t)*s;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	return n <= left && pl_utf8_ok(s, n) ? n : 0;
}

/* RFC 8259 7. Bytes that are no UTF-8 become U+FFFD: a line must always parse. */
static void put_text(struct line *l, const char *s, size_t n)
{
	put(l, "\"", 1);
	size_t end = PL_MIN(n, (size_t)VALUE_MAX_BYTES), i = 0;
	while (i < end) {
		char esc[8];
		size_t k = seq_len(s + i, n - i);
		uint8_t c = (uint8_t)s[i];
		if (k == 0) {
			puts_(l, "\xef\xbf\xbd");
		} else if (c == '"' || c == '\\') {
			put(l, (const char[]){ '\\', (char)c }, 2);
		} else if (c == '\n') {
			put(l, "\\n", 2);
		} else if (c < 0x20 || c == 0x7f) {
			put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c));
		} else {
			put(l, s + i, k);
		}
		i += k ? k : 1;
	}
	if (end < n)
		puts_(l, "\xe2\x80\xa6"); /* … */
	put(l, "\"", 1);
}

/* Country and area stay readable for whoever looks for a routing fault; the subscriber does not. */
static void put_phone(struct line *l, const char *s)
{
	char out[3 * 32 + 1];
	size_t n = strnlen(s, 32), keep = n >= 11 ? 6 : n >= 7 ? 3 : 0, tail = n >= 5 ? 2 : 0, k = 0;
	for (size_t i = 0; i < n; i++) {
		bool plain = i < keep || i >= n - tail;
		memcpy(out + k, plain ? s + i : "\xe2\x80\xa2", plain ? 1 : 3);
		k += plain ? 1 : 3;
	}
	put_text(l, out, k);
}

static void put_kv(struct line *l, const struct log_kv *kv)
{
	char num[24];
	size_t before = l->n;
	put(l, ",", 1);
	put_text(l, kv->key, strlen(kv->key));
	put(l, ":", 1);
	if (kv->kind == LOG_K_INT)
		put(l, num, (size_t)snprintf(num, sizeof(num), "%" PRId64, kv->i));
	else if (kv->kind == LOG_K_BOOL)
		puts_(l, kv->i ? "true" : "false");
	else if (!kv->s)
		puts_(l, "null");
	else if (kv->kind == LOG_K_PHONE)
		put_phone(l, kv->s);
	else
		put_text(l, kv->s, strlen(kv->s));
	if (l->cut)
		l->n = before; /* a pair is whole or absent */
}

void log_open(const char *service, const char *node, enum log_level max)
{
	struct line l = { .n = 0 };
	puts_(&l, ",\"svc\":");
	put_text(&l, service, strlen(service));
	puts_(&l, ",\"node\":");
	put_text(&l, node, strlen(node));
	if (l.n < sizeof(cfg.head)) {
		memcpy(cfg.head, l.b, l.n);
		cfg.head[l.n] = 0;
	}
	atomic_store_explicit(&cfg.max, (int)max, memory_order_relaxed);
}

bool log_on(enum log_level lvl)
{
	return (int)lvl <= atomic_load_explicit(&cfg.max, memory_order_relaxed);
}

static void write_line(enum log_level lvl, const char *ev, const struct log_kv *kv)
{
	struct line l;
	char t[PL_TIME_LEN];
	l.n = 0;
	l.cut = false;
	puts_(&l, "{\"t\":\"");
	puts_(&l, pl_time_format(pl_wall_us(), t));
	puts_(&l, "\",\"lvl\":\"");
	puts_(&l, level_names[lvl]);
	puts_(&l, "\"");
	puts_(&l, cfg.head);
	puts_(&l, ",\"ev\":");
	put_text(&l, ev, strlen(ev));
	for (; kv && kv->kind != LOG_K_END && !l.cut; kv++)
		put_kv(&l, kv);
	const char *tail = l.cut ? TAIL : "}\n";
	memcpy(l.b + l.n, tail, strlen(tail));
	l.n += strlen(tail);
	ssize_t rc = write(STDERR_FILENO, l.b, l.n); /* one write: lines of threads do not mix */
	(void)rc;                                    /* there is nowhere to say that the log is broken */
}

/* At most LINES_PER_S a second. Returns how many lines of an earlier second were dropped, -1: drop this one. */
static int64_t admit(void)
{
	static _Atomic int64_t second, lines, dropped;
	int64_t now = pl_mono_us() / PL_US_PER_S, was = atomic_load(&second), lost = 0;
	if (now != was && atomic_compare_exchange_strong(&second, &was, now)) {
		atomic_store(&lines, 0);
		lost = atomic_exchange(&dropped, 0);
	}
	if (atomic_fetch_add(&lines, 1) < LINES_PER_S)
		return lost;
	atomic_fetch_add(&dropped, 1 + lost);
	return -1;
}

void log_write(enum log_level lvl, const char *ev, const struct log_kv *kv)
{
	if ((unsigned)lvl >= LOG_LEVEL_N)
		return;
	int64_t lost = admit();
	if (lost > 0)
		write_line(LOG_WARN, "log.dropped", (const struct log_kv[]){ LOG_I("lines", lost), { 0 } });
	if (lost >= 0)
		write_line(lvl, ev, kv);
}
