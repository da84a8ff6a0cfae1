#include "front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct pl_loop *loop;
struct bus *bus;
struct pl_arena *a;
struct pl_why why;
static struct tk *nats, *redis, *db, *auth, *api[2];
static int web[2];
static char dir[] = "/tmp/parley-api-XXXXXX";

void turn(void *l)
{
	pl_loop_turn(l);
}

/* --- HTTP by hand --- */

void conn_open(struct conn *k, int which, const char *text, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)web[which]),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*k = (struct conn){ .fd = socket(AF_INET, SOCK_STREAM, 0), .cap = (size_t)8 << 20 };
	k->got = pl_arena_alloc(a, k->cap);
	ck_assert_int_eq(connect(k->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(k->fd, text + at, len - at, MSG_NOSIGNAL);
		if (n < 0)
			break; /* refused while we still talk: the answer tells */
		at += (size_t)n;
	}
}

static bool conn_ready(void *arg)
{
	struct conn *k = arg;

	for (ssize_t n; (n = recv(k->fd, k->got + k->n, k->cap - 1 - k->n, MSG_DONTWAIT)) >= 0 || errno != EAGAIN;) {
		if (n <= 0) {
			k->eof = true;
			break;
		}
		k->n += (size_t)n;
		k->got[k->n] = 0;
	}
	return k->want ? strstr(k->got, k->want) != NULL || k->eof : k->eof;
}

bool conn_wait(struct conn *k, const char *want)
{
	k->want = want;
	ck_assert_msg(tk_until(conn_ready, k, turn, loop, 30), "waited for %s, got %.2000s", want ? want : "the end",
		      k->got);
	return !want || strstr(k->got, want);
}

char *http(int which, const char *request)
{
	struct conn k;

	conn_open(&k, which, request, strlen(request));
	conn_wait(&k, NULL);
	close(k.fd);
	return k.got;
}

char *post_with(int which, const char *rpc, const char *cookie, const char *headers, const char *body)
{
	return http(
		which,
		pl_arena_printf(
			a,
			"POST /api/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
			"Cookie: parley_session=%s\r\n%sContent-Length: %zu\r\n\r\n%s",
			rpc, cookie, headers, strlen(body), body));
}

char *post(int which, const char *rpc, const char *cookie, const char *body)
{
	return post_with(which, rpc, cookie, "", body);
}

char *get(int which, const char *path, const char *cookie, const char *headers)
{
	return http(which,
		    pl_arena_printf(
			    a, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: parley_session=%s\r\n%s\r\n",
			    path, cookie, headers));
}

int status(const char *answer)
{
	return answer[0] ? atoi(answer + 9) : 0;
}
bool has(const char *answer, const char *text)
{
	return strstr(answer, text) != NULL;
}

char *login(const char *username, const char *password)
{
	char *got = post(0, AUTH "Login", "",
			 pl_arena_printf(a, "{\"username\":\"%s\",\"password\":\"%s\"}", username, password));

	ck_assert_msg(status(got) == 200, "%s", got);
	char *cookie = strstr(got, "Set-Cookie: parley_session=") + 27;
	ck_assert(has(got, "; Path=/; HttpOnly; SameSite=Strict\r\n"));
	cookie[strcspn(cookie, ";")] = 0;
	ck_assert(!has(cookie + strlen(cookie) + 1, cookie)); /* the token is in the cookie only */
	return cookie;
}

char *admin;

static char *user_id(const char *answer)
{
	char *id = strstr(answer, "\"id\":\"");

	ck_assert_msg(id != NULL, "%s", answer);
	return pl_arena_printf(a, "%.36s", id + 6);
}

char *make_user(const char *username, const char *role)
{
	char *got = post(
		0, USERS "CreateUser", admin,
		pl_arena_printf(
			a,
			"{\"user\":{\"username\":\"%s\",\"role\":\"ROLE_%s\",\"enabled\":true},\"password\":\"" PASSWORD
			"\"}",
			username, role));
	ck_assert_msg(status(got) == 200, "%s", got);
	return user_id(got);
}

/* --- the stack --- */

static void put_file(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) || chmod(path, 0600))
		exit(99);
}

static void start_api(int i)
{
	static char o[2][5][300];
	char(*p)[300] = o[i];
	int port = tk_free_port();

	web[i] = tk_free_port();
	snprintf(p[0], 300, "--nats-url=%s", tk_url(nats));
	snprintf(p[1], 300, "--http-port=%d", web[i]);
	snprintf(p[2], 300, "--health-port=%d", port);
	snprintf(p[3], 300, "--web-dir=%s", dir);
	snprintf(p[4], 300, "--node=api-%d", i + 1);
	const char *const argv[] = {
		getenv("API_BIN"),   p[0], p[1], p[2], p[3], p[4], "--rate=200", "--login-rate=1000",
		"--keep-events=200", NULL
	};
	api[i] = tk_program(argv, web[i]);
}

void start_all(void)
{
	char o[6][512], assets[64];

	if (!mkdtemp(dir))
		exit(99);
	snprintf(assets, sizeof(assets), "%s/assets", dir);
	if (mkdir(assets, 0700))
		exit(99);
	put_file("boot", ADMIN_PASSWORD "\n");
	put_file("index.html", "<html>desk</html>");
	put_file("assets/app-1.js", "let x");
	nats = tk_nats(NULL);
	redis = tk_redis();
	db = tk_pg();
	int port = tk_free_port();
	snprintf(o[0], sizeof(o[0]), "--nats-url=%s", tk_url(nats));
	snprintf(o[1], sizeof(o[1]), "--redis-url=%s", tk_url(redis));
	snprintf(o[2], sizeof(o[2]), "--pg-dsn=%s", tk_url(db));
	snprintf(o[3], sizeof(o[3]), "--health-port=%d", port);
	snprintf(o[4], sizeof(o[4]), "--sql-dir=%s", getenv("SQL_DIR"));
	snprintf(o[5], sizeof(o[5]), "--bootstrap-admin-password-file=%s/boot", dir);
	const char *const argv[] = { getenv("AUTH_BIN"), "--node=auth-1", o[0], o[1], o[2], o[3], o[4], o[5], NULL };
	auth = tk_program(argv, port);
	start_api(0);
	start_api(1);
}

void nats_away(void)
{
	tk_kill(nats);
}
void nats_back(void)
{
	tk_start(nats);
}

bool stop_all(void)
{
	int bad = 0;
	char cmd[64];

	for (int i = 0; i < 2; i++) {
		bad |= tk_stop(api[i]);
		tk_free(api[i]);
	}
	bad |= tk_stop(auth);
	tk_free(auth);
	tk_free(nats);
	tk_free(redis);
	tk_free(db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) == 0 && !bad;
}

static bool fleet_up(void *arg)
{
	char *got = post(0, AUTH "Login", "", "{\"username\":\"admin\",\"password\":\"" ADMIN_PASSWORD "\"}");

	return status(got) == 200;
}

void setup(void)
{
	struct bus_cfg bc = { .url = tk_url(nats), .service = "test", .node = "test-1", .connect_wait_ms = 20000 };

	a = pl_arena_new(0);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_msg(bus_open(&bus, loop, NULL, &bc, &why) == PL_OK, "%s", why.text);
	for (int i = 0; i < 100 && !fleet_up(NULL); i++)
		usleep(100000);
	admin = login("admin", ADMIN_PASSWORD);
}

void teardown(void)
{
	bus_close(bus);
	pl_loop_free(loop);
	pl_arena_free(a);
}
