import { IconAddressBook, IconAlertTriangle, IconCircleCheck, IconHeadset, IconPlayerPause } from '@tabler/icons-react'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useShallow } from 'zustand/react/shallow'
import { Empty, Since } from '../../parts/parts.tsx'
import { useBusy } from '../../shell/busy.ts'
import { useStale } from '../../shell/Banner.tsx'
import { useKeys } from '../../shell/keys.ts'
import { setMyState, startWork } from '../../state/desk.ts'
import { AgentState, Device, isLive, isWorking, type Item, liveCall } from '../../state/model.ts'
import { ms } from '../../state/fold.ts'
import { useLive, useTaste, useWork } from '../../state/stores.ts'
import { num } from '../../words/format.ts'
import { CallBody } from './CallBody.tsx'
import { CallZone } from './CallZone.tsx'
import { Context } from './Context.tsx'
import { OfferStack, stack } from './OfferStack.tsx'
import { WorkList } from './WorkList.tsx'
import './desk.css'
import './desk-phone.css'

const route = getRouteApi('/desk')

/** The item chosen in the address, else the call in hand, else the newest. */
export function pick(items: Item[], wanted: string | undefined): Item | undefined {
	return items.find((i) => i.id === wanted) ?? items.find(isLive) ?? items[0]
}

export function DeskPage() {
	const { t } = useTranslation()
	const { item: wanted } = route.useSearch()
	const go = route.useNavigate()
	const work = useWork(
		useShallow((w) => ({
			items: w.items,
			order: w.order,
			status: w.status,
			loaded: w.loaded,
			reasons: w.pauseReasons,
		})),
	)
	const items = work.order.map((id) => work.items[id]).filter((i): i is Item => !!i)
	const chosen = pick(items, wanted)
	const [context, setContext] = useState(false)
	// On a narrow screen the list or the item is there; what comes into hand comes into view.
	const [listed, setListed] = useState('')
	const toList = () => setListed(chosen?.id ?? '')
	const { run } = useBusy()
	const choose = useCallback(
		(id: string | undefined) => void go({ search: (s) => ({ ...s, item: id }), replace: true }),
		[go],
	)
	// A record that is gone leaves the address too.
	const there = items.some((i) => i.id === wanted)
	useEffect(() => {
		if (wanted && work.loaded && !there) choose(undefined)
	}, [wanted, there, work.loaded, choose])

	const step = (by: number) => {
		const at = items.findIndex((i) => i.id === chosen?.id)
		const next = items[(at + by + items.length) % items.length]
		if (next) choose(next.id)
	}
	const pause = work.reasons[0]
	useKeys([
		...items.slice(0, 9).map((i, n) => ({
			key: `Alt+${n + 1}`,
			name: n ? '' : t('Go to work item 1 to 9'),
			run: () => choose(i.id),
		})),
		{ key: 'Alt+Up', name: t('Previous item'), run: () => step(-1) },
		{ key: 'Alt+Down', name: t('Next item'), run: () => step(1) },
		{ key: 'Alt+K', name: t('Contact'), run: () => setContext((c) => !c) },
		{ key: 'Alt+R', name: t('Ready'), run: () => void run(() => setMyState(AgentState.READY)) },
		{
			key: 'Alt+P',
			name: pause ? t('Pause: {reason}', { reason: pause.name }) : t('Pause'),
			run: () => void run(() => setMyState(AgentState.PAUSED, pause?.id)),
		},
	])
	const stale = useStale()
	const offer = stack(useWork((w) => w.offers)).find((o) => !o.ended)
	const call = liveCall({ items: work.items, order: work.order } as never)
	if (!work.loaded) return <main className="desk" id="main" />
	return (
		<main
			className={`desk${stale ? ' stale-desk' : ''}`}
			id="main"
			data-pane={chosen && listed !== chosen.id ? 'item' : 'list'}
			data-empty={items.length ? undefined : ''}
		>
			<h1 className="hid">{t('Desk')}</h1>
			<WorkList
				items={items}
				chosen={chosen?.id}
				choose={(id) => {
					setListed('')
					choose(id)
				}}
			/>
			<CallZone call={call} toList={toList} />
			<section className="center col" aria-label={t('Work')}>
				{chosen ? (
					<CallBody
						key={chosen.id}
						item={chosen}
						toList={toList}
						contextButton={
							<button
								type="button"
								className="ib ctx-toggle"
								aria-expanded={context}
								aria-label={t('Contact')}
								onClick={() => setContext((c) => !c)}
							>
								<IconAddressBook className="i" aria-hidden />
							</button>
						}
					/>
				) : (
					<Idle />
				)}
			</section>
			<aside className={`ctx col${context ? ' open' : ''}`} aria-label={t('Contact')} tabIndex={-1}>
				{chosen ? (
					<Context key={chosen.id} item={chosen} />
				) : offer ? (
					<Context key={offer.interactionId} item={offer} />
				) : (
					<div style={{ padding: 12 }} className="i3">
						{t('Who calls appears here, with earlier calls.')}
					</div>
				)}
			</aside>
			<OfferStack />
		</main>
	)
}

