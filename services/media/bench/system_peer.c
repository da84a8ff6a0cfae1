/* What we are measured against: a bare recv/send loop, and rtpengine in user space (Debian's package, ng protocol). */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int udp_port(uint16_t *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || getsockname(fd, (struct sockaddr *)&a, &len))
		return -1;
	*ret = ntohs(a.sin_port);
	return fd;
}

void child_stop(struct system *s)
{
	close(s->ctl); /* it ends by itself */
	for (int i = 0; i < 300 && waitpid(s->pid, NULL, WNOHANG) == 0; i++)
		poll(NULL, 0, 10);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

static struct sockaddr_in local(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void bare_loop(int *fds, struct leg *legs, int n)
{
	int ep = epoll_create1(0);
	struct epoll_event ev[256];
	uint8_t buf[2048];
	for (int i = 0; i < n; i++)
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[i],
			  &(struct epoll_event){ .events = EPOLLIN, .data.u32 = (uint32_t)i });
	for (;;) {
		int k = epoll_wait(ep, ev, 256, -1);
		for (int e = 0; e < k; e++) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			unsigned i = ev[e].data.u32;
			ssize_t got = recvfrom(fds[i], buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
			struct sockaddr_in to = local(legs[i ^ 1].port);
			if (got > 0 && sendto(fds[i ^ 1], buf, (size_t)got, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
				continue;
		}
	}
}

bool bare_start(struct system *s, struct leg *legs, int n_calls)
{
	int *fds = calloc((size_t)n_calls * 2, sizeof(*fds)), ctl[2];
	for (int i = 0; i < 2 * n_calls; i++)
		if ((fds[i] = udp_port(&legs[i].far_port)) < 0)
			return false;
	if (pipe(ctl))
		return false;
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		bare_loop(fds, legs, 2 * n_calls);
	}
	close(ctl[0]);
	s->ctl = ctl[1];
	for (int i = 0; i < 2 * n_calls; i++)
		close(fds[i]);
	free(fds);
	return true;
}

/* --- rtpengine --- */
static bool ng(int fd, uint16_t port, const char *body, char *reply, size_t size)
{
	char msg[4096], cookie[16];
	static unsigned n;
	struct sockaddr_in to = local(port);
	snprintf(cookie, sizeof(cookie), "c%u ", ++n);
	int len = snprintf(msg, sizeof(msg), "%s%s", cookie, body);
	for (int tries = 0; tries < 100; tries++) {
		if (sendto(fd, msg, (size_t)len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return false;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		while (poll(&p, 1, 100) > 0) {
			ssize_t got = recv(fd, reply, size - 1, 0);
			if (got > 0 && strncmp(reply, cookie, strlen(cookie)) == 0) {
				reply[got] = '\0';
				return true;
			}
			if (got < 0)
				poll(NULL, 0, 50); /* not listening yet */
		}
	}
	return false;
}

static bool ng_sdp(int fd, uint16_t port, const char *command, int call, const struct leg *l, uint16_t *ret)
{
	char sdp[300], body[1200], reply[8192], id[24], with_to[32] = "";
	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
		 "a=rtpmap:101 telephone-event/8000\r\n",
		 l->port);
	snprintf(id, sizeof(id), "call%d", call);
	if (strcmp(command, "answer") == 0)
		snprintf(with_to, sizeof(with_to), "6:to-tag1:b");
	snprintf(body, sizeof(body), "d7:call-id%zu:%s7:command%zu:%s8:from-tag1:a3:sdp%zu:%s%se", strlen(id), id,
		 strlen(command), command, strlen(sdp), sdp, with_to);
	if (!ng(fd, port, body, reply, sizeof(reply)))
		return false;
	const char *m = strstr(reply, "m=audio ");
	if (!m)
		fprintf(stderr, "rtpengine: %s\n", reply);
	*ret = m ? (uint16_t)atoi(m + 8) : 0;
	return m != NULL;
}

bool rtpengine_start(struct system *s, struct leg *legs, int n_calls)
{
	uint16_t port = 0, mine = 0;
	char listen[64];
	int probe = udp_port(&port), fd = udp_port(&mine);
	close(probe);
	snprintf(listen, sizeof(listen), "--listen-ng=127.0.0.1:%u", port);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execlp("rtpengine", "rtpengine", "--table=-1", "--interface=127.0.0.1", listen, "--foreground",
		       "--log-level=1", "--num-threads=1", "--port-min=20000", "--port-max=59999", (char *)NULL);
		_exit(127);
	}
	s->ctl = dup(fd);
	bool ok = true;
	for (int i = 0; i < n_calls && ok; i++)
		ok = ng_sdp(fd, port, "offer", i, &legs[2 * i], &legs[2 * i + 1].far_port) &&
		     ng_sdp(fd, port, "answer", i, &legs[2 * i + 1], &legs[2 * i].far_port);
	close(fd);
	if (ok)
		return true;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	return false;
}
