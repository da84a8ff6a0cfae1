#include "permission.h"

#include <stddef.h>
#include <string.h>

#define R PERM_READ
#define E PERM_EDIT
#define D PERM_DELETE

/* A row with a method is an exception from the service's row. A service without a row: administrators all, supervisors
 * read. */
static const struct row {
	const char *service, *method;
	unsigned char may[PERM_ROLE_N];
} rows[] = {
	{ "parley.auth.v1.AuthService",
	  NULL,
	  { [PERM_AGENT] = R | E, [PERM_SUPERVISOR] = R | E, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.auth.v1.UserService", NULL, { [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.auth.v1.AuditService", NULL, { [PERM_ADMIN] = R } },
	{ "parley.acd.v1.WorkService",
	  NULL,
	  { [PERM_AGENT] = R | E, [PERM_SUPERVISOR] = R | E, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.acd.v1.QueueService", NULL, { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.acd.v1.AgentService", "SetAgentState", { [PERM_SUPERVISOR] = E, [PERM_ADMIN] = E } },
	{ "parley.acd.v1.AgentService", NULL, { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.acd.v1.PauseReasonService",
	  NULL,
	  { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.acd.v1.RoutingService", NULL, { [PERM_SUPERVISOR] = R | E, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.voice.v1.CallService",
	  NULL,
	  { [PERM_AGENT] = R | E, [PERM_SUPERVISOR] = R | E, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.voice.v1.RecordingService",
	  NULL,
	  { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.report.v1.HistoryService",
	  NULL,
	  { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.report.v1.LiveService", NULL, { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ "parley.telephony.v1.PhoneService",
	  NULL,
	  { [PERM_AGENT] = R, [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
	{ NULL, NULL, { [PERM_SUPERVISOR] = R, [PERM_ADMIN] = PERM_ALL } },
};

enum perm_verb perm_verb_of(const char *method)
{
	static const char *const reads[] = { "List", "Get", "Find", "Search", "Explain" };

	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		if (strncmp(method, reads[i], strlen(reads[i])) == 0)
			return PERM_READ;
	return strncmp(method, "Delete", 6) == 0 ? PERM_DELETE : PERM_EDIT;
}

const char *perm_verb_name(enum perm_verb v)
{
	return v == PERM_READ ? "read" : v == PERM_DELETE ? "delete" : "edit";
}

/* method NULL: the service's own row. */
static const struct row *find(const char *service, const char *method)
{
	const struct row *r = rows;

	while (r->service &&
	       (strcmp(r->service, service) != 0 || (r->method && (!method || strcmp(r->method, method) != 0))))
		r++;
	return r;
}

unsigned perm_verbs(enum perm_role role, const char *service)
{
	return (unsigned)role < PERM_ROLE_N ? find(service, NULL)->may[role] : 0;
}

bool perm_allowed(enum perm_role role, const char *service, const char *method)
{
	if ((unsigned)role >= PERM_ROLE_N || perm_internal(service))
		return false;
	return (find(service, method)->may[role] & (unsigned)perm_verb_of(method)) != 0;
}

bool perm_open(const char *service, const char *method)
{
	return strcmp(service, "parley.auth.v1.AuthService") == 0 && strcmp(method, "Login") == 0;
}

bool perm_internal(const char *service)
{
	static const char end[] = "InternalService";
	size_t n = strlen(service), k = sizeof(end) - 1;

	return n >= k && strcmp(service + n - k, end) == 0;
}
