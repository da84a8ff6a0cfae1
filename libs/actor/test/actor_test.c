/* The test process is one node; others are this program run as "actor_test node NAME URL N": they save N machines,
 * report on test.<name> what happens to them, and can be killed or stopped. */
#include <check.h>
#include <parley/actor.h>
#include <parley/testkit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIMIT_S 40

static struct tk *nats;
static struct pl_loop *loop;
static struct bus *bus;
static struct actors *set;
static struct pl_why why;
static char self[4096];

/* --- a node as another process --- */

static void must(enum pl_err err) /* check's own macros work in its process only */
{
	if (err)
		exit(1);
}

static void say(struct bus *b, const char *text)
{
	char subject[64];
	struct bus_out o = { .subject = subject, .type = "text", .data = text, .len = strlen(text) };

	snprintf(subject, sizeof(subject), "test.%s", bus_node(b));
	must(bus_publish(b, &o));
}

static void child_adopt(void *arg, const char *id, const void *body, size_t len)
{
	char text[200];

	snprintf(text, sizeof(text), "adopted %s %.*s", id, (int)len, (const char *)body);
	say(bus, text);
}
static void child_lost(void *arg)
{
	say(bus, "lost");
}
static void child_saved(void *arg)
{
	say(bus, "saved");
}

static int child_n;
static bool child_started;
static struct pl_timer *child_timer;

static void child_tick(void *arg)
{
	if (child_started || !actors_held(set))
		return;
	child_started = true;
	if (!child_n)
		say(bus, "saved");
	for (int i = 0; i < child_n; i++) {
		char id[64], body[64];
		snprintf(id, sizeof(id), "%s-m%d", bus_node(bus), i);
		snprintf(body, sizeof(body), "old %d", i);
		must(actor_save(set, id, body, strlen(body), NULL, NULL));
		snprintf(body, sizeof(body), "new %d", i); /* in the same turn: only this one is written */
		must(actor_save(set, id, body, strlen(body), child_saved, NULL));
	}
}

static int run_child(char **argv)
{
	struct bus_cfg bc = { .url = argv[3], .service = "unit", .node = argv[2], .connect_wait_ms = 20000 };
	struct actors_cfg ac = { .kind = "unit", .keep_s = 600, .adopt = child_adopt, .lost = child_lost };

	child_n = atoi(argv[4]);
	if (pl_loop_new(&loop, &why) || bus_open(&bus, loop, NULL, &bc, &why) || actors_open(&set, bus, &ac, &why) ||
	    pl_timer_new(&child_timer, loop, child_tick, NULL)) {
		fprintf(stderr, "child: %s\n", why.text);
		return 1;
	}
	pl_timer_every(child_timer, 20000);
	pl_loop_run(loop);
	return 0;
}

static struct tk *child(const char *name, int n)
{
	char count[12];

	snprintf(count, sizeof(count), "%d", n);
	const char *const argv[] = { self, "node", name, tk_url(nats), count, NULL };
	return tk_program(argv, 0);
}

/* --- this node --- */

struct heard {
	int saved, lost, adopted;
	char last[200];
};
static struct heard heard_a, heard_b;
static int adopted, lost, wrong_body;

static void on_test(void *arg, const struct bus_msg *m)
{
	struct heard *h = arg;

	snprintf(h->last, sizeof(h->last), "%.*s", (int)m->len, (const char *)m->data);
	h->saved += strncmp(h->last, "saved", 5) == 0;
	h->lost += strncmp(h->last, "lost", 4) == 0;
	h->adopted += strncmp(h->last, "adopted", 7) == 0;
}

static void on_adopt(void *arg, const char *id, const void *body, size_t len)
{
	adopted++;
	wrong_body += len < 4 || memcmp(body, "new ", 4) != 0;
}
static void on_lost(void *arg)
{
	lost++;
}

static void turn(void *l)
{
	pl_loop_turn(l);
}
static void until(bool (*ok)(void *), void *arg)
{
	ck_assert(tk_until(ok, arg, turn, loop, LIMIT_S));
}
static bool held(void *arg)
{
	return actors_held(set);
}
static bool not_held(void *arg)
{
	return !actors_held(set);
}

static void open_set(const char *node)
{
	struct bus_cfg bc = { .url = tk_url(nats), .service = "unit", .node = node, .connect_wait_ms = 20000 };
	struct actors_cfg ac = { .kind = "unit", .keep_s = 600, .adopt = on_adopt, .lost = on_lost };
	struct bus_sub *sub;

	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_msg(bus_open(&bus, loop, NULL, &bc, &why) == PL_OK, "%s", why.text);
	ck_assert_int_eq(bus_subscribe(&sub, bus, "test.node-a", NULL, on_test, &heard_a, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&sub, bus, "test.node-b", NULL, on_test, &heard_b, &why), PL_OK);
	ck_assert_int_eq(actors_open(&set, bus, &ac, &why), PL_OK);
	until(held, NULL);
}

static void close_set(void)
{
	actors_close(set);
	bus_close(bus);
	pl_loop_free(loop);
}

static void setup(void)
{
	nats = tk_nats(NULL);
	memset(&heard_a, 0, sizeof(heard_a));
	memset(&heard_b, 0, sizeof(heard_b));
	adopted = lost = wrong_body = 0;
	open_set("node-0");
}

