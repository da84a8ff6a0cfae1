/* How each kind of server is configured and started. */
#include "tk.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PG_BIN "/usr/lib/postgresql/15/bin/"

int tk_port(const struct tk *t)
{
	return t->port;
}

pid_t tk_pid(const struct tk *t)
{
	return t->pid;
}

const char *tk_dir(const struct tk *t)
{
	return t->dir;
}

const char *tk_url(const struct tk *t)
{
	return t->url;
}

void tk_start(struct tk *t)
{
	if (t->pid > 0)
		return;
	tk_spawn(t);
	tk_wait_up(t);
}

struct tk *tk_nats(const char *extra_conf)
{
	struct tk *t = tk_new();
	char path[96];
	t->port = tk_free_port();
	snprintf(t->url, sizeof(t->url), "nats://127.0.0.1:%d", t->port);
	snprintf(path, sizeof(path), "%s/nats.conf", t->dir);
	FILE *f = fopen(path, "w");
	if (!f)
		tk_die(t, path);
	fprintf(f, "host: 127.0.0.1\nport: %d\njetstream { store_dir: \"%s/js\", max_mem: 256MB, max_file: 2GB }\n%s\n",
		t->port, t->dir, extra_conf ? extra_conf : "");
	fclose(f);
	tk_arg(t, "nats-server");
	tk_arg(t, "-c");
	tk_arg(t, "%s", path);
	tk_start(t);
	return t;
}

struct tk *tk_redis(void)
{
	struct tk *t = tk_new();
	t->port = tk_free_port();
	snprintf(t->url, sizeof(t->url), "redis://127.0.0.1:%d/0", t->port);
	tk_arg(t, "redis-server");
	tk_arg(t, "--bind");
	tk_arg(t, "127.0.0.1");
	tk_arg(t, "--port");
	tk_arg(t, "%d", t->port);
	tk_arg(t, "--save");
	tk_arg(t, "%s", "");
	tk_arg(t, "--dir");
	tk_arg(t, "%s", t->dir);
	tk_start(t);
	return t;
}

/* PostgreSQL refuses to run as root. */
static void as_postgres(struct tk *t)
{
	struct passwd *pw = getuid() == 0 ? getpwnam("postgres") : NULL;
	if (getuid() != 0)
		return;
	if (!pw || chown(t->dir, pw->pw_uid, pw->pw_gid) != 0)
		tk_die(t, "no user postgres");
	t->uid = pw->pw_uid;
	t->gid = pw->pw_gid;
}

struct tk *tk_pg(void)
{
	struct tk *t = tk_new();
	char data[96], port[16];
	as_postgres(t);
	t->port = tk_free_port();
	t->stop_signal = SIGINT; /* fast shutdown: does not wait for clients */
	snprintf(data, sizeof(data), "%s/data", t->dir);
	snprintf(port, sizeof(port), "%d", t->port);
	snprintf(t->url, sizeof(t->url), "host=127.0.0.1 port=%d user=postgres dbname=test", t->port);
	char *init[] = { PG_BIN "initdb",    "-D",        data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
			 "--locale=C.UTF-8", "--no-sync", NULL };
	tk_run_wait(t, init);
	tk_arg(t, PG_BIN "postgres");
	tk_arg(t, "-D");
	tk_arg(t, "%s", data);
	tk_arg(t, "-p");
	tk_arg(t, "%s", port);
	tk_arg(t, "-k");
	tk_arg(t, "%s", t->dir);
	const char *set[] = { "listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB", "max_connections=50" };
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		tk_arg(t, "-c");
		tk_arg(t, "%s", set[i]);
	}
	tk_start(t);
	/* The port answers before recovery has ended; createdb says when sessions are possible. */
	char *db[] = { PG_BIN "createdb", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "test", NULL };
	char *ready[] = { "/bin/sh",
			  "-c",
			  "for i in $(seq 300); do \"$@\" && exit 0; sleep 0.1; done; exit 1",
			  "sh",
			  PG_BIN "pg_isready",
			  "-q",
			  "-h",
			  "127.0.0.1",
			  "-p",
			  port,
			  NULL };
	tk_run_wait(t, ready);
	tk_run_wait(t, db);
	return t;
}

struct tk *tk_program(const char *const *argv, int port)
{
	struct tk *t = tk_new();
	for (int i = 0; argv[i]; i++)
		tk_arg(t, "%s", argv[i]);
	t->port = port;
	tk_start(t);
	return t;
}
