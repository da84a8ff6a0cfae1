/* Processes and directories that never outlive the test. */
#include "tk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(int ms)
{
	poll(NULL, 0, ms);
}

static double now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	remove(path);
	return 0;
}

/* A server that is just being killed may still create files: try again for a while. */
static void rm_tree(const char *dir)
{
	for (int i = 0; i < 40 && access(dir, F_OK) == 0; i++) {
		nftw(dir, rm_one, 16, FTW_DEPTH | FTW_PHYS);
		if (access(dir, F_OK) == 0)
			nap_ms(50);
	}
}

/* A process of its own session sees the end of the test as end of file, even when the test was killed. */
static int watch_dir(const char *dir)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		setsid();
		if (fork() != 0) /* nobody waits for the grandchild */
			_exit(0);
		dup2(p[0], 0);
		close_range(3, ~0u, 0);
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1); /* whoever reads the test's output must not wait for us */
		dup2(null, 2);
		while (read(0, &c, 1) < 0 && errno == EINTR)
			;
		rm_tree(dir);
		_exit(0);
	}
	close(p[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return p[1];
}

struct tk *tk_new(void)
{
	struct tk *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	snprintf(t->dir, sizeof(t->dir), "/tmp/parley-test-XXXXXX");
	if (!mkdtemp(t->dir))
		tk_die(t, "mkdtemp");
	t->watch_fd = watch_dir(t->dir);
	snprintf(t->log, sizeof(t->log), "%s/log", t->dir);
	t->stop_signal = SIGTERM;
	return t;
}

void tk_arg(struct tk *t, const char *fmt, ...)
{
	int n = 0;
	while (t->argv[n])
		n++;
	if (n >= TK_ARGS)
		abort();
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&t->argv[n], fmt, ap) < 0)
		abort();
	va_end(ap);
}

_Noreturn void tk_die(const struct tk *t, const char *what)
{
	fprintf(stderr, "testkit: %s: %s (%s)\n", t->argv[0] ? t->argv[0] : t->dir, what, strerror(errno));
	char line[512];
	FILE *f = fopen(t->log, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (t->pid > 0)
		kill(t->pid, SIGKILL);
	exit(99);
}

static pid_t spawn(const struct tk *t, char *const *argv)
{
	pid_t parent = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* a ^C or check's kill of the group must not stop the server before the test */
	if (t->uid && (setgroups(0, NULL) != 0 || setgid(t->gid) != 0 || setuid(t->uid) != 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after setuid, which clears it */
	if (getppid() != parent)
		_exit(125);
	int fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND, 0644), null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	close_range(3, ~0u, 0);
	if (chdir(t->dir) != 0)
		_exit(124);
	execvp(argv[0], argv);
	_exit(127);
}

void tk_run_wait(struct tk *t, char *const *argv)
{
	int st = 0;
	pid_t pid = spawn(t, argv);
	if (pid < 0 || waitpid(pid, &st, 0) != pid || st != 0)
		tk_die(t, argv[0]);
}

void tk_spawn(struct tk *t)
{
	t->pid = spawn(t, t->argv);
	if (t->pid < 0)
		tk_die(t, "fork");
}

static bool answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

void tk_wait_up(struct tk *t)
{
	double end = now_s() + TK_UP_LIMIT_S;
	while (t->port && !answers(t->port)) {
		int st;
		if (waitpid(t->pid, &st, WNOHANG) == t->pid) {
			t->pid = 0;
			tk_die(t, "ended while starting");
		}
		if (now_s() > end)
			tk_die(t, "does not come up");
		nap_ms(5);
	}
}

int tk_free_port(void)
{
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in a = { .sin_family = AF_INET };
		socklen_t n = sizeof(a);
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		bool ok = bind(tcp, (struct sockaddr *)&a, n) == 0 &&
			  getsockname(tcp, (struct sockaddr *)&a, &n) == 0 && bind(udp, (struct sockaddr *)&a, n) == 0;
		close(tcp);
		close(udp);
		if (ok)
			return ntohs(a.sin_port);
	}
	fprintf(stderr, "testkit: no free port\n");
	exit(99);
}

static int end_with(struct tk *t, int sig)
{
	int st = 0;
	if (t->pid <= 0)
		return 0;
	kill(t->pid, sig);
	for (double end = now_s() + 20; sig != SIGKILL && now_s() < end; nap_ms(5))
		if (waitpid(t->pid, &st, WNOHANG) == t->pid) {
			t->pid = 0;
			return st;
		}
	kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &st, 0) < 0 && errno == EINTR)
		;
	t->pid = 0;
	return st;
}

void tk_kill(struct tk *t)
{
	end_with(t, SIGKILL);
}

int tk_stop(struct tk *t)
{
	return end_with(t, t->stop_signal);
}

void tk_pause(struct tk *t)
{
	kill(t->pid, SIGSTOP);
}

void tk_resume(struct tk *t)
{
	kill(t->pid, SIGCONT);
}

void tk_free(struct tk *t)
{
	if (!t)
		return;
	end_with(t, SIGKILL);
	rm_tree(t->dir);
	close(t->watch_fd);
	for (int i = 0; t->argv[i]; i++)
		free(t->argv[i]);
	free(t);
}

bool tk_until(bool (*done)(void *arg), void *arg, void (*turn)(void *loop), void *loop, int limit_s)
{
	for (double end = now_s() + limit_s; !done(arg);) {
		if (now_s() > end)
			return false;
		if (turn)
			turn(loop);
		else
			nap_ms(2);
	}
	return true;
}
