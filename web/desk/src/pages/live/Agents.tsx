import { IconHeadset, IconSearch, IconX } from '@tabler/icons-react'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type Column, LiveTable } from '../../parts/LiveTable.tsx'
import { Avatar, ChannelTile, Empty, Since, StateChip, usePageSecond, Who } from '../../parts/parts.tsx'
import type { LiveSearch } from '../../router.tsx'
import { AgentState, Channel } from '../../state/model.ts'
import { useTaste } from '../../state/stores.ts'
import { length, num, unknown } from '../../words/format.ts'
import { AgentActs } from './AgentActs.tsx'
import { type AgentRow, agentRow, heights, overLimit, overLimitFirst } from './figures.ts'

interface AgentsProps {
	people: Parameters<typeof agentRow>[0][]
	names: Map<string, string>
	limits: Map<string, number>
	search: LiveSearch
	set: (part: Partial<LiveSearch>) => void
}
export function Agents({ people, names, limits, search, set }: AgentsProps) {
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
				<ChannelTile channel={Channel.VOICE} small />
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
