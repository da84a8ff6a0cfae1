#include <parley/testkit.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_nats_server_comes_back_on_the_same_port)
{
	struct tk *t = tk_nats(NULL);
	pid_t first = tk_pid(t);
	ck_assert_int_gt(first, 0);
	tk_kill(t);
	ck_assert_int_eq(tk_pid(t), 0);
	tk_start(t);
	ck_assert_int_ne(tk_pid(t), first);
	char dir[64];
	snprintf(dir, sizeof(dir), "%s", tk_dir(t));
	tk_free(t);
	ck_assert_int_ne(access(dir, F_OK), 0);
}
END_TEST

START_TEST(redis_and_postgres_come_up)
{
	struct tk *r = tk_redis(), *p = tk_pg();
	ck_assert_str_ne(tk_url(r), "");
	char cmd[256];
	snprintf(cmd, sizeof(cmd), "/usr/lib/postgresql/15/bin/psql -qtA \"%s\" -c 'select 1' >%s/out", tk_url(p),
		 tk_dir(r));
	ck_assert_int_eq(system(cmd), 0);
	tk_stop(p);
	tk_start(p);
	tk_free(p);
	tk_free(r);
}
END_TEST

static bool gone(void *dir)
{
	return access(dir, F_OK) != 0;
}

START_TEST(a_killed_test_leaves_neither_server_nor_directory)
{
	int p[2];
	char buf[128] = "";
	ck_assert_int_eq(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct tk *t = tk_nats(NULL);
		dprintf(p[1], "%s %d", tk_dir(t), tk_pid(t));
		raise(SIGKILL);
	}
	close(p[1]);
	ck_assert_int_gt(read(p[0], buf, sizeof(buf) - 1), 0);
	waitpid(pid, NULL, 0);
	char dir[64];
	int server;
	ck_assert_int_eq(sscanf(buf, "%63s %d", dir, &server), 2);
	ck_assert(tk_until(gone, dir, NULL, NULL, 20));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("testkit");
	TCase *c = tcase_create("servers");
	tcase_set_timeout(c, 90);
	tcase_add_test(c, a_nats_server_comes_back_on_the_same_port);
	tcase_add_test(c, redis_and_postgres_come_up);
	tcase_add_test(c, a_killed_test_leaves_neither_server_nor_directory);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
