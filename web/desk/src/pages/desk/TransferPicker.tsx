// Transfer: queues, people and numbers, each with how it stands now. Rows hold still while it is open, values change in place.
import { IconPhone, IconSearch, IconUser, IconUsers, type Icon } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Since, StateChip, useNumber } from '../../parts/parts.tsx'
import { useBusy } from '../../shell/busy.ts'
import { useSecond } from '../../state/clock.ts'
import { type Target, transfer } from '../../state/desk.ts'
import { AgentState, Channel, type Item } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { may, useLive, useSession, useWork } from '../../state/stores.ts'
import { length } from '../../words/format.ts'

interface Choice extends Target {
	name: string
	Icon: Icon
}
type Kind = 'all' | 'queue' | 'agent' | 'number'

/** What can be transferred to: everything the server lists, free first, in an order that is made once and kept. */
function useChoices(): Choice[] {
	const me = useWork((w) => w.me)
	const mine = useWork((w) => w.queues)
	const permissions = useSession((s) => s.permissions)
	const live = useLive.getState()
	const queues = useQuery({
		queryKey: ['queues'],
		queryFn: () => rpc.queues.listQueues({}),
		enabled: may(permissions, 'parley.acd.v1.QueueService', 'read'),
	})
	const agents = useQuery({
		queryKey: ['agents'],
		queryFn: () => rpc.agents.listAgents({}),
		enabled: may(permissions, 'parley.acd.v1.AgentService', 'read'),
	})
	return useMemo(() => {
		const q = (queues.data?.queues ?? mine)
			.filter((x) => x.enabled && x.channel <= Channel.VOICE)
			.map((x): Choice => ({ kind: 'queue', value: x.id, name: x.name, Icon: IconUsers }))
		const free = (id: string) => {
			const s = live.agents[id]?.status?.state
			return s === AgentState.READY ? 0 : s === undefined || s === AgentState.OFFLINE ? 2 : 1
		}
		const a = (
			agents.data?.agents ??
			Object.values(live.agents).map((x) => ({ id: x.agentId, name: x.agentName, enabled: true }))
		)
			.filter((x) => x.enabled && x.id !== me)
			.sort((x, y) => free(x.id) - free(y.id) || x.name.localeCompare(y.name))
			.map((x): Choice => ({ kind: 'agent', value: x.id, name: x.name, Icon: IconUser }))
		return [...q, ...a]
		// Rows hold still while the picker is open: live figures do not reorder them.
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, [queues.data, agents.data, mine, me])
}

export default function TransferPicker({ call, close }: { call: Item; close: () => void }) {
	const { t } = useTranslation()
	const [text, setText] = useState('')
	const [kind, setKind] = useState<Kind>('all')
	const [at, setAt] = useState(0)
	const [error, setError] = useState('')
	const { busy, run } = useBusy(setError)
	const all = useChoices()
	const show = useNumber()
	const list = useRef<HTMLDivElement>(null)
	const field = useRef<HTMLInputElement>(null)
	useEffect(() => field.current?.focus(), [])
	const q = text.trim().toLowerCase()
	const digits = text.replace(/[\s()./-]/g, '')
	const numbers: Choice[] = /^\+?[0-9*#]{2,20}$/.test(digits)
		? [{ kind: 'number', value: digits, name: show(digits), Icon: IconPhone }]
		: []
	const shown = [...all.filter((c) => !q || c.name.toLowerCase().includes(q)), ...numbers].filter(
		(c) => kind === 'all' || c.kind === kind,
	)
	const on = Math.min(at, shown.length - 1)
	const send = (c: Choice | undefined) => {
		if (!c || busy) return
		void run(() => transfer(call, c)).then((ok) => ok && close())
	}
	const move = (to: number) => {
		const n = Math.max(0, Math.min(shown.length - 1, to))
		setAt(n)
		list.current?.children[n]?.scrollIntoView({ block: 'nearest' })
	}
	const onKey = (e: KeyboardEvent) => {
		if (e.key === 'ArrowDown') move(on + 1)
		else if (e.key === 'ArrowUp') move(on - 1)
		else if (e.key === 'Enter') send(shown[on])
		else return
		e.preventDefault()
	}
	const kinds: [Kind, string][] = [
		['all', t('Best match')],
		['queue', t('Queues')],
		['agent', t('People')],
		['number', t('Numbers')],
	]
	return (
		<div className="picker">
			<div style={{ padding: '10px 10px 8px' }}>
				<span className="field">
					<IconSearch className="i s16 i3" aria-hidden />
					<input
						data-autofocus
						ref={field}
						value={text}
						onChange={(e) => {
							setText(e.target.value)
							setAt(0)
						}}
						onKeyDown={onKey}
						placeholder={t('Name, queue or number')}
						role="combobox"
						aria-expanded
						aria-controls="transfer-list"
						aria-activedescendant={shown[on] ? `tr-${on}` : undefined}
						aria-label={t('Transfer to')}
						autoComplete="off"
					/>
				</span>
			</div>
			<div className="row" style={{ padding: '0 12px 6px' }}>
				<div className="seg s" role="group" aria-label={t('Kind')}>
					{kinds.map(([k, word]) => (
						<button type="button" key={k} aria-pressed={kind === k} onClick={() => setKind(k)}>
							{word}
						</button>
					))}
				</div>
			</div>
			{error && (
				<p className="bn bad" role="alert" style={{ margin: '0 10px 6px' }}>
					{error}
				</p>
			)}
			<div className="list" role="listbox" id="transfer-list" aria-label={t('Transfer to')} ref={list}>
				{shown.map((c, i) => (
					<Row
						key={c.kind + c.value}
						id={`tr-${i}`}
						choice={c}
						on={i === on}
						pick={() => setAt(i)}
						send={() => send(c)}
						busy={busy}
					/>
				))}
			</div>
			{!shown.length && (
				<p className="i3" style={{ padding: '10px 12px 14px' }}>
					{kind === 'number' ? t('Type a number to send the call to.') : t('Nothing of that name.')}
				</p>
			)}
			<div className="row g12 xs i3 wide-only" style={{ padding: '8px 12px', borderTop: '1px solid var(--line)' }}>
				<span>
					<kbd className="kbd">↑</kbd> <kbd className="kbd">↓</kbd> {t('choose')}
				</span>
				<span>
					<kbd className="kbd">Enter</kbd> {t('send')}
				</span>
				<span className="sp end nw">{t('The customer hears music meanwhile.')}</span>
			</div>
		</div>
	)
}

function Row({
	id,
	choice,
	on,
	pick,
	send,
	busy,
}: {
	id: string
	choice: Choice
	on: boolean
	pick: () => void
	send: () => void
	busy: boolean
}) {
	const { t } = useTranslation()
	const { Icon } = choice
	return (
		<div className="pr" role="option" id={id} aria-selected={on} onClick={on ? send : pick} onPointerEnter={pick}>
			<Icon className="i i3" aria-hidden />
			<div className="col sp">
				<span className="m el">
					<bdi>{choice.name}</bdi>
				</span>
				{choice.kind === 'queue' ? (
					<QueueLine id={choice.value} />
				) : choice.kind === 'agent' ? (
					<AgentLine id={choice.value} />
				) : null}
			</div>
			{on ? (
				<span className={`btn sm p${busy ? ' slow' : ''}`} aria-hidden>
					{busy ? t('Sending…') : t('Send')}
				</span>
			) : choice.kind === 'queue' ? (
				<QueueFree id={choice.value} />
			) : choice.kind === 'agent' ? (
				<AgentChip id={choice.value} />
			) : (
				<span className="chip off">{t('Outside')}</span>
			)}
		</div>
	)
}
function QueueLine({ id }: { id: string }) {
	const { t } = useTranslation()
	const f = useLive((l) => l.queues[id])
	const now = useSecond()
	if (!f) return null
	const longest = f.longestSince ? now - Number(f.longestSince.seconds) * 1000 : 0
	return (
		<span className={`xs num el ${f.waiting && !f.agentsReady ? 'c-bad' : 'i2'}`}>
			{f.waiting ? t('{n} waiting, longest {time}', { n: f.waiting, time: length(longest) }) : t('Nobody waits')}
		</span>
	)
}
function QueueFree({ id }: { id: string }) {
	const { t } = useTranslation()
	const f = useLive((l) => l.queues[id])
	if (!f) return null
	return <span className={`chip ${f.agentsReady ? 'ready' : 'bad'}`}>{t('{n} free', { n: f.agentsReady })}</span>
}
function AgentLine({ id }: { id: string }) {
	const s = useLive((l) => l.agents[id]?.status)
	if (!s?.since) return null
	return (
		<span className="xs i2 num el">
			{s.pauseReasonName && `${s.pauseReasonName} · `}
			<Since at={Number(s.since.seconds) * 1000} />
		</span>
	)
}
function AgentChip({ id }: { id: string }) {
	const s = useLive((l) => l.agents[id]?.status)
	return s ? <StateChip state={s.state} missed={s.missed} /> : null
}
