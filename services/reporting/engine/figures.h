/** Figures out of rows: counters of a quarter of an hour per queue, of a day per agent, the sliding service level, and
 * how long agents were in which state. A row's share is subtracted as it was and added as it is, so figures always
 * equal the sum over the rows, and the same code serves the tables of history and the live page. Pure. Threads    none
 * of its own. Units: _us UTC, _ms. */
#ifndef REP_FIGURES_H
#define REP_FIGURES_H
#include "fold.h"

#define REP_INTERVAL_US (15 * 60 * PL_US_PER_S) /* every zone's midnight is on one */

/* clang-format off */
#define REP_QFIGS(X) \
	X(offered) X(answered) X(abandoned) X(unmanaged) X(within) X(wait_answered_ms) X(wait_abandoned_ms) \
	X(talk_ms) X(held_ms) X(wrap_ms)
/* clang-format on */
struct rep_qfig {
#define X(n) int64_t n;
	REP_QFIGS(X)
#undef X
};
/* clang-format off */
#define REP_AFIGS(X) X(handled) X(missed) X(talk_ms) X(held_ms) X(wrap_ms) X(ring_ms)
/* clang-format on */
struct rep_afig {
#define X(n) int64_t n;
	REP_AFIGS(X)
#undef X
};
/** Share of one visit, counted where it began (visit.from_us). */
void rep_visit_fig(const struct rep_visit *v, struct rep_qfig *ret);
/** Share of one contact, counted where it began. */
void rep_work_fig(const struct rep_work *k, struct rep_afig *ret);
/** Share of one ring segment of an agent: missed when it rang to its end or was refused. */
void rep_ring_fig(const struct rep_seg *s, struct rep_afig *ret);
void rep_qfig_add(struct rep_qfig *to, const struct rep_qfig *x, int sign);
void rep_afig_add(struct rep_afig *to, const struct rep_afig *x, int sign);
bool rep_qfig_zero(const struct rep_qfig *x);
bool rep_afig_zero(const struct rep_afig *x);
int64_t rep_interval_of(int64_t us);

/* --- the last 30 minutes of a queue --- */
enum { REP_WINDOW_MIN = 30 };
struct rep_window {
	int64_t minute[REP_WINDOW_MIN]; /* which minute since 1970 a cell holds */
	int32_t within[REP_WINDOW_MIN], counted[REP_WINDOW_MIN];
	int32_t waiting[REP_WINDOW_MIN]; /* most who waited at once */
};
/** A visit left the queue (sign 1), or what was said of it is taken back (-1). Nothing older than the window is kept.
 */
void rep_window_visit(struct rep_window *w, const struct rep_visit *v, int sign, int64_t now_us);
void rep_window_waiting(struct rep_window *w, uint32_t waiting, int64_t now_us);
/** Percent times 100 of answered within the threshold over answered and abandoned; -1: nothing to measure. */
int32_t rep_window_level(const struct rep_window *w, int64_t now_us);
void rep_window_history(const struct rep_window *w, int64_t now_us, uint32_t ret[REP_WINDOW_MIN]); /* oldest first */

/* --- agents --- */
enum rep_agent_state {
	REP_A_NONE,
	REP_A_OFFLINE,
	REP_A_READY,
	REP_A_PAUSED,
	REP_A_OFFERED,
	REP_A_ON_CONTACT,
	REP_A_WRAP_UP,
	REP_A_STATE_N
};
struct rep_agent { /* states as acd.v1.AgentState */
	enum rep_agent_state state;
	int64_t since_us;
	uint64_t version; /* of the status: decides between two of the same microsecond */
	char pause_id[40];
};
struct rep_span {
	enum rep_agent_state state;
	int64_t from_us, to_us;
	char pause_id[40];
};
/** False: older than what is known, nothing changed. *ret_closed is the state that ended (NONE: there was none). */
bool rep_agent_change(struct rep_agent *a, enum rep_agent_state state, const char *pause_id, int64_t at_us,
		      uint64_t version, struct rep_span *ret_closed);
#endif
