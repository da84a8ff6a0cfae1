// The recording: two channels as a wave from peaks the server made, the sound as a file that is fetched in ranges. Nothing is decoded here.
import {
	IconPlayerPauseFilled,
	IconPlayerPlayFilled,
	IconRewindBackward10,
	IconRewindForward10,
	IconVolume,
	IconVolumeOff,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import {
	type KeyboardEvent,
	type PointerEvent,
	type Ref,
	useCallback,
	useEffect,
	useImperativeHandle,
	useMemo,
	useRef,
	useState,
} from 'react'
import { useTranslation } from 'react-i18next'
import type { Recording } from '../../gen/parley/voice/v1/voice_pb.js'
import { Failed } from '../../parts/parts.tsx'
import { decimal, length } from '../../words/format.ts'
import { useTaste } from '../../state/stores.ts'

interface Peaks {
	left: number[]
	right: number[]
	durationMs: number
}
export interface PlayerHandle {
	seek(ms: number): void
}
export interface Gap {
	from: number
	to: number
	kind: 'hold' | 'pause'
}
const speeds = [1, 1.25, 1.5, 2, 0.75]

/** Stretches of the recording without speech of use: on hold, or paused for payment. */
export function gaps(recording: Recording, total: number): Gap[] {
	const out: Gap[] = []
	const open: Partial<Record<'hold' | 'pause', number>> = {}
	const ends = { resume: 'hold', unpause: 'pause' } as const
	for (const m of [...recording.marks].sort((a, b) => Number(a.offsetMs - b.offsetMs))) {
		const at = Number(m.offsetMs)
		if (m.kind === 'hold' || m.kind === 'pause') open[m.kind] ??= at
		const kind = ends[m.kind as keyof typeof ends]
		const from = kind && open[kind]
		if (kind && from !== undefined) {
			out.push({ from, to: at, kind })
			delete open[kind]
		}
	}
	for (const kind of ['hold', 'pause'] as const) {
		const from = open[kind]
		if (from !== undefined && from < total) out.push({ from, to: total, kind })
	}
	return out
}

export function Player({
	recording,
	startAt,
	ref,
}: {
	recording: Recording
	startAt: number | undefined
	ref: Ref<PlayerHandle>
}) {
	const { t } = useTranslation()
	const audio = useRef<HTMLAudioElement>(null)
	const [at, setAt] = useState(startAt ?? 0)
	const [playing, setPlaying] = useState(false)
	const [muted, setMuted] = useState(false)
	const [speed, setSpeed] = useState(1)
	const [failed, setFailed] = useState(false)
	const peaks = useQuery({
		queryKey: ['peaks', recording.id],
		staleTime: Infinity,
		queryFn: async ({ signal }): Promise<Peaks> => {
			const answer = await fetch(`/api/recordings/${recording.id}/peaks`, { signal })
			if (!answer.ok) throw new Error(`peaks: ${answer.status}`)
			// durationMs is a uint64: text in protobuf's JSON.
			const p = (await answer.json()) as Partial<Record<keyof Peaks, unknown>>
			const list = (v: unknown) => (Array.isArray(v) ? v.map(Number) : [])
			return { left: list(p.left), right: list(p.right), durationMs: Number(p.durationMs ?? 0) }
		},
	})
	const total = peaks.data?.durationMs || Number(recording.durationMs) || 1
	const holes = useMemo(() => gaps(recording, total), [recording, total])

	const seek = useCallback(
		(to: number) => {
			const x = Math.max(0, Math.min(total, to))
			setAt(x)
			if (audio.current) audio.current.currentTime = x / 1000
		},
		[total],
	)
	useImperativeHandle(ref, () => ({ seek }), [seek])
	useEffect(() => {
		if (!playing) return
		let frame = 0
		const follow = () => {
			if (audio.current) setAt(audio.current.currentTime * 1000)
			frame = requestAnimationFrame(follow)
		}
		frame = requestAnimationFrame(follow)
		return () => cancelAnimationFrame(frame)
	}, [playing])
	const toggle = () => {
		const a = audio.current
		if (!a) return
		setFailed(false)
		if (!a.paused) return a.pause()
		if (Math.abs(a.currentTime * 1000 - at) > 500) a.currentTime = at / 1000
		a.playbackRate = speed
		void a.play().catch((e: DOMException) => e.name !== 'AbortError' && setFailed(true))
	}
	const faster = () => {
		const next = speeds[(speeds.indexOf(speed) + 1) % speeds.length] ?? 1
		setSpeed(next)
		if (audio.current) audio.current.playbackRate = next
	}
	const onKey = (e: KeyboardEvent) => {
		const by = { ArrowLeft: -5000, ArrowRight: 5000, PageUp: 30000, PageDown: -30000 }[e.key]
		if (by !== undefined) seek(at + by)
		else if (e.key === 'Home') seek(0)
		else if (e.key === 'End') seek(total)
		else if (e.key === ' ') toggle()
		else return
		e.preventDefault()
	}
	const onPointer = (e: PointerEvent<HTMLDivElement>) => {
		if (e.type === 'pointermove' && e.buttons !== 1) return
		const box = e.currentTarget.getBoundingClientRect()
		if (e.type === 'pointerdown') e.currentTarget.setPointerCapture(e.pointerId)
		seek(((e.clientX - box.left) / box.width) * total)
	}
	return (
		<section className="pl" aria-label={t('Recording')}>
			<audio
				ref={audio}
				src={`/api/recordings/${recording.id}/audio`}
				preload="none"
				muted={muted}
				onPlay={() => setPlaying(true)}
				onPause={() => setPlaying(false)}
				onEnded={() => setPlaying(false)}
				onError={() => setFailed(true)}
			/>
			<div className="waverow">
				<div className="wavelabels xs i2">
					<span>{t('Customer')}</span>
					<span>{t('Agent')}</span>
				</div>
				<div
					className="wavebox"
					role="slider"
					tabIndex={0}
					aria-label={t('Position')}
					aria-valuemin={0}
					aria-valuemax={Math.round(total / 1000)}
					aria-valuenow={Math.round(at / 1000)}
					aria-valuetext={t('{at} of {total}', { at: length(at), total: length(total) })}
					onKeyDown={onKey}
					onPointerDown={onPointer}
					onPointerMove={onPointer}
				>
					<Wave peaks={peaks.data} share={at / total} />
					{holes.map((g) => (
						<span
							key={g.from}
							className="gap"
							style={{ left: `${(g.from / total) * 100}%`, width: `${((g.to - g.from) / total) * 100}%` }}
						>
							{(g.to - g.from) / total > 0.08 && <em>{g.kind === 'hold' ? t('hold') : t('paused')}</em>}
						</span>
					))}
					<span className="head" style={{ left: `${(at / total) * 100}%` }} />
				</div>
			</div>
			{failed && (
				<div style={{ padding: '8px 0 0' }}>
					<Failed
						title={t('The recording cannot be played')}
						text={t('Its file did not come. It may be moved or not open to your role.')}
					/>
				</div>
			)}
			<div className="row plbar">
				<span className="num nw">
					<b>{length(at)}</b> <span className="i3">/ {length(total)}</span>
				</span>
				<span className="sp" style={{ maxWidth: 20 }} />
				<button type="button" className="ib" aria-label={t('Back 10 seconds')} onClick={() => seek(at - 10000)}>
					<IconRewindBackward10 className="i" aria-hidden />
				</button>
				<button type="button" className="pp" aria-label={playing ? t('Pause') : t('Play')} onClick={toggle}>
					{playing ? (
						<IconPlayerPauseFilled className="i" aria-hidden />
					) : (
						<IconPlayerPlayFilled className="i" aria-hidden />
					)}
				</button>
				<button type="button" className="ib" aria-label={t('Forward 10 seconds')} onClick={() => seek(at + 10000)}>
					<IconRewindForward10 className="i" aria-hidden />
				</button>
				<button
					type="button"
					className="btn sm num"
					aria-label={t('Speed {x}', { x: decimal(speed, speed % 1 ? 2 : 0) })}
					onClick={faster}
				>
					{decimal(speed, speed % 1 ? 2 : 0)}×
				</button>
				<span className="sp" />
				<span className="xs i3">{t('Listening is logged')}</span>
				<button
					type="button"
					className="ib"
					aria-label={muted ? t('Sound on') : t('Sound off')}
					onClick={() => setMuted((m) => !m)}
				>
					{muted ? <IconVolumeOff className="i" aria-hidden /> : <IconVolume className="i" aria-hidden />}
				</button>
			</div>
		</section>
	)
}

/** Bars of both channels; what was heard is in colour, what is ahead is grey. */
function Wave({ peaks, share }: { peaks: Peaks | undefined; share: number }) {
	const canvas = useRef<HTMLCanvasElement>(null)
	const theme = useTaste((s) => s.theme)
	const [width, setWidth] = useState(0)
	useEffect(() => {
		const c = canvas.current
		if (!c) return
		const watch = new ResizeObserver(() => setWidth(c.clientWidth))
		watch.observe(c)
		return () => watch.disconnect()
	}, [])
	useEffect(() => {
		const c = canvas.current
		const g = c?.getContext('2d')
		if (!c || !g || !width) return
		const scale = window.devicePixelRatio || 1
		c.width = width * scale
		c.height = 100 * scale
		g.scale(scale, scale)
		g.clearRect(0, 0, width, 100)
		const style = getComputedStyle(document.documentElement)
		const grey = style.getPropertyValue('--line2')
		const rows: [number[], string, number][] = [
			[peaks?.left ?? [], style.getPropertyValue('--c-email'), 25],
			[peaks?.right ?? [], style.getPropertyValue('--c-voice'), 75],
		]
		const bars = Math.max(1, Math.floor(width / 4.15))
		for (const [values, colour, middle] of rows)
			for (let b = 0; b < bars; b++) {
				const from = Math.floor((b * values.length) / bars)
				const to = Math.max(from + 1, Math.floor(((b + 1) * values.length) / bars))
				let top = 0
				for (let i = from; i < to && i < values.length; i++) top = Math.max(top, values[i] ?? 0)
				// Speech lies low in a linear scale; a root lifts it to where it can be seen.
				const h = Math.max(2.4, Math.sqrt(top / 127) * 40)
				g.fillStyle = (b + 0.5) / bars <= share ? colour : grey
				g.beginPath()
				g.roundRect(b * 4.15 + 0.8, middle - h / 2, 2.4, h, 1.2)
				g.fill()
			}
	}, [peaks, share, width, theme])
	return <canvas ref={canvas} aria-hidden />
}
