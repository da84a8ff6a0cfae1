/* Relayed G.711 calls, calls that are recorded, callers with music, rooms of three: CPU of our core next to a bare loop
 * and rtpengine, in one run, alternating. Usage: media-bench [calls] [seconds] [rounds]. One JSON object a line on
 * stdout. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { ROUNDS_MAX = 9, SYSTEMS = 6 };

static double now(clockid_t c)
{
	struct timespec ts = { 0 };
	clock_gettime(c, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void send_one(struct leg *l)
{
	uint8_t p[172] = { 0x80, 8 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(l->far_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	l->seq++;
	l->ts += 160;
	p[2] = (uint8_t)(l->seq >> 8);
	p[3] = (uint8_t)l->seq;
	for (int i = 0; i < 4; i++)
		p[4 + i] = (uint8_t)(l->ts >> (24 - 8 * i));
	p[11] = (uint8_t)l->port;
	p[10] = (uint8_t)(l->port >> 8);
	memset(p + 12, 0xd5, 160);
	l->sent += sendto(l->fd, p, sizeof(p), 0, (struct sockaddr *)&to, sizeof(to)) > 0;
}

static void drain(struct leg *l)
{
	uint8_t p[2048];
	ssize_t n;
	while ((n = recv(l->fd, p, sizeof(p), 0)) > 0) {
		if (n < 12 || (p[1] & 0x7f) != 8)
			continue;
		l->last_seq = (uint16_t)(p[2] << 8 | p[3]);
		if (l->got++ == 0)
			l->first_seq = l->last_seq;
	}
}

/* Each phone has its millisecond of the twenty. */
static void traffic(struct leg *legs, int n, double seconds, bool send)
{
	double start = now(CLOCK_MONOTONIC);
	for (long ms = 0; ms < (long)(seconds * 1000); ms++) {
		double due = start + (double)ms / 1000;
		struct timespec ts = { .tv_sec = (time_t)due, .tv_nsec = (long)((due - (double)(time_t)due) * 1e9) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		for (int i = (int)(ms % 20); i < n; i += 20) {
			drain(&legs[i]);
			if (send && legs[i].far_port)
				send_one(&legs[i]);
		}
	}
}

struct result {
	double cpu_pct, lost_pct;
	long rss_kb;
};

static long rss_kb(pid_t pid)
{
	char path[64], line[200];
	long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static bool measure(struct system *s, int calls, double seconds, bool send, struct result *ret)
{
	struct leg *legs = calloc((size_t)calls * 2, sizeof(*legs));
	clockid_t cpu;
	for (int i = 0; i < 2 * calls; i++) {
		legs[i].fd = udp_port(&legs[i].port);
		legs[i].seq = 1;
	}
	if (!s->start(s, legs, calls) || clock_getcpuclockid(s->pid, &cpu))
		return false;
	traffic(legs, 2 * calls, 1.5, send);
	for (int i = 0; i < 2 * calls; i++)
		legs[i].sent = legs[i].got = 0;
	double c0 = now(cpu);
	traffic(legs, 2 * calls, seconds, send);
	double used = now(cpu) - c0;
	uint64_t sent = 0, got = 0; /* by the sequence numbers that came: what is under way at the end is not lost */
	for (int i = 0; i < 2 * calls; i++) {
		sent += legs[i].got ? (uint16_t)(legs[i].last_seq - legs[i].first_seq) + 1u
				    : (send || i % 2 == 0 ? (uint64_t)(seconds * 50) : 0);
		got += legs[i].got;
	}
	ret->rss_kb = rss_kb(s->pid);
	/* By packets, not by time: on a busy machine the phones fall behind. 100 calls are 10,000 a second, 100
	 * listeners half. */
	ret->cpu_pct = got ? used / (double)got * (send ? 10000 : 5000) * 100 : 0;
	ret->lost_pct = sent > got ? 100.0 * (double)(sent - got) / (double)sent : 0;
	fprintf(stderr, "%-22s %6.2f %% of a core per 100, %.2f %% lost, %ld kB\n", s->name, ret->cpu_pct,
		ret->lost_pct, ret->rss_kb);
	s->stop(s);
	for (int i = 0; i < 2 * calls; i++)
		close(legs[i].fd);
	free(legs);
	return true;
}

static int by_value(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return n ? v[n / 2] : 0;
}

static void line(const char *name, double value, const char *unit, const char *against, double ratio, const char *goal,
		 bool holds)
{
	printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"against\":\"%s\",\"ratio\":%.3f,\"goal\":\"%s\","
	       "\"holds\":%s}\n",
	       name, value, unit, against, ratio, goal, holds ? "true" : "false");
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 200, rounds = argc > 3 ? atoi(argv[3]) : 3;
	double seconds = argc > 2 ? atof(argv[2]) : 5;
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	pin(1);
	static const char *const names[SYSTEMS] = { "bare loop",        "rtpengine",    "parley relay",
						    "parley recording", "parley music", "parley three-party" };
	static bool (*const starts[SYSTEMS])(struct system *, struct leg *,
					     int) = { bare_start,           rtpengine_start,  core_start,
						      core_start_recording, core_start_music, core_start_three };
	double cpu[SYSTEMS][ROUNDS_MAX], lost[SYSTEMS][ROUNDS_MAX];
	int n[SYSTEMS] = { 0 };
	const char *only = getenv("ONLY");
	rounds = rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < SYSTEMS; i++) {
			struct system s = { .name = names[i], .start = starts[i], .stop = child_stop };
			struct result res;
			if (only && !strstr(only, names[i]))
				continue;
			if (!measure(&s, i == 4 ? 1000 : i == 5 ? 150 : calls, seconds, i != 4, &res)) {
				fprintf(stderr, "%s does not run here\n", s.name);
				continue;
			}
			cpu[i][n[i]] = res.cpu_pct;
			lost[i][n[i]++] = res.lost_pct;
		}
	double m[SYSTEMS], l[SYSTEMS];
	for (int i = 0; i < SYSTEMS; i++) {
		m[i] = median(cpu[i], n[i]);
		l[i] = median(lost[i], n[i]);
	}
	const char *unit = "% of a core per 100 calls";
	if (n[2] && n[1])
		line("media.relay", m[2], unit, "rtpengine in user space", m[2] / m[1], "at most 0.5",
		     m[2] <= 0.5 * m[1] && l[2] < 0.01);
	if (n[2] && n[0])
		line("media.relay-bare", m[2], unit, "a bare recv/send loop", m[2] / m[0], "at most 1.25",
		     m[2] <= 1.25 * m[0]);
	if (n[3])
		line("media.recording", m[3], unit, "relay without", n[2] ? m[3] / m[2] : 0, "at most 10",
		     m[3] <= 10 && l[3] < 0.01);
	if (n[4])
		line("media.music", m[4] * 10, "% of a core for 1,000 listeners", "goal", m[4] * 10 / 60,
		     "at most 60, none lost", m[4] * 10 <= 60 && l[4] < 0.1);
	if (n[5]) /* 150 calls' worth of phones are 100 rooms */
		line("media.three-party", m[5] * 1.5, "% of a core per 100 rooms", "goal", m[5] * 1.5 / 25,
		     "at most 25 (400 rooms on a core)", m[5] * 1.5 <= 25 && l[5] < 0.1);
	return 0;
}
