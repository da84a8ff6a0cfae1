/** Who may call what: role x service x verb, one const table. Pure.
 *  Verbs      from the method's first word: List, Get, Find, Search, Explain read; Delete deletes; all else edits.
 *  Refinement by resource (an agent's own calls) is the owning service's affair. */
#ifndef API_PERMISSION_H
#define API_PERMISSION_H
#include <stdbool.h>

enum perm_role { PERM_NOBODY, PERM_AGENT, PERM_SUPERVISOR, PERM_ADMIN, PERM_ROLE_N };
enum perm_verb { PERM_READ = 1, PERM_EDIT = 2, PERM_DELETE = 4, PERM_ALL = 7 };

enum perm_verb perm_verb_of(const char *method);
const char *perm_verb_name(enum perm_verb v); /* "read", "edit", "delete" */
/** What a role may do to a service in general, as PERM_ bits. */
unsigned perm_verbs(enum perm_role role, const char *service);
bool perm_allowed(enum perm_role role, const char *service, const char *method);
/** May be called without a session. */
bool perm_open(const char *service, const char *method);
/** Between services only: does not exist for the outside. */
bool perm_internal(const char *service);
#endif
