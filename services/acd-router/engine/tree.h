/** Ordered sets over pool indexes: treaps with subtree sizes and weight sums, so that first, n-th, rank and a
 *  weighted choice all cost O(log n). A node's heap priority is a hash of its serial number: the shape depends on the
 *  content alone. */
#ifndef ACD_TREE_H
#define ACD_TREE_H
#include "acd.h"

struct acd_key {
	int64_t a, b;
	uint64_t serial; /* makes keys unique */
};
struct acd_node {
	struct acd_key key;
	uint32_t l, r, size, prio, weight, pad;
	uint64_t sum; /* of weights */
};
#define ACD_TREE_DEPTH 128 /* of a walk; expected depth is 2 ln n */
struct acd_walk {
	uint32_t stack[ACD_TREE_DEPTH];
	uint32_t n;
};

bool acd_key_less(const struct acd_key *x, const struct acd_key *y);
void acd_tree_insert(struct acd_node *nodes, uint32_t *root, uint32_t i, struct acd_key key, uint32_t weight);
/** i must be in the tree. */
void acd_tree_remove(struct acd_node *nodes, uint32_t *root, uint32_t i);
uint32_t acd_tree_first(const struct acd_node *nodes, uint32_t root);
uint32_t acd_tree_nth(const struct acd_node *nodes, uint32_t root, uint32_t n); /* from 0; 0: past the end */
/** How many, and their weight, are below the key. */
uint32_t acd_tree_below(const struct acd_node *nodes, uint32_t root, const struct acd_key *key, uint64_t *ret_sum);
/** Number of the node that covers this point of the weights laid side by side. */
uint32_t acd_tree_at_weight(const struct acd_node *nodes, uint32_t root, uint64_t point);
static inline uint32_t acd_tree_size(const struct acd_node *nodes, uint32_t root)
{
	return root ? nodes[root].size : 0;
}

/* In order; the tree must not change meanwhile. */
void acd_walk_from(struct acd_walk *w, const struct acd_node *nodes, uint32_t root, uint32_t n); /* from the n-th */
uint32_t acd_walk_next(struct acd_walk *w, const struct acd_node *nodes);
#endif
