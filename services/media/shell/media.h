/** Private to services/media/shell: what lives on a worker thread. Every struct is owned by one worker; nothing here
 * locks. */
#ifndef MEDIA_SHELL_MEDIA_H
#define MEDIA_SHELL_MEDIA_H
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <uthash.h>

#include "../engine/audio.h"
#include "../engine/jb.h"
#include "../engine/nego.h"
#include "../engine/rtcp.h"
#include "../engine/rtp.h"
#include "../engine/te.h"
#include "core.h"

enum {
	ROOM_EPS = 32,
	ROOM_PLAYERS = 16,
	ROOM_RECS = 4,
	FRAME_US = 20000,
	SLOTS = 10,
	SLOT_US = FRAME_US / SLOTS,
	FRAME_8K = 160,
	FRAME_MAX = 320, /* samples of 20 ms at 8 and 16 kHz */
	PACKET_MAX = 2048,
	CHECK_US = 250000 /* housekeeping */
};

struct worker;
struct room;
struct player;
struct rec;
struct wrtc;
struct ports;

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* --- net.c --- */
bool addr_parse(union addr *a, const char *ip, uint16_t port);
bool addr_same(const union addr *a, const union addr *b); /* ip and port */
bool addr_same_ip(const union addr *a, const union addr *b);
bool addr_unspecified(const union addr *a);
bool addr_private(const union addr *a); /* RFC 1918, 6598, 3927, 4193, or unspecified: behind a NAT for all we know */
socklen_t addr_len(const union addr *a);
uint16_t addr_port(const union addr *a);
PL_MUST enum pl_err net_socket(const char *ip, uint16_t port, int *ret_fd, struct pl_why *why);
struct ports *ports_new(int min, int max, int worker, int workers);
void ports_free(struct ports *p);
/** A port pair (even, odd) both bound, or one port when mux. fds are -1 when unused. */
PL_MUST enum pl_err ports_take(struct ports *p, const char *ip, bool mux, uint16_t *ret_port, int fds[2],
			       struct pl_why *why);
void ports_give(struct ports *p, uint16_t port);

/** One turn of a loop that waits for something to end, without spinning. */
void loop_wait(struct pl_loop *l);
/** The calling thread gives way to the workers: files, cryptography, speech can wait, packets cannot. */
void thread_background(void);

struct sock {
	int fd;
	bool rtcp, connected;
	struct ep *ep;
};

/* --- codecs.c: between packets and 20 ms of linear sound --- */
struct dec {
	struct jb jb;
	void *opus;    /* OpusDecoder at the room's rate */
	int16_t *fifo; /* decoded beyond this frame, when packets are not 20 ms */
	size_t fifo_n, fifo_cap;
	struct audio_half up;
	void *dtmf; /* spandsp, where no telephone-event was agreed */
	unsigned rate_hz;
	unsigned gap; /* frames concealed in a row */
	bool sound;   /* pcm holds something for this tick */
	int16_t pcm[FRAME_MAX];
};
struct dec *dec_new(unsigned rate_hz);
void dec_free(struct dec *d);
bool dec_grow(struct dec *d, size_t payload); /* room for longer packets; what is held is lost */
void dec_pull(struct dec *d);                 /* the next 20 ms into pcm */
void dec_rate(struct dec *d, unsigned rate_hz);
char dtmf_detector_take(void **d, const int16_t *pcm, size_t n); /* dtmf.c; 8 kHz; 0: none */
void dtmf_detector_free(void *d);
struct enc {
	void *opus;
	struct audio_half half;
	unsigned rate_hz;
};
/** One frame of the room's rate. Returns the payload's length, 0: failed. */
size_t enc_frame(struct enc **e, enum codec c, unsigned rate_hz, const int16_t *pcm, uint8_t *out, size_t cap);
void enc_free(struct enc *e);

/* --- endpoint --- */
enum out_mode { OUT_NONE, OUT_RELAY, OUT_PLAY, OUT_MIX };

