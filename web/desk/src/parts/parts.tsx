// The only places that know colours, icons, formats and masking.
import {
	IconAlertTriangle,
	IconBellRinging,
	IconBrandWhatsapp,
	IconChecklist,
	IconCircle,
	IconCircleCheck,
	IconDeviceMobileMessage,
	IconHeadset,
	IconMail,
	IconMessage,
	IconPencil,
	IconPhone,
	IconPlayerPause,
	IconPrinter,
	IconShare,
	IconVideo,
	type Icon,
} from '@tabler/icons-react'
import { createContext, type ReactNode, use, useEffect, useState, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { useSecond } from '../state/clock.ts'
import { AgentState, Channel } from '../state/model.ts'
import { clock, exact, initials, length } from '../words/format.ts'

export type StateLook = 'ready' | 'busy' | 'offered' | 'wrap' | 'pause' | 'off' | 'bad'

/** State to icon, word and colour; a state is never shown by colour alone. */
export function stateLook(state: AgentState, missed = false): { look: StateLook; Icon: Icon; word: string } {
	switch (state) {
		case AgentState.READY:
			return { look: 'ready', Icon: IconCircleCheck, word: 'Ready' }
		case AgentState.OFFERED:
			return { look: 'offered', Icon: IconBellRinging, word: 'Offered' }
		case AgentState.ON_CONTACT:
			return { look: 'busy', Icon: IconHeadset, word: 'On contact' }
		case AgentState.WRAP_UP:
			return { look: 'wrap', Icon: IconPencil, word: 'Wrap-up' }
		case AgentState.PAUSED:
			return missed
				? { look: 'bad', Icon: IconAlertTriangle, word: 'Missed offer' }
				: { look: 'pause', Icon: IconPlayerPause, word: 'Paused' }
		default:
			return { look: 'off', Icon: IconCircle, word: 'Offline' }
	}
}
export function StateChip({ state, missed = false }: { state: AgentState; missed?: boolean }) {
	const { t } = useTranslation()
	const { look, Icon, word } = stateLook(state, missed)
	return (
		<span className={`chip ${look}`}>
			<Icon className="i" aria-hidden />
			{t(word)}
		</span>
	)
}

const channels: Partial<Record<Channel, [string, Icon, string]>> = {
	[Channel.VOICE]: ['voice', IconPhone, 'Voice'],
	[Channel.CHAT]: ['chat', IconMessage, 'Chat'],
	[Channel.EMAIL]: ['email', IconMail, 'Email'],
	[Channel.SMS]: ['sms', IconDeviceMobileMessage, 'SMS'],
	[Channel.WHATSAPP]: ['wa', IconBrandWhatsapp, 'WhatsApp'],
	[Channel.FAX]: ['fax', IconPrinter, 'Fax'],
	[Channel.OPEN]: ['social', IconShare, 'Open channel'],
	[Channel.TASK]: ['fax', IconChecklist, 'Task'],
	[Channel.VIDEO]: ['video', IconVideo, 'Video'],
}
export function ChannelTile({ channel, small }: { channel: Channel; small?: boolean }) {
	const { t } = useTranslation()
	const [look, Icon, word] = channels[channel] ?? ['voice', IconPhone, 'Voice']
	return (
		<span className={`chx ${look}${small ? ' sm' : ''}`} title={t(word)}>
			<Icon className="i" aria-hidden />
			<span className="hid">{t(word)}</span>
		</span>
	)
}

/** Figures that stopped have clocks that stop with them: the server time they stand at, while the stream is quiet. */
export const Stopped = createContext<number | undefined>(undefined)
export function usePageSecond(): number {
	const now = useSecond()
	return use(Stopped) ?? now
}

/** A clock that runs since a moment: "04:12" in a bar, "4:12" in a table. */
export function Since({ at, padded = false }: { at: number; padded?: boolean }) {
	const now = usePageSecond()
	return <time className="num">{padded ? clock(now - at) : length(now - at)}</time>
}
/** A clock that runs towards a moment; past it says so. */
export function Until({ at }: { at: number }) {
	const { t } = useTranslation()
	const now = useSecond()
	const left = at - now
	return (
		<time className="num">
			{left >= 0 ? t('{time} left', { time: length(left) }) : t('over by {time}', { time: length(-left) })}
		</time>
	)
}
export const Length = ({ ms }: { ms: number }) => <span className="num">{length(ms)}</span>
export function Moment({ at, show }: { at: number; show: (at: number) => string }) {
	return (
		<time className="num" dateTime={new Date(at).toISOString()} title={exact(at)}>
			{show(at)}
		</time>
	)
}

export function Avatar({ name, size = '' }: { name: string; size?: '' | 'sm' | 'lg' }) {
	return (
		<span className={`av ${size}`} aria-hidden>
			{initials(name) || '#'}
		</span>
	)
}

// --- telephone numbers ---

type Format = (raw: string) => string
let format: Format | undefined
const waiting = new Set<() => void>()
let loading = false
function loadFormat(f: () => void): () => void {
	waiting.add(f)
	if (!loading) {
		loading = true
		void import('libphonenumber-js/min').then((lib) => {
			format = (raw) => {
				const whole = raw.startsWith('+')
				const parsed = lib.parsePhoneNumberFromString(whole ? raw : `+${raw}`)
				// Carriers often leave the plus out; only what is surely a whole number gets it back.
				return parsed && (whole ? parsed.isPossible() : parsed.isValid()) ? parsed.formatInternational() : raw
			}
			for (const w of waiting) w()
		})
	}
	return () => waiting.delete(f)
}
const readFormat = (): Format | undefined => format

export function useNumber(): Format {
	const f = useSyncExternalStore(loadFormat, readFormat, readFormat)
	return (raw) => (f && /^(\+|[1-9]\d{10,14}$)/.test(raw) ? f(raw) : raw)
}
export function Phone({ number }: { number: string }) {
	const { t } = useTranslation()
	const show = useNumber()
	return <bdi className="num nw">{number ? show(number) : t('Number withheld')}</bdi>
}
/** A person's name, or the number, or that there is none. */
export function Who({ name, number }: { name: string; number: string }) {
	return name ? <bdi>{name}</bdi> : <Phone number={number} />
}

// --- states of a page ---

export function Empty({
	Icon,
	look = 'ready',
	title,
	text,
	children,
}: {
	Icon: Icon
	look?: string
	title: string
	text: string
	children?: ReactNode
}) {
	return (
		<div className="st1">
			<Icon className={`i s20 c-${look}`} aria-hidden />
			<div className="col sp">
				<b className="m">{title}</b>
				<span className="xs i2">{text}</span>
			</div>
			{children}
		</div>
	)
}
/** Nothing for 150 ms, then a still skeleton. */
export function Loading({ rows = 3 }: { rows?: number }) {
	const { t } = useTranslation()
	const [shown, show] = useState(false)
	useEffect(() => {
		const timer = setTimeout(() => show(true), 150)
		return () => clearTimeout(timer)
	}, [])
	if (!shown) return null
	return (
		<div className="col g6" role="status" aria-label={t('Loading')} style={{ padding: 12 }}>
			{Array.from({ length: rows }, (_, i) => (
				<div className="st1" key={i}>
					<i className="sk" style={{ width: 22, height: 22 }} />
					<div className="col sp g6">
						<i className="sk" style={{ width: `${58 - 6 * i}%` }} />
						<i className="sk" style={{ width: '36%' }} />
					</div>
				</div>
			))}
		</div>
	)
}
export function Failed({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
	return (
		<div className="st1" role="alert" style={{ borderColor: 'var(--bad)' }}>
			<IconAlertTriangle className="i s20 c-bad" aria-hidden />
			<div className="col sp">
				<b className="m">{title}</b>
				<span className="xs i2">{text}</span>
			</div>
			{children}
		</div>
	)
}

/** A small curve; its last point is marked. The numbers are in the table beside it. */
export function Spark({ values, bad }: { values: number[]; bad?: boolean }) {
	const w = 72
	const h = 22
	if (values.length < 2) return <svg className="spark" width={w} height={h} aria-hidden />
	const top = Math.max(...values, 1)
	const x = (i: number) => 2 + (i * (w - 6)) / (values.length - 1)
	const y = (v: number) => h - 3 - (v * (h - 6)) / top
	const points = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(' ')
	const colour = bad ? 'var(--bad)' : 'var(--ink3)'
	const last = values.length - 1
	return (
		<svg className="spark" width={w} height={h} viewBox={`0 0 ${w} ${h}`} aria-hidden>
			<polyline points={points} fill="none" stroke={colour} strokeWidth="1.5" strokeLinejoin="round" />
			<circle cx={x(last)} cy={y(values[last] ?? 0)} r="2" fill={colour} />
		</svg>
	)
}

/** Share against a goal; the tick is the goal. Readable without colour: the bar falls short of the tick. */
export function SlBar({ share, goal, bad }: { share: number; goal: number; bad: boolean }) {
	return (
		<span className="slb" aria-hidden>
			<i style={{ width: `${Math.min(100, share)}%`, background: bad ? 'var(--bad)' : 'var(--f-ready)' }} />
			{goal > 0 && <b style={{ insetInlineStart: `${Math.min(98, goal)}%` }} />}
		</span>
	)
}

/** The time left, as a ring that empties. Drawn by CSS from the deadline, so it needs no timer. */
export function CountRing({
	left,
	of,
	size,
	seconds,
	children,
}: {
	left: number
	of: number
	size: number
	seconds: number
	children?: ReactNode
}) {
	const width = size > 100 ? 6 : size > 40 ? 5 : 3
	const r = size / 2 - width
	const around = 2 * Math.PI * r
	const late = seconds <= 5
	const [at] = useState(() => ({ left, of: Math.max(of, left, 1) }))
	return (
		<span className="ring" style={{ width: size, height: size }}>
			<svg width={size} height={size} viewBox={`0 0 ${size} ${size}`} aria-hidden>
				<circle cx={size / 2} cy={size / 2} r={r} fill="none" stroke="var(--line2)" strokeWidth={width} />
				<circle
					className="drain"
					cx={size / 2}
					cy={size / 2}
					r={r}
					fill="none"
					stroke={late ? 'var(--bad)' : 'var(--ready)'}
					strokeWidth={width}
					strokeLinecap="round"
					strokeDasharray={around}
					style={{
						['--around' as string]: `${around}`,
						animationDuration: `${at.of}ms`,
						animationDelay: `${at.left - at.of}ms`,
					}}
					transform={`rotate(-90 ${size / 2} ${size / 2})`}
				/>
			</svg>
			{children ?? <span className={`num ${size > 40 ? 'xl' : 'xs b'} ${late ? 'c-bad' : ''}`}>{seconds}</span>}
		</span>
	)
}
