// Live: figures of the day, the worst problem with its cause, queues, who waits, agents with the acts that fit their state.
import {
	IconAlertTriangle,
	IconCircleCheck,
	IconClock,
	IconHeadset,
	IconPencil,
	IconPlayerPause,
	IconSearch,
	IconUsers,
	IconX,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, LiveTable } from '../../parts/LiveTable.tsx'
import {
	Avatar,
	ChannelTile,
	Empty,
	Loading,
	Phone,
	Since,
	SlBar,
	Spark,
	StateChip,
	Stopped,
	usePageSecond,
	Who,
} from '../../parts/parts.tsx'
import type { LiveSearch } from '../../router.tsx'
import { useStale } from '../../shell/Banner.tsx'
import { ms } from '../../state/fold.ts'
import { AgentState } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { may, useLive, useSession, useTaste } from '../../state/stores.ts'
import { useLink } from '../../stream/link.ts'
import { length, num, pct, unknown } from '../../words/format.ts'
import { AgentActs } from './AgentActs.tsx'
import {
	type AgentRow,
	agentRow,
	overLimit,
	overLimitFirst,
	type QueueRow,
	queueRow,
	totals,
	type Totals,
	worstFirst,
} from './figures.ts'
import './live.css'

const route = getRouteApi('/live')
const heights = { compact: 32, default: 36, comfortable: 44 }

export function LivePage() {
	const { t } = useTranslation()
	const search = route.useSearch()
	const go = route.useNavigate()
	const set = (part: Partial<LiveSearch>) => void go({ search: (s) => ({ ...s, ...part }), replace: true })
	const { queues, agents, loaded } = useLive()
	const permissions = useSession((s) => s.permissions)
	const stale = useStale()
	const figuresAt = useLink((l) => l.figuresAt)
	const config = useQuery({
		queryKey: ['queues'],
		queryFn: () => rpc.queues.listQueues({}),
		enabled: may(permissions, 'parley.acd.v1.QueueService', 'read'),
	})
	const reasons = useQuery({
		queryKey: ['pause-reasons'],
		queryFn: () => rpc.pauses.listPauseReasons({}),
		enabled: may(permissions, 'parley.acd.v1.PauseReasonService', 'read'),
	})
	const rows = useMemo(() => worstFirst(Object.values(queues).map(queueRow)), [queues])
	const people = useMemo(() => Object.values(agents), [agents])
	const sums = useMemo(() => totals(rows, people), [rows, people])
	const limits = useMemo(
		() => new Map((reasons.data?.pauseReasons ?? []).map((r) => [r.id, r.limitMs] as const).filter(([, l]) => l > 0)),
		[reasons.data],
	)
	const names = useMemo(() => new Map(rows.map((r) => [r.id, r.name])), [rows])
	const worst = rows.find((r) => r.misses)
	const [closed, close] = useState('')
	const attention = worst && closed !== worst.id ? worst : undefined
	const chosen = rows.find((r) => r.id === search.queue) ?? rows.find((r) => r.f.waiting > 0) ?? rows[0]
	if (!loaded)
		return (
			<main id="main">
				<Loading rows={5} />
			</main>
		)
	return (
		<Stopped value={stale ? figuresAt : undefined}>
			<main className={`live${stale ? ' stale' : ''}${attention ? '' : ' calm'}`} id="main">
				<h1 className="hid">{t('Live')}</h1>
				<Kpis s={sums} />
				{attention && (
					<Attention
						row={attention}
						within={config.data?.queues.find((q) => q.id === attention.id)?.serviceLevelMs ?? 0}
						show={() => set({ of: attention.id, queue: attention.id, show: undefined, find: undefined })}
						close={() => close(attention.id)}
					/>
				)}
				<section className="card col qcard" aria-label={t('Queues')}>
					<Queues rows={rows} chosen={chosen?.id} pick={(id) => set({ queue: id })} />
				</section>
				<Waiting row={chosen} />
				<Agents people={people} names={names} limits={limits} search={search} set={set} />
			</main>
		</Stopped>
	)
}

