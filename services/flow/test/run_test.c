/* Golden sessions: what comes in, what goes out. */
#include "session.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP(x, in, out) ck_assert_str_eq(session_step((x), (in)), (out))

static const char main_menu[] =
	"{'start':'in','show':['topic'],'nodes':{"
	"'in':{'type':'answer','next':'hours'},"
	"'hours':{'type':'hours','schedule':'week','open':'menu','closed':'night'},"
	"'menu':{'type':'menu','prompt':['Hello.','Press 1 or 2.'],'invalid_prompt':'No such "
	"choice.','timeout_prompt':'Still there?',"
	"  "
	"'tries':2,'variable':'topic','choices':{'1':{'to':'support','label':'Fault'},'2':'sales'},'timeout':'support',"
	"'invalid':'bye'},"
	"'support':{'type':'queue','queue':'q-support','priority':5,'greeting':'You called about "
	"{{topic}}.','otherwise':'sorry'},"
	"'sales':{'type':'queue','queue':'q-sales','exit_key':'*','exit':'menu','otherwise':'sorry'},"
	"'night':{'type':'say','text':'We are closed.','next':'bye'},"
	"'sorry':{'type':'say','text':'Nobody can take your call.','next':'bye'},"
	"'bye':{'type':'hangup'}}}";

START_TEST(a_caller_chooses_and_waits_in_the_queue)
{
	struct session *x = session_new(main_menu);
	x->open[0] = true;
	STEP(x, "start", "answer | collect(say(en:Hello.) say(en:Press 1 or 2.)) max 1 ; hours=open");
	STEP(x, "digits 1",
	     "queue q-support say(en:You called about 1 Fault.) ; menu=1:Fault ; enqueue q-support at 5");
	ck_assert_str_eq(session_var(x, "topic"), "1 Fault");
	STEP(x, "left answered-and-ended", "hangup ; support=answered ; ended queue");
	STEP(x, "gone", "refused");
}
END_TEST

START_TEST(outside_opening_hours_the_caller_is_told_and_hung_up)
{
	struct session *x = session_new(main_menu);
	STEP(x, "start", "answer | play say(en:We are closed.) | hangup ; hours=closed ; ended hangup");
}
END_TEST

START_TEST(a_menu_is_played_again_until_the_tries_are_used_up)
{
	struct session *x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	STEP(x, "digits 9", "collect(say(en:No such choice.) say(en:Hello.) say(en:Press 1 or 2.)) max 1");
	STEP(x, "digits", "queue q-support say(en:You called about .) ; menu=timeout ; enqueue q-support at 5");
	x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	STEP(x, "digits", "collect(say(en:Still there?) say(en:Hello.) say(en:Press 1 or 2.)) max 1");
	STEP(x, "digits 7", "hangup ; menu=invalid ; ended hangup");
}
END_TEST

START_TEST(the_tries_start_again_when_the_menu_is_entered_again)
{
	struct session *x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	(void)session_step(x, "digits 9");
	STEP(x, "digits 2", "queue q-sales ; menu=2 ; enqueue q-sales at 0");
	STEP(x, "left exit-key", "collect(say(en:Hello.) say(en:Press 1 or 2.)) max 1 ; sales=exit");
	STEP(x, "digits 9", "collect(say(en:No such choice.) say(en:Hello.) say(en:Press 1 or 2.)) max 1");
}
END_TEST

START_TEST(a_queue_output_that_is_not_given_takes_otherwise)
{
	static const char *const reasons[] = { "timeout", "empty", "full", "closed", "something-new" };
	for (size_t i = 0; i < PL_ARRAY_N(reasons); i++) {
		struct session *x = session_new(main_menu);
		x->open[0] = true;
		char in[64], out[160];
		(void)session_step(x, "start");
		(void)session_step(x, "digits 2");
		snprintf(in, sizeof(in), "left %s", reasons[i]);
		snprintf(out, sizeof(out), "play say(en:Nobody can take your call.) | hangup ; sales=%s ; ended hangup",
			 i < 4 ? reasons[i] : "otherwise");
		STEP(x, in, out);
	}
}
END_TEST

START_TEST(an_output_that_leads_nowhere_hangs_up)
{
	struct session *x = session_new("{'start':'q','nodes':{'q':{'type':'queue','queue':'a'}}}");
	STEP(x, "start", "queue a ; enqueue a at 0");
	STEP(x, "left timeout", "hangup ; q=timeout ; ended hangup");
	x = session_new("{'start':'d','nodes':{'d':{'type':'dial','number':'+39{{x}}'}}}");
	flow_var_set(x->s, "x", "0432", false);
	STEP(x, "start", "dial +390432");
	STEP(x, "failed", "hangup ; d=failed ; ended hangup");
}
END_TEST

