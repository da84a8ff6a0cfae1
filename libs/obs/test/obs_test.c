#include <parley/obs.h>

#include <check.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct pl_loop *loop;
static struct obs *obs;
static struct pl_why why;

static void setup(void)
{
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_int_eq(obs_new(&obs, loop, "sip-edge", "sip-edge-1", &why), PL_OK);
	ck_assert_int_eq(obs_listen(obs, "127.0.0.1", 0, &why), PL_OK);
	ck_assert_int_gt(obs_port(obs), 0);
}

static void teardown(void)
{
	obs_free(obs);
	pl_loop_freep(&loop);
}

struct get {
	const char *path;
	long status;
	char body[65536];
	size_t n;
};

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct get *g = arg;
	ck_assert_uint_lt(g->n + n, sizeof(g->body));
	memcpy(g->body + g->n, p, n);
	g->n += n;
	return n * one;
}

static void *client(void *arg)
{
	struct get *g = arg;
	char url[128];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", obs_port(obs), g->path);
	CURL *c = curl_easy_init();
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, g);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
	curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &g->status);
	curl_easy_cleanup(c);
	pl_loop_stop(loop);
	return NULL;
}

static struct get *get(const char *path)
{
	static struct get g;
	pthread_t t;
	memset(&g, 0, sizeof(g));
	g.path = path;
	pthread_create(&t, NULL, client, &g);
	pl_loop_run(loop);
	pthread_join(t, NULL);
	return &g;
}

START_TEST(readiness_names_what_is_missing)
{
	struct obs_check *a = obs_check_new(obs, "bus"), *b = obs_check_new(obs, "pg");
	ck_assert_int_eq(get("/readyz")->status, 503);
	obs_check_set(a, true, "");
	obs_check_set(b, false, "no connection to 127.0.0.1");
	struct get *g = get("/readyz");
	ck_assert_int_eq(g->status, 503);
	ck_assert_str_eq(g->body, "pg: no connection to 127.0.0.1\n");
	obs_check_set(b, true, NULL);
	g = get("/readyz");
	ck_assert_int_eq(g->status, 200);
	ck_assert_str_eq(g->body, "ready\n");
	ck_assert_int_eq(get("/healthz")->status, 200);
	ck_assert_int_eq(get("/nothing")->status, 404);
}
END_TEST

static void refresh(void *arg)
{
	obs_set(arg, 42);
}

START_TEST(metrics_are_grouped_by_name_and_refreshed_before_a_scrape)
{
	struct obs_metric *sip = obs_metric_new(obs, OBS_COUNTER, "calls_total", "kind=\"sip\"", "Calls.");
	struct obs_metric *gauge = obs_metric_new(obs, OBS_GAUGE, "legs", NULL, "Legs now.");
	struct obs_metric *web = obs_metric_new(obs, OBS_COUNTER, "calls_total", "kind=\"web\"", "Calls.");
	ck_assert_ptr_eq(obs_metric_new(obs, OBS_COUNTER, "calls_total", "kind=\"web\"", "Calls."), web);
	ck_assert_ptr_null(obs_metric_new(obs, OBS_GAUGE, "calls_total", NULL, "other kind"));
	obs_add(sip, 3);
	obs_add(web, 4);
	obs_add(NULL, 1);
	obs_on_scrape(obs, refresh, gauge);
	struct get *g = get("/metrics");
	ck_assert_int_eq(g->status, 200);
	ck_assert_ptr_nonnull(strstr(g->body, "# HELP parley_sip_edge_calls_total Calls.\n"
					      "# TYPE parley_sip_edge_calls_total counter\n"
					      "parley_sip_edge_calls_total{kind=\"sip\"} 3\n"
					      "parley_sip_edge_calls_total{kind=\"web\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_legs 42\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "process_resident_memory_bytes "));
}
END_TEST

START_TEST(a_histogram_counts_upwards_in_seconds)
{
	struct obs_metric *h = obs_metric_new(obs, OBS_HISTOGRAM, "rpc_seconds", "m=\"x\"", "Time.");
	obs_observe(h, 100);
	obs_observe(h, 101);
	obs_observe(h, 90 * PL_US_PER_S);
	struct get *g = get("/metrics");
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_bucket{m=\"x\",le=\"0.0001\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_bucket{m=\"x\",le=\"0.00025\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_bucket{m=\"x\",le=\"60\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_bucket{m=\"x\",le=\"+Inf\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_sum{m=\"x\"} 90.000201\n"));
	ck_assert_ptr_nonnull(strstr(g->body, "parley_sip_edge_rpc_seconds_count{m=\"x\"} 3\n"));
}
END_TEST

START_TEST(a_port_in_use_is_an_error_with_the_options_name)
{
	struct obs *second = NULL;
	ck_assert_int_eq(obs_new(&second, loop, "x", "x-1", &why), PL_OK);
	ck_assert_int_eq(obs_listen(second, "127.0.0.1", obs_port(obs), &why), PL_E_IO);
	ck_assert_str_eq(why.field, "health-port");
	obs_free(second);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("obs");
	TCase *c = tcase_create("obs");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, readiness_names_what_is_missing);
	tcase_add_test(c, metrics_are_grouped_by_name_and_refreshed_before_a_scrape);
	tcase_add_test(c, a_histogram_counts_upwards_in_seconds);
	tcase_add_test(c, a_port_in_use_is_an_error_with_the_options_name);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
