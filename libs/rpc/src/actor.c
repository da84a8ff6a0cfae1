/* Who asks: the header Parley-Actor. */
#include <parley/rpc.h>

static const char *const role_names[] = {
	[RPC_AGENT] = "agent", [RPC_SUPERVISOR] = "supervisor", [RPC_ADMIN] = "admin", [RPC_SERVICE] = "service"
};

/* Copies one word of *s; false when it is longer than out. */
static bool word(const char **s, char *out, size_t size)
{
	size_t n = strcspn(*s, " ");

	if (n >= size)
		return false;
	memcpy(out, *s, n);
	out[n] = 0;
	*s += n + ((*s)[n] == ' ');
	return true;
}

void rpc_actor_parse(const char *header, struct rpc_actor *ret)
{
	struct rpc_actor a = { 0 };
	char role[16];
	const char *s = header ? header : "";

	*ret = a;
	if (!word(&s, role, sizeof(role)) || !word(&s, a.user_id, sizeof(a.user_id)) ||
	    !word(&s, a.session_id, sizeof(a.session_id)))
		return;
	for (size_t i = RPC_AGENT; i < PL_ARRAY_N(role_names); i++)
		if (pl_streq(role, role_names[i]))
			a.role = (enum rpc_role)i;
	if (*s || a.role == RPC_NOBODY || !*a.user_id)
		return;
	*ret = a;
}

enum pl_err rpc_need(const struct rpc_actor *a, enum rpc_role at_least, struct pl_why *why)
{
	if (a->role >= at_least)
		return PL_OK;
	if (a->role == RPC_NOBODY)
		return pl_why_set(why, PL_E_AUTH, "sign in first");
	return pl_why_set(why, PL_E_DENIED, "needs the role %s", role_names[at_least]);
}
