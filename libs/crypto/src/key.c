#include <errno.h>
#include <fcntl.h>
#include <parley/crypto.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

enum pl_err crypto_key_load(const char *path, uint8_t key[CRYPTO_KEY_BYTES], struct pl_why *why)
{
	char text[2 * CRYPTO_KEY_BYTES + 2];
	struct stat st;

	PL_AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return pl_why_set(why, errno == ENOENT ? PL_E_NOTFOUND : PL_E_IO, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
		return pl_why_set(why, PL_E_DENIED, "%s: must be a file that only its owner can read (chmod 600)",
				  path);
	ssize_t n = read(fd, text, sizeof(text));
	if (n == (ssize_t)sizeof(text) - 1 && text[n - 1] == '\n')
		n--;
	enum pl_err err = PL_E_FORMAT;
	if (n == 2 * CRYPTO_KEY_BYTES) {
		text[n] = 0;
		err = pl_unhex(text, key, CRYPTO_KEY_BYTES);
	}
	sodium_memzero(text, sizeof(text));
	return err ? pl_why_set(why, err, "%s: must hold %d hex digits", path, 2 * CRYPTO_KEY_BYTES) : PL_OK;
}