function Kpi({ label, value, note, bad }: { label: string; value: React.ReactNode; note?: string; bad?: boolean }) {
	return (
		<div className="kpi">
			<span className="xs i2">{label}</span>
			<div className="row">
				<span className={`num big${bad ? ' c-bad' : ''}`}>{value}</span>
				<span className="xs i3 num el">{note}</span>
			</div>
		</div>
	)
}

function Kpis({ s }: { s: Totals }) {
	const { t } = useTranslation()
	const parts = [
		{ n: s.ready, fill: 'var(--f-ready)', Icon: IconCircleCheck, word: t('Ready') },
		{ n: s.contact, fill: 'var(--f-busy)', Icon: IconHeadset, word: t('On contact') },
		{ n: s.wrapUp, fill: 'var(--f-wrap)', Icon: IconPencil, word: t('Wrap-up') },
		{ n: s.paused, fill: 'var(--f-pause)', Icon: IconPlayerPause, word: t('Paused') },
	].filter((p) => p.n > 0)
	return (
		<section className="kpis" aria-label={t('Today')}>
			<Kpi label={t('Callers waiting')} value={num(s.waiting)} />
			<Kpi
				label={t('Longest wait')}
				value={s.longest?.longestSince ? <Since at={s.longest.longestSince} /> : unknown}
				note={s.longest?.name}
				bad={!!s.longest?.misses}
			/>
			<Kpi
				label={t('Service level, 30 min')}
				value={s.level === undefined ? unknown : pct(s.level / 100)}
				note={s.target ? t('target {share}', { share: pct(s.target / 100) }) : ''}
				bad={s.level !== undefined && s.level < s.target}
			/>
			<Kpi label={t('Answered today')} value={num(s.answered)} note={t('of {n}', { n: num(s.offered) })} />
			<Kpi
				label={t('Abandoned today')}
				value={s.offered ? pct(s.abandoned / s.offered, 1) : unknown}
				note={t('{n, plural, one {# call} other {# calls}}', { n: s.abandoned })}
			/>
			<div className="kpi">
				<div className="row xs i2">
					<span className="sp">{t('Agents, {n} signed in', { n: s.signedIn })}</span>
					{s.occupancy !== undefined && (
						<span className="num">{t('Occupancy {share}', { share: pct(s.occupancy) })}</span>
					)}
				</div>
				<div className="stack">
					{parts.map((p) => (
						<span key={p.word} style={{ flex: p.n }} title={p.word}>
							<i style={{ background: p.fill }} />
							<em className="xs num">
								<p.Icon className="i s14" aria-hidden />
								<span className="hid">{p.word}</span>
								{p.n}
							</em>
						</span>
					))}
				</div>
			</div>
		</section>
	)
}

/** The worst problem and its cause, from the figures alone; the act leads to the people who can change it. */
function Attention({
	row,
	within,
	show,
	close,
}: {
	row: QueueRow
	within: number
	show: () => void
	close: () => void
}) {
	const { t } = useTranslation()
	const now = usePageSecond()
	const f = row.f
	const level = pct((row.level ?? 0) / 100)
	const target = pct(row.target / 100)
	const sentences = [
		f.waiting > 0 && row.longestSince !== undefined
			? t('{n, plural, one {# person waits} other {# people wait}}, the longest {time}.', {
					n: f.waiting,
					time: length(now - row.longestSince),
				})
			: t('Nobody waits at the moment.'),
		f.agentsReady === 0
			? t('Nobody of {n} signed in is ready: {contact} on contact, {wrap} in wrap-up, {paused} paused.', {
					n: f.agentsSignedIn,
					contact: f.agentsOnContact,
					wrap: f.agentsWrapUp,
					paused: f.agentsPaused,
				})
			: t('{n} of {all} signed in are ready, {paused} paused.', {
					n: f.agentsReady,
					all: f.agentsSignedIn,
					paused: f.agentsPaused,
				}),
	]
	return (
		<section className="attention" aria-label={t('Needs attention')}>
			<IconAlertTriangle className="i s20 c-bad" aria-hidden />
			<div className="col sp">
				<b>
					{within
						? t('{queue} misses its target: {level} in {s} s, target {target}', {
								queue: row.name,
								level,
								target,
								s: Math.round(within / 1000),
							})
						: t('{queue} misses its target: {level}, target {target}', { queue: row.name, level, target })}
				</b>
				<span className="xs i2">{sentences.join(' ')}</span>
			</div>
			<button type="button" className="btn p" onClick={show}>
				<IconUsers className="i" aria-hidden />
				{t('Show its agents')}
			</button>
			<button type="button" className="ib" aria-label={t('Close')} onClick={close}>
				<IconX className="i" aria-hidden />
			</button>
		</section>
	)
}

