/** For tests of the media core: a core on a private folder, jobs that are waited for, phones on 127.0.0.1. One thread.
 */
#ifndef MEDIA_TEST_KIT_H
#define MEDIA_TEST_KIT_H
#include "../engine/rtp.h"
#include "../shell/core.h"

enum { KIT_EVENTS = 4096 };
struct kit {
	struct pl_loop *loop;
	struct core *core;
	char dir[64];
	uint8_t key[32];
	struct event events[KIT_EVENTS];
	size_t n_events, n_taken;
	struct pl_arena *arena;
};
struct kit *kit_open(const struct core_cfg *extra); /* NULL: as usual */
void kit_close(struct kit *k);                      /* and removes the folder */
void kit_core_close(struct kit *k);                 /* keeps the folder */
void kit_core_open(struct kit *k, const struct core_cfg *extra);
/** Runs it to its end. The results live until kit_close(). */
struct job *kit_apply(struct kit *k, const char *room, struct op *ops, size_t n);
struct job *kit_try(struct kit *k, const char *room, struct op *ops, size_t n); /* may fail */
/** Waits for the next event of that kind about id that was not taken yet (20 s, then the test ends). */
const struct event *kit_event(struct kit *k, enum event_kind kind, const char *id);
size_t kit_count(struct kit *k, enum event_kind kind, const char *id);
void kit_turn(struct kit *k, int wait_ms);
void kit_wav(struct kit *k, const char *name, const int16_t *pcm, size_t n, int rate_hz);
char *kit_path(struct kit *k, const char *below);

struct phone {
	int fd, rtcp_fd;
	uint16_t port, far_port;
	uint32_t ssrc, ts;
	uint16_t seq;
	uint8_t buf[2048];
	struct rtp_pkt got;
	struct kit *k;
	char sdp[600];
};
void phone_open(struct phone *p, struct kit *k);
void phone_close(struct phone *p);
/** formats: "8 0 101", attrs: lines after it. */
char *phone_sdp(struct phone *p, const char *formats, const char *attrs);
void phone_far(struct phone *p, const char *sdp);
void phone_send(struct phone *p, uint8_t pt, bool marker, const uint8_t *payload, size_t n, uint32_t ticks);
void phone_raw(struct phone *p, const uint8_t *buf, size_t n);
/** The next RTP packet into p->got; false after wait_ms. */
bool phone_recv(struct phone *p, int wait_ms);
/** Makes an endpoint that answers p's offer, and connects p to it. */
void phone_join(struct phone *p, const char *room, const char *id, const char *formats, const char *attrs);
void kit_mix(struct kit *k, const char *room, const char *id, const char *hears); /* one or none (NULL) */
#define kit_one(k, room, ...) kit_apply((k), (room), (struct op[]){ { __VA_ARGS__ } }, 1)
#endif
