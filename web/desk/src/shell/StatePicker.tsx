// The agent's state in the top bar: what it is, since when, what comes next, and the way to change it.
import { Menu } from '@mantine/core'
import { IconCheck, IconChevronDown, IconCircleCheck, IconPower, IconPlayerPause } from '@tabler/icons-react'
import { useNavigate, useRouterState } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Since, stateLook, Until } from '../parts/parts.tsx'
import { setMyState, stopWork } from '../state/desk.ts'
import { AgentState, isWorking, type Status } from '../state/model.ts'
import { useWork } from '../state/stores.ts'
import { length } from '../words/format.ts'
import { useBusy } from './busy.ts'

const during = new Set([AgentState.OFFERED, AgentState.ON_CONTACT, AgentState.WRAP_UP])

/** The words of a state with its reason: "Paused: Break", "On call". */
export function useStateWord(): (s: Status) => string {
	const { t } = useTranslation()
	return (s) => {
		if (s.state === AgentState.PAUSED && s.missed) return t('Paused (missed)')
		if (s.state === AgentState.PAUSED && s.reasonName) return s.reasonName
		if (s.state === AgentState.ON_CONTACT) return t('On call')
		return t(stateLook(s.state).word)
	}
}

export function StatePicker({ wide = false }: { wide?: boolean }) {
	const { t } = useTranslation()
	const status = useWork((w) => w.status)
	const reasons = useWork((w) => w.pauseReasons)
	const word = useStateWord()
	const go = useNavigate()
	const path = useRouterState({ select: (s) => s.location.pathname })
	const { busy, run } = useBusy()
	if (!status) return null
	// The page that starts work has its own button for it.
	if (!isWorking(status) && path === '/start') return null
	if (!isWorking(status))
		return (
			<button type="button" className={`state off${wide ? ' wide' : ''}`} onClick={() => void go({ to: '/start' })}>
				<IconPower className="i s16" aria-hidden />
				<b>{t('Offline')}</b>
				<span className="nxt">{t('Start work')}</span>
			</button>
		)
	const { look, Icon } = stateLook(status.state, status.missed)
	const later = during.has(status.state)
	const next = status.next === AgentState.PAUSED ? reasons.find((r) => r.id === status.nextReasonId)?.name : undefined
	const set = (state: AgentState, reason = '') => void run(() => setMyState(state, reason))
	const chosen = (state: AgentState, reason = ''): boolean =>
		later
			? status.next === state && (state === AgentState.READY || status.nextReasonId === reason)
			: status.state === state && !status.missed && (state === AgentState.READY || status.reasonId === reason)
	const tick = (on: boolean) => (on ? <IconCheck className="i s16 c-acc" aria-hidden /> : null)
	return (
		<Menu position="bottom-end" width={260} classNames={{ dropdown: 'pop', item: 'mi', label: 'ml' }}>
			<Menu.Target>
				<button
					type="button"
					className={`state ${look}${wide ? ' wide' : ''}${busy ? ' busy-now' : ''}`}
					aria-description={t('Your state')}
				>
					<Icon className="i s16" aria-hidden />
					<b className="el">{word(status)}</b>
					{wide && <span className="sp" />}
					{status.state === AgentState.WRAP_UP && status.wrapUpUntil ? (
						<Until at={status.wrapUpUntil} />
					) : (
						<Since at={status.since} padded />
					)}
					{later && (
						<span className="nxt">
							{status.next === AgentState.PAUSED ? t('then {state}', { state: next ?? t('Paused') }) : t('then Ready')}
						</span>
					)}
					<IconChevronDown className="i s14" aria-hidden />
				</button>
			</Menu.Target>
			<Menu.Dropdown>
				<Menu.Label>{later ? t('After this contact') : t('State')}</Menu.Label>
				<Menu.Item
					leftSection={<IconCircleCheck className="i c-ready" aria-hidden />}
					rightSection={tick(chosen(AgentState.READY)) ?? <kbd className="kbd">Alt R</kbd>}
					onClick={() => set(AgentState.READY)}
				>
					{status.missed ? t('Back to Ready') : t('Ready')}
				</Menu.Item>
				{reasons.map((r) => (
					<Menu.Item
						key={r.id}
						leftSection={<IconPlayerPause className="i c-pause" aria-hidden />}
						rightSection={
							tick(chosen(AgentState.PAUSED, r.id)) ??
							(r.limitMs > 0 ? (
								<span className="xs i3 num">{t('up to {time}', { time: length(r.limitMs) })}</span>
							) : null)
						}
						onClick={() => set(AgentState.PAUSED, r.id)}
					>
						{t('Pause: {reason}', { reason: r.name })}
					</Menu.Item>
				))}
				{!reasons.length && (
					<Menu.Item
						leftSection={<IconPlayerPause className="i c-pause" aria-hidden />}
						rightSection={tick(chosen(AgentState.PAUSED))}
						onClick={() => set(AgentState.PAUSED)}
					>
						{t('Pause')}
					</Menu.Item>
				)}
				<Menu.Divider />
				<Menu.Item
					leftSection={<IconPower className="i i2" aria-hidden />}
					onClick={() => void run(stopWork).then((ok) => (ok ? go({ to: '/start' }) : undefined))}
				>
					{t('Stop work')}
				</Menu.Item>
			</Menu.Dropdown>
		</Menu>
	)
}