function Idle() {
	const { t } = useTranslation()
	const status = useWork((w) => w.status)
	const { run } = useBusy()
	const back = () => {
		const { device } = useTaste.getState()
		const phone = device !== 'browser'
		void run(() => startWork(phone ? Device.PHONE : Device.BROWSER, phone ? device : '', AgentState.READY))
	}
	if (!status || !isWorking(status)) {
		const lost = status?.cause === 'presence-lost'
		return (
			<div className="body">
				<Empty
					Icon={IconHeadset}
					look="off"
					title={lost ? t('You went offline: this tab was out of reach') : t('You are offline')}
					text={
						lost
							? t('The browser put it to sleep, or the network was away for more than 15 seconds.')
							: t('Start work to take calls.')
					}
				>
					{lost ? (
						<button type="button" className="btn sm p" onClick={back}>
							<IconCircleCheck className="i" aria-hidden />
							{t('Back to Ready')}
						</button>
					) : (
						<Link to="/start" className="btn sm">
							{t('Start work')}
						</Link>
					)}
				</Empty>
			</div>
		)
	}
	if (status.state === AgentState.PAUSED)
		return (
			<div className="body">
				<Empty
					Icon={status.missed ? IconAlertTriangle : IconPlayerPause}
					look={status.missed ? 'bad' : 'pause'}
					title={status.missed ? t('Paused: a call was not answered') : t('You are paused')}
					text={
						status.missed ? t('No calls are offered until you are back.') : t('Calls go to your colleagues meanwhile.')
					}
				>
					<button type="button" className="btn sm p" onClick={() => void run(() => setMyState(AgentState.READY))}>
						<IconCircleCheck className="i" aria-hidden />
						{t('Back to Ready')}
					</button>
				</Empty>
			</div>
		)
	return (
		<div className="body">
			<Empty
				Icon={IconCircleCheck}
				title={t('Nothing in hand')}
				text={t('You are Ready. The next call appears above with who it is and why it came.')}
			/>
			<QueuesNow />
		</div>
	)
}

/** The agent's own queues, while nothing is in hand. */
function QueuesNow() {
	const { t } = useTranslation()
	const mine = useWork((w) => w.queues)
	const live = useLive((l) => l.queues)
	const shown = mine.map((q) => live[q.id]).filter((f) => !!f)
	if (!shown.length) return null
	return (
		<section aria-label={t('Queues now')}>
			<h2 className="sec" style={{ paddingInline: 0 }}>
				{t('Queues now')}
			</h2>
			<ul className="qs">
				{shown.map((f) => (
					<li key={f.queueId} className={f.waiting > 0 && f.agentsReady === 0 ? 'bad' : ''}>
						<span className="xs el">{f.queueName}</span>
						<b className="num">{num(f.waiting)}</b>
						<span className="xs">{f.longestSince ? <Since at={ms(f.longestSince) ?? 0} /> : t('nobody waits')}</span>
					</li>
				))}
			</ul>
		</section>
	)
}
