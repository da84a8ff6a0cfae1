#include "fork.h"

#define TO(s, f)                                                                                                       \
	{                                                                                                              \
		FORK_##s + 1, (f)                                                                                      \
	}
#define ACK FORK_FX_ACK
static const struct {
	uint8_t to, fx;
} rules[FORK_STATE_N][FORK_EVENT_N] = {
	[FORK_CALLING] = {
		[FORK_EV_1XX] = TO(RINGING, FORK_FX_TELL_RINGING),
		[FORK_EV_2XX_WANTED] = TO(WON, ACK | FORK_FX_TELL_WON),
		[FORK_EV_2XX_LATE] = TO(BYE, ACK | FORK_FX_BYE),
		[FORK_EV_FAIL] = TO(GONE, FORK_FX_TELL_DONE),
		[FORK_EV_CANCEL] = TO(CANCEL, FORK_FX_CANCEL),
	},
	[FORK_RINGING] = {
		[FORK_EV_1XX] = TO(RINGING, FORK_FX_TELL_RINGING),
		[FORK_EV_2XX_WANTED] = TO(WON, ACK | FORK_FX_TELL_WON),
		[FORK_EV_2XX_LATE] = TO(BYE, ACK | FORK_FX_BYE),
		[FORK_EV_FAIL] = TO(GONE, FORK_FX_TELL_DONE),
		[FORK_EV_CANCEL] = TO(CANCEL, FORK_FX_CANCEL),
	},
	[FORK_CANCEL] = {
		[FORK_EV_1XX] = TO(CANCEL, 0),
		[FORK_EV_2XX_WANTED] = TO(BYE, ACK | FORK_FX_BYE),	/* crossed our CANCEL */
		[FORK_EV_2XX_LATE] = TO(BYE, ACK | FORK_FX_BYE),
		[FORK_EV_FAIL] = TO(GONE, FORK_FX_TELL_DONE),
		[FORK_EV_CANCEL] = TO(CANCEL, 0),
	},
	[FORK_WON] = {
		[FORK_EV_1XX] = TO(WON, 0),
		[FORK_EV_CANCEL] = TO(WON, 0),
	},
	[FORK_BYE] = {
		[FORK_EV_1XX] = TO(BYE, 0),
		[FORK_EV_CANCEL] = TO(BYE, 0),
		[FORK_EV_CLOSED] = TO(GONE, FORK_FX_TELL_DONE),
	},
};

enum pl_err fork_step(struct fork_sm *f, enum fork_event ev, unsigned *ret_fx)
{
	if ((unsigned)f->state >= FORK_STATE_N || (unsigned)ev >= FORK_EVENT_N || !rules[f->state][ev].to)
		return PL_E_STATE;
	*ret_fx = rules[f->state][ev].fx;
	f->state = (enum fork_state)(rules[f->state][ev].to - 1);
	return PL_OK;
}

static int rank(int status)
{
	if (status >= 600)
		return 5;
	if (status == 486 || status == 480 || status == 403)
		return 4;
	if (status >= 400 && status < 500 && status != 408)
		return 3;
	if (status >= 300 && status < 400)
		return 2;
	return status ? 1 : 0;
}

int fork_better(int a, int b)
{
	return rank(b) > rank(a) ? b : a;
}
