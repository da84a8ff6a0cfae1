import { type KeyboardEvent, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { ChannelTile, Since, Until, Who } from '../../parts/parts.tsx'
import { StatePicker } from '../../shell/StatePicker.tsx'
import { Direction, isLive, type Item } from '../../state/model.ts'
import { useLive, useWork } from '../../state/stores.ts'
import { length, num } from '../../words/format.ts'

interface Props {
	items: Item[]
	chosen: string | undefined
	choose: (id: string) => void
}

/** Vertical tabs, grouped; the order inside a group is by arrival and stays. */
export function WorkList({ items, chosen, choose }: Props) {
	const { t } = useTranslation()
	const box = useRef<HTMLDivElement>(null)
	const groups = [
		{ name: t('In progress'), list: items.filter(isLive) },
		{ name: t('Wrap-up'), list: items.filter((i) => !isLive(i)) },
	].filter((g) => g.list.length)
	const onKey = (e: KeyboardEvent) => {
		const tabs = [...(box.current?.querySelectorAll<HTMLElement>('[role=tab]') ?? [])]
		const at = tabs.indexOf(document.activeElement as HTMLElement)
		const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: tabs.length - 1 }[e.key]
		if (to === undefined || e.altKey) return
		e.preventDefault()
		tabs[(to + tabs.length) % tabs.length]?.focus()
	}
	return (
		<aside className="work col" aria-label={t('My work')}>
			<div className="row worktitle" style={{ paddingBlock: '12px 6px', paddingInline: '14px 8px', minHeight: 46 }}>
				<h2 className="lg b sp">{t('My work')}</h2>
			</div>
			<StatePicker wide />
			<div role="tablist" aria-orientation="vertical" aria-label={t('My work')} ref={box} onKeyDown={onKey}>
				{groups.map((g) => (
					<div key={g.name} role="presentation">
						<div className="sec">
							{g.name} <span className="cnt q">{g.list.length}</span>
						</div>
						{g.list.map((i) => (
							<Card key={i.id} item={i} on={i.id === chosen} choose={choose} />
						))}
					</div>
				))}
			</div>
			{!items.length && (
				<p className="xs i3 workempty" style={{ padding: '8px 14px' }}>
					{t('Calls in hand and their wrap-up are listed here.')}
				</p>
			)}
			<span className="sp" />
			<Today />
		</aside>
	)
}

function Card({ item, on, choose }: { item: Item; on: boolean; choose: (id: string) => void }) {
	const { t } = useTranslation()
	const wrapUntil = useWork((w) => (w.status?.interactionIds.includes(item.id) ? w.status.wrapUpUntil : undefined))
	return (
		<button
			type="button"
			role="tab"
			aria-selected={on}
			tabIndex={on ? 0 : -1}
			className="wi"
			onClick={() => choose(item.id)}
		>
			<ChannelTile channel={item.channel} />
			<span className="col sp g2">
				<span className="row g6">
					<span className="b el sp">
						<Who name={item.name} number={item.number} />
					</span>
					{isLive(item) && item.answeredAt ? (
						<span className="xs nw c-busy m">
							<Since at={item.heldSince ?? item.answeredAt} padded />
						</span>
					) : wrapUntil ? (
						<span className="xs nw c-wrap m">
							<Until at={wrapUntil} />
						</span>
					) : null}
				</span>
				<span className="xs i2 el">
					{item.queueName || (item.direction === Direction.OUTBOUND ? t('Outbound call') : t('Direct call'))}
				</span>
				<span className="xs el i3">{useLine(item)}</span>
			</span>
		</button>
	)
}

/** The last line of a card: how it stands. */
function useLine(item: Item): string {
	const { t } = useTranslation()
	const recording = { on: t('recording'), paused: t('recording paused'), failed: t('recording failed'), off: '' }[
		item.recording
	]
	const state = {
		dialling: t('Dialling'),
		talking: t('On call'),
		held: t('On hold'),
		transferring: t('Being transferred'),
		ended: t('Call ended'),
	}[item.phase]
	return recording && isLive(item) ? `${state} · ${recording}` : state
}

function Today() {
	const { t } = useTranslation()
	const mine = useLive((l) => l.agents[useWork.getState().me])
	if (!mine) return null
	const handled = Number(mine.handledToday)
	return (
		<div className="row g16 xs i3 num workfoot">
			<span>
				<b>{num(handled)}</b> {t('handled')}
			</span>
			{handled > 0 && (
				<span>
					<b>{length(Number(mine.sumTalkMs) / handled)}</b> {t('average')}
				</span>
			)}
			{mine.missedToday > 0n && (
				<span>
					<b>{num(Number(mine.missedToday))}</b> {t('missed')}
				</span>
			)}
		</div>
	)
}
