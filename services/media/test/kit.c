#include "kit.h"

#include <arpa/inet.h>
#include <check.h>
#include <ftw.h>
#include <parley/crypto.h>
#include <poll.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_event(void *arg, const struct event *ev)
{
	struct kit *k = arg;
	ck_assert_uint_lt(k->n_events, KIT_EVENTS);
	k->events[k->n_events++] = *ev;
}

char *kit_path(struct kit *k, const char *below)
{
	return pl_arena_printf(k->arena, "%s/%s", k->dir, below);
}

void kit_core_open(struct kit *k, const struct core_cfg *extra)
{
	struct pl_why why = { 0 };
	struct core_cfg c = { .workers = 1,
			      .rtp_port_min = 20000,
			      .rtp_port_max = 59999,
			      .rtp_address = "127.0.0.1",
			      .public_address = "",
			      .data_dir = k->dir,
			      .node = "media-test",
			      .master_key = k->key,
			      .hold_us = 2000,
			      .cache_bytes = 64 << 20,
			      .max_rooms = 10000,
			      .record_queue_bytes = 64 << 20,
			      .sip_codecs = { CODEC_PCMA, CODEC_PCMU },
			      .n_sip_codecs = 2,
			      .webrtc_codecs = { CODEC_OPUS, CODEC_PCMA, CODEC_PCMU },
			      .n_webrtc_codecs = 3 };
	if (extra) {
		c.workers = extra->workers ? extra->workers : c.workers;
		c.record_queue_bytes = extra->record_queue_bytes ? extra->record_queue_bytes : c.record_queue_bytes;
		c.cache_bytes = extra->cache_bytes ? extra->cache_bytes : c.cache_bytes;
	}
	c.rtp_port_min += (int)(getpid() % 1000) * 20; /* tests side by side: other ports first */
	ck_assert_msg(core_open(&k->core, k->loop, &c, on_event, k, &why) == PL_OK, "%s", why.text);
}

