// One event stream for a browser, however many tabs: the tab that holds the Web Lock opens it and passes each frame to the others. It
// also rings, and owns the microphone and the WebRTC legs; other tabs send it what their buttons ask for.
import { type Frame } from './decode.ts'

export type TabMessage =
	| { k: 'frame'; frame: Frame }
	| { k: 'ask'; ask: PhoneAsk }
	| { k: 'phone'; phone: unknown }
	| { k: 'hello' }
	| { k: 'signed-out' }
/** What only the leader can do. */
export type PhoneAsk =
	| { do: 'accept'; interactionId: string; offerId: string }
	| { do: 'mute'; interactionId: string; muted: boolean }
	| { do: 'dial'; interactionId: string; number: string }

export interface StreamHandlers {
	frame(frame: Frame): void
	/** This tab became the leader. */
	lead(): void
	ask(ask: PhoneAsk): void
	phone(state: unknown): void
	/** A tab opened and wants to know what the leader knows. */
	hello(): void
	signedOut(): void
	/** The stream cannot be opened: the session may be over. */
	refused(): void
}

const retryMs = [500, 1000, 2000, 4000, 5000]
// A connection that died without a word (sleep, another network) is not noticed by the browser: two beats and a bit of silence are.
const deafMs = 12_000
const watchMs = 2000

export class Share {
	readonly #h: StreamHandlers
	readonly #channel = new BroadcastChannel('parley')
	readonly #stop = new AbortController()
	#source: EventSource | undefined
	#retry: ReturnType<typeof setTimeout> | undefined
	#watch: ReturnType<typeof setInterval> | undefined
	#heardAt = 0
	#tries = 0
	#lastId = ''
	leading = false

	constructor(handlers: StreamHandlers) {
		this.#h = handlers
		this.#channel.onmessage = (e: MessageEvent<TabMessage>) => this.#hear(e.data)
		this.#lead()
		this.send({ k: 'hello' })
	}

	send(m: TabMessage): void {
		this.#channel.postMessage(m)
	}
	/** Done here if this tab leads, else by the one that does. */
	ask(ask: PhoneAsk): void {
		if (this.leading) this.#h.ask(ask)
		else this.send({ k: 'ask', ask })
	}
	/** Opens the stream again at once ("Try now"). */
	reopen(): void {
		if (!this.leading) return
		this.#tries = 0
		this.#open()
	}
	close(): void {
		this.#stop.abort()
		clearTimeout(this.#retry)
		clearInterval(this.#watch)
		this.#source?.close()
		this.#source = undefined
		this.#channel.close()
		this.leading = false
	}

	#lead(): void {
		const take = () => {
			this.leading = true
			this.#h.lead()
			this.#open()
			this.#watch = setInterval(() => performance.now() - this.#heardAt > deafMs && this.#open(), watchMs)
		}
		if (!navigator.locks) return take()
		const held = new Promise<void>((done) => this.#stop.signal.addEventListener('abort', () => done()))
		navigator.locks
			.request('parley-leader', { signal: this.#stop.signal }, () => {
				if (this.#stop.signal.aborted) return
				take()
				return held
			})
			.catch(() => {})
	}

	#hear(m: TabMessage): void {
		switch (m.k) {
			case 'frame':
				if (!this.leading) this.#take(m.frame)
				return
			case 'ask':
				if (this.leading) this.#h.ask(m.ask)
				return
			case 'phone':
				if (!this.leading) this.#h.phone(m.phone)
				return
			case 'hello':
				if (this.leading) this.#h.hello()
				return
			case 'signed-out':
				this.#h.signedOut()
		}
	}
	#take(frame: Frame): void {
		if (frame.id) this.#lastId = frame.id
		this.#h.frame(frame)
	}

	#open(): void {
		clearTimeout(this.#retry)
		this.#source?.close()
		const from = this.#lastId ? `?lastEventId=${encodeURIComponent(this.#lastId)}` : ''
		const source = new EventSource(`/api/events${from}`)
		this.#source = source
		this.#heardAt = performance.now()
		for (const name of ['ledger', 'rt', 'beat', 'reload'] as const) {
			source.addEventListener(name, (e) => {
				this.#tries = 0
				this.#heardAt = performance.now()
				// A beat may carry an id too: all up to there was sent, or is not for this user.
				const frame: Frame = { name, id: e.lastEventId, data: String(e.data) }
				this.#take(frame)
				this.send({ k: 'frame', frame })
			})
		}
		source.onerror = () => {
			// CONNECTING: the browser tries again by itself, with Last-Event-ID. CLOSED: the server refused, it never will.
			if (source !== this.#source || source.readyState !== EventSource.CLOSED) return
			this.#h.refused()
			const wait = retryMs[Math.min(this.#tries++, retryMs.length - 1)]
			this.#retry = setTimeout(() => this.#open(), wait)
		}
	}
}
