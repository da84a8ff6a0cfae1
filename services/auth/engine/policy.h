/** What a password and a user name must be. Pure.
 *  Source     FEATURES AD-02: at least 8 characters with lower, upper, digit and special. */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H
#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MIN 8
#define PASSWORD_MAX 256 /* bytes; argon2id takes any length, our memory does not */
enum password_fault {
	PASSWORD_OK,
	PASSWORD_SHORT,
	PASSWORD_LONG,
	PASSWORD_NO_LOWER,
	PASSWORD_NO_UPPER,
	PASSWORD_NO_DIGIT,
	PASSWORD_NO_SPECIAL,
	PASSWORD_HAS_USERNAME, /* contains the user's name, in any case */
	PASSWORD_FAULT_N
};
/** The first rule that is broken. Characters beyond ASCII count as letters of no case, so they are special. */
enum password_fault password_check(const char *password, const char *username);
const char *password_fault_text(enum password_fault f);

/** Lower-cases ASCII into out; false when it is not 2 to 64 of [a-z0-9._@-]. */
bool username_normalise(const char *in, char out[65]);
/** "en", "it-IT" (BCP 47, only its alphabet and length) or empty. */
bool locale_ok(const char *s);
/** "Europe/Rome" (alphabet and length) or empty. */
bool time_zone_ok(const char *s);
/** One @ with something on both sides, no blanks, at most 254 bytes (RFC 5321 4.5.3.1.3), or empty. */
bool email_ok(const char *s);
#endif
