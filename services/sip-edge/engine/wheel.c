#include "wheel.h"

void wheel_init(struct wheel *w, int64_t now_us)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		pl_list_init(&w->slots[i]);
	w->tick = now_us / WHEEL_TICK_US;
	w->n = 0;
}

void wheel_set(struct wheel *w, struct wheel_node *n, int64_t due_us)
{
	if (n->link.next) {
		pl_list_remove(&n->link);
		n->link.next = n->link.prev = NULL;
		w->n--;
	}
	n->due_us = due_us;
	if (!due_us)
		return;
	/* Rounded up, and never on a slot the hand has left. */
	int64_t tick = (due_us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
	if (tick < w->tick)
		tick = w->tick;
	pl_list_push(&w->slots[(uint64_t)tick % WHEEL_SLOTS], &n->link);
	w->n++;
}

struct wheel_node *wheel_take(struct wheel *w, int64_t now_us)
{
	int64_t now_tick = now_us / WHEEL_TICK_US;
	/* After a long sleep one turn looks at every slot. */
	if (now_tick - w->tick > WHEEL_SLOTS)
		w->tick = now_tick - WHEEL_SLOTS;
	for (;; w->tick++) {
		PL_LIST_EACH (it, &w->slots[(uint64_t)w->tick % WHEEL_SLOTS]) {
			struct wheel_node *n = PL_CONTAINER(it, struct wheel_node, link);
			if (n->due_us <= now_us) {
				wheel_set(w, n, 0);
				return n;
			}
		}
		if (w->tick >= now_tick)
			return NULL;
	}
}
