#include <parley/cfg.h>

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct opts {
	char *name, *pw;
	int64_t port;
	bool tls;
};

static const struct cfg_opt table[] = {
	{ "name", CFG_STR, offsetof(struct opts, name), "none", 0, 8, "", "Its name." },
	{ "sip-port", CFG_INT, offsetof(struct opts, port), "5060", 1, 65535, "", "Where it listens." },
	{ "tls", CFG_BOOL, offsetof(struct opts, tls), "no", 0, 0, "", "Whether \"TLS\" is used." },
	{ "pw-file", CFG_SECRET, offsetof(struct opts, pw), NULL, 0, 0, "", "Password." },
	CFG_END
};

static struct opts o;
static struct pl_why why;
static struct pl_arena *arena;
static char dir[] = "/tmp/parley-cfg-XXXXXX", path[64];

static void setup(void)
{
	arena = pl_arena_new(0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
	pl_arena_free(arena);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static enum pl_err load(char *a1, char *a2)
{
	char *argv[] = { "x", a1, a2, NULL };
	memset(&o, 0, sizeof(o));
	memset(&why, 0, sizeof(why));
	return cfg_load((const struct cfg_opt *const[]){ table }, (void *const[]){ &o }, 1,
			a2   ? 3
			: a1 ? 2
			     : 1,
			argv, arena, &why);
}

static char *with_path(const char *fmt)
{
	static char arg[128];
	snprintf(arg, sizeof(arg), fmt, path);
	return arg;
}

START_TEST(later_sources_win)
{
	ck_assert_int_eq(load(NULL, NULL), PL_OK);
	ck_assert_str_eq(o.name, "none");
	ck_assert_int_eq(o.port, 5060);
	ck_assert_ptr_null(o.pw);
	setenv("PARLEY_SIP_PORT", "1", 1);
	setenv("PARLEY_NAME", "env", 1);
	ck_assert_int_eq(load(NULL, NULL), PL_OK);
	ck_assert_int_eq(o.port, 1);
	put("# all of it\n  sip-port = 2   # two\ntls=on\r\n");
	ck_assert_int_eq(load(with_path("--config=%s"), NULL), PL_OK);
	ck_assert_int_eq(o.port, 2);
	ck_assert(o.tls);
	ck_assert_str_eq(o.name, "env");
	ck_assert_int_eq(load(with_path("--config=%s"), "--sip-port=3"), PL_OK);
	ck_assert_int_eq(o.port, 3);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	static const struct {
		char *arg;
		const char *field, *text;
	} bad[] = { { "--sip-port=0", "sip-port", "from 1 to 65535" },
		    { "--sip-port=5060x", "sip-port", "whole number" },
		    { "--sip-port=", "sip-port", "whole number" },
		    { "--tls=maybe", "tls", "yes or no" },
		    { "--name=123456789", "name", "longer than 8" },
		    { "--nme=x", "", "--nme" },
		    { "name=x", "", "--name=value" },
		    { "--sip-port=99999999999999999999", "sip-port", "from 1" },
		    { "--config=/does/not/exist", "config", "No such" } };
	for (size_t i = 0; i < PL_ARRAY_N(bad); i++) {
		ck_assert_int_eq(load(bad[i].arg, NULL), PL_E_FORMAT);
		ck_assert_str_eq(why.field, bad[i].field);
		ck_assert_msg(strstr(why.text, bad[i].text) != NULL, "%s", why.text);
	}
	put("tls = on\n\nunknown = 1\n");
	ck_assert_int_eq(load(with_path("--config=%s"), NULL), PL_E_FORMAT);
	ck_assert_msg(strstr(why.text, ":3: no option is called \"unknown\"") != NULL, "%s", why.text);
}
END_TEST

START_TEST(a_secret_is_the_content_of_a_file)
{
	put("s3cret#with = signs\n");
	ck_assert_int_eq(load(with_path("--pw-file=%s"), NULL), PL_OK);
	ck_assert_str_eq(o.pw, "s3cret#with = signs");
	put("\n");
	ck_assert_int_eq(load(with_path("--pw-file=%s"), NULL), PL_E_FORMAT);
	ck_assert_int_eq(load("--pw-file=/does/not/exist", NULL), PL_E_FORMAT);
	ck_assert_str_eq(why.field, "pw-file");
}
END_TEST

START_TEST(options_are_printed_for_people_and_as_json)
{
	FILE *out = freopen(path, "w+", stdout);
	ck_assert_int_eq(load("--options", NULL), PL_E_CANCELLED);
	fflush(out);
	json_t *j = json_load_file(path, 0, NULL);
	ck_assert_uint_eq(json_array_size(j), 4);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 2), "help")), "Whether \"TLS\" is used.");
	json_decref(j);
	ck_assert_int_eq(load("--help", NULL), PL_E_CANCELLED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cfg");
	TCase *c = tcase_create("cfg");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, later_sources_win);
	tcase_add_test(c, what_is_wrong_is_named);
	tcase_add_test(c, a_secret_is_the_content_of_a_file);
	tcase_add_test(c, options_are_printed_for_people_and_as_json);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
