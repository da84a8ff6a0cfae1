/** Shared by the media benchmarks: phones that send 50 packets a second and count what comes back, systems under test
 * as child processes whose CPU time is read by clock_getcpuclockid(3). Traffic only on 127.0.0.1. */
#ifndef MEDIA_BENCH_H
#define MEDIA_BENCH_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct leg {
	int fd;
	uint16_t port, far_port;
	uint32_t ts;
	uint16_t seq;
	uint64_t sent, got;
	uint16_t first_seq, last_seq;
};

/** A system under test: takes the phones' ports, fills far_port, runs until killed. */
struct system {
	const char *name;
	pid_t pid;
	int ctl; /* pipe or socket of its own kind */
	bool (*start)(struct system *s, struct leg *legs, int n_calls);
	void (*stop)(struct system *s);
};
bool core_start(struct system *s, struct leg *legs, int n_calls);
bool core_start_recording(struct system *s, struct leg *legs, int n_calls);
bool core_start_music(struct system *s, struct leg *legs, int n_calls);
bool core_start_three(struct system *s, struct leg *legs, int n_calls); /* legs in rooms of three */
bool bare_start(struct system *s, struct leg *legs, int n_calls);
bool rtpengine_start(struct system *s, struct leg *legs, int n_calls);
void child_stop(struct system *s);
void pin(int cpu);
int udp_port(uint16_t *ret);
#endif