static void teardown(void)
{
	close_set();
	tk_free(nats);
}

static bool a_saved_20(void *arg)
{
	return heard_a.saved == 20;
}
static bool b_ready(void *arg)
{
	return heard_b.saved == 1;
}
static bool all_20(void *arg)
{
	return adopted + heard_b.adopted >= 20;
}
static bool a_lost(void *arg)
{
	return heard_a.lost > 0;
}

static char owner[64];
static int answers;
static void on_owner(void *arg, const char *node)
{
	pl_strlcpy(owner, node, sizeof(owner));
	answers++;
}
static int claims;
static void on_claim(void *arg, bool ours)
{
	claims += ours;
	answers++;
}
static bool answered(void *arg)
{
	return answers > 0;
}

static const char *ask_owner(const char *id)
{
	answers = 0;
	actor_owner(set, id, on_owner, NULL);
	until(answered, NULL);
	return owner;
}

static int claim(const char *id)
{
	answers = claims = 0;
	actor_claim(set, id, on_claim, NULL);
	until(answered, NULL);
	return claims;
}

static bool saved;
static void on_saved(void *arg)
{
	saved = true;
}
static bool is_saved(void *arg)
{
	return saved;
}

static void save(const char *id, const char *body)
{
	saved = false;
	ck_assert_int_eq(actor_save(set, id, body, strlen(body), on_saved, NULL), PL_OK);
}

START_TEST(a_machine_is_saved_found_and_ended)
{
	save("m1", "new 1");
	until(is_saved, NULL);
	ck_assert_str_eq(ask_owner("m1"), "node-0");
	ck_assert_uint_eq(actors_n(set), 1);
	actor_end(set, "m1");
	save("m2", "new 2");
	until(is_saved, NULL);
	ck_assert_str_eq(ask_owner("nobody"), "");
	ck_assert_int_eq(claim("nobody"), 0);
	ck_assert_int_eq(claim("m2"), 1);
	ck_assert_int_eq(adopted, 0);
}
END_TEST

START_TEST(what_is_too_large_or_misnamed_is_refused)
{
	char *big = calloc(1, 300000);

	ck_assert_int_eq(actor_save(set, "m", big, 300000, NULL, NULL), PL_E_FULL);
	ck_assert_int_eq(actor_save(set, "a b", "x", 1, NULL, NULL), PL_E_FORMAT);
	ck_assert_int_eq(actor_save(set, "", "x", 1, NULL, NULL), PL_E_FORMAT);
	free(big);
}
END_TEST

START_TEST(survivors_share_the_machines_of_a_killed_node_each_exactly_once)
{
	struct tk *a = child("node-a", 20), *b = child("node-b", 0);

	until(a_saved_20, NULL);
	until(b_ready, NULL);
	ck_assert_str_eq(ask_owner("node-a-m3"), "node-a");
	ck_assert_int_eq(claim("node-a-m3"), 0); /* its owner lives */
	tk_kill(a);
	until(all_20, NULL);
	ck_assert_int_eq(adopted + heard_b.adopted, 20);
	ck_assert_int_eq(wrong_body, 0);
	ck_assert_int_eq(lost, 0);
	ck_assert_uint_eq(actors_n(set), (size_t)adopted);
	tk_free(a);
	tk_free(b);
}
END_TEST

START_TEST(a_node_that_slept_gives_its_machines_up)
{
	struct tk *a = child("node-a", 20);

	until(a_saved_20, NULL);
	tk_pause(a);
	until(all_20, NULL);
	tk_resume(a);
	until(a_lost, NULL);
	ck_assert_int_eq(heard_a.adopted, 0);
	ck_assert_int_eq(adopted, 20);
	tk_free(a);
}
END_TEST

START_TEST(nats_away_keeps_the_machines_and_the_newest_state)
{
	save("m1", "new 1");
	until(is_saved, NULL);
	tk_kill(nats);
	until(not_held, NULL);
	save("m1", "new 2");
	save("m1", "new 3");
	tk_start(nats);
	until(is_saved, NULL);
	until(held, NULL);
	ck_assert_int_eq(lost, 0);
	ck_assert_uint_eq(actors_n(set), 1);
	ck_assert_str_eq(ask_owner("m1"), "node-0");
}
END_TEST

static bool adopted_one(void *arg)
{
	return adopted == 1;
}

START_TEST(a_node_that_starts_again_under_its_name_gets_its_machines_back)
{
	save("m1", "new 1");
	until(is_saved, NULL);
	close_set();
	open_set("node-0");
	until(adopted_one, NULL);
	ck_assert_int_eq(wrong_body, 0);
	save("m1", "new 2"); /* and may go on writing */
	until(is_saved, NULL);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "node") == 0)
		return run_child(argv);
	TCase *tc = tcase_create("actor");
	Suite *s = suite_create("actor");

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_machine_is_saved_found_and_ended);
	tcase_add_test(tc, what_is_too_large_or_misnamed_is_refused);
	tcase_add_test(tc, survivors_share_the_machines_of_a_killed_node_each_exactly_once);
	tcase_add_test(tc, a_node_that_slept_gives_its_machines_up);
	tcase_add_test(tc, nats_away_keeps_the_machines_and_the_newest_state);
	tcase_add_test(tc, a_node_that_starts_again_under_its_name_gets_its_machines_back);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
