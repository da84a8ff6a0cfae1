import {
	IconCheck,
	IconChevronLeft,
	IconLink,
	IconPhoneIncoming,
	IconPhoneOutgoing,
	IconShieldCheck,
	IconAlertTriangle,
	IconClock,
	IconPhone,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Interaction, Segment } from '../../gen/parley/report/v1/report_pb.js'
import { SegmentKind } from '../../gen/parley/report/v1/report_pb.js'
import type { Recording } from '../../gen/parley/voice/v1/voice_pb.js'
import { RecordingStatus } from '../../gen/parley/voice/v1/voice_pb.js'
import { ChannelTile, Failed, Loading, Moment, Phone, Who } from '../../parts/parts.tsx'
import { ms } from '../../state/fold.ts'
import { Direction } from '../../state/model.ts'
import { codeOf, Code, explain, rpc } from '../../state/rpc.ts'
import { sayLater } from '../../state/say.ts'
import { dayYear, decimal, length, pct, timeS } from '../../words/format.ts'
import { Player, type PlayerHandle } from './Player.tsx'
import { course, strip } from './segments.ts'
import { isBad, outcomeWord } from './words.ts'

export function Detail({ id, at, back }: { id: string; at: number | undefined; back: () => void }) {
	const { t } = useTranslation()
	const one = useQuery({
		queryKey: ['interaction', id],
		queryFn: () => rpc.history.getInteraction({ id }),
		// A call that goes on, or whose recording is not verified yet, changes by itself.
		refetchInterval: (q) => (settled(q.state.data?.interaction) ? false : 3000),
	})
	if (one.isPending) return <Loading rows={4} />
	const i = one.data?.interaction
	if (!i)
		return (
			<div style={{ padding: 12 }}>
				<Failed
					title={t('This call cannot be shown')}
					text={
						codeOf(one.error) === Code.NotFound
							? t('It is not in the history, or it is not open to your role.')
							: explain(one.error)
					}
				>
					<button type="button" className="btn sm" onClick={() => void one.refetch()}>
						{t('Try again')}
					</button>
				</Failed>
			</div>
		)
	return <Body i={i} at={at} back={back} />
}

function settled(i: Interaction | undefined): boolean {
	return !i || (i.outcome !== 'open' && i.recordings.every((r) => r.status !== RecordingStatus.EXPECTED))
}

function Body({ i, at, back }: { i: Interaction; at: number | undefined; back: () => void }) {
	const { t } = useTranslation()
	const player = useRef<PlayerHandle>(null)
	const from = ms(i.startedAt) ?? 0
	const inbound = i.direction !== Direction.OUTBOUND
	const DirectionIcon = inbound ? IconPhoneIncoming : IconPhoneOutgoing
	const playable = i.recordings.filter((r) => r.status === RecordingStatus.VERIFIED)
	const [chosen, choose] = useState(0)
	const recording = playable[Math.min(chosen, playable.length - 1)]
	return (
		<>
			<header className="row dh">
				<button type="button" className="ib back" aria-label={t('Back to the list')} onClick={back}>
					<IconChevronLeft className="i flip" aria-hidden />
				</button>
				<ChannelTile channel={i.channel || 1} />
				<div className="col sp">
					<div className="row">
						<h2 className="lg b el">
							<Who name={i.customerName} number={i.customerNumber} />
						</h2>
						<span className="chip">
							<DirectionIcon className="i" aria-hidden />
							{inbound ? t('Inbound') : t('Outbound')}
						</span>
						<span className="mono i3 wide-only">{i.id.slice(0, 8)}</span>
					</div>
					<div className="xs i2 el">
						<Phone number={i.customerNumber} />
						{i.dialledNumber && (
							<>
								{' '}
								{t('to')} <Phone number={i.dialledNumber} />
							</>
						)}
						{' · '}
						<Moment at={from} show={(x) => `${dayYear(x)}, ${timeS(x)}`} />
					</div>
				</div>
				<CopyLink id={i.id} />
			</header>
			<Segments i={i} />
			{recording ? (
				<>
					{playable.length > 1 && (
						<div className="row g6" style={{ padding: '12px 12px 0' }}>
							<div className="seg s" role="group" aria-label={t('Recordings')}>
								{playable.map((r, n) => (
									<button type="button" key={r.id} aria-pressed={r === recording} onClick={() => choose(n)}>
										{t('Recording {n}', { n: n + 1 })}
									</button>
								))}
							</div>
						</div>
					)}
					<Player key={recording.id} ref={player} recording={recording} startAt={at} />
				</>
			) : (
				<NoRecording list={i.recordings} open={i.outcome === 'open'} />
			)}
			<div className="lo">
				<section className="card fx" aria-label={t('Course')}>
					<h3 className="b">{t('Course')}</h3>
					<Course i={i} />
				</section>
				<section className="card fx" aria-label={t('Facts')}>
					<Facts i={i} />
					{recording && recording.marks.length > 0 && (
						<>
							<h3 className="sec" style={{ padding: '16px 0 6px' }}>
								{t('Marks on the recording')}
							</h3>
							<Marks recording={recording} seek={(x) => player.current?.seek(x)} />
						</>
					)}
				</section>
			</div>
		</>
	)
}

