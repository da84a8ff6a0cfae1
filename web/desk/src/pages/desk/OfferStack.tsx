// Offers: a card over the call zone, never over the work list or the context. Focus does not move, Enter and Space do nothing to it:
// who types cannot accept by accident. F2 does.
import { IconDeviceLandlinePhone, IconInfoCircle, IconPhone, IconPhoneIncoming, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Avatar, ChannelTile, CountRing, Phone, Since, Who } from '../../parts/parts.tsx'
import { useKeys } from '../../shell/keys.ts'
import { serverNow, useSecond } from '../../state/clock.ts'
import { accept, endedText, reject } from '../../state/desk.ts'
import { Channel, Device, type Offer } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { say } from '../../state/say.ts'
import { mayHistory, useSession, useWork } from '../../state/stores.ts'
import { secondsLeft, when } from '../../words/format.ts'

/** Voice first, then the oldest; what has ended is below what rings. */
export function stack(offers: Offer[]): Offer[] {
	const rank = (o: Offer) => (o.ended ? 2 : 0) + (o.channel === Channel.VOICE ? 0 : 1)
	return offers
		.map((o, i) => ({ o, i }))
		.sort((a, b) => rank(a.o) - rank(b.o) || a.i - b.i)
		.map(({ o }) => o)
}

export function OfferStack() {
	const { t } = useTranslation()
	const offers = stack(useWork((w) => w.offers))
	const top = offers.find((o) => !o.ended)
	useKeys([
		{
			key: 'F2',
			name: t('Accept the top offer'),
			run: () => top && top.device !== Device.PHONE && accept(top.interactionId, top.offerId),
		},
		{ key: 'Shift+F2', name: t('Reject the top offer'), run: () => top && void reject(top.interactionId, top.offerId) },
	])
	if (!offers.length) return null
	return (
		<section className={`offers sh${top ? '' : ' over'}`} aria-label={t('Offers')}>
			{offers.map((o, i) =>
				o.ended ? (
					<Over key={o.offerId} offer={o} />
				) : i === 0 ? (
					<Main key={o.offerId} offer={o} />
				) : (
					<Row key={o.offerId} offer={o} />
				),
			)}
		</section>
	)
}

function useLeft(offer: Offer): number {
	useSecond()
	return secondsLeft(offer.deadline, serverNow())
}

function Over({ offer }: { offer: Offer }) {
	const text = endedText(offer.ended?.outcome ?? 0, offer.ended?.reason ?? '')
	useEffect(() => say(text), [text])
	return (
		<div className="row offer-over">
			<IconInfoCircle className="i s20 c-off" aria-hidden />
			<span className="md b">
				<Who name={offer.name} number={offer.number} />
			</span>
			<span className="md i2">{text}</span>
		</div>
	)
}

/** The phone rings: it is picked up there. */
function usePhoneUser(offer: Offer): string | undefined {
	const phoneId = useWork((w) => w.status?.phoneId)
	const user = useSession((s) => s.user?.id)
	const byPhone = offer.device === Device.PHONE
	const phones = useQuery({
		queryKey: ['my-phones', user],
		queryFn: () => rpc.phones.listPhones({ agentId: user ?? '' }),
		enabled: byPhone,
	})
	return byPhone ? (phones.data?.phones.find((p) => p.id === phoneId)?.user ?? '') : undefined
}

