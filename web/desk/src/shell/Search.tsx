// Ctrl K: actions with their keys, numbers to dial, people to look at, pages. Only what works is in it.
import { Spotlight, spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight'
import '@mantine/core/styles/Overlay.css'
import '@mantine/core/styles/ModalBase.css'
import '@mantine/core/styles/Modal.css'
import '@mantine/core/styles/Input.css'
import '@mantine/core/styles/ScrollArea.css'
import '@mantine/spotlight/styles.css'
import {
	IconActivity,
	IconCircleCheck,
	IconHeadset,
	IconHistory,
	IconLock,
	IconLogout,
	IconMicrophoneOff,
	IconPhone,
	IconPhoneOff,
	IconPlayerPause,
	IconSearch,
	IconUser,
	type Icon,
} from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useShallow } from 'zustand/react/shallow'
import { Avatar, useNumber } from '../parts/parts.tsx'
import { dial, hangUp, hold, mute, payPause, setMyState, signOut, stopWork } from '../state/desk.ts'
import { AgentState, isWorking, liveCall } from '../state/model.ts'
import { explain } from '../state/rpc.ts'
import { trouble } from '../state/say.ts'
import { mayDial, mayHistory, mayLive, useLive, useSession, useWork } from '../state/stores.ts'
import { useSearch } from './search.ts'

export default function Search() {
	const { t } = useTranslation()
	const wanted = useSearch((s) => s.wanted)
	const [text, setText] = useState('')
	const go = useNavigate()
	const session = useSession()
	const work = useWork(
		useShallow((w) => ({ status: w.status, reasons: w.pauseReasons, call: liveCall(w), known: w.known })),
	)
	const agents = useLive((l) => l.agents)
	const show = useNumber()
	useEffect(() => {
		if (wanted) spotlight.open()
	}, [wanted])

	const actions = useMemo<SpotlightActionGroupData[]>(() => {
		const act = (f: () => Promise<unknown>) => () => void f().catch((e) => trouble(explain(e)))
		const item = (label: string, I: Icon, onClick: () => void, key = ''): SpotlightActionData => ({
			id: label,
			label,
			leftSection: <I className="i i2" aria-hidden />,
			rightSection: key ? <kbd className="kbd">{key}</kbd> : undefined,
			onClick,
		})
		const doing: SpotlightActionData[] = []
		const { call, status } = work
		if (call) {
			doing.push(
				call.phase === 'held'
					? item(
							t('Take the call off hold'),
							IconPlayerPause,
							act(() => hold(call, false)),
							'F9',
						)
					: item(
							t('Hold the call'),
							IconPlayerPause,
							act(() => hold(call, true)),
							'F9',
						),
				call.muted
					? item(
							t('Unmute'),
							IconMicrophoneOff,
							act(() => mute(call, false)),
							'F8',
						)
					: item(
							t('Mute'),
							IconMicrophoneOff,
							act(() => mute(call, true)),
							'F8',
						),
			)
			if (call.recording === 'on' || call.recording === 'paused')
				doing.push(
					item(
						call.recording === 'paused' ? t('Go on recording') : t('Pause recording for payment'),
						IconLock,
						act(() => payPause(call, call.recording === 'on')),
						'Shift F8',
					),
				)
			doing.push(
				item(
					t('End call'),
					IconPhoneOff,
					act(() => hangUp(call)),
					'Shift F9',
				),
			)
		}
		if (work.known && isWorking(status)) {
			doing.push(
				item(
					t('Ready'),
					IconCircleCheck,
					act(() => setMyState(AgentState.READY)),
					'Alt R',
				),
			)
			for (const r of work.reasons)
				doing.push(
					item(
						t('Pause: {reason}', { reason: r.name }),
						IconPlayerPause,
						act(() => setMyState(AgentState.PAUSED, r.id)),
					),
				)
			doing.push(
				item(
					t('Stop work'),
					IconLogout,
					act(async () => (await stopWork(), go({ to: '/start' }))),
				),
			)
		} else if (work.known) doing.push(item(t('Start work'), IconHeadset, () => void go({ to: '/start' })))
		doing.push(item(t('Sign out'), IconLogout, () => void signOut()))

		const numbers: SpotlightActionData[] = []
		const digits = text.replace(/[\s()./-]/g, '')
		if (/^\+?[0-9*#]{2,}$/.test(digits)) {
			if (work.known && isWorking(status) && !call && mayDial(session))
				numbers.push(
					item(t('Call {number}', { number: show(digits) }), IconPhone, () => void (dial(digits), go({ to: '/desk' }))),
				)
		}
		if (text.trim() && mayHistory(session))
			numbers.push(
				item(
					t('Find “{text}” in History', { text: text.trim() }),
					IconSearch,
					() => void go({ to: '/history', search: { q: text.trim() } }),
				),
			)
		const people: SpotlightActionData[] = mayLive(session)
			? Object.values(agents).map((a) => ({
					id: a.agentId,
					label: a.agentName,
					leftSection: <Avatar name={a.agentName} size="sm" />,
					rightSection: <IconUser className="i s16 i3" aria-hidden />,
					onClick: () => void go({ to: '/live', search: { find: a.agentName } }),
				}))
			: []
		const pages: SpotlightActionData[] = []
		if (work.known) pages.push(item(t('Desk'), IconHeadset, () => void go({ to: '/desk' })))
		if (mayLive(session)) pages.push(item(t('Live'), IconActivity, () => void go({ to: '/live' })))
		if (mayHistory(session)) pages.push(item(t('History'), IconHistory, () => void go({ to: '/history' })))
		return [
			{ group: t('Actions'), actions: doing },
			{ group: t('Numbers'), actions: numbers },
			{ group: t('People'), actions: people },
			{ group: t('Pages'), actions: pages },
		].filter((g) => g.actions.length)
	}, [t, work, text, session, agents, go, show])

	return (
		<Spotlight
			actions={actions}
			query={text}
			onQueryChange={setText}
			nothingFound={t('Nothing of that name') as ReactNode}
			highlightQuery={false}
			scrollable
			lockScroll={false}
			yOffset="12vh"
			overlayProps={{ backgroundOpacity: 0.25, blur: 0 }}
			maxHeight={420}
			shortcut={null}
			filter={(query, list) => {
				// Numbers are made of what was typed: they always fit.
				const q = query.trim().toLowerCase()
				const fits = (a: SpotlightActionData) => !q || (a.label ?? '').toLowerCase().includes(q)
				return (list as SpotlightActionGroupData[])
					.map((g) => (g.group === t('Numbers') ? g : { ...g, actions: g.actions.filter(fits) }))
					.filter((g) => g.actions.length)
			}}
			searchProps={{
				leftSection: <IconSearch className="i i3" aria-hidden />,
				placeholder: t('Search people, numbers or type a command'),
				'aria-label': t('Search people, numbers or type a command'),
			}}
			classNames={{
				content: 'spot',
				search: 'spot-in',
				action: 'spot-act',
				actionsGroup: 'spot-grp',
				body: 'spot-body',
			}}
		/>
	)
}
