import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Avatar, ChannelTile, Loading, Moment, Phone, Who } from '../../parts/parts.tsx'
import { outcomeWord } from '../history/words.ts'
import { useSecond } from '../../state/clock.ts'
import { Direction, type Item } from '../../state/model.ts'
import { length, when } from '../../words/format.ts'
import { useEarlier } from './OfferStack.tsx'

/** What is known of the person on the line, and what was before. */
type Known = Pick<Item, 'name' | 'number' | 'queueName' | 'queuedAt'> &
	Partial<Pick<Item, 'dialled' | 'answeredAt' | 'id'>>
export function Context({ item }: { item: Known & { interactionId?: string } }) {
	const { t } = useTranslation()
	const earlier = useEarlier(item.number, item.id ?? item.interactionId ?? '')
	const now = useSecond()
	const number = <Phone number={item.number} />
	return (
		<>
			<div style={{ padding: '12px 14px 14px' }}>
				<div className="row g12">
					<Avatar name={item.name} size="lg" />
					<div className="col">
						<h2 className="md b el">
							<Who name={item.name} number={item.number} />
						</h2>
						<span className="xs i2">
							{earlier.data
								? earlier.data.length
									? t('{n, plural, one {# earlier call} other {# earlier calls}}', { n: earlier.data.length })
									: t('First call from this number')
								: ''}
						</span>
					</div>
				</div>
				<dl className="dl" style={{ marginTop: 14 }}>
					<dt>{t('Number')}</dt>
					<dd>{number}</dd>
					{item.queueName && (
						<>
							<dt>{t('Queue')}</dt>
							<dd>{item.queueName}</dd>
						</>
					)}
					{item.dialled && (
						<>
							<dt>{t('Called')}</dt>
							<dd>
								<Phone number={item.dialled} />
							</dd>
						</>
					)}
					{item.queuedAt && item.answeredAt && (
						<>
							<dt>{t('Waited')}</dt>
							<dd className="num">{length(item.answeredAt - item.queuedAt)}</dd>
						</>
					)}
				</dl>
			</div>
			{earlier.isPending && earlier.fetchStatus === 'fetching' && <Loading />}
			{!!earlier.data?.length && (
				<>
					<hr />
					<div className="row" style={{ padding: '10px 14px 2px' }}>
						<h2 className="b sp">{t('Earlier')}</h2>
						<Link to="/history" search={{ q: item.number, period: '30d' }} className="xs c-acc m lineup">
							{t('All in History')}
						</Link>
					</div>
					{earlier.data.slice(0, 8).map((e) => (
						<Link to="/history" search={{ id: e.id, q: item.number, period: '30d' }} className="tl" key={e.id}>
							<ChannelTile channel={e.channel} small />
							<span className="m el">
								{e.queueName
									? t('Call · {queue}', { queue: e.queueName })
									: e.direction === Direction.OUTBOUND
										? t('Outbound call')
										: t('Direct call')}
							</span>
							<span className="xs i3">
								<Moment at={e.startedAt} show={(at) => when(at, now)} />
							</span>
							<span className="xs i2 el">{[outcomeWord(t, e.outcome), e.agentName].filter(Boolean).join(' · ')}</span>
							<span className="xs i3 num end">{e.talkMs ? length(e.talkMs) : ''}</span>
						</Link>
					))}
				</>
			)}
		</>
	)
}
