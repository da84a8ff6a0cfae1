// Sounds of the desk, made by WebAudio: no files, and on the ringer of the user's choice. A browser lets a page sound only after a
// click; "Start work" is that click.

type Sink = AudioContext & { setSinkId?: (id: string) => Promise<void> }
let audio: Sink | undefined

export async function unlockSound(): Promise<void> {
	audio ??= new AudioContext() as Sink
	if (audio.state !== 'running') await audio.resume().catch(() => {})
}
export const soundUnlocked = (): boolean => audio?.state === 'running'

/** The loudspeaker that rings; not every browser can choose. */
export async function chooseRinger(id: string): Promise<void> {
	await audio?.setSinkId?.(id).catch(() => {})
}
export const canChooseRinger = (): boolean =>
	typeof AudioContext !== 'undefined' && 'setSinkId' in AudioContext.prototype

function tone(ctx: AudioContext, to: AudioNode, hz: number, at: number, seconds: number, level: number): void {
	const o = ctx.createOscillator()
	const g = ctx.createGain()
	o.type = 'sine'
	o.frequency.value = hz
	g.gain.setValueAtTime(0, at)
	g.gain.linearRampToValueAtTime(level, at + 0.03)
	g.gain.setValueAtTime(level, at + seconds - 0.08)
	g.gain.exponentialRampToValueAtTime(0.0001, at + seconds)
	o.connect(g).connect(to)
	o.start(at)
	o.stop(at + seconds + 0.02)
}

/** Two warm notes, twice a period, rising from quiet over the first periods. */
export class Ring {
	#timer: ReturnType<typeof setInterval> | undefined
	#times = 0
	#out: GainNode | undefined

	start(): void {
		if (this.#timer || !audio) return
		this.#times = 0
		this.#out = audio.createGain()
		this.#out.connect(audio.destination)
		this.#once()
		this.#timer = setInterval(() => this.#once(), 3000)
	}
	stop(): void {
		clearInterval(this.#timer)
		this.#timer = undefined
		this.#out?.disconnect()
		this.#out = undefined
	}
	#once(): void {
		if (!audio || !this.#out) return
		const level = Math.min(0.32, 0.08 + 0.08 * this.#times++)
		const at = audio.currentTime + 0.02
		for (const shift of [0, 0.62]) {
			tone(audio, this.#out, 587.3, at + shift, 0.26, level)
			tone(audio, this.#out, 784, at + shift + 0.22, 0.32, level)
		}
	}
}

/** One soft tone: a second offer during a call, or "your ringer works". */
export function chime(level = 0.12): void {
	if (!audio) return
	tone(audio, audio.destination, 660, audio.currentTime + 0.02, 0.35, level)
}

/** DTMF as the agent hears it when pressing a key (ITU-T Q.23). */
export function keyTone(key: string): void {
	const row = '123A456B789C*0#D'.indexOf(key)
	if (!audio || row < 0) return
	const low = [697, 770, 852, 941][Math.floor(row / 4)] ?? 697
	const high = [1209, 1336, 1477, 1633][row % 4] ?? 1209
	for (const hz of [low, high]) tone(audio, audio.destination, hz, audio.currentTime + 0.01, 0.15, 0.05)
}
