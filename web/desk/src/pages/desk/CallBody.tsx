import {
	IconAlertTriangle,
	IconArrowRight,
	IconChevronLeft,
	IconChevronRight,
	IconLock,
	IconLockOpen,
	IconPencil,
	IconPhone,
	IconPhoneIncoming,
	IconPhoneOff,
	IconPlayerPause,
	IconPlayerPlay,
	IconTransfer,
	IconUsers,
	type Icon,
} from '@tabler/icons-react'
import { Menu } from '@mantine/core'
import { Fragment, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Moment, Phone, Until, Who } from '../../parts/parts.tsx'
import { useBusy } from '../../shell/busy.ts'
import { ctrl, useKeys } from '../../shell/keys.ts'
import { useSecond } from '../../state/clock.ts'
import { endWrapUp, setMyState } from '../../state/desk.ts'
import { AgentState, Direction, isLive, type Item, type Mark, type MarkKind } from '../../state/model.ts'
import { useWork } from '../../state/stores.ts'
import { length, timeS } from '../../words/format.ts'

/** Header and body of a call: who, how it came, what is known, what happened so far. */
interface Props {
	item: Item
	contextButton: ReactNode
	toList: () => void
}
export function CallBody({ item, contextButton, toList }: Props) {
	const { t } = useTranslation()
	const direction = item.direction === Direction.OUTBOUND ? t('outbound') : t('inbound')
	const waited = item.queuedAt && item.answeredAt ? item.answeredAt - item.queuedAt : undefined
	return (
		<>
			<header className="hd">
				<div className="row">
					{!isLive(item) && (
						<button type="button" className="ib narrow-only" aria-label={t('Work list')} onClick={toList}>
							<IconChevronLeft className="i flip" aria-hidden />
						</button>
					)}
					<h2 className="xl el">
						<Who name={item.name} number={item.number} />
					</h2>
					{!isLive(item) && (
						<span className="chip wrap">
							<IconPencil className="i" aria-hidden />
							{t('Wrap-up')}
						</span>
					)}
					<span className="sp" />
					{contextButton}
				</div>
				<div className="row xs i2 pathrow">
					<span>
						{[item.queueName, direction].filter(Boolean).join(' · ')}
						{waited !== undefined && (
							<>
								{' · '}
								{t('waited')} <span className="num">{length(waited)}</span>
							</>
						)}
						{item.variables.length > 0 && <> · {t('from the menu:')}</>}
					</span>
					{item.variables.map((kv, i) => (
						<Fragment key={kv.key}>
							{i > 0 && <IconChevronRight className="i s14 i3 flip" aria-hidden />}
							<bdi className="path" title={kv.key}>
								{kv.value}
							</bdi>
						</Fragment>
					))}
				</div>
			</header>
			<hr />
			<div className="body" tabIndex={0} role="region" aria-label={t('About this call')}>
				{!isLive(item) && <WrapUp item={item} />}
				<Known item={item} />
				<Course item={item} />
			</div>
		</>
	)
}

function Known({ item }: { item: Item }) {
	const { t } = useTranslation()
	if (!item.variables.length && !item.dialled) return null
	return (
		<section className="card block" aria-label={t('What is known')}>
			<h3 className="b">{t('What is known')}</h3>
			<dl className="facts2">
				{item.dialled && (
					<>
						<dt>{t('Called')}</dt>
						<dd>
							<Phone number={item.dialled} />
						</dd>
					</>
				)}
				{item.variables.map((kv) => (
					<Fragment key={kv.key}>
						<dt>
							<bdi>{kv.key}</bdi>
						</dt>
						<dd className="m">
							<bdi>{kv.value}</bdi>
						</dd>
					</Fragment>
				))}
			</dl>
		</section>
	)
}

const icons: Record<MarkKind, Icon> = {
	started: IconPhoneIncoming,
	queued: IconUsers,
	answered: IconPhone,
	held: IconPlayerPause,
	resumed: IconPlayerPlay,
	'recording-paused': IconLock,
	'recording-resumed': IconLockOpen,
	'recording-failed': IconAlertTriangle,
	transferred: IconTransfer,
	ended: IconPhoneOff,
}

/** Everything that happened in this call, in order. */
export function course(item: Item): Mark[] {
	const marks = item.marks.filter((m) => m.kind !== 'resumed')
	if (item.startedAt) marks.push({ kind: 'started', at: item.startedAt })
	if (item.queuedAt) marks.push({ kind: 'queued', at: item.queuedAt })
	if (item.answeredAt && !marks.some((m) => m.kind === 'answered'))
		marks.push({ kind: 'answered', at: item.answeredAt })
	const rank: MarkKind[] = ['started', 'queued', 'answered', 'held']
	return marks.sort((a, b) => a.at - b.at || rank.indexOf(a.kind) - rank.indexOf(b.kind))
}

