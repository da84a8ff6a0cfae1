/** Private servers for unit tests: nats-server (JetStream on files), redis-server, PostgreSQL; each on a free port of
 *  127.0.0.1, in its own directory under /tmp, gone when the test process ends, however it ends.
 *  Threads    one. Ownership: tk_free() ends the server and removes its directory.
 *  Errors     a server that does not come up ends the test process with exit code 99 and the server's log on stderr:
 *             a test that cannot have its server must not pass. */
#ifndef PARLEY_TESTKIT_H
#define PARLEY_TESTKIT_H
#include <stdbool.h>
#include <sys/types.h>

struct tk;
struct tk *tk_nats(const char *extra_conf); /* lines for its configuration file, or NULL */
struct tk *tk_redis(void);
struct tk *tk_pg(void); /* superuser "postgres", trust on 127.0.0.1, fsync off, database "test" */
/** Another program that is killed with the test. argv ends with NULL; it is up when port answers (0: at once). */
struct tk *tk_program(const char *const *argv, int port);

int tk_port(const struct tk *t);
pid_t tk_pid(const struct tk *t); /* 0: not running */
const char *tk_dir(const struct tk *t);
/** nats://127.0.0.1:<port>, redis://127.0.0.1:<port>/0, or a libpq keyword string. */
const char *tk_url(const struct tk *t);
void tk_kill(struct tk *t);  /* SIGKILL, and waits for its end */
int tk_stop(struct tk *t);   /* SIGTERM, waits for its end (20 s, then SIGKILL): the exit status of waitpid(2) */
void tk_start(struct tk *t); /* again, same port, same data; waits until it answers */
void tk_pause(struct tk *t); /* SIGSTOP: a server that hangs */
void tk_resume(struct tk *t);
void tk_free(struct tk *t);

int tk_free_port(void); /* of 127.0.0.1, TCP and UDP free at this moment */
/** Waits until done(arg) is true, turning the loop through turn(loop) if given. False after limit_s. */
bool tk_until(bool (*done)(void *arg), void *arg, void (*turn)(void *loop), void *loop, int limit_s);
#endif
