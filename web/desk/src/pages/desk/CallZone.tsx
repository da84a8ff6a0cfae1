// The call zone: 60 px that are always there. Idle it holds the dial field; with a call its name, timers, recording, controls, End call.
import { Popover } from '@mantine/core'
import {
	IconAlertTriangle,
	IconChevronLeft,
	IconCircle,
	IconCircleX,
	IconDialpad,
	IconLock,
	IconLockOpen,
	IconMicrophone,
	IconMicrophoneOff,
	IconPhone,
	IconPhoneOff,
	IconPlayerPause,
	IconPlayerPlay,
	IconPlugConnected,
	IconTransfer,
	type Icon,
} from '@tabler/icons-react'
import { type ComponentPropsWithRef, type FormEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Avatar, Phone, Since, Who } from '../../parts/parts.tsx'
import { keyTone } from '../../phone/sounds.ts'
import { useBusy } from '../../shell/busy.ts'
import { useKeys } from '../../shell/keys.ts'
import { attachAgain, dial, hangUp, hold, mute, payPause, sendDigits } from '../../state/desk.ts'
import { AgentState, Device, isWorking, type Item } from '../../state/model.ts'
import { mayDial, usePhone, useSession, useWork } from '../../state/stores.ts'
import { length } from '../../words/format.ts'

type Picker = typeof import('./TransferPicker.tsx').default
let picker: Picker | undefined
/** Not part of the first load, but fetched before it is needed: a desk whose server is away still transfers when it is back. */
function usePicker(): Picker | undefined {
	const [now, set] = useState(() => picker)
	useEffect(() => {
		if (!now) void import('./TransferPicker.tsx').then((m) => set(() => (picker = m.default)))
	}, [now])
	return now
}

export function CallZone({ call, toList }: { call: Item | undefined; toList: () => void }) {
	const { t } = useTranslation()
	return (
		<section className={`zone${call ? ' live' : ''}`} aria-label={t('Call zone')}>
			{call ? <CallBar key={call.id} call={call} toList={toList} /> : <DialField />}
		</section>
	)
}

