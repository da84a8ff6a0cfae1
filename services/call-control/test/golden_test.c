/* Each transcript of test/golden is played again and compared, line by line. GOLDEN_UPDATE=1 writes them anew: read the
 * diff. */
#include "script.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>

static char *paths[64];
static size_t n_paths;

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	ck_assert_msg(f != NULL, "%s", path);
	ck_assert_int_ge(getdelim(&text, &size, 0, f), 0);
	fclose(f);
	return text;
}

START_TEST(every_call_flow_reads_as_its_transcript_says)
{
	const char *path = paths[_i];
	char *want = slurp(path), *is = script_run(want, path);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		fputs(is, f);
		fclose(f);
	} else if (strcmp(want, is) != 0) {
		size_t line = 1, i = 0;
		for (; want[i] && want[i] == is[i]; i++)
			line += want[i] == '\n';
		while (i && want[i - 1] != '\n')
			i--;
		ck_abort_msg("%s:%zu\nexpected: %.*s\nis:       %.*s", path, line, (int)strcspn(want + i, "\n"),
			     want + i, (int)strcspn(is + i, "\n"), is + i);
	}
	free(want);
	free(is);
}
END_TEST

int main(int argc, char **argv)
{
	DIR *d = opendir(argc > 1 ? argv[1] : ".");
	for (struct dirent *e; d && (e = readdir(d)) && n_paths < PL_ARRAY_N(paths);) {
		size_t n = strlen(e->d_name);
		if (n > 4 && strcmp(e->d_name + n - 4, ".txt") == 0 &&
		    asprintf(&paths[n_paths], "%s/%s", argv[1], e->d_name) > 0)
			n_paths++;
	}
	if (!n_paths)
		return 99;
	Suite *s = suite_create("golden");
	TCase *t = tcase_create("transcripts");
	tcase_add_loop_test(t, every_call_flow_reads_as_its_transcript_says, 0, (int)n_paths);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	closedir(d);
	for (size_t i = 0; i < n_paths; i++)
		free(paths[i]);
	return failed ? 1 : 0;
}
