/* What the compiler says about a graph that is wrong. */
#include "session.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static bool known(const void *arg, const char *id)
{
	return strcmp(id, "known") == 0;
}
static const struct flow_refs refs = { known, known, known, NULL };

#define HAS(graph, line)                                                                                               \
	do {                                                                                                           \
		const char *p_ = problems_of((graph), &refs);                                                          \
		ck_assert_msg(strstr(p_, (line)) != NULL, "%s\nsays\n%s", (graph), p_);                                \
	} while (0)
#define NODE(fields) "{'start':'n','nodes':{'h':{'type':'hangup'},'n':{" fields "}}}"

START_TEST(a_right_graph_has_no_problem)
{
	ck_assert_str_eq(
		problems_of(NODE("'type':'queue','queue':'known','otherwise':'h','note':'x','pos':{'x':1,'y':2}"),
			    &refs),
		"");
	ck_assert_str_eq(problems_of(NODE("'type':'hours','schedule':'known','open':'h','closed':'n'"), &refs), "");
	ck_assert_str_eq(
		problems_of("{'start':'h','layout':{'zoom':2},'language':'it-IT','nodes':{'h':{'type':'hangup'}}}",
			    &refs),
		"");
}
END_TEST

static const struct {
	const char *graph, *line;
} cases[] = {
	{ "[]", " /  / a flow is a JSON object\n" },
	{ "{}", " / nodes / must be an object with at least one node\n" },
	{ "{'nodes':{'h':{'type':'hangup'}}}", " / start / is missing: the name of the first node\n" },
	{ "{'start':'x','nodes':{'h':{'type':'hangup'}}}", " / start / leads to a node that does not exist: x\n" },
	{ "{'start':1,'nodes':{'h':{'type':'hangup'}}}", " / start / must be the name of a node\n" },
	{ "{'strat':'h','start':'h','nodes':{'h':{'type':'hangup'}}}", " / strat / unknown field\n" },
	{ "{'start':'h','show':['a b'],'nodes':{'h':{'type':'hangup'}}}", " / show / is no variable name: a b\n" },
	{ "{'start':'h','nodes':{'h':{'type':'hangup'},'lost':{'type':'hangup'}}}",
	  "lost /  / no other node leads here\n" },
	{ NODE("'type':'hangout'"), "n / type / unknown node type: hangout\n" },
	{ NODE("'next':'h'"), "n / type / is missing\n" },
	{ NODE("'type':'answer'"), "n / next / is missing\n" },
	{ NODE("'type':'answer','next':'h','nxt':'h'"), "n / nxt / unknown field\n" },
	{ NODE("'type':'answer','next':'gone'"), "n / next / leads to a node that does not exist: gone\n" },
	{ NODE("'type':'say','text':'','next':'h'"), "n / text / must be a text of 1 to 1024 bytes\n" },
	{ NODE("'type':'say','text':'{{x','next':'h'"), "n / text / a variable is written {{name}}\n" },
	{ NODE("'type':'say','text':'{{a b}}','next':'h'"), "n / text / a variable is written {{name}}\n" },
	{ NODE("'type':'play','sources':[],'next':'h'"), "n / sources / must have 1 to 16 entries\n" },
	{ NODE("'type':'play','sources':{'file':'../key'},'next':'h'"),
	  "n / sources.file / must be a path below the sounds folder\n" },
	{ NODE("'type':'play','sources':{'file':'a/../b'},'next':'h'"),
	  "n / sources.file / must be a path below the sounds folder\n" },
	{ NODE("'type':'play','sources':{'file':'/etc'},'next':'h'"),
	  "n / sources.file / must be a path below the sounds folder\n" },
	{ NODE("'type':'play','sources':{'file':'a','say':'b'},'next':'h'"),
	  "n / sources / must have one of say, file, folder, silence_ms\n" },
	{ NODE("'type':'play','sources':{'fil':'a'},'next':'h'"), "n / sources.fil / unknown field\n" },
	{ NODE("'type':'play','sources':{'silence_ms':0},'next':'h'"),
	  "n / sources.silence_ms / must be a number from 1 to 600000\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':'out'},'timeout':'h'"),
	  "n / choices.1 / leads to a node that does not exist: out\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':{'label':'x'}},'timeout':'h'"),
	  "n / choices.1 / must say where it leads: to\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':{'to':'h','lable':'x'}},'timeout':'h'"),
	  "n / choices.lable / unknown field\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'A':'h'},'timeout':'h'"),
	  "n / choices.A / must be 1 to 8 keys of 0 to 9, * and #\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{},'timeout':'h'"), "n / choices / must have at least one\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':'h'}"), "n / timeout / is missing\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':'h'},'timeout':'h','tries':11"),
	  "n / tries / must be a whole number from 1 to 10\n" },
	{ NODE("'type':'menu','prompt':'?','choices':{'1':'h'},'timeout':'h','tries':1.5"),
	  "n / tries / must be a whole number from 1 to 10\n" },
	{ NODE("'type':'collect','prompt':'?','variable':'x','next':'h','timeout':'h','min_digits':5,'max_"
	       "digits':4"),
	  "n / min_digits / is more than max_digits\n" },
	{ NODE("'type':'collect','prompt':'?','variable':'','next':'h','timeout':'h'"),
	  "n / variable / must be a variable's name" },
	{ NODE("'type':'collect','prompt':'?','variable':'x','terminator':'##','next':'h','timeout':'h'"),
	  "n / terminator / must be one key: 0 to 9, * or #\n" },
	{ NODE("'type':'collect','prompt':'?','variable':'x','secret':'yes','next':'h','timeout':'h'"),
	  "n / secret / must be true or false\n" },
	{ NODE("'type':'hours','schedule':'unknown','open':'h','closed':'h'"),
	  "n / schedule / there is no such schedule: unknown\n" },
	{ NODE("'type':'queue','queue':'unknown'"), "n / queue / there is no such queue: unknown\n" },
	{ NODE("'type':'queue','queue':'known','exit':'h'"),
	  "n / exit_key / is missing: without it nothing leads to exit\n" },
	{ NODE("'type':'queue','queue':'known','exit_key':'1'"), "n / exit / is missing: exit_key leads there\n" },
	{ NODE("'type':'queue','queue':'known','priority':-1001"),
	  "n / priority / must be a whole number from -1000 to 1000\n" },
	{ NODE("'type':'jump','flow':'unknown'"), "n / flow / there is no such flow: unknown\n" },
	{ NODE("'type':'dial'"), "n / number / one of number and uri must be given\n" },
	{ NODE("'type':'dial','number':'1','uri':'sip:a@b'"), "n / number / one of number and uri must be given\n" },
	{ NODE("'type':'set','variables':{'a b':'1'},'next':'h'"), "n / variables.a b / is no variable name\n" },
	{ NODE("'type':'if','when':{},'true':'h','false':'h'"), "n / when / a condition is" },
	{ NODE("'type':'if','when':{'variable':'x','is':'like'},'true':'h','false':'h'"),
	  "n / when.is / must be eq, ne," },
	{ NODE("'type':'if','when':{'variable':'x','is':'eq'},'true':'h','false':'h'"),
	  "n / when.value / is missing\n" },
	{ NODE("'type':'if','when':{'variable':'x','is':'empty','value':''},'true':'h','false':'h'"),
	  "n / when.value / empty has no value\n" },
	{ NODE("'type':'if','when':{'all':[]},'true':'h','false':'h'"),
	  "n / when.all / must be a list of conditions\n" },
	{ NODE("'type':'if','when':{'not':[1]},'true':'h','false':'h'"), "n / when.not / must be one condition\n" },
	{ NODE("'type':'if','when':{'not':{'not':{'not':{'not':{'not':{'variable':'x','is':'empty'}}}}}},'true'"
	       ":'h','false':'h'"),
	  "n / when / conditions nest at most 4 deep\n" },
	{ "{'start':'h','finally':'s','nodes':{'h':{'type':'hangup'},'s':{'type':'say','text':'x','next':'h'}}"
	  "}",
	  "s / type / needs a customer on the line, and finally runs when nobody is there\n" },
	{ "{'start':'c','nodes':{'h':{'type':'hangup'},'c':{'type':'collect','prompt':'PIN','variable':'pin','"
	  "secret':true,"
	  "'next':'s','timeout':'h'},'s':{'type':'say','text':'You typed {{pin}}','next':'h'}}}",
	  "s / text / a secret variable can only be compared, not spoken, copied or dialled\n" },
	{ "{'start':'c','nodes':{'h':{'type':'hangup'},'c':{'type':'collect','prompt':'PIN','variable':'pin','"
	  "secret':true,"
	  "'next':'s','timeout':'h'},'s':{'type':'set','variables':{'copy':'{{pin}}'},'next':'h'}}}",
	  "s / variables / a secret" },
};