struct kit *kit_open(const struct core_cfg *extra)
{
	struct pl_why why;
	struct kit *k = calloc(1, sizeof(*k));
	ck_assert_int_eq(crypto_open(), PL_OK);
	strcpy(k->dir, "/tmp/parley-media-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(k->dir));
	k->arena = pl_arena_new(0);
	memset(k->key, 7, sizeof(k->key));
	ck_assert_int_eq(pl_loop_new(&k->loop, &why), PL_OK);
	kit_core_open(k, extra);
	return k;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void kit_core_close(struct kit *k)
{
	core_close(k->core);
	k->core = NULL;
}

void kit_close(struct kit *k)
{
	kit_core_close(k);
	pl_loop_free(k->loop);
	nftw(k->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pl_arena_free(k->arena);
	free(k);
}

void kit_turn(struct kit *k, int wait_ms)
{
	int loop_ms = pl_loop_backend_timeout_ms(k->loop);
	struct pollfd p = { .fd = pl_loop_backend_fd(k->loop), .events = POLLIN };
	poll(&p, 1, loop_ms >= 0 && loop_ms < wait_ms ? loop_ms : wait_ms);
	pl_loop_turn(k->loop);
}

static void job_done(struct job *j)
{
	*(bool *)j->arg = true;
}

struct job *kit_try(struct kit *k, const char *room, struct op *ops, size_t n)
{
	struct job *j = PL_NEW(k->arena, struct job);
	bool done = false;
	int64_t until = pl_mono_us() + 20 * PL_US_PER_S;
	*j = (struct job){ .room_id = room,
			   .owner = "cc-1",
			   .ops = ops,
			   .n_ops = n,
			   .arena = k->arena,
			   .done = job_done,
			   .arg = &done };
	core_apply(k->core, j);
	while (!done && pl_mono_us() < until)
		kit_turn(k, 100);
	ck_assert_msg(done, "the job never ended");
	return j;
}

struct job *kit_apply(struct kit *k, const char *room, struct op *ops, size_t n)
{
	struct job *j = kit_try(k, room, ops, n);
	ck_assert_msg(j->err == PL_OK, "%s %s: %s", pl_err_name(j->err), j->why.field, j->why.text);
	return j;
}

const struct event *kit_event(struct kit *k, enum event_kind kind, const char *id)
{
	int64_t until = pl_mono_us() + 20 * PL_US_PER_S;
	for (;;) {
		for (size_t i = 0; i < k->n_events; i++) {
			struct event *e = &k->events[i];
			if (e->core && e->kind == kind && strcmp(e->id, id) == 0) {
				e->core = NULL; /* taken */
				return e;
			}
		}
		ck_assert_msg(pl_mono_us() < until, "no event of kind %d about %s", (int)kind, id);
		kit_turn(k, 100);
	}
}

size_t kit_count(struct kit *k, enum event_kind kind, const char *id)
{
	size_t n = 0;
	for (size_t i = 0; i < k->n_events; i++)
		n += k->events[i].kind == kind && strcmp(k->events[i].id, id) == 0;
	return n;
}

void kit_wav(struct kit *k, const char *name, const int16_t *pcm, size_t n, int rate_hz)
{
	SF_INFO info = { .samplerate = rate_hz, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16 };
	char path[512];
	snprintf(path, sizeof(path), "%s/sounds/%s.wav", k->dir, name);
	for (char *s = strchr(path + strlen(k->dir), '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(path, 0755);
		*s = '/';
	}
	SNDFILE *f = sf_open(path, SFM_WRITE, &info);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(sf_write_short(f, pcm, (sf_count_t)n), (sf_count_t)n);
	sf_close(f);
}

/* --- phones --- */
static int udp(uint16_t port, uint16_t *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&a, &len);
	*ret = ntohs(a.sin_port);
	return fd;
}

void phone_open(struct phone *p, struct kit *k)
{
	uint16_t other;
	memset(p, 0, sizeof(*p));
	for (p->rtcp_fd = -1; p->rtcp_fd < 0;) { /* a pair next to each other */
		p->fd = udp(0, &p->port);
		p->rtcp_fd = udp((uint16_t)(p->port + 1), &other);
		if (p->rtcp_fd < 0)
			close(p->fd);
	}
	p->k = k;
	ck_assert_int_eq(pl_random(&p->ssrc, sizeof(p->ssrc)), PL_OK);
	p->seq = (uint16_t)(p->ssrc & 0x7fff);
	p->ts = p->ssrc * 3;
}

void phone_close(struct phone *p)
{
	close(p->fd);
	close(p->rtcp_fd);
}

char *phone_sdp(struct phone *p, const char *formats, const char *attrs)
{
	snprintf(p->sdp, sizeof(p->sdp),
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP %s\r\n%s",
		 p->port, formats, attrs);
	return p->sdp;
}

void phone_far(struct phone *p, const char *sdp)
{
	const char *m = strstr(sdp, "m=audio ");
	ck_assert_ptr_nonnull(m);
	p->far_port = (uint16_t)atoi(m + 8);
	ck_assert_uint_ne(p->far_port, 0);
}

void phone_raw(struct phone *p, const uint8_t *buf, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(p->far_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(sendto(p->fd, buf, n, 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)n);
}

void phone_send(struct phone *p, uint8_t pt, bool marker, const uint8_t *payload, size_t n, uint32_t ticks)
{
	uint8_t buf[1500];
	rtp_write(buf, pt, marker, ++p->seq, p->ts, p->ssrc);
	memcpy(buf + RTP_HDR_BYTES, payload, n);
	phone_raw(p, buf, RTP_HDR_BYTES + n);
	p->ts += ticks;
}

bool phone_recv(struct phone *p, int wait_ms)
{
	int64_t until = pl_mono_us() + wait_ms * PL_US_PER_MS;
	for (;;) {
		ssize_t n = recv(p->fd, p->buf, sizeof(p->buf), MSG_DONTWAIT);
		if (n > 0 && !rtp_is_rtcp(p->buf, (size_t)n)) {
			ck_assert(rtp_parse(p->buf, (size_t)n, &p->got));
			return true;
		}
		int64_t left = until - pl_mono_us();
		if (left <= 0)
			return false;
		struct pollfd f = { .fd = p->fd, .events = POLLIN };
		poll(&f, 1, (int)PL_MIN(left / 1000 + 1, 20));
		pl_loop_turn(p->k->loop);
	}
}

void phone_join(struct phone *p, const char *room, const char *id, const char *formats, const char *attrs)
{
	struct job *j = kit_one(p->k, room, .kind = OP_CREATE_ENDPOINT, .id = id, .sdp = phone_sdp(p, formats, attrs));
	phone_far(p, j->results[0].sdp);
}

void kit_mix(struct kit *k, const char *room, const char *id, const char *hears)
{
	const char *ids[] = { hears };
	kit_one(k, room, .kind = OP_MIX, .id = id, .ids = ids, .n_ids = hears != NULL);
}
