#include "auth.h"

#define AT_ONCE 2
#define WAITING_MAX 200

static void start(struct argon_job *j);

static void work(void *arg)
{
	struct argon_job *j = arg;
	struct pl_why why;

	if (!j->hash) {
		j->ok = crypto_password_hash(j->password, j->made, &why) == PL_OK;
		return;
	}
	j->ok = crypto_password_ok(j->hash, j->password);
	j->stale = j->ok && crypto_password_stale(j->hash);
}

static void done(void *arg)
{
	struct argon_job *j = arg;
	struct auth *a = j->auth;

	a->argon_running--;
	if (!pl_list_empty(&a->argon_queue)) {
		struct argon_job *next = PL_CONTAINER(a->argon_queue.next, struct argon_job, link);
		pl_list_remove(&next->link);
		a->argon_waiting--;
		start(next);
	}
	j->done(j->arg);
}

static void start(struct argon_job *j)
{
	j->auth->argon_running++;
	if (!pl_loop_work(j->auth->app->loop, work, done, j))
		return;
	work(j); /* no memory for a thread's job: rather late than never */
	done(j);
}

enum pl_err argon_run(struct auth *a, struct argon_job *j, struct pl_why *why)
{
	j->auth = a;
	if (a->argon_running < AT_ONCE) {
		start(j);
		return PL_OK;
	}
	if (a->argon_waiting >= WAITING_MAX)
		return pl_why_set(why, PL_E_FULL, "%d passwords are being checked already", WAITING_MAX);
	a->argon_waiting++;
	pl_list_push(&a->argon_queue, &j->link);
	return PL_OK;
}
