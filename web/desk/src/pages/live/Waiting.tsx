import { IconCircleCheck, IconClock } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Empty, Phone, Since, StateChip, Who } from '../../parts/parts.tsx'
import { ms } from '../../state/fold.ts'
import { AgentState } from '../../state/model.ts'
import { num } from '../../words/format.ts'
import type { QueueRow } from './figures.ts'
import { WaitingActs } from './WaitingActs.tsx'

export function Waiting({ row }: { row: QueueRow | undefined }) {
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
							<WaitingActs item={w} all={list} first={i === 0} />
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
