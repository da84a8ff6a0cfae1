/* Sockets, addresses, and the worker's share of the port range. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "media.h"

bool addr_parse(union addr *a, const char *ip, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, ip, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, ip, &a->in6.sin6_addr) != 1)
		return false;
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	return true;
}

socklen_t addr_len(const union addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

bool addr_unspecified(const union addr *a)
{
	return a->sa.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) : a->in.sin_addr.s_addr == 0;
}

uint16_t addr_port(const union addr *a)
{
	return ntohs(a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

bool addr_same_ip(const union addr *a, const union addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

bool addr_same(const union addr *a, const union addr *b)
{
	return addr_same_ip(a, b) && addr_port(a) == addr_port(b);
}

bool addr_private(const union addr *a)
{
	if (a->sa.sa_family == AF_INET6) {
		const uint8_t *b = a->in6.sin6_addr.s6_addr;
		return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ||
		       IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
	}
	uint32_t ip = ntohl(a->in.sin_addr.s_addr);
	return ip == 0 || ip >> 24 == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 || ip >> 22 == 0x191 ||
	       ip >> 16 == 0xa9fe;
}

enum pl_err net_socket(const char *ip, uint16_t port, int *ret_fd, struct pl_why *why)
{
	union addr a;
	if (!addr_parse(&a, ip, port))
		return pl_why_set(why, PL_E_FORMAT, "%s is no IP address", ip);
	int fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return pl_why_set(why, errno == EMFILE || errno == ENFILE ? PL_E_FULL : PL_E_IO, "socket: %s",
				  strerror(errno));
	int tos = 0xb8; /* DSCP EF, RFC 4594 4.1 */
	if (a.sa.sa_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	if (bind(fd, &a.sa, addr_len(&a)) != 0) {
		enum pl_err err = errno == EADDRINUSE ? PL_E_EXISTS : PL_E_IO;
		pl_why_set(why, err, "%s:%u: %s", ip, port, strerror(errno));
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return PL_OK;
}

void loop_wait(struct pl_loop *l)
{
	struct pollfd p = { .fd = pl_loop_backend_fd(l), .events = POLLIN };
	poll(&p, 1, 10);
	pl_loop_turn(l);
}

void thread_background(void)
{
	/* Linux: of this thread only. It may not be allowed; then all threads are equal. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), 5);
}

/* Pairs (even, odd). Each worker has every n-th pair. The search goes on where it stopped, so that a port rests before
 * it is used again and late packets of the last call do not reach the next. */
struct ports {
	int base, stride;
	size_t n, next, n_used;
	uint8_t used[];
};

struct ports *ports_new(int min, int max, int worker, int workers)
{
	int first = (min + 1) & ~1, pairs = (max + 1 - first) / 2;
	int mine = pairs > worker ? (pairs - worker + workers - 1) / workers : 0;
	struct ports *p = calloc(1, sizeof(*p) + (size_t)PL_MAX(mine, 0));
	if (!p)
		return NULL;
	p->base = first + 2 * worker;
	p->stride = 2 * workers;
	p->n = (size_t)PL_MAX(mine, 0);
	return p;
}

void ports_free(struct ports *p)
{
	free(p);
}

static enum pl_err bind_pair(const char *ip, uint16_t port, bool mux, int fds[2], struct pl_why *why)
{
	fds[0] = fds[1] = -1;
	enum pl_err err = net_socket(ip, port, &fds[0], why);
	if (!err && !mux)
		err = net_socket(ip, (uint16_t)(port + 1), &fds[1], why);
	if (err && fds[0] >= 0) {
		close(fds[0]);
		fds[0] = -1;
	}
	return err;
}

enum pl_err ports_take(struct ports *p, const char *ip, bool mux, uint16_t *ret_port, int fds[2], struct pl_why *why)
{
	enum pl_err err = pl_why_set(why, PL_E_FULL, "all %zu RTP port pairs of this worker are in use", p->n);
	for (size_t tries = 0; tries < p->n && p->n_used < p->n; tries++) {
		size_t i = p->next;
		p->next = (p->next + 1) % p->n;
		if (p->used[i])
			continue;
		uint16_t port = (uint16_t)(p->base + (int)i * p->stride);
		err = bind_pair(ip, port, mux, fds, why);
		if (err == PL_E_EXISTS)
			continue; /* another program's */
		if (!err) {
			p->used[i] = 1;
			p->n_used++;
			*ret_port = port;
		}
		return err;
	}
	return err == PL_E_EXISTS ? PL_E_FULL : err;
}

void ports_give(struct ports *p, uint16_t port)
{
	size_t i = (size_t)((port - p->base) / p->stride);
	if (i < p->n && p->used[i]) {
		p->used[i] = 0;
		p->n_used--;
	}
}