START_TEST(a_survey_may_follow_when_the_agent_has_hung_up)
{
	struct session *x = session_new(
		"{'start':'q','nodes':{'q':{'type':'queue','queue':'a','answered':'s'},"
		"'s':{'type':'collect','prompt':'From 1 to 5?','variable':'score','max_digits':1,'next':'h',"
		"'timeout':'h'},'h':{'type':'hangup'}}}");
	(void)session_step(x, "start");
	STEP(x, "left answered-and-ended", "collect(say(en:From 1 to 5?)) max 1 end # ; q=answered");
	STEP(x, "digits 4", "hangup ; s=next ; ended hangup");
	ck_assert_str_eq(session_var(x, "score"), "4");
}
END_TEST

START_TEST(the_customer_who_goes_ends_the_session_wherever_it_waits)
{
	struct session *x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	STEP(x, "gone", " ; ended customer-gone");
	x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	(void)session_step(x, "digits 1");
	STEP(x, "gone", " ; ended customer-gone");
}
END_TEST

static const char with_finally[] =
	"{'start':'m','finally':'f','nodes':{"
	"'m':{'type':'menu','prompt':'1?','choices':{'1':'h'},'timeout':'h'},'h':{'type':'hangup','status':486},"
	"'f':{'type':'if','when':{'variable':'from_number','is':'prefix','value':'+39'},'true':'it','false':'other'},"
	"'it':{'type':'set','variables':{'country':'Italy'},'next':'end'},"
	"'other':{'type':'set','variables':{'country':'{{from_number}}?'},'next':'end'},'end':{'type':'hangup'}}}";

START_TEST(finally_runs_once_however_the_session_ends)
{
	struct session *x = session_new(with_finally);
	flow_var_set(x->s, "from_number", "+390432", false);
	(void)session_step(x, "start");
	STEP(x, "gone", " ; f=true ; ended customer-gone");
	ck_assert_str_eq(session_var(x, "country"), "Italy");
	x = session_new(with_finally);
	flow_var_set(x->s, "from_number", "+44", false);
	(void)session_step(x, "start");
	STEP(x, "digits 1", "hangup 486 ; m=1 ; f=false ; ended hangup");
	ck_assert_str_eq(session_var(x, "country"), "+44?");
}
END_TEST

START_TEST(a_loop_in_which_nobody_does_anything_is_ended)
{
	struct session *x = session_new(
		"{'start':'a','finally':'f','nodes':{'a':{'type':'goto','to':'b'},'b':{'type':'goto','to':'a'},"
		"'f':{'type':'set','variables':{'x':'1'},'next':'h'},'h':{'type':'hangup'}}}");
	STEP(x, "start", "hangup ; ended failed: the flow runs in a loop");
	ck_assert_str_eq(session_var(x, "x"), "1");
}
END_TEST

START_TEST(a_loop_over_menus_nobody_answers_is_ended_too)
{
	struct session *x = session_new(
		"{'start':'m','nodes':{'m':{'type':'menu','prompt':'?','tries':1,'choices':{'1':'m'},'timeout':'m'}}}");
	(void)session_step(x, "start");
	for (int i = 1; i < FLOW_SESSION_NODES_MAX; i++)
		STEP(x, "digits", "collect(say(en:?)) max 1 ; m=timeout");
	STEP(x, "digits", "hangup ; m=timeout ; ended failed: the flow runs in a loop");
}
END_TEST

START_TEST(a_long_row_of_prompts_is_cut_into_steps)
{
	struct session *x =
		session_new("{'start':'p','nodes':{'p':{'type':'play','sources':{'silence_ms':100},'next':'p'}}}");
	const char *out = session_step(x, "start");
	for (int i = 0; i < 5; i++) {
		size_t n = 1;
		for (const char *p = out; (p = strstr(p, " | ")); p += 3)
			n++;
		ck_assert_uint_eq(n, FLOW_ACTIONS_MAX - 2);
		ck_assert_ptr_null(strstr(out, "hangup"));
		out = session_step(x, "done");
	}
}
END_TEST

