/* The front of the fleet for tests: auth and two copies of api as processes with their own NATS, Redis and PostgreSQL,
 * and HTTP by hand. What is allocated lives in `a`, until the test ends. */
#ifndef API_TEST_FRONT_H
#define API_TEST_FRONT_H
#include <check.h>
#include <parley/bus.h>
#include <parley/testkit.h>

#define ADMIN_PASSWORD "Pa-first-7x"
#define PASSWORD "Secret-12x"
#define AUTH "parley.auth.v1.AuthService/"
#define USERS "parley.auth.v1.UserService/"

extern struct pl_loop *loop;
extern struct bus *bus;
extern struct pl_arena *a;
extern struct pl_why why;
extern char *admin; /* token of an administrator */

struct conn {
	int fd;
	char *got;
	size_t n, cap;
	const char *want; /* text that ends the wait; NULL: the end of the connection */
	bool eof;
};

void start_all(void);
bool stop_all(void);  /* false: a process ended with an error */
void nats_away(void); /* kill -9 */
void nats_back(void);
void setup(void);
void teardown(void);
void turn(void *l);

void conn_open(struct conn *k, int which, const char *text, size_t len);
bool conn_wait(struct conn *k, const char *want);
char *http(int which, const char *request); /* the whole answer */
char *post(int which, const char *rpc, const char *cookie, const char *body);
char *post_with(int which, const char *rpc, const char *cookie, const char *headers, const char *body);
char *get(int which, const char *path, const char *cookie, const char *headers);
int status(const char *answer);
bool has(const char *answer, const char *text);
char *login(const char *username, const char *password);
char *make_user(const char *username, const char *role); /* its id */
#endif
