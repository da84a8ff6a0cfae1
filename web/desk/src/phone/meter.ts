// The microphone test of "Start work": opens it, tells its level 20 times a second, lets go of it.

export interface Device {
	id: string
	label: string
}
export interface Meter {
	/** 0 to 1, of full scale, smoothed for the eye. */
	level(): number
	stop(): void
}

export async function openMeter(deviceId: string): Promise<Meter> {
	const stream = await navigator.mediaDevices.getUserMedia({
		audio: deviceId ? { deviceId: { exact: deviceId } } : true,
	})
	const ctx = new AudioContext()
	const analyser = ctx.createAnalyser()
	analyser.fftSize = 1024
	ctx.createMediaStreamSource(stream).connect(analyser)
	const samples = new Float32Array(analyser.fftSize)
	let shown = 0
	return {
		level() {
			analyser.getFloatTimeDomainData(samples)
			let sum = 0
			for (const s of samples) sum += s * s
			const db = 10 * Math.log10(sum / samples.length + 1e-9)
			const now = Math.min(1, Math.max(0, (db + 60) / 54))
			shown = now > shown ? now : shown * 0.85 + now * 0.15
			return shown
		},
		stop() {
			for (const track of stream.getTracks()) track.stop()
			void ctx.close()
		},
	}
}

export async function listDevices(): Promise<{ microphones: Device[]; ringers: Device[] }> {
	const all = await (navigator.mediaDevices?.enumerateDevices?.() ?? Promise.resolve([]))
	const of = (kind: MediaDeviceKind) =>
		all.filter((d) => d.kind === kind && d.deviceId && d.label).map((d) => ({ id: d.deviceId, label: d.label }))
	return { microphones: of('audioinput'), ringers: of('audiooutput') }
}