START_TEST(digits_go_into_a_variable_when_there_are_enough)
{
	struct session *x = session_new(
		"{'start':'c','nodes':{'c':{'type':'collect','prompt':{'file':'prompts/code'},'variable':'code',"
		"'min_digits':4,'max_digits':6,'terminator':'*','invalid_prompt':'Too "
		"short.','next':'s','timeout':'h'},"
		"'s':{'type':'say','text':'{{code}}, {{nobody}}!','language':'it','next':'h'},'h':{'type':'hangup'}}}");
	STEP(x, "start", "collect(file(prompts/code)) max 6 end *");
	STEP(x, "digits 12", "collect(say(en:Too short.) file(prompts/code)) max 6 end *");
	STEP(x, "digits 12345", "play say(it:12345, !) | hangup ; c=next ; ended hangup");
}
END_TEST

START_TEST(a_secret_is_compared_and_nothing_else)
{
	static const char graph[] =
		"{'start':'c','nodes':{'c':{'type':'collect','prompt':'PIN?','variable':'pin','secret':true,'next':'i',"
		"'timeout':'h'},'i':{'type':'if','when':{'variable':'pin','is':'eq','value':'4711'},'true':'ok',"
		"'false':'h'},'ok':{'type':'say','text':'Right.','next':'h'},'h':{'type':'hangup'}}}";
	struct session *x = session_new(graph);
	(void)session_step(x, "start");
	STEP(x, "digits 4711", "play say(en:Right.) | hangup ; c=next ; i=true ; ended hangup");
	ck_assert(flow_var_find(x->s, "pin", 3)->secret);
	_Alignas(16) char space[256];
	struct flow_mem mem = { space, sizeof(space), 0, false };
	ck_assert_str_eq(flow_expand(x->s, "<{{pin}}>", &mem), "<>");
}
END_TEST

START_TEST(a_jump_goes_on_in_another_flow_with_the_same_variables)
{
	struct session *x =
		session_new("{'start':'a','nodes':{'a':{'type':'answer','next':'j'},'j':{'type':'jump','flow':'f2'}}}");
	STEP(x, "start", "answer ; jump f2");
	STEP(x, "failed", "hangup ; ended failed: the flow to jump to is not there");
	x = session_new("{'start':'a','nodes':{'a':{'type':'answer','next':'j'},'j':{'type':'jump','flow':'f2'}}}");
	(void)session_step(x, "start");
	STEP(x, "jumped", "answer ; jump f2"); /* here the same graph again */
}
END_TEST

START_TEST(a_prompt_that_cannot_be_played_does_not_end_the_call)
{
	struct session *x = session_new(main_menu);
	x->open[0] = true;
	(void)session_step(x, "start");
	STEP(x, "failed", "collect(say(en:Still there?) say(en:Hello.) say(en:Press 1 or 2.)) max 1");
	STEP(x, "failed", "queue q-support say(en:You called about .) ; menu=timeout ; enqueue q-support at 5");
	STEP(x, "failed", "play say(en:Nobody can take your call.) | hangup ; support=otherwise ; ended hangup");
}
END_TEST

START_TEST(an_event_that_does_not_fit_is_refused_and_changes_nothing)
{
	static const char *const wrong[] = { "start", "done", "left timeout", "jumped" };
	struct session *x = session_new(main_menu);
	STEP(x, "digits 1", "refused");
	STEP(x, "gone", "refused");
	x->open[0] = true;
	(void)session_step(x, "start");
	static struct flow_state before;
	before = *x->s;
	for (size_t i = 0; i < PL_ARRAY_N(wrong); i++)
		STEP(x, wrong[i], "refused");
	ck_assert_mem_eq(&before, x->s, sizeof(before));
}
END_TEST

