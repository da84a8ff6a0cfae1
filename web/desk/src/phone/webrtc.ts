// The browser's end of a call. The browser offers (RFC 8829), all its candidates inside: the media server is ICE-lite (RFC 8445 2.5),
// there is no trickle and no STUN server.
import type { Quality } from '../state/stores.ts'
import { judge, type Sample } from './quality.ts'

export interface PhoneEvents {
	quality(q: Quality): void
	/** The connection died and does not come back by itself. */
	lost(interactionId: string): void
	/** Another microphone took over because the chosen one went away. */
	microphone(label: string): void
}
const gatherMs = 2000
const statsMs = 2000

export class BrowserPhone {
	readonly #events: PhoneEvents
	readonly #sound = new Audio()
	#mic: MediaStream | undefined
	#micId = ''
	#pc: RTCPeerConnection | undefined
	#timer: ReturnType<typeof setInterval> | undefined
	#last: Sample | undefined
	#muted = false
	interactionId = ''

	constructor(events: PhoneEvents) {
		this.#events = events
		this.#sound.autoplay = true
		navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.#microphoneGone())
	}

	/** The microphone to use from now on; empty: the system's own. */
	chooseMicrophone(id: string): void {
		this.#micId = id
	}

	/** Connects the browser's sound to a call. `exchange` gives our offer to the server and brings its answer. */
	async connect(interactionId: string, muted: boolean, exchange: (sdp: string) => Promise<string>): Promise<void> {
		this.drop()
		const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
		this.#pc = pc
		this.interactionId = interactionId
		this.#muted = muted
		pc.ontrack = (e) => {
			this.#sound.srcObject = e.streams[0] ?? new MediaStream([e.track])
			void this.#sound.play().catch(() => {})
		}
		pc.onconnectionstatechange = () => {
			if (pc === this.#pc && pc.connectionState === 'failed') this.#events.lost(interactionId)
		}
		try {
			const mic = await this.#microphone()
			for (const track of mic.getAudioTracks()) pc.addTrack(track, mic)
			this.mute(muted)
			await pc.setLocalDescription(await pc.createOffer())
			await gathered(pc)
			const answer = await exchange(pc.localDescription?.sdp ?? '')
			if (pc !== this.#pc) return
			await pc.setRemoteDescription({ type: 'answer', sdp: answer })
			this.#timer = setInterval(() => void this.#measure(), statsMs)
		} catch (e) {
			if (pc === this.#pc) this.drop()
			throw e
		}
	}

	mute(muted: boolean): void {
		this.#muted = muted
		for (const track of this.#mic?.getAudioTracks() ?? []) track.enabled = !muted
	}

	/** Lets go of the call's sound and of the microphone. */
	drop(): void {
		clearInterval(this.#timer)
		this.#pc?.close()
		this.#pc = undefined
		this.#last = undefined
		this.interactionId = ''
		this.#sound.srcObject = null
		for (const track of this.#mic?.getTracks() ?? []) track.stop()
		this.#mic = undefined
	}

	async #microphone(): Promise<MediaStream> {
		const base = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 }
		const open = (id: string) =>
			navigator.mediaDevices.getUserMedia({ audio: id ? { ...base, deviceId: { exact: id } } : base })
		try {
			this.#mic = await open(this.#micId)
		} catch (e) {
			if (!this.#micId || (e as DOMException).name === 'NotAllowedError') throw e
			// The chosen headset is not there today: the system's own microphone is better than no call.
			this.#mic = await open('')
		}
		return this.#mic
	}

	async #microphoneGone(): Promise<void> {
		const pc = this.#pc
		const ended = this.#mic?.getAudioTracks().some((t) => t.readyState === 'ended')
		if (!pc || !ended) return
		const sender = pc.getSenders().find((s) => s.track?.kind === 'audio' || s.track === null)
		this.#micId = ''
		const track = (await this.#microphone()).getAudioTracks()[0]
		if (!track) return
		track.enabled = !this.#muted
		await sender?.replaceTrack(track)
		this.#events.microphone(track.label)
	}

	async #measure(): Promise<void> {
		if (!this.#pc) return
		const now: Sample = { received: 0, lost: 0, jitterMs: 0, rttMs: 0, lossOut: 0 }
		for (const s of (await this.#pc.getStats()).values() as Iterable<Record<string, unknown>>) {
			if (s.type === 'inbound-rtp' && s.kind === 'audio') {
				now.received = Number(s.packetsReceived ?? 0)
				now.lost = Number(s.packetsLost ?? 0)
				now.jitterMs = Number(s.jitter ?? 0) * 1000
			} else if (s.type === 'remote-inbound-rtp' && s.kind === 'audio') {
				now.lossOut = Number(s.fractionLost ?? 0)
				if (s.roundTripTime !== undefined) now.rttMs = Number(s.roundTripTime) * 1000
			} else if (s.type === 'candidate-pair' && s.nominated && !now.rttMs) {
				now.rttMs = Number(s.currentRoundTripTime ?? 0) * 1000
			}
		}
		const before = this.#last
		this.#last = now
		if (before && now.received > before.received) this.#events.quality(judge(before, now))
	}
}

/** Waits until every host candidate is in the local description. */
function gathered(pc: RTCPeerConnection): Promise<void> {
	if (pc.iceGatheringState === 'complete') return Promise.resolve()
	return new Promise((done) => {
		const timer = setTimeout(done, gatherMs)
		pc.addEventListener('icegatheringstatechange', () => {
			if (pc.iceGatheringState !== 'complete') return
			clearTimeout(timer)
			done()
		})
	})
}
