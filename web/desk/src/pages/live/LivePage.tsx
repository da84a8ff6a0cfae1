// Live: figures of the day, the worst problem with its cause, queues, who waits, agents with the acts that fit their state.
import {
	IconAlertTriangle,
	IconCircleCheck,
	IconHeadset,
	IconPencil,
	IconPlayerPause,
	IconUsers,
	IconX,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, LiveTable } from '../../parts/LiveTable.tsx'
import { ChannelTile, Empty, Loading, Since, SlBar, Spark, Stopped, usePageSecond } from '../../parts/parts.tsx'
import type { LiveSearch } from '../../router.tsx'
import { useStale } from '../../shell/Banner.tsx'
import { rpc } from '../../state/rpc.ts'
import { may, useLive, useSession, useTaste } from '../../state/stores.ts'
import { useLink } from '../../stream/link.ts'
import { length, num, pct, unknown } from '../../words/format.ts'
import { Agents } from './Agents.tsx'
import { type QueueRow, queueRow, totals, type Totals, worstFirst, heights } from './figures.ts'
import { Waiting } from './Waiting.tsx'
import './live.css'

const route = getRouteApi('/live')

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
