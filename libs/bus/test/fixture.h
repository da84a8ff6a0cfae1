/* A private nats-server, a loop, and buses on it. */
#ifndef BUS_FIXTURE_H
#define BUS_FIXTURE_H
#include <parley/bus.h>
#include <parley/log.h>
#include <parley/testkit.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT_S 40 /* generous: the machine may be busy */

extern struct tk *nats;
extern struct pl_loop *loop;
extern struct pl_why why;

void fx_open(void);
void fx_close(void);
struct bus *fx_bus(const char *service, const char *node);
/** Turns the loop until *n >= want; fails the test after LIMIT_S. */
void fx_until(const int *n, int want);
void fx_until_fn(bool (*done)(void *arg), void *arg);
void fx_turn_for(int ms);
/** The result of a bus_reply_fn. */
struct fx_reply {
	int n;
	enum pl_err err;
	uint64_t seq;
	int64_t time_us;
	size_t len;
	char data[256], type[64], why[256], field[64];
};
void fx_on_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why);
/** Waits for one more answer than before. */
struct fx_reply *fx_wait(struct fx_reply *r);
int fx_run(const char *name, const TTest *const *tests, size_t n);
#endif
