/* Any bytes as a configuration file: accepted or refused with a reason, and numbers within their range. */
#include <parley/cfg.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct opts {
	char *name, *pw;
	int64_t port;
	bool on;
};

static const struct cfg_opt table[] = { { "name", CFG_STR, offsetof(struct opts, name), "x", 0, 16, "", "" },
					{ "port", CFG_INT, offsetof(struct opts, port), "1", 1, 65535, "", "" },
					{ "on", CFG_BOOL, offsetof(struct opts, on), "no", 0, 0, "", "" },
					CFG_END };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	static char arg[64];
	if (fd < 0) {
		fd = memfd_create("cfg", 0);
		snprintf(arg, sizeof(arg), "--config=/proc/self/fd/%d", fd);
	}
	if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		abort();
	struct opts o = { 0 };
	struct pl_why why = { 0 };
	struct pl_arena *a = pl_arena_new(1 << 20);
	char *argv[] = { "test", arg, NULL };
	enum pl_err err =
		cfg_load((const struct cfg_opt *const[]){ table }, (void *const[]){ &o }, 1, 2, argv, a, &why);
	if (err == PL_OK ? o.port < 1 || o.port > 65535 || !o.name || strlen(o.name) > 16 : !*why.text)
		abort();
	pl_arena_free(a);
	return 0;
}
