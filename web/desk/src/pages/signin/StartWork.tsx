// After sign-in: which telephone, does it hear and ring, and in which state to begin. The click on "Start work" also unlocks sound.
import {
	IconBell,
	IconCircleCheck,
	IconDeviceLandlinePhone,
	IconHeadset,
	IconPlayerPause,
	IconWorld,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Failed } from '../../parts/parts.tsx'
import { type Device as Mic, listDevices, type Meter, openMeter } from '../../phone/meter.ts'
import { canChooseRinger, chime, chooseRinger, Ring, unlockSound } from '../../phone/sounds.ts'
import { useBusy } from '../../shell/busy.ts'
import { startWork } from '../../state/desk.ts'
import { AgentState, Device, isWorking } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { setTaste, useSession, useTaste, useWork } from '../../state/stores.ts'
import './signin.css'

type MicState = 'unasked' | 'asking' | 'open' | 'refused' | 'none'

function useMeter(on: boolean) {
	const [state, setState] = useState<MicState>('unasked')
	const [devices, setDevices] = useState<{ microphones: Mic[]; ringers: Mic[] }>({ microphones: [], ringers: [] })
	const micId = useTaste((s) => s.micId)
	const bar = useRef<HTMLElement>(null)
	const meter = useRef<Meter>(undefined)
	const open = async () => {
		setState('asking')
		try {
			meter.current?.stop()
			meter.current = await openMeter(micId).catch((e: DOMException) => {
				if (e.name === 'OverconstrainedError') return openMeter('')
				throw e
			})
			setDevices(await listDevices())
			setState('open')
		} catch (e) {
			setState((e as DOMException).name === 'NotFoundError' ? 'none' : 'refused')
		}
	}
	const latest = useRef(open)
	latest.current = open
	// Asked at once where the browser has said yes before; else the person presses the button first.
	useEffect(() => {
		if (!on) return
		void navigator.permissions
			?.query({ name: 'microphone' as PermissionName })
			.then((p) => (p.state === 'granted' ? latest.current() : undefined))
			.catch(() => {})
	}, [on, micId])
	useEffect(() => {
		let frame = 0
		const draw = () => {
			bar.current?.style.setProperty('--level', String(meter.current?.level() ?? 0))
			frame = requestAnimationFrame(draw)
		}
		if (state === 'open') draw()
		return () => cancelAnimationFrame(frame)
	}, [state])
	useEffect(() => () => meter.current?.stop(), [])
	return { state, devices, bar, open }
}