function DialField() {
	const { t } = useTranslation()
	const status = useWork((w) => w.status)
	const allowed = useSession(mayDial)
	const [number, setNumber] = useState('')
	usePicker()
	const field = useRef<HTMLInputElement>(null)
	const clean = number.replace(/[\s()./-]/g, '')
	const fits = /^\+?[0-9*#]{2,20}$/.test(clean)
	const free = isWorking(status) && (status?.state === AgentState.READY || status?.state === AgentState.PAUSED)
	const call = (e: FormEvent) => {
		e.preventDefault()
		if (!fits || !free) return
		dial(clean)
		setNumber('')
	}
	useKeys([{ key: 'F4', name: t('Dial field'), run: () => field.current?.focus() }])
	return (
		<>
			{allowed && (
				<form className="row" onSubmit={call} role="search" aria-label={t('Dial')}>
					<span className="field" style={{ width: 300, background: 'var(--sunken)', borderColor: 'var(--line2)' }}>
						<IconDialpad className="i s16 i3" aria-hidden />
						<input
							ref={field}
							type="tel"
							value={number}
							onChange={(e) => setNumber(e.target.value)}
							placeholder={t('Number')}
							aria-label={t('Number to call')}
							autoComplete="off"
						/>
					</span>
					<button type="submit" className="btn" disabled={!fits || !free}>
						<IconPhone className="i" aria-hidden />
						{t('Call')}
					</button>
				</form>
			)}
			<span className="sp" />
			<span className="xs i3 wide-only">
				{status?.device === Device.PHONE && isWorking(status)
					? t('No call. Calls ring on your phone and are steered here.')
					: t('No call. Call controls appear here.')}
			</span>
		</>
	)
}

interface ControlProps extends Omit<ComponentPropsWithRef<'button'>, 'className'> {
	Icon: Icon
	word: string
	pressed?: boolean
	keys?: string
}
function Control({ Icon, word, pressed, keys, ...button }: ControlProps) {
	return (
		<button
			{...button}
			type="button"
			className="ctl"
			aria-pressed={pressed}
			aria-keyshortcuts={keys?.replace(' ', '+')}
			title={keys}
		>
			<Icon className="i" aria-hidden />
			{word}
		</button>
	)
}

function CallBar({ call, toList }: { call: Item; toList: () => void }) {
	const { t } = useTranslation()
	const { busy, slow, run } = useBusy()
	const talking = call.phase === 'talking'
	const held = call.phase === 'held'
	const up = talking || held
	const recorded = call.recording === 'on' || call.recording === 'paused'
	const act = (f: () => Promise<unknown>) => void (busy || run(f))
	const doMute = () => up && act(() => mute(call, !call.muted))
	const doHold = () => up && act(() => hold(call, !held))
	const doPay = () => recorded && act(() => payPause(call, call.recording === 'on'))
	const end = () => act(() => hangUp(call))
	const [pad, setPad] = useState(false)
	const [moving, setMoving] = useState(false)
	const TransferPicker = usePicker()
	useKeys([
		{ key: 'F4', name: t('Keypad'), run: () => up && setPad((p) => !p) },
		{ key: 'F8', name: t('Mute'), run: doMute },
		{ key: 'Shift+F8', name: t('Pause recording for payment'), run: doPay },
		{ key: 'F9', name: t('Hold'), run: doHold },
		{ key: 'Shift+F9', name: t('End call'), run: end },
		{ key: 'Alt+X', name: t('Transfer'), run: () => up && setMoving(true) },
	])
	return (
		<>
			<button type="button" className="ib back" aria-label={t('Work list')} onClick={toList}>
				<IconChevronLeft className="i flip" aria-hidden />
			</button>
			<Avatar name={call.name} size="lg" />
			<div className="col who">
				<span className="md b el">
					<Who name={call.name} number={call.number} />
				</span>
				<span className="xs i2 el">{call.name ? <Phone number={call.number} /> : call.queueName}</span>
			</div>
			<Timer call={call} />
			<RecordingChip call={call} />
			<span className="sp" />
			<div className={`row g2 ctls${slow ? ' slow' : ''}`} role="group" aria-label={t('Call controls')}>
				<Control
					Icon={call.muted ? IconMicrophoneOff : IconMicrophone}
					word={call.muted ? t('Muted') : t('Mute')}
					pressed={call.muted}
					disabled={!up}
					onClick={doMute}
					keys="F8"
				/>
				<Control
					Icon={held ? IconPlayerPlay : IconPlayerPause}
					word={held ? t('Held') : t('Hold')}
					pressed={held}
					disabled={!up}
					onClick={doHold}
					keys="F9"
				/>
				<Popover
					opened={pad}
					onChange={setPad}
					position="bottom"
					classNames={{ dropdown: 'pop' }}
					trapFocus
					returnFocus
				>
					<Popover.Target>
						<Control
							Icon={IconDialpad}
							word={t('Keypad')}
							aria-expanded={pad}
							disabled={!up}
							onClick={() => setPad((p) => !p)}
							keys="F4"
						/>
					</Popover.Target>
					<Popover.Dropdown aria-label={t('Keypad')}>
						<Keypad call={call} />
					</Popover.Dropdown>
				</Popover>
				<Popover
					opened={moving}
					onChange={setMoving}
					position="bottom-end"
					classNames={{ dropdown: 'pop flush' }}
					trapFocus
					returnFocus
				>
					<Popover.Target>
						<Control
							Icon={IconTransfer}
							word={t('Transfer')}
							aria-expanded={moving}
							disabled={!up}
							onClick={() => setMoving((m) => !m)}
							keys="Alt X"
						/>
					</Popover.Target>
					<Popover.Dropdown aria-label={t('Transfer')}>
						{TransferPicker && <TransferPicker call={call} close={() => setMoving(false)} />}
					</Popover.Dropdown>
				</Popover>
				<Control
					Icon={call.recording === 'paused' ? IconLockOpen : IconLock}
					word={call.recording === 'paused' ? t('Paused') : t('Pay pause')}
					pressed={call.recording === 'paused'}
					disabled={!recorded || !up}
					onClick={doPay}
					keys="Shift F8"
				/>
			</div>
			<button type="button" className="btn no lg" onClick={end} aria-disabled={busy} title="Shift F9">
				<IconPhoneOff className="i" aria-hidden />
				{slow ? t('Still trying…') : t('End call')}
			</button>
		</>
	)
}

function Timer({ call }: { call: Item }) {
	const { t } = useTranslation()
	const quality = usePhone((p) => p.quality)
	const line = quality ? { good: t('line good'), fair: t('line fair'), poor: t('line poor') }[quality.level] : ''
	const from = call.heldSince ?? call.answeredAt
	const word = call.heldSince ? t('on hold') : call.phase === 'dialling' ? t('dialling') : t('talk time')
	return (
		<div className="col timer">
			<span className={`lg b${call.heldSince ? ' c-pause' : ''}`}>{from ? <Since at={from} padded /> : '–'}</span>
			<span className="xs i3 nw">
				{word}
				{line && <span className="narrow-only"> · {line}</span>}
			</span>
		</div>
	)
}

/** Tells the truth of the recorder, not of the button. */
function RecordingChip({ call }: { call: Item }) {
	const { t } = useTranslation()
	const phone = usePhone()
	const device = useWork((w) => w.status?.device)
	const silent = device === Device.BROWSER && phone.connected !== call.id && call.phase !== 'dialling'
	if (silent && (phone.failed || call.needsBrowser) && !phone.attaching)
		return (
			<div className="col g4 rec">
				<button type="button" className="btn sm" onClick={attachAgain} title={phone.failed}>
					<IconPlugConnected className="i" aria-hidden />
					{t('Connect sound')}
				</button>
			</div>
		)
	const heldLine = call.holds
		? call.heldSince
			? t('{n, plural, one {Held once} other {Held # times}}', { n: call.holds })
			: t('{n, plural, one {Held {time} once} other {Held {time} in # times}}', {
					n: call.holds,
					time: length(call.heldMs),
				})
		: ''
	const look = {
		on: ['bad', IconCircle, t('Recording')] as const,
		paused: ['pause', IconPlayerPause, t('Paused')] as const,
		failed: ['bad', IconAlertTriangle, t('Recording failed')] as const,
		off: ['off', IconCircleX, t('Not recorded')] as const,
	}[call.recording]
	const [name, Icon, word] = look
	return (
		<div className="col g4 rec">
			<span className={`chip ${name}`}>
				<Icon className="i" aria-hidden />
				{word}
				{call.recording === 'paused' && call.recordingSince && <Since at={call.recordingSince} />}
			</span>
			{heldLine && <span className="xs i3 nw num">{heldLine}</span>}
		</div>
	)
}

function Keypad({ call }: { call: Item }) {
	const { t } = useTranslation()
	const [sent, setSent] = useState('')
	const { run } = useBusy()
	const send = (d: string) => {
		keyTone(d)
		setSent((s) => (s + d).slice(-24))
		void run(() => sendDigits(call, d))
	}
	const latest = useRef(send)
	latest.current = send
	useEffect(() => {
		const type = (e: KeyboardEvent) => {
			if (!/^[0-9*#]$/.test(e.key) || e.ctrlKey || e.altKey || e.metaKey) return
			e.preventDefault()
			latest.current(e.key)
		}
		window.addEventListener('keydown', type)
		return () => window.removeEventListener('keydown', type)
	}, [])
	return (
		<>
			<div className="padline num b" aria-live="off">
				<bdi dir="ltr">{sent}</bdi>
			</div>
			<div className="pad" role="group" aria-label={t('Keypad')} dir="ltr">
				{[...'123456789*0#'].map((d) => (
					<button type="button" key={d} onClick={() => send(d)}>
						{d}
					</button>
				))}
			</div>
		</>
	)
}
