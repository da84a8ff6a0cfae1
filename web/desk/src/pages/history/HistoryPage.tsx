import { Popover } from '@mantine/core'
import { IconCalendar, IconHistory, IconPlus, IconSearch, IconUser, IconUsers, IconX } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { Interaction } from '../../gen/parley/report/v1/report_pb.js'
import { ChannelTile, Empty, Failed, Loading, Moment, Who } from '../../parts/parts.tsx'
import { type HistorySearch, periods } from '../../router.tsx'
import { serverNow } from '../../state/clock.ts'
import { ms } from '../../state/fold.ts'
import { explain, rpc } from '../../state/rpc.ts'
import { may, useSession } from '../../state/stores.ts'
import { length, num, shortName, when } from '../../words/format.ts'
import { Detail } from './Detail.tsx'
import { period as between } from './period.ts'
import { isBad, outcomes, outcomeWord } from './words.ts'
import './history.css'

const route = getRouteApi('/history')

export function HistoryPage() {
	const { t } = useTranslation()
	const search = route.useSearch()
	const go = route.useNavigate()
	const set = (part: Partial<HistorySearch>, replace = false) =>
		void go({ search: (s) => ({ ...s, ...part, at: undefined }), replace })
	const { id: _id, at: _at, ...filter } = search
	const list = useInfiniteQuery({
		queryKey: ['history', filter],
		initialPageParam: '',
		placeholderData: keepPreviousData,
		queryFn: ({ pageParam }) => {
			const { from, to } = between(filter.period ?? '7d', serverNow())
			return rpc.history.listInteractions({
				page: { size: 100, token: pageParam },
				from: timestampFromMs(from),
				to: to === undefined ? undefined : timestampFromMs(to),
				queueId: filter.queue ?? '',
				agentId: filter.agent ?? '',
				outcome: filter.outcome ?? '',
				search: filter.q ?? '',
			})
		},
		getNextPageParam: (last) => last.page?.nextToken || undefined,
	})
	const rows = list.data?.pages.flatMap((p) => p.interactions) ?? []
	const total = Number(list.data?.pages[0]?.page?.total ?? -1n)
	return (
		<main className="hy" id="main" data-pane={search.id ? 'item' : 'list'}>
			<Head search={search} set={set} total={total} shown={rows.length} more={list.hasNextPage} />
			{list.isError && !rows.length ? (
				<div style={{ padding: 12 }}>
					<Failed title={t('History could not be read')} text={explain(list.error)}>
						<button type="button" className="btn sm" onClick={() => void list.refetch()}>
							{t('Try again')}
						</button>
					</Failed>
				</div>
			) : list.isPending ? (
				<Loading rows={6} />
			) : (
				<List
					rows={rows}
					chosen={search.id}
					pick={(id, replace) => set({ id }, replace)}
					atEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
				/>
			)}
			<section className="dt col" aria-label={t('Interaction')} tabIndex={-1}>
				{search.id ? (
					<Detail key={search.id} id={search.id} at={search.at} back={() => set({ id: undefined })} />
				) : (
					<div style={{ padding: 12 }}>
						<Empty
							Icon={IconHistory}
							look="off"
							title={t('Choose a call')}
							text={t('Its course, recording and facts appear here.')}
						/>
					</div>
				)}
			</section>
		</main>
	)
}

interface HeadProps {
	search: HistorySearch
	set: (part: Partial<HistorySearch>, replace?: boolean) => void
	total: number
	shown: number
	more: boolean
}
function Head({ search, set, total, shown, more }: HeadProps) {
	const { t } = useTranslation()
	const permissions = useSession((s) => s.permissions)
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
	const [text, setText] = useState(search.q ?? '')
	useEffect(() => setText(search.q ?? ''), [search.q])
	useEffect(() => {
		if (text === (search.q ?? '')) return
		const timer = setTimeout(() => set({ q: text || undefined }, true), 400)
		return () => clearTimeout(timer)
	})
	const words = { today: t('Today'), yesterday: t('Yesterday'), '7d': t('Last 7 days'), '30d': t('Last 30 days') }
	const queueName = queues.data?.queues.find((q) => q.id === search.queue)?.name
	const agentName = agents.data?.agents.find((a) => a.id === search.agent)?.name
	const chips: [keyof HistorySearch, ReactNode, string][] = []
	if (search.queue) chips.push(['queue', <IconUsers className="i" key="q" aria-hidden />, queueName ?? t('Queue')])
	if (search.agent) chips.push(['agent', <IconUser className="i" key="a" aria-hidden />, agentName ?? t('Agent')])
	if (search.outcome) chips.push(['outcome', null, outcomeWord(t, search.outcome)])
	return (
		<div className="hh">
			<h1 className="xl">{t('History')}</h1>
			<label className="field sm" style={{ borderColor: 'var(--line2)' }}>
				<IconCalendar className="i s16 i3" aria-hidden />
				<select
					aria-label={t('Period')}
					value={search.period ?? '7d'}
					onChange={(e) =>
						set({ period: e.target.value === '7d' ? undefined : (e.target.value as HistorySearch['period']) })
					}
				>
					{periods.map((p) => (
						<option key={p} value={p}>
							{words[p]}
						</option>
					))}
				</select>
			</label>
			<label className="field sm" style={{ borderColor: 'var(--line2)', width: 190 }}>
				<IconSearch className="i s14 i3" aria-hidden />
				<input
					value={text}
					onChange={(e) => setText(e.target.value)}
					placeholder={t('Name or number')}
					aria-label={t('Name or number')}
				/>
			</label>
			{chips.map(([key, icon, word]) => (
				<button
					type="button"
					key={key}
					className="chip acc"
					onClick={() => set({ [key]: undefined })}
					aria-label={t('Remove filter {word}', { word })}
				>
					{icon}
					{word}
					<IconX className="i" aria-hidden />
				</button>
			))}
			<Popover position="bottom-start" classNames={{ dropdown: 'pop' }} trapFocus returnFocus>
				<Popover.Target>
					<button type="button" className="chip out">
						<IconPlus className="i" aria-hidden />
						{t('Filter')}
					</button>
				</Popover.Target>
				<Popover.Dropdown aria-label={t('Filter')}>
					<div className="fpop">
						{!!queues.data?.queues.length && (
							<Choice
								label={t('Queue')}
								value={search.queue}
								set={(v) => set({ queue: v })}
								any={t('Any queue')}
								options={queues.data.queues.map((q) => [q.id, q.name])}
							/>
						)}
						{!!agents.data?.agents.length && (
							<Choice
								label={t('Agent')}
								value={search.agent}
								set={(v) => set({ agent: v })}
								any={t('Anybody')}
								options={agents.data.agents.map((a) => [a.id, a.name])}
							/>
						)}
						<Choice
							label={t('Outcome')}
							value={search.outcome}
							set={(v) => set({ outcome: v })}
							any={t('Any outcome')}
							options={outcomes.map((o) => [o, outcomeWord(t, o)])}
						/>
					</div>
				</Popover.Dropdown>
			</Popover>
			<span className="sp" />
			<span className="i2 num nw" role="status">
				{total >= 0
					? t('{n} found', { n: num(total) })
					: more
						? t('{n} and more', { n: num(shown) })
						: t('{n} found', { n: num(shown) })}
			</span>
		</div>
	)
}
function Choice({
	label,
	value,
	set,
	any,
	options,
}: {
	label: string
	value: string | undefined
	set: (v: string | undefined) => void
	any: string
	options: [string, string][]
}) {
	return (
		<label className="col g4">
			<span className="lab">{label}</span>
			<span className="field">
				<select value={value ?? ''} onChange={(e) => set(e.target.value || undefined)}>
					<option value="">{any}</option>
					{options.map(([v, word]) => (
						<option key={v} value={v}>
							{word}
						</option>
					))}
				</select>
			</span>
		</label>
	)
}

