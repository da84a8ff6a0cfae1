/* A whole service process (app_victim.c): its start, readiness, drain and end. The path of the program is the argument.
 */
#include <parley/app.h>
#include <parley/log.h>
#include <parley/testkit.h>

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *program;
static struct tk *nats;
static int notify_fd, health_port;
static char dir[] = "/tmp/parley-app-XXXXXX", sock_path[64];

static void setup(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	nats = tk_nats(NULL);
	health_port = tk_free_port();
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock_path, sizeof(sock_path), "%s/notify", dir);
	pl_strlcpy(a.sun_path, sock_path, sizeof(a.sun_path));
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(notify_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	setenv("NOTIFY_SOCKET", sock_path, 1);
}

static void teardown(void)
{
	unlink(sock_path);
	rmdir(dir);
	tk_free(nats);
}

static struct tk *victim(const char *more, int port)
{
	char url[80], health[40];
	snprintf(url, sizeof(url), "--nats-url=%s", tk_url(nats));
	snprintf(health, sizeof(health), "--health-port=%d", health_port);
	return tk_program((const char *const[]){ program, url, health, "--node=victim-1", more, NULL }, port);
}

static const char *notified(void)
{
	static char text[128];
	struct pollfd p = { .fd = notify_fd, .events = POLLIN };
	memset(text, 0, sizeof(text));
	ck_assert_int_eq(poll(&p, 1, 40000), 1);
	ck_assert_int_gt(recv(notify_fd, text, sizeof(text) - 1, 0), 0);
	return text;
}

static int http_status(const char *path)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)health_port) };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	char buf[2048] = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
		if (read(fd, buf, sizeof(buf) - 1) > 0)
			sscanf(buf, "HTTP/1.1 %d", &status);
	}
	close(fd);
	return status;
}

/* An outside user of the service. */
struct client {
	struct pl_loop *loop;
	struct bus *bus;
	int n;
	enum pl_err err;
};

static void client_open(struct client *c)
{
	struct pl_why why = { 0 };
	memset(c, 0, sizeof(*c));
	log_open("test", "test-1", LOG_ERROR);
	ck_assert_int_eq(pl_loop_new(&c->loop, &why), PL_OK);
	struct bus_cfg bc = { .url = tk_url(nats), .service = "test", .node = "test-1", .connect_wait_ms = 20000 };
	ck_assert_int_eq(bus_open(&c->bus, c->loop, NULL, &bc, &why), PL_OK);
}

static void on_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	(void)m, (void)why;
	struct client *c = arg;
	c->n++;
	c->err = err;
}

static bool came(void *arg)
{
	return ((struct client *)arg)->n > 0;
}

static void turn(void *loop)
{
	struct timespec ts = { .tv_nsec = 1000 * 1000 };
	pl_loop_turn(loop);
	nanosleep(&ts, NULL);
}

static enum pl_err echo(struct client *c)
{
	struct pl_why why;
	c->n = 0;
	ck_assert(bus_request(c->bus, &(struct bus_out){ .subject = "rpc.victim.Echo" }, 20000, on_reply, c, &why) !=
		  0);
	ck_assert(tk_until(came, c, turn, c->loop, 40));
	return c->err;
}

static void client_close(struct client *c)
{
	bus_close(c->bus);
	pl_loop_free(c->loop);
}

START_TEST(a_service_says_ready_answers_drains_and_ends_with_0)
{
	struct client c;
	struct tk *v = victim("--drain-ms=1500", health_port);
	ck_assert_str_eq(notified(), "READY=1");
	ck_assert_int_eq(http_status("/readyz"), 200);
	client_open(&c);
	ck_assert_int_eq(echo(&c), PL_OK);
	kill(tk_pid(v), SIGTERM);
	ck_assert_str_eq(notified(), "STOPPING=1");
	ck_assert_int_eq(http_status("/readyz"), 503);
	ck_assert_int_eq(http_status("/healthz"), 200);
	ck_assert_int_eq(echo(&c), PL_OK); /* it still works while it drains */
	int st = tk_stop(v);               /* a second signal: at once */
	ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	ck_assert_int_eq(echo(&c), PL_E_UNAVAIL);
	client_close(&c);
	tk_free(v);
}
END_TEST

START_TEST(a_drain_ends_by_itself)
{
	struct tk *v = victim("--drain-ms=50", health_port);
	ck_assert_str_eq(notified(), "READY=1");
	int st = tk_stop(v);
	ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	tk_free(v);
}
END_TEST

START_TEST(a_second_signal_stops_at_once)
{
	struct tk *v = victim("--drain-ms=600000", health_port);
	ck_assert_str_eq(notified(), "READY=1");
	kill(tk_pid(v), SIGINT);
	ck_assert_str_eq(notified(), "STOPPING=1");
	int64_t from = pl_mono_us();
	int st = tk_stop(v);
	ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	ck_assert_int_lt(pl_mono_us() - from, 10 * PL_US_PER_S);
	tk_free(v);
}
END_TEST

START_TEST(a_service_waits_for_nats_and_is_not_ready_while_it_is_away)
{
	tk_kill(nats);
	struct tk *v = victim("--drain-ms=1", 0);
	struct pollfd p = { .fd = notify_fd, .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 700), 0);
	tk_start(nats);
	ck_assert_str_eq(notified(), "READY=1");
	tk_kill(nats);
	int64_t end = pl_mono_us() + 40 * PL_US_PER_S;
	while (http_status("/readyz") != 503)
		ck_assert_int_lt(pl_mono_us(), end);
	tk_start(nats);
	while (http_status("/readyz") != 200)
		ck_assert_int_lt(pl_mono_us(), end);
	int st = tk_stop(v);
	ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	tk_free(v);
}
END_TEST

static int exit_status(const char *option)
{
	struct tk *v = victim(option, 0);
	siginfo_t si = { 0 };
	ck_assert_int_eq(waitid(P_PID, (id_t)tk_pid(v), &si, WEXITED | WNOWAIT), 0);
	tk_free(v);
	return si.si_status;
}

START_TEST(bad_options_end_with_2_and_help_with_0)
{
	ck_assert_int_eq(exit_status("--drain-ms=x"), 2);
	ck_assert_int_eq(exit_status("--log-level=loud"), 2);
	ck_assert_int_eq(exit_status("--node=No"), 2);
	ck_assert_int_eq(exit_status("--help"), 0);
	ck_assert_int_eq(exit_status("--options"), 0);
	ck_assert_int_eq(exit_status("--health-host=256.1.1.1"), 2);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc != 2)
		return 99;
	program = realpath(argv[1], NULL);
	Suite *s = suite_create("app");
	TCase *c = tcase_create("app");
	tcase_set_timeout(c, 100);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_service_says_ready_answers_drains_and_ends_with_0);
	tcase_add_test(c, a_drain_ends_by_itself);
	tcase_add_test(c, a_second_signal_stops_at_once);
	tcase_add_test(c, a_service_waits_for_nats_and_is_not_ready_while_it_is_away);
	tcase_add_test(c, bad_options_end_with_2_and_help_with_0);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