function CopyLink({ id }: { id: string }) {
	const { t } = useTranslation()
	const [done, setDone] = useState(false)
	const copy = async () => {
		await navigator.clipboard?.writeText(`${location.origin}/i/${id}`).catch(() => {})
		setDone(true)
		sayLater(t('Link copied'))
		setTimeout(() => setDone(false), 2000)
	}
	return (
		<button type="button" className="btn" aria-label={t('Copy link')} onClick={() => void copy()}>
			{done ? <IconCheck className="i" aria-hidden /> : <IconLink className="i" aria-hidden />}
			<span>{done ? t('Copied') : t('Copy link')}</span>
		</button>
	)
}

const looks: Partial<Record<SegmentKind, string>> = {
	[SegmentKind.QUEUE]: 'queue',
	[SegmentKind.TALK]: 'talk',
	[SegmentKind.WRAP_UP]: 'wrapup',
	[SegmentKind.DIAL]: 'dial',
}
function useSegmentName(): (s: Segment) => string {
	const { t } = useTranslation()
	return (s) => {
		switch (s.kind) {
			case SegmentKind.MENU:
				return t('Menu')
			case SegmentKind.QUEUE:
				return t('Queue')
			case SegmentKind.RING:
				return s.agentName ? t('Rang at {who}', { who: s.agentName }) : t('Rang')
			case SegmentKind.TALK:
				return s.agentName || t('Talk')
			case SegmentKind.HOLD:
				return t('Hold')
			case SegmentKind.WRAP_UP:
				return t('Wrap-up')
			case SegmentKind.DIAL:
				return s.agentName || t('Dialled')
			default:
				return ''
		}
	}
}

/** The whole interaction in one strip; widths follow the time, with a least width to be read. */
function Segments({ i }: { i: Interaction }) {
	const { t } = useTranslation()
	const name = useSegmentName()
	const parts = strip(i.segments)
	if (!parts.length) return <hr />
	return (
		<ol className="segs" aria-label={t('Segments')} tabIndex={0}>
			{parts.map((p) => (
				<li
					key={`${p.segment.kind}${p.from}`}
					className={looks[p.segment.kind] ?? ''}
					style={{ flexGrow: Math.max(1, p.ms / 1000) }}
				>
					<b>{name(p.segment)}</b>
					<span className="num">{p.open ? t('going on') : length(p.ms)}</span>
				</li>
			))}
		</ol>
	)
}

function Course({ i }: { i: Interaction }) {
	const { t } = useTranslation()
	const name = useSegmentName()
	const result = (s: Segment): string => {
		const words: Record<string, string> = {
			answered: t('answered'),
			accepted: t('answered'),
			abandoned: t('customer hung up'),
			timeout: t('not answered in time'),
			rejected: t('rejected'),
			failed: t('could not be reached'),
			elsewhere: t('a colleague took it'),
			cancelled: t('customer hung up'),
			transfer: t('transferred'),
			transferred: t('transferred'),
			'agent-hangup': t('agent ended it'),
			'customer-hangup': t('customer hung up'),
			lost: t('line lost'),
		}
		return words[s.result] ?? s.result
	}
	const list = course(i.segments)
	if (!list.length) return <p className="i3">{t('No segments yet.')}</p>
	return (
		<ol className="course2">
			{list.map((p) => (
				<li key={`${p.segment.kind}${p.from}${p.segment.agentId}`}>
					<span className="xs i3">
						<Moment at={p.from} show={timeS} />
					</span>
					<span>
						{name(p.segment)}
						{p.segment.kind === SegmentKind.QUEUE && p.segment.queueName && (
							<span className="i2"> · {p.segment.queueName}</span>
						)}
						{p.segment.result && <span className="i2"> · {result(p.segment)}</span>}
					</span>
					<span className="num i3">{p.open ? t('going on') : length(p.ms)}</span>
				</li>
			))}
		</ol>
	)
}

