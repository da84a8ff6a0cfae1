/* Many calls in a row with SIPp at both ends: none is lost, no leg stays, memory comes back.
 * PARLEY_LOAD="<calls> <per second>" changes the size, for measuring. */
#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int errors = -1; /* what SIPp says */

static pid_t sipp(const char *const *argv)
{
	if (errors < 0)
		errors = memfd_create("sipp", 0);
	pid_t pid = fork();
	if (pid)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(errors, 2);
	execvp("sipp", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool ended(void *arg)
{
	int *status = arg;
	return waitpid(status[0], &status[1], WNOHANG) == status[0];
}

/* Somebody has bound the UDP port. */
static bool taken(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t) * (int *)arg),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool in_use = bind(fd, (struct sockaddr *)&a, sizeof a) != 0;
	close(fd);
	return in_use;
}

/* Until it ends, however long it takes: SIPp itself gives up by -timeout. */
static int wait_for(pid_t pid)
{
	int status[2] = { pid, 0 };
	while (!ended(status))
		rig_turn();
	return WIFEXITED(status[1]) ? WEXITSTATUS(status[1]) : 255;
}

static bool legs_zero(void *arg)
{
	return rig_metric("parley_sip_edge_legs") == 0;
}

static int run(int calls, int rate)
{
	char target[32], far_port[16], m[16], r[16], port[16], timeout[16];
	int uas_port = tk_free_port(), uac_port = rig.carrier_ports[CARRIER_PORTS - 1];
	snprintf(target, sizeof target, "127.0.0.1:%d", rig.sip_port);
	snprintf(far_port, sizeof far_port, "%d", uas_port);
	snprintf(port, sizeof port, "%d", uac_port);
	snprintf(m, sizeof m, "%d", calls);
	snprintf(r, sizeof r, "%d", rate);
	snprintf(timeout, sizeof timeout, "%ds", calls / rate + 60);
	snprintf(rig.far, sizeof rig.far, "sip:m0@127.0.0.1:%d", uas_port);
	const char *uas[] = { "sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", far_port, "-nostdin", NULL };
	const char *uac[] = {
		"sipp", "-sn", "uac", "-s",   "100", "-i",  "127.0.0.1", "-p",       port,    "-m",   m,
		"-r",   r,     "-l",  "5000", "-d",  "200", "-nostdin",  "-timeout", timeout, target, NULL
	};
	pid_t far = sipp(uas);
	ck_assert(rig_until(taken, &uas_port));
	pid_t near = sipp(uac);
	int code = wait_for(near);
	kill(far, SIGKILL);
	wait_for(far);
	char text[4096];
	ssize_t n = code ? pread(errors, text, sizeof text, 0) : 0;
	if (n > 0)
		fprintf(stderr, "SIPp (%d): %.*s\n", code, (int)n, text);
	return code;
}

START_TEST(a_thousand_calls_leave_no_leg_and_no_memory)
{
	int calls = 1000, rate = 50;
	const char *size = getenv("PARLEY_LOAD");
	if (size)
		ck_assert_int_eq(sscanf(size, "%d %d", &calls, &rate), 2);
	rig_open(NULL);
	rig.policy = RIG_BRIDGE;
	ck_assert_int_eq(run(200, 50), 0); /* pools and tables have their size after this */
	long before = rig_edge_rss_kb();
	double cpu = rig_edge_cpu_s();
	int incoming = rig.n_incoming;
	ck_assert_int_eq(run(calls, rate), 0);
	ck_assert(rig_until(legs_zero, NULL));
	cpu = rig_edge_cpu_s() - cpu;
	long peak = rig_edge_rss_kb();
	ck_assert_int_eq(rig.n_incoming - incoming, calls);
	/* The transactions of a finished call stay for 32 s (RFC 3261 17.1.1.2 and 17.2.2). */
	for (int64_t end = pl_mono_us() + 50 * PL_US_PER_S; pl_mono_us() < end;)
		rig_turn();
	long after = rig_edge_rss_kb();
	printf("%d two-leg calls at %d/s: %.3f CPU-s per 1000 (sip-edge alone), RSS %ld kB before, %ld at the end, %ld "
	       "after 50 s\n",
	       calls, rate, cpu * 1000 / calls, before, peak, after);
	ck_assert_int_eq(run(200, 50), 0);
	long again = rig_edge_rss_kb();
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory on purpose */
	ck_assert_msg(again <= peak + 2048, "grew from %ld to %ld kB", peak, again);
	ck_assert_msg(after <= before + (peak - before) / 2, "%ld kB of %ld were not given back", after - before,
		      peak - before);
#else
	(void)again;
	(void)after;
#endif
}
END_TEST

START_TEST(sip_edge_ends_well)
{
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge load");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 0);
	tcase_add_test(c, a_thousand_calls_leave_no_leg_and_no_memory);
	suite_add_tcase(s, c);
	TCase *end = tcase_create("end");
	tcase_set_timeout(end, 0);
	tcase_add_test(end, sip_edge_ends_well);
	suite_add_tcase(s, end);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