function Course({ item }: { item: Item }) {
	const { t } = useTranslation()
	const marks = course(item)
	const waited = item.queuedAt && item.answeredAt ? length(item.answeredAt - item.queuedAt) : ''
	const text = (m: Mark): string => {
		switch (m.kind) {
			case 'started':
				return item.direction === Direction.OUTBOUND ? t('Call placed') : t('Call arrived')
			case 'queued':
				return item.queueName ? t('Joined {queue}', { queue: item.queueName }) : t('Joined the queue')
			case 'answered':
				return waited ? t('Answered by you after {time} of waiting', { time: waited }) : t('Answered')
			case 'held':
				return m.ms === undefined ? t('Put on hold') : t('Held for {time}', { time: length(m.ms) })
			case 'resumed':
				return t('Taken off hold')
			case 'recording-paused':
				return t('Recording paused for payment')
			case 'recording-resumed':
				return t('Recording goes on')
			case 'recording-failed':
				return t('Recording failed')
			case 'transferred':
				return t('Transferred')
			case 'ended':
				return endText(m.text ?? '')
		}
	}
	const endText = (reason: string): string => {
		if (/customer/.test(reason)) return t('Customer hung up')
		if (/agent/.test(reason)) return t('You ended the call')
		if (/transfer/.test(reason)) return t('Transferred')
		if (/lost/.test(reason)) return t('The line was lost')
		return t('Call ended')
	}
	if (!marks.length) return null
	return (
		<section className="card block" aria-label={t('So far')}>
			<h3 className="b">{t('So far')}</h3>
			<ol className="course">
				{marks.map((m) => {
					const MarkIcon = icons[m.kind] ?? IconArrowRight
					return (
						<li key={`${m.kind}${m.at}`}>
							<span className="xs i3">
								<Moment at={m.at} show={timeS} />
							</span>
							<MarkIcon className="i s16" aria-hidden />
							<span>{text(m)}</span>
						</li>
					)
				})}
			</ol>
		</section>
	)
}

function WrapUp({ item }: { item: Item }) {
	const { t } = useTranslation()
	const status = useWork((w) => w.status)
	const queue = useWork((w) => w.queues.find((q) => q.id === item.queueId))
	const reasons = useWork((w) => w.pauseReasons)
	const { busy, run } = useBusy()
	const now = useSecond()
	const until = status?.interactionIds.includes(item.id) ? status.wrapUpUntil : undefined
	const of = queue?.wrapUpMs || (until && item.endedAt ? until - item.endedAt : 0)
	const share = until && of ? Math.max(0, Math.min(1, (until - now) / of)) : 0
	const done = (state: AgentState, reason = '') =>
		void (
			busy ||
			run(async () => {
				await setMyState(state, reason)
				await endWrapUp(item)
			})
		)
	useKeys([{ key: 'Ctrl+Enter', name: t('Done with wrap-up'), run: () => done(AgentState.READY) }])
	if (!status?.interactionIds.includes(item.id)) return null
	return (
		<section className="card wrapcard" aria-label={t('Wrap-up')}>
			<div className="row">
				<span className="chip wrap">
					<IconPencil className="i" aria-hidden />
					{t('Wrap-up')}
				</span>
				<span className="b el">
					<Who name={item.name} number={item.number} />
				</span>
				<span className="sp" />
				{until && (
					<span className="b c-wrap">
						<Until at={until} />
					</span>
				)}
			</div>
			{until !== undefined && (
				<div className="bar" aria-hidden>
					<i style={{ width: `${share * 100}%`, background: 'var(--f-wrap)' }} />
				</div>
			)}
			<div className="row" style={{ marginTop: 12 }}>
				<span className="xs i3 sp wide-only">{t('The next call comes when you are done or the time is over.')}</span>
				{reasons.length > 0 && (
					<Menu position="bottom-end" classNames={{ dropdown: 'pop', item: 'mi' }}>
						<Menu.Target>
							<button type="button" className="btn sm" aria-disabled={busy}>
								{t('Done, then pause')}
							</button>
						</Menu.Target>
						<Menu.Dropdown>
							{reasons.map((r) => (
								<Menu.Item key={r.id} onClick={() => done(AgentState.PAUSED, r.id)}>
									{t('Pause: {reason}', { reason: r.name })}
								</Menu.Item>
							))}
						</Menu.Dropdown>
					</Menu>
				)}
				<button type="button" className="btn sm p" aria-disabled={busy} onClick={() => done(AgentState.READY)}>
					{t('Done, Ready')}
					<kbd className="kbd">{ctrl} Enter</kbd>
				</button>
			</div>
		</section>
	)
}