/* What each packet touches stands first, close together; a thousand of these do not fit the first caches. */
struct ep {
	struct sock rtp;
	struct room *room;
	struct wrtc *wrtc;
	struct dec *dec;
	uint32_t relay_to; /* who gets our packets as they are */
	uint32_t hears;    /* bits of places */
	uint8_t rx_pt;
	bool webrtc, need_pcm, has_to, latched, exact, heard, silent,
		lost; /* exact: the SDP's own address has spoken */
	uint8_t idx;  /* place in the room */
	enum codec rx_codec;
	enum out_mode mode;
	int64_t last_in_us;
	struct rtp_rx rx;
	struct rtp_tx tx;
	struct nego nego;
	struct player *player; /* of OUT_PLAY */
	struct enc *enc;
	struct pl_list live; /* of the worker; after the end: of its graveyard */
	/* where to; learned by symmetric RTP (RFC 4961) within the rule of believes() */
	union addr sdp_addr, to, rtcp_to;
	uint32_t latched_packets;
	struct sock rtcp;
	uint16_t port;
	char id[ID_LEN];
	uint64_t session;
	uint32_t sdp_version;
	char *local_sdp;
	enum codec codecs[CODEC_N];
	uint8_t n_codecs;
	struct te_rx te;
	struct te_tx te_out;
	uint32_t te_out_ts;
	int64_t keepalive_us;
	/* RTCP */
	int64_t rtcp_due_us, sr_at_us;
	uint32_t sr_mid;
	double rtt_ms;
};

struct room {
	UT_hash_handle hh;
	struct worker *w;
	char id[ID_LEN], owner[ID_LEN];
	struct ep *eps[ROOM_EPS];
	uint32_t used;
	struct player *players[ROOM_PLAYERS];
	unsigned n_players;
	struct rec *recs[ROOM_RECS];
	unsigned n_recs;
	unsigned rate_hz;
	bool ticking, dirty;
	unsigned slot;
	struct pl_list link; /* in its slot */
	uint64_t serial;     /* for sources of RTP streams */
	struct pl_list grave;
};

struct worker_counts {
	_Atomic uint64_t endpoints, rooms, packets_in, packets_out, late, jb_dropped, bad, send_errors, ticks_late,
		tick_max_us;
};
/* Only the worker writes: a plain load and store costs no bus lock. */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

struct worker {
	struct core *core;
	const struct core_cfg *cfg;
	int index;
	pthread_t thread;
	bool started;
	struct pl_loop *loop;
	int epfd;
	_Atomic bool stop;
	struct ports *ports;
	struct room *rooms;
	struct pl_list eps;
	struct pl_list grave, room_grave; /* freed at the end of the turn: events may still point at them */
	struct pl_list slots[SLOTS];
	unsigned slot_n[SLOTS], ticking, slot;
	int64_t slot_due_us, check_due_us, window_us;
	unsigned window_packets;
	bool busy;
	int64_t now_us;
	uint64_t serial, rnd;
	const char *sdp_addr;
	bool sdp_ip6;
	struct worker_counts counts;
	uint8_t buf[PACKET_MAX], out[PACKET_MAX];
};

/* --- worker.c --- */
PL_MUST enum pl_err worker_open(struct worker **ret, struct core *core, const struct core_cfg *cfg, int index,
				struct pl_why *why);
void worker_close(struct worker *w);
uint64_t worker_rnd(struct worker *w);
PL_MUST enum pl_err worker_watch(struct worker *w, struct sock *s);
void room_tick_on(struct room *r);
void room_tick_off(struct room *r);

/* --- ops.c --- */
void worker_run_job(void *job);

/* --- room.c --- */
struct room *room_new(struct worker *w, const char *id, const char *owner);
void room_end(struct room *r);
struct ep *room_ep(struct room *r, const char *id);
void room_graph(struct room *r); /* who gets what how, after any change */
void room_tick(struct room *r);  /* 20 ms of the room's clock */
void room_digit(struct ep *e, char digit, uint32_t ms);
struct event *room_event(struct room *r, enum event_kind kind, const char *id);
void room_post(struct room *r, struct event *ev);

/* --- ep.c --- */
PL_MUST enum pl_err ep_new(struct ep **ret, struct room *r, const struct op *op, const char **ret_sdp,
			   struct pl_why *why);