START_TEST(every_problem_names_node_field_and_what_is_wrong)
{
	for (size_t i = 0; i < PL_ARRAY_N(cases); i++)
		HAS(cases[i].graph, cases[i].line);
}
END_TEST

START_TEST(references_are_not_checked_where_nobody_can_tell)
{
	ck_assert_str_eq(problems_of(NODE("'type':'queue','queue':'unknown','otherwise':'h'"), NULL), "");
}
END_TEST

START_TEST(a_graph_of_500_nodes_compiles_and_one_of_501_does_not)
{
	static char graph[64 << 10];
	for (int n = 500; n <= 501; n++) {
		size_t used = (size_t)sprintf(graph, "{'start':'n0','nodes':{");
		for (int i = 0; i < n; i++)
			used += (size_t)sprintf(graph + used, "%s'n%d':{'type':'goto','to':'n%d'}", i ? "," : "", i,
						(i + 1) % n);
		strcpy(graph + used, "}}");
		ck_assert_str_eq(problems_of(graph, NULL), n == 500 ? "" : " / nodes / has more than 500 nodes\n");
	}
}
END_TEST

START_TEST(all_problems_are_counted_and_the_first_fifty_kept)
{
	static char graph[64 << 10];
	size_t used = (size_t)sprintf(graph, "{'start':'n0','nodes':{");
	for (int i = 0; i < 80; i++)
		used += (size_t)sprintf(graph + used, "%s'n%d':{'type':'goto','to':'x'}", i ? "," : "", i);
	strcpy(graph + used, "}}");
	const char *p = problems_of(graph, NULL);
	int lines = 0;
	for (; *p; p++)
		lines += *p == '\n';
	ck_assert_int_eq(lines, FLOW_PROBLEMS_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow compile");
	TCase *t = tcase_create("compile");
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_right_graph_has_no_problem);
	tcase_add_test(t, every_problem_names_node_field_and_what_is_wrong);
	tcase_add_test(t, references_are_not_checked_where_nobody_can_tell);
	tcase_add_test(t, a_graph_of_500_nodes_compiles_and_one_of_501_does_not);
	tcase_add_test(t, all_problems_are_counted_and_the_first_fifty_kept);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
