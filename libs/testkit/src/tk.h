/* Shared by the two files of the test kit. */
#ifndef TK_H
#define TK_H
#include <parley/testkit.h>

#include <stdbool.h>
#include <sys/types.h>

#define TK_ARGS 24
#define TK_UP_LIMIT_S 30

struct tk {
	char dir[64], url[160], log[96];
	char *argv[TK_ARGS + 1];
	int port;
	pid_t pid;
	int watch_fd; /* closes with this process; the watcher then removes dir */
	uid_t uid;    /* 0: stay who we are */
	gid_t gid;
	int stop_signal;
	bool dir_ready;
};

struct tk *tk_new(void);
void tk_arg(struct tk *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tk_run_wait(struct tk *t, char *const *argv); /* a helper program to its end, as the server's user */
void tk_spawn(struct tk *t);
void tk_wait_up(struct tk *t);
_Noreturn void tk_die(const struct tk *t, const char *what);
#endif
