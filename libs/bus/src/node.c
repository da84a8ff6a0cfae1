/* Presence: heartbeats of the nodes of a service, and the table of those that live. */
#include "bus_int.h"

#include <stdlib.h>

#define BEAT_US (1 * PL_US_PER_S)
#define GONE_US (3500 * PL_US_PER_MS)
#define NODES_MAX 4096u

struct announce {
	int64_t (*load)(void *arg);
	void *arg;
	int64_t capacity, next_us;
	char *info;
};

struct watch {
	struct pl_list node;
	struct bus *b;
	char *service;
	struct bus_sub *sub;
	void (*fn)(void *arg, enum bus_node_change c, const struct bus_node *n);
	void *arg;
};

struct node {
	struct pl_list node;
	struct bus_node pub;
	char service[48], name[64];
	char *info;
};

void node_init(struct bus *b)
{
	b->announce = NULL;
}

static void beat(struct bus *b, bool gone)
{
	struct announce *a = b->announce;
	char subject[160];
	json_t *j = json_pack("{s:I, s:I, s:s, s:b}", "load", (json_int_t)(a->load ? a->load(a->arg) : 0), "capacity",
			      (json_int_t)a->capacity, "info", a->info, "gone", gone);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	if (!text)
		return;
	snprintf(subject, sizeof(subject), "node.hb.%s.%s", b->service, b->node);
	natsMsg *m = NULL;
	if (natsMsg_Create(&m, subject, NULL, text, (int)strlen(text)) == NATS_OK) {
		bus_send_now(b, m, strlen(text) + 128); /* an old heartbeat is worth nothing: not kept while away */
		natsMsg_Destroy(m);
	}
	free(text);
}

enum pl_err bus_announce(struct bus *b, int64_t (*load)(void *arg), int64_t capacity, const char *info, void *arg)
{
	struct announce *a = calloc(1, sizeof(*a));
	char *copy = strdup(info ? info : "");
	if (!a || !copy) {
		free(a);
		free(copy);
		return PL_E_NOMEM;
	}
	if (b->announce) { /* said again with other values */
		free(b->announce->info);
		free(b->announce);
	}
	*a = (struct announce){ .load = load, .arg = arg, .capacity = capacity, .info = copy };
	b->announce = a;
	node_tick(b, pl_loop_now_us(b->loop));
	return PL_OK;
}

void node_goodbye(struct bus *b)
{
	if (b->announce) {
		b->announce->load = NULL; /* its owner may be gone */
		beat(b, true);
	}
}

static void tell(struct bus *b, enum bus_node_change c, const struct node *n)
{
	PL_LIST_EACH_SAFE (w, &b->watches) {
		struct watch *x = PL_CONTAINER(w, struct watch, node);
		if (x->fn && strcmp(x->service, n->service) == 0)
			x->fn(x->arg, c, &n->pub);
	}
}

static struct node *find(const struct bus *b, const char *service, const char *name)
{
	PL_LIST_EACH (i, &b->nodes) {
		struct node *n = PL_CONTAINER(i, struct node, node);
		if (strcmp(n->name, name) == 0 && strcmp(n->service, service) == 0)
			return n;
	}
	return NULL;
}

static void node_free(struct node *n)
{
	pl_list_remove(&n->node);
	free(n->info);
	free(n);
}

static void down(struct bus *b, struct node *n)
{
	pl_list_remove(&n->node); /* not found any more by who is told */
	tell(b, BUS_NODE_DOWN, n);
	node_free(n);
}

static struct node *node_new(struct bus *b, const char *service, const char *name)
{
	size_t count = 0;
	PL_LIST_EACH (i, &b->nodes)
		count++;
	struct node *n = count < NODES_MAX ? calloc(1, sizeof(*n)) : NULL;
	if (!n)
		return NULL;
	pl_strlcpy(n->service, service, sizeof(n->service));
	pl_strlcpy(n->name, name, sizeof(n->name));
	n->pub.service = n->service;
	n->pub.node = n->name;
	n->pub.info = "";
	pl_list_push(&b->nodes, &n->node);
	return n;
}

static void set_info(struct node *n, const char *info)
{
	if (strcmp(n->pub.info, info) == 0)
		return;
	char *copy = strdup(info);
	if (!copy)
		return;
	free(n->info);
	n->info = copy;
	n->pub.info = copy;
}