function Queues({ rows, chosen, pick }: { rows: QueueRow[]; chosen: string | undefined; pick: (id: string) => void }) {
	const { t } = useTranslation()
	const height = heights[useTaste((s) => s.density)]
	const columns = useMemo<Column<QueueRow>[]>(() => {
		const loud = (r: QueueRow) => (r.misses ? 'c-bad b' : '')
		return [
			{
				id: 'queue',
				title: t('Queue'),
				cell: (r) => (
					<span className="cellrow">
						<ChannelTile channel={r.f.channel} small />
						<button type="button" className={`cellb el${r.misses ? ' b' : ''}`} onClick={() => pick(r.id)}>
							{r.name}
						</button>
					</span>
				),
			},
			{
				id: 'waiting',
				title: t('Waiting'),
				right: true,
				cell: (r) => <span className={loud(r)}>{num(r.f.waiting)}</span>,
			},
			{
				id: 'trend',
				title: t('Last 30 min'),
				wide: true,
				cell: (r) => <Spark values={r.f.waitingHistory} bad={r.misses} />,
			},
			{
				id: 'longest',
				title: t('Longest'),
				right: true,
				cell: (r) => <span className={loud(r)}>{r.longestSince ? <Since at={r.longestSince} /> : unknown}</span>,
			},
			{ id: 'agents', title: t('Agents'), right: true, wide: true, cell: (r) => num(r.f.agentsSignedIn) },
			{
				id: 'ready',
				title: t('Ready'),
				right: true,
				cell: (r) => <span className={r.f.agentsReady ? '' : loud(r)}>{num(r.f.agentsReady)}</span>,
			},
			{
				id: 'level',
				title: t('Service level'),
				right: true,
				cell: (r) =>
					r.level === undefined ? (
						unknown
					) : (
						<span className="slcell">
							<span className={`num ${loud(r)}`}>{pct(r.level / 100)}</span>
							<span className="wide-only">
								<SlBar share={r.level} goal={r.target} bad={r.misses} />
							</span>
						</span>
					),
			},
			{
				id: 'abandoned',
				title: t('Abandoned'),
				right: true,
				wide: true,
				cell: (r) => <span className={loud(r)}>{r.abandoned === undefined ? unknown : pct(r.abandoned, 1)}</span>,
			},
		]
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, [t])
	return (
		<LiveTable
			label={t('Queues')}
			head={(changed) => (
				<div className="row hd2">
					<h2 className="b">{t('Queues')}</h2>
					<span className="xs i3 el">{t('worst first · order held while you point at the table')}</span>
					<span className="sp" />
					{changed}
				</div>
			)}
			columns={columns}
			rows={rows}
			keyOf={(r) => r.id}
			rowHeight={height}
			look={(r) => (r.misses ? 'warn' : '')}
			selected={chosen}
			onPick={(r) => pick(r.id)}
			empty={
				<div style={{ padding: 12 }}>
					<Empty
						Icon={IconUsers}
						look="off"
						title={t('No queues yet')}
						text={t('They appear here when they are set up.')}
					/>
				</div>
			}
		/>
	)
}

function Waiting({ row }: { row: QueueRow | undefined }) {
	const { t } = useTranslation()
	if (!row) return <section className="card wcard" aria-label={t('Waiting')} />
	const list = row.f.waitingItems
	return (
		<section className="card col wcard" aria-label={t('Waiting: {queue}', { queue: row.name })}>
			<div className="row hd2">
				<IconClock className={`i s16 ${row.misses ? 'c-bad' : 'i3'}`} aria-hidden />
				<h2 className="b el">{t('Waiting: {queue}', { queue: row.name })}</h2>
				<span className={`cnt${row.misses && row.f.waiting ? '' : ' q'}`}>{num(row.f.waiting)}</span>
			</div>
			{list.length ? (
				<ol className="wlist" tabIndex={0} aria-label={t('Waiting: {queue}', { queue: row.name })}>
					{list.map((w, i) => (
						<li className="wr" key={w.interactionId}>
							<span className="num i3" style={{ width: 14 }}>
								{w.position || i + 1}
							</span>
							<div className="col sp">
								<span className="m el">
									<Who name={w.customerName} number={w.customerNumber} />
								</span>
								<span className="xs i3 el">
									{w.customerName && <Phone number={w.customerNumber} />}
									{w.customerName && w.priority > 0 && ' · '}
									{w.priority > 0 && t('priority {n}', { n: w.priority })}
								</span>
							</div>
							{w.offeredAgentId && <StateChip state={AgentState.OFFERED} />}
							{w.queuedAt && (
								<span className={`b${row.misses ? ' c-bad' : ''}`}>
									<Since at={ms(w.queuedAt) ?? 0} />
								</span>
							)}
						</li>
					))}
				</ol>
			) : (
				<div style={{ padding: 12 }}>
					<Empty Icon={IconCircleCheck} title={t('Nobody is waiting')} text={t('This list fills by itself.')} />
				</div>
			)}
			{row.f.waiting > list.length && list.length > 0 && (
				<div className="xs i2" style={{ padding: '8px 14px', borderTop: '1px solid var(--line)' }}>
					{t('{n} more', { n: row.f.waiting - list.length })}
				</div>
			)}
		</section>
	)
}

interface AgentsProps {
	people: Parameters<typeof agentRow>[0][]
	names: Map<string, string>
	limits: Map<string, number>
	search: LiveSearch
	set: (part: Partial<LiveSearch>) => void
}
function Agents({ people, names, limits, search, set }: AgentsProps) {
	const { t } = useTranslation()
	const height = heights[useTaste((s) => s.density)]
	const second = usePageSecond()
	// Who is over a limit is looked at every 5 s; a list that resorts each second would never be still.
	const now = Math.floor(second / 5000) * 5000
	const all = useMemo(
		() =>
			overLimitFirst(
				people.filter((a) => a.status && a.status.state !== AgentState.OFFLINE).map((a) => agentRow(a, limits)),
				now,
			),
		[people, limits, now],
	)
	const contact = (r: AgentRow) => r.state === AgentState.ON_CONTACT || r.state === AgentState.OFFERED
	const shown = useMemo(
		() =>
			all.filter(
				(r) =>
					(!search.of || r.a.queueIds.includes(search.of)) &&
					(!search.find || r.name.toLowerCase().includes(search.find.toLowerCase())) &&
					(search.show === 'limit'
						? overLimit(r, now)
						: search.show === 'ready'
							? r.state === AgentState.READY
							: search.show === 'contact'
								? contact(r)
								: search.show === 'paused'
									? r.state === AgentState.PAUSED
									: true),
			),
		[all, search, now],
	)
	const filters: [LiveSearch['show'], string][] = [
		[undefined, t('All {n}', { n: all.length })],
		['limit', t('Over limit {n}', { n: all.filter((r) => overLimit(r, now)).length })],
		['ready', t('Ready {n}', { n: all.filter((r) => r.state === AgentState.READY).length })],
		['contact', t('On contact {n}', { n: all.filter(contact).length })],
		['paused', t('Paused {n}', { n: all.filter((r) => r.state === AgentState.PAUSED).length })],
	]
	const columns = useMemo<Column<AgentRow>[]>(
		() => [
			{
				id: 'agent',
				title: t('Agent'),
				cell: (r) => (
					<span className="cellrow">
						<Avatar name={r.name} size="sm" />
						<span className="m el">{r.name}</span>
					</span>
				),
			},
			{ id: 'state', title: t('State'), cell: (r) => <StateChip state={r.state} missed={r.status?.missed} /> },
			{ id: 'for', title: t('For'), right: true, cell: (r) => <For row={r} /> },
			{
				id: 'queue',
				title: t('Queue'),
				wide: true,
				cell: (r) => <QueueCell row={r} names={names} />,
			},
			{ id: 'detail', title: t('Detail'), wide: true, cell: (r) => <Detail row={r} /> },
			{ id: 'handled', title: t('Handled'), right: true, wide: true, cell: (r) => num(Number(r.a.handledToday)) },
			{ id: 'act', title: t('Act'), right: true, cell: (r) => <AgentActs row={r} /> },
		],
		[t, names],
	)
	return (
		<section className="card col acard" aria-label={t('Agents')}>
			<LiveTable
				label={t('Agents')}
				head={(changed) => (
					<div className="row hd2">
						<h2 className="b">{t('Agents')}</h2>
						<div className="seg s" role="group" aria-label={t('Show')}>
							{filters.map(([f, word]) => (
								<button type="button" key={word} aria-pressed={search.show === f} onClick={() => set({ show: f })}>
									{word}
								</button>
							))}
						</div>
						{search.of ? (
							<button type="button" className="chip acc" onClick={() => set({ of: undefined })}>
								{names.get(search.of) ?? t('Queue')}
								<IconX className="i" aria-label={t('Remove')} />
							</button>
						) : (
							<span className="xs i3 wide-only">{t('over limit first')}</span>
						)}
						<span className="sp" />
						{changed}
						<label className="field sm" style={{ width: 170, borderColor: 'var(--line2)' }}>
							<IconSearch className="i s14 i3" aria-hidden />
							<input
								value={search.find ?? ''}
								onChange={(e) => set({ find: e.target.value || undefined })}
								placeholder={t('Find an agent')}
								aria-label={t('Find an agent')}
							/>
						</label>
					</div>
				)}
				columns={columns}
				rows={shown}
				keyOf={(r) => r.id}
				rowHeight={Math.max(33, height - 3)}
				empty={
					<div style={{ padding: 12 }}>
						<Empty
							Icon={IconHeadset}
							look="off"
							title={all.length ? t('Nobody fits these filters') : t('Nobody is signed in')}
							text={
								all.length ? t('Change the filter to see the others.') : t('Agents appear here when they start work.')
							}
						/>
					</div>
				}
			/>
		</section>
	)
}

function For({ row }: { row: AgentRow }) {
	const now = usePageSecond()
	if (row.since === undefined) return unknown
	return (
		<span className={overLimit(row, now) ? 'c-bad b' : ''}>
			<Since at={row.since} />
		</span>
	)
}
function QueueCell({ row, names }: { row: AgentRow; names: Map<string, string> }) {
	const { t } = useTranslation()
	if (row.state === AgentState.PAUSED)
		return (
			<span>
				{row.status?.pauseReasonName ? t('Pause: {reason}', { reason: row.status.pauseReasonName }) : t('Pause')}
			</span>
		)
	const on = row.a.queueId ? names.get(row.a.queueId) : undefined
	if (on)
		return (
			<span className="cellrow">
				<ChannelTile channel={1} small />
				<span className="el">{on}</span>
			</span>
		)
	return (
		<span className="el">
			{row.a.queueIds
				.map((q) => names.get(q))
				.filter(Boolean)
				.join(', ')}
		</span>
	)
}
function Detail({ row }: { row: AgentRow }) {
	const { t } = useTranslation()
	const now = usePageSecond()
	const over = overLimit(row, now)
	if (row.state === AgentState.WRAP_UP && row.limitAt)
		return over ? (
			<span className="c-bad m">{t('over by {time}', { time: length(now - row.limitAt) })}</span>
		) : (
			<span className="i2">{t('{time} left', { time: length(row.limitAt - now) })}</span>
		)
	if (row.state === AgentState.PAUSED && row.limitAt && row.since)
		return (
			<span className={over ? 'c-bad m' : 'i2'}>{t('limit {time}', { time: length(row.limitAt - row.since) })}</span>
		)
	if (row.a.customerName || row.a.customerNumber)
		return (
			<span className="i2">
				<Who name={row.a.customerName} number={row.a.customerNumber} />
			</span>
		)
	return null
}
