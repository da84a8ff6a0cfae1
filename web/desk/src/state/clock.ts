// The server's time. Countdowns and clocks are computed from it, never counted, so a tab that slept is right when it wakes.
import { useSyncExternalStore } from 'react'

// The stream's beat carries the server's time. It arrives late by the way it took, so the largest difference seen of the last
// beats is the truest; old ones leave, so that a clock that was set (or a laptop that slept) is followed.
const keep = 12
let differences: number[] = []

export const localNow = (): number => performance.timeOrigin + performance.now()

export function hearServerTime(serverMs: number, at = localNow()): void {
	const d = serverMs - at
	const last = differences[differences.length - 1]
	// A jump of more than 2 s is no delay: the clock was set or the machine slept.
	if (last !== undefined && Math.abs(d - last) > 2000) differences = []
	differences.push(d)
	if (differences.length > keep) differences.shift()
	tick()
}
export const serverNow = (): number => localNow() + (differences.length ? Math.max(...differences) : 0)
export function forgetServerTime(): void {
	differences = []
}

// One 1 Hz clock for the whole page.
const listeners = new Set<() => void>()
let second = 0
let timer: ReturnType<typeof setTimeout> | undefined

function tick(): void {
	const now = serverNow()
	const s = Math.floor(now / 1000) * 1000
	if (s !== second) {
		second = s
		for (const f of listeners) f()
	}
	clearTimeout(timer)
	if (listeners.size) timer = setTimeout(tick, 1000 - (now % 1000) + 2)
}
function subscribe(f: () => void): () => void {
	listeners.add(f)
	tick()
	return () => {
		listeners.delete(f)
		if (!listeners.size) clearTimeout(timer)
	}
}
const read = (): number => second || Math.floor(serverNow() / 1000) * 1000
/** Server time in whole seconds; the component draws once a second. */
export const useSecond = (): number => useSyncExternalStore(subscribe, read, read)

if (typeof document !== 'undefined') document.addEventListener('visibilitychange', tick)