START_TEST(conditions_compare_texts_and_numbers)
{
	static const struct {
		const char *when;
		bool is;
	} cases[] = {
		{ "{'variable':'n','is':'eq','value':'10'}", true },
		{ "{'variable':'n','is':'eq','value':'10.0'}", true },
		{ "{'variable':'n','is':'ne','value':'10'}", false },
		{ "{'variable':'n','is':'lt','value':'9'}", false },
		{ "{'variable':'n','is':'gt','value':'9'}", true },
		{ "{'variable':'n','is':'gt','value':'nine'}", false },
		{ "{'variable':'n','is':'lt','value':'-3'}", false },
		{ "{'variable':'n','is':'gt','value':'9.999999'}", true },
		{ "{'variable':'t','is':'contains','value':'bre'}", true },
		{ "{'variable':'t','is':'prefix','value':'bre'}", false },
		{ "{'variable':'t','is':'prefix','value':'Alba {{t2}}'}", true },
		{ "{'variable':'none','is':'empty'}", true },
		{ "{'not':{'variable':'t','is':'empty'}}", true },
		{ "{'all':[{'variable':'n','is':'eq','value':'10'},{'variable':'t','is':'empty'}]}", false },
		{ "{'any':[{'variable':'n','is':'eq','value':'10'},{'variable':'t','is':'empty'}]}", true },
		{ "{'any':[{'all':[{'variable':'n','is':'eq','value':'1'}]},{'not':{'any':[{'variable':'t','is':'empty'"
		  "}]}}]}",
		  true },
		{ "{'variable':'t','is':'lt','value':'1'}", false },
		{ "{'variable':'none','is':'eq','value':''}", true },
	};
	for (size_t i = 0; i < PL_ARRAY_N(cases); i++) {
		char graph[1024];
		snprintf(graph, sizeof(graph),
			 "{'start':'i','nodes':{'i':{'type':'if','when':%s,'true':'h','false':'h'},'h':{'type':'hangup'"
			 "}}}",
			 cases[i].when);
		struct session *x = session_new(graph);
		flow_var_set(x->s, "n", "10", false);
		flow_var_set(x->s, "t", "Alba Fibre", false);
		flow_var_set(x->s, "t2", "Fib", false);
		ck_assert_msg(strncmp(session_step(x, "start"), cases[i].is ? "hangup ; i=true" : "hangup ; i=false",
				      15) == 0,
			      "%s is not %d", cases[i].when, cases[i].is);
	}
}
END_TEST

START_TEST(variables_are_bounded_in_number_and_length_and_cut_at_a_character)
{
	struct session *x = session_new(main_menu);
	char name[32], value[3000];
	for (int i = 0; i < FLOW_VARS_MAX + 3; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		ck_assert_int_eq(flow_var_set(x->s, name, "1", false), i < FLOW_VARS_MAX);
	}
	ck_assert_uint_eq(x->s->dropped, 3);
	for (size_t i = 0; i + 2 < sizeof(value); i += 2)
		memcpy(value + i, "\xc3\xa9", 3);
	ck_assert(flow_var_set(x->s, "v0", value + 0, false));
	ck_assert_uint_eq(strlen(session_var(x, "v0")), 1024);
	memmove(value + 1, value, 2000);
	value[0] = 'x';
	ck_assert(flow_var_set(x->s, "v0", value, false));
	ck_assert_uint_eq(strlen(session_var(x, "v0")), 1023); /* the last character would have been cut in half */
	static _Alignas(16) char space[4096];
	struct flow_mem mem = { space, sizeof(space), 0, false };
	const char *s = flow_expand(x->s, "{{v0}}{{v0}}", &mem);
	ck_assert(strlen(s) <= FLOW_TEXT_MAX && pl_utf8_ok(s, strlen(s)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow run");
	TCase *t = tcase_create("run");
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_caller_chooses_and_waits_in_the_queue);
	tcase_add_test(t, outside_opening_hours_the_caller_is_told_and_hung_up);
	tcase_add_test(t, a_menu_is_played_again_until_the_tries_are_used_up);
	tcase_add_test(t, the_tries_start_again_when_the_menu_is_entered_again);
	tcase_add_test(t, a_queue_output_that_is_not_given_takes_otherwise);
	tcase_add_test(t, an_output_that_leads_nowhere_hangs_up);
	tcase_add_test(t, a_survey_may_follow_when_the_agent_has_hung_up);
	tcase_add_test(t, the_customer_who_goes_ends_the_session_wherever_it_waits);
	tcase_add_test(t, finally_runs_once_however_the_session_ends);
	tcase_add_test(t, a_loop_in_which_nobody_does_anything_is_ended);
	tcase_add_test(t, a_loop_over_menus_nobody_answers_is_ended_too);
	tcase_add_test(t, a_long_row_of_prompts_is_cut_into_steps);
	tcase_add_test(t, digits_go_into_a_variable_when_there_are_enough);
	tcase_add_test(t, a_secret_is_compared_and_nothing_else);
	tcase_add_test(t, a_jump_goes_on_in_another_flow_with_the_same_variables);
	tcase_add_test(t, a_prompt_that_cannot_be_played_does_not_end_the_call);
	tcase_add_test(t, an_event_that_does_not_fit_is_refused_and_changes_nothing);
	tcase_add_test(t, conditions_compare_texts_and_numbers);
	tcase_add_test(t, variables_are_bounded_in_number_and_length_and_cut_at_a_character);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
