/** The media core: rooms of endpoints, players and recorders on worker threads.
 *  Threads    everything here is called on the main loop's thread, and calls back there. A room and all that is in it
 * live on one worker; a job hops to that worker and back. Between threads there are only posts to a loop. Ownership  a
 * job belongs to the core from core_apply() until done(). Bounds     32 endpoints, 16 players, 4 recorders per room;
 * max_rooms rooms; sounds cached up to cache_bytes. */
#ifndef MEDIA_SHELL_CORE_H
#define MEDIA_SHELL_CORE_H
#include <parley/base.h>
#include <parley/loop.h>

#include "../engine/codec.h"

struct core;
struct clip;
struct rec_store;

enum { ID_LEN = 64, OP_IDS_MAX = 32, OP_SOURCES_MAX = 64 };

struct core_cfg {
	int workers;
	int rtp_port_min, rtp_port_max;
	const char *rtp_address;    /* bound to */
	const char *public_address; /* in SDP; "": the bound one */
	const char *data_dir, *node;
	const uint8_t *master_key; /* 32 octets; NULL: recording is refused */
	int64_t hold_us;           /* how long a busy worker lets packets gather; 0: never */
	int64_t cache_bytes;
	int64_t max_rooms;
	int64_t record_queue_bytes; /* in flight to the disk, of all recordings */
	/** Lateness of each tick, from any worker's thread; may be NULL. */
	void (*tick)(void *arg, int64_t late_us);
	void *tick_arg;
	bool learn_any; /* believe the first source whatever the SDP said */
	enum codec sip_codecs[CODEC_N], webrtc_codecs[CODEC_N];
	size_t n_sip_codecs, n_webrtc_codecs;
};

struct ep_stats {
	uint64_t packets_in, packets_out, bytes_in, bytes_out, lost_in;
	double jitter_ms, rtt_ms, mos;
	const char *codec;
};

enum op_kind {
	OP_CREATE_ENDPOINT,
	OP_SET_REMOTE,
	OP_MIX,
	OP_PLAY,
	OP_STOP_PLAY,
	OP_START_RECORDING,
	OP_PAUSE_RECORDING,
	OP_STOP_RECORDING,
	OP_DESTROY_ENDPOINT,
	OP_DESTROY_ROOM,
	OP_SEND_DIGITS,
	OP_PLAY_READY
};
enum source_kind { SOURCE_FILE, SOURCE_FOLDER, SOURCE_SAY, SOURCE_SILENCE, SOURCE_TONE };
struct source {
	enum source_kind kind;
	const char *text, *language;
	uint32_t hz1, hz2, on_ms, off_ms;
};

struct op { /* strings are borrowed from whoever made the job */
	enum op_kind kind;
	const char *id;         /* endpoint, player or recording */
	const char *sdp, *text; /* text: reason of a pause, digits to send */
	bool webrtc, is_offer, loop, stop_on_digit, exclusive, paused;
	enum codec codecs[CODEC_N];
	size_t n_codecs;
	const char **ids, **right_ids; /* hears, listeners, left; right */
	size_t n_ids, n_right;
	struct source *sources;
	size_t n_sources;
	uint64_t offset_ms;
	struct play_list *list; /* filled by the core: what the sources are */
};
struct op_result {
	const char *sdp;
	bool has_stats, recording;
	struct ep_stats stats;
}; /* recording: one was begun */

struct job {
	const char *room_id, *owner;
	struct op *ops;
	size_t n_ops;
	struct pl_arena *arena;    /* results are allocated here */
	struct op_result *results; /* n_ops of them, in the arena */
	enum pl_err err;
	struct pl_why why;
	void (*done)(struct job *j);
	void *arg;
	/* the core's own */
	struct core *core;
	struct worker *worker;
	bool room_gone;
};

enum event_kind { EVENT_DIGIT, EVENT_PLAY_DONE, EVENT_RECORDING_DONE, EVENT_ENDPOINT_STATE };
enum ep_state { EP_CONNECTED = 1, EP_SILENT, EP_LOST, EP_BACK };
struct event {
	enum event_kind kind;
	char room_id[ID_LEN], owner[ID_LEN], id[ID_LEN];
	uint64_t seq; /* per room, from 1; 0: of a room of an earlier life */
	int64_t wall_us;
	char digit;
	uint64_t ms;        /* digit: duration; player: played; recording: duration */
	const char *reason; /* static */
	char error[200];
	enum ep_state state;
	struct ep_stats stats;
	bool verified, recovered;
	char path[160], sha256[65];
	uint64_t bytes, packets_left, packets_right;
	int64_t started_us;
	struct core *core;
};
typedef void (*core_event_fn)(void *arg, const struct event *ev);

PL_MUST enum pl_err core_open(struct core **ret, struct pl_loop *main, const struct core_cfg *cfg, core_event_fn fn,
			      void *arg, struct pl_why *why);
void core_close(struct core *c); /* ends rooms, closes recordings properly, joins threads */
void core_apply(struct core *c, struct job *j);
void core_drain(struct core *c); /* new rooms are refused from now on */

/** The owner's rooms: what it does not list and is older than 20 s ends. unknown(arg, id) for each listed that is not
 * here. */
void core_keep_rooms(struct core *c, const char *owner, const char *const *ids, size_t n,
		     void (*unknown)(void *arg, const char *id), void *arg);
/** Ends rooms whose owner has been silent for longer than that. */
void core_expire(struct core *c, int64_t timeout_us);

struct core_counts {
	uint64_t endpoints, rooms, packets_in, packets_out, packets_late, jb_dropped, bad_packets, recorder_failures,
		send_errors;
	uint64_t ticks_late;  /* more than 5 ms after their time */
	uint64_t tick_max_us; /* since the last look */
	uint64_t events_lost, clips_bytes, record_queue_bytes;
};
void core_count(struct core *c, struct core_counts *ret);
struct pl_loop *core_loop(struct core *c);
const struct core_cfg *core_config(const struct core *c);
#endif
