/* How fast a ledger becomes tables: writes N calls into a private NATS, starts parley-reporting on a private
 * PostgreSQL, and waits until the tables are at the last sequence. Prints events a second and CPU seconds of the
 * service and of the database; beside it the bare limit, reading the same stream without doing anything. usage:
 * reporting_bench [calls] */
#include "ledger.h"

#include <parley/pg.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define S PL_US_PER_S

static struct pl_loop *loop;
static struct pg *pg;
static uint64_t last, tail_seen, want;
static void turn(void *l)
{
	pl_loop_turn(l);
}

/* User and system time of a process and its children that have ended, in seconds. */
static double cpu(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	long v[4] = { 0 };
	if (f)
		fclose(f);
	text[n] = 0;
	const char *p = strrchr(text, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld", &v[0], &v[1], &v[2],
			 &v[3]) != 4)
		return 0;
	return (double)(v[0] + v[1] + v[2] + v[3]) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_of_parent(pid_t parent) /* the postmaster's backends */
{
	char cmd[96];
	double sum = cpu(parent);
	snprintf(cmd, sizeof(cmd), "cat /proc/%d/task/%d/children", parent, parent);
	FILE *f = popen(cmd, "r");
	for (int pid; f && fscanf(f, "%d", &pid) == 1;)
		sum += cpu(pid);
	if (f)
		pclose(f);
	return sum;
}

static enum pl_err job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	static const struct pg_stmt s = { "progress", "SELECT last_seq FROM report.progress" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(c, &s, NULL, 0, &rows, why);
	if (!err && pg_n(rows) == 1)
		*(uint64_t *)arg = (uint64_t)pg_int(rows, 0, 0);
	return err;
}

static bool answered;
static void done(void *arg, enum pl_err err, const struct pl_why *why)
{
	answered = true;
}
static bool is_answered(void *arg)
{
	return answered;
}

static void on_tail(void *arg, const struct bus_msg *m)
{
	tail_seen = m->seq;
}
static bool tail_is_done(void *arg)
{
	return tail_seen >= want;
}

static void written(void)
{
	while (last < want) {
		answered = false;
		if (pg_read(pg, job, done, &last) != PL_OK || !tk_until(is_answered, NULL, turn, loop, 60))
			exit(1);
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 20000, port = tk_free_port();
	struct tk *nats = tk_nats(NULL), *db = tk_pg();
	struct pl_why why = { 0 };
	struct bus *bus;
	char a[6][256];
	struct bus_cfg bc = {
		.url = tk_url(nats), .service = "call-control", .node = "bench", .connect_wait_ms = 20000
	};
	struct pg_cfg pc = { tk_url(db), NULL, "report", "bench", 1 };
	if (pl_loop_new(&loop, &why) || bus_open(&bus, loop, NULL, &bc, &why) || pg_open(&pg, loop, NULL, &pc, &why))
		return 1;
	ledger_open(bus, loop, pl_wall_us() - 300 * S);
	queue_conf("q-many", "Many");
	for (int i = 0; i < calls; i++) {
		one_call(i);
		if (i % 500 == 0)
			ledger_settle();
	}
	ledger_settle();
	want = ledger_sent();

	struct bus_tail *tail;
	struct bus_tail_cfg tc = { .stream = "LEDGER", .from_seq = 1, .fn = on_tail };
	int64_t from = pl_mono_us();
	double own = cpu(getpid());
	if (bus_tail_open(&tail, bus, &tc, &why) || !tk_until(tail_is_done, NULL, turn, loop, 300))
		return 1;
	bus_tail_close(tail);
	double bare_s = (double)(pl_mono_us() - from) / 1e6, bare_cpu = cpu(getpid()) - own;
	printf("bare read:  %" PRIu64 " events in %.2f s = %.0f/s, %.2f CPU-s in the reader\n", want, bare_s,
	       (double)want / bare_s, bare_cpu);

	snprintf(a[0], 256, "--nats-url=%s", tk_url(nats));
	snprintf(a[1], 256, "--pg-dsn=%s", tk_url(db));
	snprintf(a[2], 256, "--health-port=%d", port);
	snprintf(a[3], 256, "--sql-dir=%s", REP_SQL_DIR);
	const char *args[] = { REP_PROGRAM,    a[0], a[1], a[2], a[3], "--redis-url=redis://127.0.0.1:1/0",
			       "--pg-conns=1", NULL };
	double db_before = cpu_of_parent(tk_pid(db));
	from = pl_mono_us();
	struct tk *rep = tk_program(args, port);
	written();
	double s = (double)(pl_mono_us() - from) / 1e6, c = cpu(tk_pid(rep)), d = cpu_of_parent(tk_pid(db)) - db_before;
	printf("reporting:  %" PRIu64 " events in %.2f s = %.0f/s; CPU-s: reporting %.2f (%.0f events per CPU-s), "
	       "database %.2f, together %.0f/s\n",
	       want, s, (double)want / s, c, (double)want / c, d, (double)want / (c + d));
	tk_free(rep);
	pg_close(pg);
	pl_loop_turn(loop);
	bus_close(bus);
	pl_loop_free(loop);
	tk_free(db);
	tk_free(nats);
	return 0;
}
