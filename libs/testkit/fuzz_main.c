/* Runs a fuzz target over its seed corpus where libFuzzer is not linked: every file of the directories named as
 * arguments, every prefix of it, and a fixed number of reproducible mutations. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1u << 20)
#define PREFIX_MAX_BYTES 2048u
#define MUTATIONS 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* An exact heap copy, so that AddressSanitizer sees a read one byte past the end. */
static void run(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void mutate(uint8_t *buf, const uint8_t *data, size_t n, uint64_t *seed)
{
	memcpy(buf, data, n);
	size_t len = n;
	for (uint64_t k = rnd(seed) % 4 + 1; k > 0 && len > 0; k--) {
		size_t at = rnd(seed) % len;
		switch (rnd(seed) % 4) {
		case 0:
			buf[at] = (uint8_t)rnd(seed);
			break;
		case 1:
			buf[at] ^= (uint8_t)(1u << rnd(seed) % 8);
			break;
		case 2: /* cut a byte out */
			memmove(buf + at, buf + at + 1, len - at - 1);
			len--;
			break;
		default: /* repeat what stands before over what follows */
			memmove(buf + at, buf, (len - at < at ? len - at : at));
		}
	}
	run(buf, len);
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX_BYTES), *buf = malloc(FILE_MAX_BYTES);
	if (!f || !data || !buf) {
		perror(path);
		exit(1);
	}
	size_t n = fread(data, 1, FILE_MAX_BYTES, f);
	fclose(f);
	run(data, n);
	for (size_t i = 0; i < n && i < PREFIX_MAX_BYTES; i++)
		run(data, i);
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) ^ n;
	for (int i = 0; i < MUTATIONS && n > 0; i++)
		mutate(buf, data, n, &seed);
	free(data);
	free(buf);
	return 1;
}

static int run_dir(const char *dir)
{
	DIR *d = opendir(dir);
	int ran = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[4096];
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			ran += run_file(path);
	}
	if (d)
		closedir(d);
	return ran;
}

int main(int argc, char **argv)
{
	int ran = 0;
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) == 0)
			ran += S_ISDIR(st.st_mode) ? run_dir(argv[i]) : run_file(argv[i]);
	}
	run((const uint8_t *)"", 0);
	printf("%d files\n", ran);
	return ran > 0 ? 0 : 1; /* an empty corpus is a mistake in the build file */
}