export function StartWork() {
	const { t } = useTranslation()
	const user = useSession((s) => s.user)
	const taste = useTaste()
	const status = useWork((w) => w.status)
	const loaded = useWork((w) => w.loaded)
	const go = useNavigate()
	const phones = useQuery({
		queryKey: ['my-phones', user?.id],
		queryFn: () => rpc.phones.listPhones({ agentId: user?.id ?? '' }),
		refetchInterval: 5000,
	})
	const [first, setFirst] = useState<'ready' | 'paused'>('ready')
	const [error, setError] = useState('')
	const { busy, slow, run } = useBusy(setError)
	const list = (phones.data?.phones ?? []).filter((p) => p.enabled)
	const chosen = list.find((p) => p.id === taste.device && p.registered)
	const browser = !chosen
	const { state: mic, devices, bar, open } = useMeter(browser)

	useEffect(() => {
		if (loaded && isWorking(status) && !busy) void go({ to: '/desk', replace: true })
	}, [loaded, status, busy, go])

	const testRing = async () => {
		await unlockSound()
		await chooseRinger(taste.ringerId)
		const ring = new Ring()
		ring.start()
		setTimeout(() => ring.stop(), 1600)
	}
	const start = async () => {
		setError('')
		await unlockSound()
		await chooseRinger(taste.ringerId)
		if (browser && mic !== 'open') await open()
		if ('Notification' in window && Notification.permission === 'default') void Notification.requestPermission()
		const state = first === 'ready' ? AgentState.READY : AgentState.PAUSED
		const ok = await run(() => startWork(browser ? Device.BROWSER : Device.PHONE, chosen?.id ?? '', state))
		if (!ok) return
		chime(0.06)
		void go({ to: '/desk' })
	}
	const pickMic = (id: string) => setTaste({ micId: id })
	return (
		<main className="start" id="main">
			<div className="start-in">
				<div className="col g4">
					<h1 className="xl">
						{t('Good to see you, {name}', { name: user?.fullName.split(' ')[0] || user?.username })}
					</h1>
					<p className="i2">{t('Choose your telephone, hear that it works, and start.')}</p>
				</div>
				{error && <Failed title={t('Work did not start')} text={error} />}
				<fieldset>
					<legend className="sec" style={{ paddingInline: 0 }}>
						{t('Telephone')}
					</legend>
					<div className="choice">
						<label className="pick">
							<input type="radio" name="device" checked={browser} onChange={() => setTaste({ device: 'browser' })} />
							<IconWorld className="i s20" aria-hidden />
							<span className="col">
								<b className="m">{t('This browser')}</b>
								<span className="xs i2">{t('Calls ring and are spoken here')}</span>
							</span>
						</label>
						{list.map((p) => (
							<label className="pick" key={p.id}>
								<input
									type="radio"
									name="device"
									disabled={!p.registered}
									checked={chosen?.id === p.id}
									onChange={() => setTaste({ device: p.id })}
								/>
								<IconDeviceLandlinePhone className="i s20" aria-hidden />
								<span className="col">
									<b className="m el">{t('Phone {user}', { user: p.user })}</b>
									<span className="xs i2 el">
										{p.registered ? p.userAgent || t('Registered') : t('Not registered')}
									</span>
								</span>
							</label>
						))}
					</div>
				</fieldset>
				{browser && (
					<section className="card" aria-label={t('Sound check')}>
						<div className="tests">
							<label className="lab" htmlFor="mic">
								{t('Microphone')}
							</label>
							{mic === 'open' ? (
								<div className="row g12">
									<span className="field sm sp">
										<select id="mic" value={taste.micId} onChange={(e) => pickMic(e.target.value)}>
											<option value="">{t('System default')}</option>
											{devices.microphones
												.filter((d) => d.id !== 'default')
												.map((d) => (
													<option key={d.id} value={d.id}>
														{d.label}
													</option>
												))}
										</select>
									</span>
									<span className="meter" role="img" aria-label={t('Microphone level')}>
										<i ref={bar} />
									</span>
								</div>
							) : (
								<span className={mic === 'refused' || mic === 'none' ? 'c-bad' : 'i2'} role="status">
									{mic === 'refused'
										? t('The browser may not use the microphone. Allow it beside the address, then test again.')
										: mic === 'none'
											? t('No microphone found. Plug one in, then test again.')
											: t('The browser asks once whether this page may use it.')}
								</span>
							)}
							{mic === 'open' ? (
								<span className="chip ready">
									<IconCircleCheck className="i" aria-hidden />
									{t('Speak: the bar moves')}
								</span>
							) : (
								<button type="button" className="btn sm" id="mic" onClick={() => void open()}>
									<IconHeadset className="i" aria-hidden />
									{t('Test microphone')}
								</button>
							)}
							<label className="lab" htmlFor="ringer">
								{t('Ringer')}
							</label>
							{canChooseRinger() && devices.ringers.length > 1 ? (
								<span className="field sm">
									<select id="ringer" value={taste.ringerId} onChange={(e) => setTaste({ ringerId: e.target.value })}>
										<option value="">{t('System default')}</option>
										{devices.ringers
											.filter((d) => d.id !== 'default')
											.map((d) => (
												<option key={d.id} value={d.id}>
													{d.label}
												</option>
											))}
									</select>
								</span>
							) : (
								<span className="i2">{t('The loudspeaker of this computer')}</span>
							)}
							<button
								type="button"
								className="btn sm"
								id={devices.ringers.length > 1 ? undefined : 'ringer'}
								onClick={() => void testRing()}
							>
								<IconBell className="i" aria-hidden />
								{t('Ring once')}
							</button>
						</div>
					</section>
				)}
				{chosen && (
					<p className="i2">
						{t('Calls ring on phone {user}: pick up there. The desk shows who calls and steers the call.', {
							user: chosen.user,
						})}
					</p>
				)}
				<fieldset>
					<legend className="sec" style={{ paddingInline: 0 }}>
						{t('Begin as')}
					</legend>
					<div className="choice">
						<label className="pick">
							<input type="radio" name="first" checked={first === 'ready'} onChange={() => setFirst('ready')} />
							<IconCircleCheck className="i s20 c-ready" aria-hidden />
							<span className="col">
								<b className="m">{t('Ready')}</b>
								<span className="xs i2">{t('The first call may come at once')}</span>
							</span>
						</label>
						<label className="pick">
							<input type="radio" name="first" checked={first === 'paused'} onChange={() => setFirst('paused')} />
							<IconPlayerPause className="i s20 c-pause" aria-hidden />
							<span className="col">
								<b className="m">{t('Paused')}</b>
								<span className="xs i2">{t('Signed in, no calls yet')}</span>
							</span>
						</label>
					</div>
				</fieldset>
				<div className="row g12">
					<button type="button" className="btn p lg" aria-disabled={busy} onClick={() => void (busy || start())}>
						<IconHeadset className="i" aria-hidden />
						{slow ? t('Still trying…') : t('Start work')}
					</button>
					<span className="xs i3 sp">{t('Keep this tab open: when it closes, you go offline after 15 seconds.')}</span>
				</div>
			</div>
		</main>
	)
}
