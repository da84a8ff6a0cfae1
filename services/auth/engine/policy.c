#include "policy.h"

#include <string.h>

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}
static bool upper(char c)
{
	return c >= 'A' && c <= 'Z';
}
static bool digit(char c)
{
	return c >= '0' && c <= '9';
}
static char to_lower(char c)
{
	return upper(c) ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (; *hay; hay++) {
		size_t i = 0;
		while (i < n && to_lower(hay[i]) == to_lower(needle[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

/* Characters, not bytes: continuation bytes of UTF-8 do not count. */
static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

enum password_fault password_check(const char *password, const char *username)
{
	bool has_lower = false, has_upper = false, has_digit = false, has_special = false;

	if (strlen(password) > PASSWORD_MAX)
		return PASSWORD_LONG;
	if (characters(password) < PASSWORD_MIN)
		return PASSWORD_SHORT;
	for (const char *s = password; *s; s++) {
		has_lower |= lower(*s);
		has_upper |= upper(*s);
		has_digit |= digit(*s);
		has_special |= !lower(*s) && !upper(*s) && !digit(*s);
	}
	if (!has_lower)
		return PASSWORD_NO_LOWER;
	if (!has_upper)
		return PASSWORD_NO_UPPER;
	if (!has_digit)
		return PASSWORD_NO_DIGIT;
	if (!has_special)
		return PASSWORD_NO_SPECIAL;
	return strlen(username) >= 3 && contains(password, username) ? PASSWORD_HAS_USERNAME : PASSWORD_OK;
}

const char *password_fault_text(enum password_fault f)
{
	static const char *const text[PASSWORD_FAULT_N] = {
		[PASSWORD_OK] = "",
		[PASSWORD_SHORT] = "must have at least 8 characters",
		[PASSWORD_LONG] = "must have at most 256 bytes",
		[PASSWORD_NO_LOWER] = "must have a lower-case letter",
		[PASSWORD_NO_UPPER] = "must have an upper-case letter",
		[PASSWORD_NO_DIGIT] = "must have a digit",
		[PASSWORD_NO_SPECIAL] = "must have a special character",
		[PASSWORD_HAS_USERNAME] = "must not contain the user name",
	};

	return (unsigned)f < PASSWORD_FAULT_N ? text[f] : "";
}

bool username_normalise(const char *in, char out[65])
{
	size_t n = strlen(in);

	if (n < 2 || n > 64)
		return false;
	for (size_t i = 0; i <= n; i++)
		out[i] = to_lower(in[i]);
	return strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789._@-") == n;
}

static bool made_of(const char *s, const char *special, size_t max)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (!lower(s[n]) && !upper(s[n]) && !digit(s[n]) && !strchr(special, s[n]))
			return false;
	return n <= max;
}

bool locale_ok(const char *s)
{
	return made_of(s, "-", 35);
}
bool time_zone_ok(const char *s)
{
	return made_of(s, "/_+-", 64);
}

bool email_ok(const char *s)
{
	const char *at = strchr(s, '@');

	if (!*s)
		return true;
	return at && at != s && at[1] && !strchr(at + 1, '@') && strlen(s) <= 254 && !strpbrk(s, " \t\r\n<>,;");
}
