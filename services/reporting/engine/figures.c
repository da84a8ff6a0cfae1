#include "figures.h"

#include <string.h>

#define MINUTE_US (60 * PL_US_PER_S)

void rep_visit_fig(const struct rep_visit *v, struct rep_qfig *ret)
{
	int64_t wait_ms = v->to_us > v->from_us ? (v->to_us - v->from_us) / 1000 : 0;
	*ret = (struct rep_qfig){ .offered = 1, .talk_ms = v->talk_ms, .held_ms = v->held_ms, .wrap_ms = v->wrap_ms };
	if (v->result == REP_R_NONE)
		return;
	if (v->result == REP_R_ANSWERED) {
		ret->answered = 1;
		ret->wait_answered_ms = wait_ms;
		ret->within = v->threshold_ms > 0 && wait_ms <= (int64_t)v->threshold_ms;
	} else if (v->result == REP_R_ABANDONED) {
		ret->abandoned = 1;
		ret->wait_abandoned_ms = wait_ms;
	} else {
		ret->unmanaged = 1;
	}
}

void rep_work_fig(const struct rep_work *k, struct rep_afig *ret)
{
	*ret = (struct rep_afig){ .handled = 1, .talk_ms = k->talk_ms, .held_ms = k->held_ms, .wrap_ms = k->wrap_ms };
}

void rep_ring_fig(const struct rep_seg *s, struct rep_afig *ret)
{
	*ret = (struct rep_afig){ 0 };
	if (s->kind != REP_SEG_RING || !s->to_us)
		return;
	ret->ring_ms = (s->to_us - s->from_us) / 1000;
	ret->missed = s->result == REP_R_TIMEOUT || s->result == REP_R_REJECTED;
}

void rep_qfig_add(struct rep_qfig *to, const struct rep_qfig *x, int sign)
{
#define X(n) to->n += sign * x->n;
	REP_QFIGS(X)
#undef X
}

void rep_afig_add(struct rep_afig *to, const struct rep_afig *x, int sign)
{
#define X(n) to->n += sign * x->n;
	REP_AFIGS(X)
#undef X
}

bool rep_qfig_zero(const struct rep_qfig *x)
{
	int64_t any = 0;
#define X(n) any |= x->n;
	REP_QFIGS(X)
#undef X
	return any == 0;
}

bool rep_afig_zero(const struct rep_afig *x)
{
	int64_t any = 0;
#define X(n) any |= x->n;
	REP_AFIGS(X)
#undef X
	return any == 0;
}

int64_t rep_interval_of(int64_t us)
{
	return us - us % REP_INTERVAL_US;
}

/* The cell of a minute, emptied when it held an older one; NULL when the minute is older than the window. */
static int cell(struct rep_window *w, int64_t at_us, int64_t now_us)
{
	int64_t minute = at_us / MINUTE_US, now = now_us / MINUTE_US;
	int i = (int)(minute % REP_WINDOW_MIN);
	if (minute < 0 || minute <= now - REP_WINDOW_MIN || minute < w->minute[i])
		return -1;
	if (minute > w->minute[i]) {
		w->minute[i] = minute;
		w->within[i] = w->counted[i] = w->waiting[i] = 0;
	}
	return i;
}

void rep_window_visit(struct rep_window *w, const struct rep_visit *v, int sign, int64_t now_us)
{
	struct rep_qfig f;
	if (v->result == REP_R_NONE || v->threshold_ms == 0) /* without a threshold there is no level */
		return;
	rep_visit_fig(v, &f);
	int i = cell(w, v->to_us, now_us);
	if (i < 0)
		return;
	w->within[i] += sign * (int32_t)f.within;
	w->counted[i] += sign * (int32_t)(f.answered + f.abandoned);
}

void rep_window_waiting(struct rep_window *w, uint32_t waiting, int64_t now_us)
{
	int i = cell(w, now_us, now_us);
	if (i >= 0 && w->waiting[i] < (int32_t)waiting)
		w->waiting[i] = (int32_t)waiting;
}

int32_t rep_window_level(const struct rep_window *w, int64_t now_us)
{
	int64_t within = 0, counted = 0, now = now_us / MINUTE_US;
	for (int i = 0; i < REP_WINDOW_MIN; i++)
		if (w->minute[i] > now - REP_WINDOW_MIN && w->minute[i] <= now) {
			within += w->within[i];
			counted += w->counted[i];
		}
	return counted > 0 ? (int32_t)(within * 10000 / counted) : -1;
}

void rep_window_history(const struct rep_window *w, int64_t now_us, uint32_t ret[REP_WINDOW_MIN])
{
	int64_t now = now_us / MINUTE_US;
	for (int k = 0; k < REP_WINDOW_MIN; k++) {
		int64_t minute = now - REP_WINDOW_MIN + 1 + k;
		int i = (int)(minute % REP_WINDOW_MIN);
		ret[k] = minute >= 0 && w->minute[i] == minute ? (uint32_t)w->waiting[i] : 0;
	}
}

bool rep_agent_change(struct rep_agent *a, enum rep_agent_state state, const char *pause_id, int64_t at_us,
		      uint64_t version, struct rep_span *ret_closed)
{
	if (a->state != REP_A_NONE && (at_us < a->since_us || (at_us == a->since_us && version <= a->version)))
		return false;
	*ret_closed = (struct rep_span){ .state = a->state, .from_us = a->since_us, .to_us = at_us };
	memcpy(ret_closed->pause_id, a->pause_id, sizeof(a->pause_id));
	a->state = state;
	a->since_us = at_us;
	a->version = version;
	size_t n = pause_id ? strnlen(pause_id, sizeof(a->pause_id) - 1) : 0;
	memcpy(a->pause_id, pause_id ? pause_id : "", n);
	a->pause_id[n] = 0;
	return true;
}
