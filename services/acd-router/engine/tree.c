#include "tree.h"

#include "pool.h"

bool acd_key_less(const struct acd_key *x, const struct acd_key *y)
{
	if (x->a != y->a)
		return x->a < y->a;
	if (x->b != y->b)
		return x->b < y->b;
	return x->serial < y->serial;
}

static void pull(struct acd_node *nodes, uint32_t i) /* node 0 is all zero */
{
	struct acd_node *n = &nodes[i];
	n->size = nodes[n->l].size + nodes[n->r].size + 1;
	n->sum = nodes[n->l].sum + nodes[n->r].sum + n->weight;
}

static void split(struct acd_node *nodes, uint32_t t, const struct acd_key *key, uint32_t *l, uint32_t *r)
{
	if (!t) {
		*l = *r = 0;
	} else if (acd_key_less(&nodes[t].key, key)) {
		*l = t;
		split(nodes, nodes[t].r, key, &nodes[t].r, r);
		pull(nodes, t);
	} else {
		*r = t;
		split(nodes, nodes[t].l, key, l, &nodes[t].l);
		pull(nodes, t);
	}
}

static uint32_t merge(struct acd_node *nodes, uint32_t l, uint32_t r)
{
	if (!l || !r)
		return l | r;
	if (nodes[l].prio > nodes[r].prio) {
		nodes[l].r = merge(nodes, nodes[l].r, r);
		pull(nodes, l);
		return l;
	}
	nodes[r].l = merge(nodes, l, nodes[r].l);
	pull(nodes, r);
	return r;
}

void acd_tree_insert(struct acd_node *nodes, uint32_t *root, uint32_t i, struct acd_key key, uint32_t weight)
{
	struct acd_node *n = &nodes[i];
	*n = (struct acd_node){ .key = key, .weight = weight, .prio = (uint32_t)(acd_mix(key.serial) >> 32) };
	uint32_t *at = root;
	while (*at && nodes[*at].prio > n->prio) {
		struct acd_node *t = &nodes[*at];
		t->size++;
		t->sum += weight;
		at = acd_key_less(&t->key, &key) ? &t->r : &t->l;
	}
	split(nodes, *at, &key, &n->l, &n->r);
	pull(nodes, i);
	*at = i;
}

void acd_tree_remove(struct acd_node *nodes, uint32_t *root, uint32_t i)
{
	struct acd_node *n = &nodes[i];
	uint32_t *at = root;
	while (*at && *at != i) {
		struct acd_node *t = &nodes[*at];
		t->size--;
		t->sum -= n->weight;
		at = acd_key_less(&t->key, &n->key) ? &t->r : &t->l;
	}
	*at = merge(nodes, n->l, n->r);
	n->l = n->r = 0;
}

uint32_t acd_tree_first(const struct acd_node *nodes, uint32_t root)
{
	while (root && nodes[root].l)
		root = nodes[root].l;
	return root;
}

uint32_t acd_tree_nth(const struct acd_node *nodes, uint32_t root, uint32_t n)
{
	while (root) {
		uint32_t left = nodes[nodes[root].l].size;
		if (n == left)
			return root;
		if (n < left) {
			root = nodes[root].l;
		} else {
			n -= left + 1;
			root = nodes[root].r;
		}
	}
	return 0;
}

uint32_t acd_tree_below(const struct acd_node *nodes, uint32_t root, const struct acd_key *key, uint64_t *ret_sum)
{
	uint32_t n = 0;
	uint64_t sum = 0;
	while (root) {
		const struct acd_node *t = &nodes[root];
		if (acd_key_less(&t->key, key)) {
			n += nodes[t->l].size + 1;
			sum += nodes[t->l].sum + t->weight;
			root = t->r;
		} else {
			root = t->l;
		}
	}
	if (ret_sum)
		*ret_sum = sum;
	return n;
}

uint32_t acd_tree_at_weight(const struct acd_node *nodes, uint32_t root, uint64_t point)
{
	uint32_t before = 0;
	while (root) {
		const struct acd_node *t = &nodes[root];
		if (point < nodes[t->l].sum) {
			root = t->l;
			continue;
		}
		point -= nodes[t->l].sum;
		before += nodes[t->l].size;
		if (point < t->weight)
			break;
		point -= t->weight;
		before++;
		root = t->r;
	}
	return before;
}

void acd_walk_from(struct acd_walk *w, const struct acd_node *nodes, uint32_t root, uint32_t n)
{
	w->n = 0;
	while (root && w->n < ACD_TREE_DEPTH) {
		uint32_t left = nodes[nodes[root].l].size;
		if (n > left) {
			n -= left + 1;
			root = nodes[root].r;
			continue;
		}
		w->stack[w->n++] = root;
		if (n == left)
			break;
		root = nodes[root].l;
	}
}

uint32_t acd_walk_next(struct acd_walk *w, const struct acd_node *nodes)
{
	if (w->n == 0)
		return 0;
	uint32_t at = w->stack[--w->n];
	for (uint32_t t = nodes[at].r; t && w->n < ACD_TREE_DEPTH; t = nodes[t].l)
		w->stack[w->n++] = t;
	return at;
}