interface ListProps {
	rows: Interaction[]
	chosen: string | undefined
	pick: (id: string, replace: boolean) => void
	atEnd: () => void
}
function List({ rows, chosen, pick, atEnd }: ListProps) {
	const { t } = useTranslation()
	const box = useRef<HTMLDivElement>(null)
	const narrow = typeof matchMedia === 'function' && matchMedia('(max-width: 599px)').matches
	const height = narrow ? 64 : 40
	const virtual = useVirtualizer({
		count: rows.length,
		getScrollElement: () => box.current,
		estimateSize: () => height,
		overscan: 10,
	})
	const items = virtual.getVirtualItems()
	const last = items[items.length - 1]?.index ?? 0
	useEffect(() => {
		if (rows.length && last >= rows.length - 15) atEnd()
	}, [last, rows.length, atEnd])
	const now = serverNow()
	const at = rows.findIndex((r) => r.id === chosen)
	const onKey = (e: KeyboardEvent) => {
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key]
		if (to === undefined) return
		e.preventDefault()
		const row = rows[Math.max(0, Math.min(rows.length - 1, to))]
		if (!row) return
		pick(row.id, true)
		virtual.scrollToIndex(rows.indexOf(row))
	}
	if (!rows.length)
		return (
			<div style={{ padding: 12 }} className="ls">
				<Empty
					Icon={IconSearch}
					look="off"
					title={t('Nothing found')}
					text={t('Calls appear here a second after they end. Widen the period or remove a filter.')}
				/>
			</div>
		)
	return (
		<div className="ls" ref={box} onKeyDown={onKey}>
			<div className="lgrid lhead" aria-hidden>
				<span />
				<span>{t('When')}</span>
				<span>{t('Contact')}</span>
				<span>{t('Queue')}</span>
				<span className="c-agent">{t('Agent')}</span>
				<span className="end">{t('Length')}</span>
				<span>{t('Outcome')}</span>
			</div>
			<div
				role="listbox"
				aria-label={t('Interactions')}
				tabIndex={0}
				aria-activedescendant={at >= 0 ? `h-${chosen}` : undefined}
				style={{ height: virtual.getTotalSize(), position: 'relative' }}
			>
				{items.map((v) => {
					const r = rows[v.index]
					if (!r) return null
					const from = ms(r.startedAt) ?? 0
					return (
						<div
							key={r.id}
							id={`h-${r.id}`}
							role="option"
							aria-selected={r.id === chosen}
							className="lgrid lrow"
							style={{ transform: `translateY(${v.start}px)` }}
							onClick={() => pick(r.id, false)}
						>
							<span className="c-chan">
								<ChannelTile channel={r.channel || 1} small={!narrow} />
							</span>
							<span className="i2 c-when nw">
								<Moment at={from} show={(x) => when(x, now)} />
							</span>
							<span className="m el c-who">
								<Who name={r.customerName} number={r.customerNumber} />
							</span>
							<span className="i2 el c-queue">{r.queueName || '–'}</span>
							<span className="i2 el c-agent" title={r.agentName}>
								{r.agentName ? shortName(r.agentName) : '–'}
								{r.agents > 1 && ` +${r.agents - 1}`}
							</span>
							<span className="end c-length">{r.durationMs ? length(Number(r.durationMs)) : '–'}</span>
							<span className={`el c-outcome${isBad(r.outcome) ? ' c-bad m' : ''}`}>{outcomeWord(t, r.outcome)}</span>
						</div>
					)
				})}
			</div>
		</div>
	)
}
