// The line across the page when the event stream is quiet: what stopped, what goes on, and the way on.
import { IconCircleCheck, IconRefresh, IconWifiOff } from '@tabler/icons-react'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { localNow, useSecond } from '../state/clock.ts'
import { tryNow } from '../state/desk.ts'
import { Device, liveCall } from '../state/model.ts'
import { say } from '../state/say.ts'
import { useWork } from '../state/stores.ts'
import { backShownMs, linkState, useLink } from '../stream/link.ts'
import { timeS } from '../words/format.ts'

/** "stale" greys the figures of a page while they stand still. */
export function useStale(): boolean {
	useSecond()
	const link = useLink()
	const state = linkState(link, localNow())
	return state === 'stale' || state === 'down'
}

export function Banner() {
	const { t } = useTranslation()
	useSecond()
	const link = useLink()
	const call = useWork((w) => !!liveCall(w))
	const byPhone = useWork((w) => w.status?.device === Device.PHONE)
	const now = localNow()
	const state = linkState(link, now)
	const before = useRef(state)
	useEffect(() => {
		if (before.current !== state && state === 'down') say(t('No connection'))
		before.current = state
	}, [state, t])

	const silent = Math.floor((now - (link.heardAt ?? link.startedAt)) / 1000)
	const stopped = link.figuresAt ? t('Numbers stopped at {time}.', { time: timeS(link.figuresAt) }) : ''
	const goesOn = call ? t('Your call goes on.') : ''
	if (state === 'stale')
		return (
			<div className="bn pause across" role="status">
				<IconRefresh className="i s16 c-pause" aria-hidden />
				<div className="col sp">
					<b className="c-pause num">{t('Reconnecting, {n} s.', { n: silent })}</b>
					<span className="xs i2">
						{stopped} {goesOn}
					</span>
				</div>
			</div>
		)
	if (state === 'down')
		return (
			<div className="bn bad across" role="status">
				<IconWifiOff className="i s16 c-bad" aria-hidden />
				<div className="col sp">
					<b className="c-bad num">{t('No connection for {n} s.', { n: silent })}</b>
					<span className="xs i2">
						{stopped} {byPhone ? t('Calls continue on the phone.') : goesOn}
					</span>
				</div>
				<button type="button" className="btn sm" onClick={tryNow}>
					{t('Try now')}
				</button>
			</div>
		)
	if (link.back && now - link.back.at < backShownMs)
		return (
			<div className="bn ready across" role="status">
				<IconCircleCheck className="i s16 c-ready" aria-hidden />
				<b className="c-ready">
					{t(
						'Back. {n, plural, =0 {Nothing happened meanwhile.} one {# event caught up, nothing missed.} other {# events caught up, nothing missed.}}',
						{ n: link.back.events },
					)}
				</b>
			</div>
		)
	return null
}