function NoRecording({ list, open }: { list: Recording[]; open: boolean }) {
	const { t } = useTranslation()
	const failed = list.find((r) => r.status === RecordingStatus.FAILED)
	const expected = list.find((r) => r.status === RecordingStatus.EXPECTED)
	const [Icon, look, title, text] = failed
		? ([IconAlertTriangle, 'bad', t('Recording failed'), failed.error || t('Media did not deliver it.')] as const)
		: expected
			? ([
					IconClock,
					'busy',
					open ? t('Being recorded') : t('Recording is being checked'),
					t('It can be heard here as soon as it is verified.'),
				] as const)
			: ([IconPhone, 'off', t('Not recorded'), t('No recording was due for this call.')] as const)
	return (
		<div style={{ padding: '12px 12px 0' }}>
			<div className="st1">
				<Icon className={`i s20 c-${look}`} aria-hidden />
				<div className="col sp">
					<b className="m">{title}</b>
					<span className="xs i2">{text}</span>
				</div>
			</div>
		</div>
	)
}

function Facts({ i }: { i: Interaction }) {
	const { t } = useTranslation()
	const whole = i.recordings.length > 0 && i.recordings.every((r) => r.status === RecordingStatus.VERIFIED)
	const failed = i.recordings.some((r) => r.status === RecordingStatus.FAILED)
	const path = i.menuPath.map((kv) => kv.value).join(' › ')
	const endedBy: Record<string, string> = {
		customer: t('Customer'),
		agent: t('Agent'),
		flow: t('Menu'),
		system: t('System'),
		lost: t('Line lost'),
	}
	const span = (v: bigint) => <span className="num">{length(Number(v))}</span>
	return (
		<dl className="dl">
			<dt>{t('Outcome')}</dt>
			<dd className={`m${isBad(i.outcome) ? ' c-bad' : ''}`}>{outcomeWord(t, i.outcome)}</dd>
			{path && (
				<>
					<dt>{t('Menu')}</dt>
					<dd>
						<bdi>{path}</bdi>
					</dd>
				</>
			)}
			{i.queueName && (
				<>
					<dt>{t('Queue')}</dt>
					<dd>{i.queueName}</dd>
				</>
			)}
			{i.agentName && (
				<>
					<dt>{t('Agent')}</dt>
					<dd>
						{i.agentName}
						{i.agents > 1 && <span className="i3"> {t('and {n} more', { n: i.agents - 1 })}</span>}
					</dd>
				</>
			)}
			<dt>{t('Waited')}</dt>
			<dd>{span(i.waitMs)}</dd>
			<dt>{t('Talked')}</dt>
			<dd>{span(i.talkMs)}</dd>
			{i.heldMs > 0n && (
				<>
					<dt>{t('Held')}</dt>
					<dd>{span(i.heldMs)}</dd>
				</>
			)}
			{i.endedBy && (
				<>
					<dt>{t('Ended by')}</dt>
					<dd>{endedBy[i.endedBy] ?? i.endedBy}</dd>
				</>
			)}
			{i.mos > 0 && (
				<>
					<dt>{t('Sound')}</dt>
					<dd className="num">
						MOS {decimal(i.mos)} · {t('loss {share}', { share: pct(i.lossPct / 100, 1) })}
					</dd>
				</>
			)}
			{(whole || failed) && (
				<>
					<dt>{t('Recording')}</dt>
					<dd className={`row g4 ${failed ? 'c-bad' : 'c-ready'}`}>
						{failed ? (
							<IconAlertTriangle className="i s16" aria-hidden />
						) : (
							<IconShieldCheck className="i s16" aria-hidden />
						)}
						{failed ? t('failed') : t('whole, encrypted')}
					</dd>
				</>
			)}
		</dl>
	)
}

function Marks({ recording, seek }: { recording: Recording; seek: (ms: number) => void }) {
	const { t } = useTranslation()
	const word = (kind: string, text: string): string => {
		switch (kind) {
			case 'hold':
				return t('Put on hold')
			case 'resume':
				return t('Taken off hold')
			case 'pause':
				return t('Recording paused for payment')
			case 'unpause':
				return t('Recording goes on')
			case 'agent':
				return text ? t('{who} answers', { who: text }) : t('Agent answers')
			case 'end':
				return text || t('End')
			default:
				return text || kind
		}
	}
	return (
		<>
			{recording.marks.map((m) => (
				<button
					type="button"
					className="markrow"
					key={`${m.offsetMs}${m.kind}`}
					onClick={() => seek(Number(m.offsetMs))}
				>
					<span className="num xs c-acc m" style={{ width: 34 }}>
						{length(Number(m.offsetMs))}
					</span>
					<span className="el">{word(m.kind, m.text)}</span>
				</button>
			))}
		</>
	)
}