PL_MUST enum pl_err ep_set_remote(struct ep *e, const struct op *op, const char **ret_sdp, struct pl_why *why);
void ep_end(struct ep *e);
void ep_free(struct ep *e);
void ep_stats(const struct ep *e, struct ep_stats *ret);
void ep_check(struct ep *e); /* housekeeping, every CHECK_US */
void ep_state(struct ep *e, enum ep_state s);
/* --- ep_in.c --- */
void ep_readable(struct sock *s);
void ep_take(struct ep *e, uint8_t *p, size_t n, bool rtcp_port, const union addr *from);
void ep_unlatch(struct ep *e);
/* --- ep_out.c --- */
void ep_send_raw(struct ep *e, bool rtcp, const uint8_t *p, size_t n);
void ep_send_own(struct ep *e, uint64_t source, const uint8_t *payload, size_t len);
void ep_relay(struct ep *to, struct ep *from, enum codec c, bool event, struct rtp_pkt *p);
void ep_mix_frame(struct ep *e, uint64_t source, const int16_t *pcm);
bool ep_digit_frame(struct ep *e, int16_t *tone); /* true: an event packet took the place of this frame */
void ep_keepalive(struct ep *e);
/* --- ep_rtcp.c --- */
void ep_rtcp_send(struct ep *e, bool bye);
void ep_rtcp_take(struct ep *e, const uint8_t *p, size_t n);

/* --- player.c --- */
struct play_item {
	struct clip *clip;
	uint32_t frames;
}; /* clip NULL: silence */
struct play_list {
	enum pl_err err;
	char error[160];
	size_t n;
	struct play_item items[];
};
void play_list_free(struct play_list *l);
struct player {
	char id[ID_LEN];
	uint32_t to; /* bits of places */
	bool loop, stop_on_digit;
	struct play_list *list; /* NULL: not loaded yet */
	size_t item;
	uint32_t pos;            /* frame within the item */
	uint64_t played, offset; /* frames */
	uint64_t serial;
	/* of this tick */
	struct clip *clip;
	uint32_t frame;
	bool live;
	struct audio_half up;
	int16_t wide[FRAME_MAX];
};
PL_MUST enum pl_err player_start(struct room *r, struct op *op, struct pl_why *why);
void player_ready(struct room *r, struct op *op);
void player_end(struct room *r, struct player *p, const char *reason, const char *error);
struct player *player_find(struct room *r, const char *id);
void player_tick(struct room *r, struct player *p);
const int16_t *player_pcm(struct room *r, struct player *p); /* of this tick, NULL: silence */
void player_send(struct room *r, struct player *p, struct ep *e);
void player_free(struct player *p);

/* --- rec.c --- */
struct rec {
	char id[ID_LEN];
	uint32_t side[2];
	bool paused, failed;
	struct rec_file *file;
	uint64_t packets[2], frames;
	struct audio_half half[2];
	size_t fill;
	uint8_t *piece;
};
PL_MUST enum pl_err rec_start(struct room *r, const struct op *op, struct pl_why *why);
PL_MUST enum pl_err rec_pause(struct room *r, const struct op *op, struct pl_why *why);
struct rec *rec_find(struct room *r, const char *id);
void rec_tick(struct room *r, struct rec *k);
void rec_stop(struct room *r, struct rec *k);

/* --- wrtc.c: ICE-lite, DTLS, SRTP of one endpoint --- */
struct wrtc_cert;
PL_MUST enum pl_err wrtc_cert_new(struct wrtc_cert **ret, struct pl_why *why);
void wrtc_cert_free(struct wrtc_cert *c);
const uint8_t *wrtc_fingerprint(const struct wrtc_cert *c);
struct wrtc *wrtc_new(struct ep *e, struct wrtc_cert *cert);
void wrtc_free(struct wrtc *x);
const char *wrtc_ufrag(const struct wrtc *x);
const char *wrtc_pwd(const struct wrtc *x);
bool wrtc_restart(struct wrtc *x); /* new credentials (RFC 8839 4.4.3); the DTLS association goes on */
/** A datagram. True: p and *n now hold plain RTP or RTCP. False: it was STUN, DTLS, or nothing. */
bool wrtc_take(struct wrtc *x, uint8_t *p, size_t *n, const union addr *from);
/** In place, p has room for 64 octets more. False: not yet possible. */
bool wrtc_protect(struct wrtc *x, bool rtcp, uint8_t *p, size_t *n);
bool wrtc_up(const struct wrtc *x);
void wrtc_check(struct wrtc *x);

/* --- core.c, seen from a worker --- */
void core_post_event(struct core *c, struct event *ev);
void core_job_done(struct job *j);
struct rec_writer *core_writer(struct core *c);
struct wrtc_cert *core_cert(struct core *c);
struct clip *clip_ref(struct clip *c);
#endif