function Main({ offer }: { offer: Offer }) {
	const { t } = useTranslation()
	const left = useLeft(offer)
	const [ms] = useState(() => offer.deadline - serverNow())
	const phoneUser = usePhoneUser(offer)
	const spoken = useRef(new Set<number>())
	useEffect(() => {
		if ((left === 10 || left === 5) && !spoken.current.has(left)) {
			spoken.current.add(left)
			say(t('{n} seconds', { n: left }))
		}
	}, [left, t])
	return (
		<>
			<div className="row offer-main">
				<span role="timer" className="offer-timer" aria-live="off" aria-label={t('{n} seconds', { n: left })}>
					<span className="wide-only">
						<CountRing left={ms} of={offer.ringMs} size={68} seconds={left} />
					</span>
					<span className="narrow-only">
						<CountRing left={ms} of={offer.ringMs} size={148} seconds={left}>
							<Avatar name={offer.name} />
						</CountRing>
					</span>
				</span>
				<div className="col sp g2 offer-who">
					<div className="row g6 xs b c-ready offer-kind">
						<IconPhoneIncoming className="i s14" aria-hidden />
						<span className="el">
							{offer.queueName ? t('Call · {queue}', { queue: offer.queueName }) : t('Direct call')}
						</span>
					</div>
					<div className="offer-name el">
						<Who name={offer.name} number={offer.number} />
					</div>
					<div className="i2 num">
						{offer.name && (
							<>
								<Phone number={offer.number} /> ·{' '}
							</>
						)}
						{offer.queuedAt && (
							<>
								{t('waited')}{' '}
								<b className="m" style={{ color: 'var(--ink)' }}>
									<Since at={offer.queuedAt} />
								</b>
							</>
						)}
					</div>
				</div>
				<div className="col offer-acts">
					{phoneUser === undefined ? (
						<button
							type="button"
							className="btn ok big"
							aria-disabled={!!offer.pressed}
							aria-keyshortcuts="F2"
							onClick={() => accept(offer.interactionId, offer.offerId)}
						>
							<IconPhone className="i" aria-hidden />
							{offer.pressed === 'accept' ? t('Connecting…') : t('Accept')}
							<kbd className="kbd">F2</kbd>
						</button>
					) : (
						<span className="bn ready byphone c-ready b" style={{ minHeight: 48 }}>
							<IconDeviceLandlinePhone className="i s20" aria-hidden />
							{phoneUser ? t('Pick up phone {user}', { user: phoneUser }) : t('Pick up your phone')}
						</span>
					)}
					<button
						type="button"
						className="btn"
						aria-disabled={!!offer.pressed}
						aria-keyshortcuts="Shift+F2"
						onClick={() => void (offer.pressed || reject(offer.interactionId, offer.offerId))}
					>
						<IconX className="i" aria-hidden />
						{offer.pressed === 'reject' ? t('Rejecting…') : t('Reject')}
						<kbd className="kbd">Shift F2</kbd>
					</button>
				</div>
			</div>
			<Facts offer={offer} left={left} />
			<p className="xs i3 narrow-only offer-hint">{t('Rejecting sends the call to the next agent')}</p>
		</>
	)
}

function Facts({ offer, left }: { offer: Offer; left: number }) {
	const { t } = useTranslation()
	const before = useEarlier(offer.number, offer.interactionId)
	const asked = offer.attributes.map((kv) => kv.value).join(', ')
	const last = before.data?.[0]
	const facts: [string, string][] = []
	if (asked) facts.push([t('Asked for'), asked])
	if (before.data)
		facts.push([
			t('Before'),
			last
				? `${when(last.startedAt, serverNow())} · ${last.queueName || t('Direct call')}${last.agentName ? ` · ${last.agentName}` : ''}`
				: t('First call from this number'),
		])
	if (offer.why) facts.push([t('Why you'), offer.why])
	if (!facts.length) return null
	return (
		<dl className="facts" style={{ gridTemplateColumns: `repeat(${facts.length}, minmax(0, 1fr))` }}>
			{facts.map(([k, v]) => (
				<div key={k}>
					<dt className="lab">{k}</dt>
					<dd className="el m" title={v}>
						{v}
					</dd>
				</div>
			))}
			<div className="narrow-only">
				<dt className="lab">{t('You answer within')}</dt>
				<dd className={`m num${left <= 5 ? ' c-bad' : ''}`}>{t('{n} s', { n: left })}</dd>
			</div>
		</dl>
	)
}

export interface Earlier {
	id: string
	startedAt: number
	queueName: string
	agentName: string
	outcome: string
	talkMs: number
	channel: Channel
	direction: number
}
/** Earlier interactions with the same number, newest first, without the present one. */
export function useEarlier(number: string, presentId: string) {
	const allowed = useSession(mayHistory)
	return useQuery({
		queryKey: ['earlier', number],
		enabled: allowed && number.length > 2,
		queryFn: async (): Promise<Earlier[]> => {
			const answer = await rpc.history.listInteractions({ search: number, page: { size: 20 } })
			return answer.interactions.map((i) => ({
				id: i.id,
				startedAt: i.startedAt ? Number(i.startedAt.seconds) * 1000 : 0,
				queueName: i.queueName,
				agentName: i.agentName,
				outcome: i.outcome,
				talkMs: Number(i.talkMs),
				channel: i.channel,
				direction: i.direction,
			}))
		},
		select: (list) => list.filter((i) => i.id !== presentId),
	})
}

function Row({ offer }: { offer: Offer }) {
	const { t } = useTranslation()
	const left = useLeft(offer)
	const [ms] = useState(() => offer.deadline - serverNow())
	return (
		<div className="row offer-row">
			<CountRing left={ms} of={offer.ringMs} size={32} seconds={left} />
			<ChannelTile channel={offer.channel} small />
			<span className="m el">
				<Who name={offer.name} number={offer.number} />
			</span>
			<span className="i2 el sp">{offer.queueName}</span>
			{offer.device !== Device.PHONE && (
				<button type="button" className="btn sm" onClick={() => accept(offer.interactionId, offer.offerId)}>
					<IconPhone className="i" aria-hidden />
					{t('Accept')}
				</button>
			)}
			<button type="button" className="btn sm g" onClick={() => void reject(offer.interactionId, offer.offerId)}>
				{t('Reject')}
			</button>
		</div>
	)
}