static void on_beat(void *arg, const struct bus_msg *m)
{
	struct watch *w = arg;
	struct bus *b = w->b;
	json_int_t load, capacity;
	const char *info, *name = strrchr(m->subject, '.') + 1;
	int gone = 0;
	json_t *j = json_loadb((const char *)m->data, m->len, JSON_REJECT_DUPLICATES, NULL);
	if (!j || strlen(name) >= sizeof(((struct node *)0)->name) ||
	    json_unpack(j, "{s:I, s:I, s:s, s?b}", "load", &load, "capacity", &capacity, "info", &info, "gone",
			&gone) != 0) {
		json_decref(j);
		return;
	}
	struct node *n = find(b, w->service, name);
	bool fresh = !n && !gone;
	if (fresh)
		n = node_new(b, w->service, name);
	if (n && gone) {
		down(b, n);
	} else if (n) {
		set_info(n, info);
		n->pub.load = load;
		n->pub.capacity = capacity;
		n->pub.seen_us = pl_loop_now_us(b->loop);
		if (fresh)
			tell(b, BUS_NODE_UP, n);
	}
	json_decref(j);
}

enum pl_err bus_watch_nodes(struct bus *b, const char *service,
			    void (*fn)(void *arg, enum bus_node_change c, const struct bus_node *n), void *arg)
{
	char subject[128];
	struct watch *w = calloc(1, sizeof(*w)), *other = NULL;
	if (!w || !(w->service = strdup(service))) {
		free(w);
		return PL_E_NOMEM;
	}
	w->b = b;
	w->fn = fn;
	w->arg = arg;
	PL_LIST_EACH (i, &b->watches)
		if (strcmp(PL_CONTAINER(i, struct watch, node)->service, service) == 0)
			other = PL_CONTAINER(i, struct watch, node);
	snprintf(subject, sizeof(subject), "node.hb.%s.*", service);
	enum pl_err err = other ? PL_OK : bus_subscribe(&w->sub, b, subject, NULL, on_beat, w, NULL);
	if (err) {
		free(w->service);
		free(w);
		return err;
	}
	pl_list_push(&b->watches, &w->node);
	PL_LIST_EACH_SAFE (i, &b->nodes) {
		struct node *n = PL_CONTAINER(i, struct node, node);
		if (other && fn && strcmp(n->service, service) == 0)
			fn(arg, BUS_NODE_UP, &n->pub);
	}
	return PL_OK;
}

const struct bus_node *bus_find_node(struct bus *b, const char *service, const char *node)
{
	const struct node *n = find(b, service, node);
	return n ? &n->pub : NULL;
}

/* a/b < c/d without division; a capacity of 0 takes nothing. */
static bool less_loaded(const struct bus_node *a, const struct bus_node *b)
{
	return (__int128)a->load * b->capacity < (__int128)b->load * a->capacity;
}

const struct bus_node *bus_pick_node(struct bus *b, const char *service, const char *avoid)
{
	struct node *best = NULL;
	PL_LIST_EACH (i, &b->nodes) {
		struct node *n = PL_CONTAINER(i, struct node, node);
		if (strcmp(n->service, service) != 0 || n->pub.capacity <= 0 || (avoid && strcmp(n->name, avoid) == 0))
			continue;
		if (!best || less_loaded(&n->pub, &best->pub))
			best = n;
	}
	if (best)
		best->pub.load++; /* until its next heartbeat: a burst must not all go to one */
	return best ? &best->pub : NULL;
}

/* We were away: that we heard nothing says nothing of them. */
void node_up(struct bus *b)
{
	int64_t now = pl_mono_us();
	PL_LIST_EACH (i, &b->nodes)
		PL_CONTAINER(i, struct node, node)->pub.seen_us = now;
	if (b->announce)
		beat(b, false);
}

void node_tick(struct bus *b, int64_t now_us)
{
	struct announce *a = b->announce;
	if (a && now_us >= a->next_us) {
		a->next_us = now_us + BEAT_US;
		beat(b, false);
	}
	bool slept = now_us - b->node_tick_us > BEAT_US; /* then their heartbeats are still unread */
	b->node_tick_us = now_us;
	if (!bus_up(b))
		return;
	PL_LIST_EACH_SAFE (i, &b->nodes) {
		struct node *n = PL_CONTAINER(i, struct node, node);
		if (slept)
			n->pub.seen_us = now_us;
		if (now_us - n->pub.seen_us > GONE_US)
			down(b, n);
	}
}

void node_done(struct bus *b)
{
	PL_LIST_EACH_SAFE (i, &b->nodes)
		node_free(PL_CONTAINER(i, struct node, node));
	PL_LIST_EACH_SAFE (i, &b->watches) {
		struct watch *w = PL_CONTAINER(i, struct watch, node);
		free(w->service);
		free(w);
	}
	if (b->announce)
		free(b->announce->info);
	free(b->announce);
}
