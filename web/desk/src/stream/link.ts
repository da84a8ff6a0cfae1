// How fresh what the page shows is. Pure rules of section 6.6 of the design, and the store that the banner reads.
import { create } from 'zustand'

export const staleAfterMs = 8000
export const downAfterMs = 30000
export const backShownMs = 6000

export interface Link {
	/** When the last frame came, local ms; undefined: none yet. */
	heardAt: number | undefined
	/** Server time that the figures on the page stand at. */
	figuresAt: number | undefined
	startedAt: number
	/** Since when a gap was seen; cleared when frames come again. */
	gapSince: number | undefined
	back: { at: number; events: number } | undefined
}
export type LinkState = 'starting' | 'live' | 'stale' | 'down'

export function linkState(l: Pick<Link, 'heardAt' | 'startedAt'>, now: number): LinkState {
	const silent = now - (l.heardAt ?? l.startedAt)
	if (silent >= downAfterMs) return 'down'
	if (silent >= staleAfterMs) return 'stale'
	return l.heardAt === undefined ? 'starting' : 'live'
}

/** A frame came. After a gap, `pastEvents` says how many of the batch had been missed. */
export function heard(l: Link, now: number, serverNow: number | undefined): Link {
	const gap = l.heardAt !== undefined && now - l.heardAt >= staleAfterMs
	return {
		...l,
		heardAt: now,
		figuresAt: serverNow ?? l.figuresAt,
		gapSince: gap ? l.heardAt : l.gapSince,
		back: gap ? { at: now, events: 0 } : l.back,
	}
}
/** An event whose own time lies in the gap was missed and is caught up. */
export function caughtUp(l: Link, now: number): Link {
	if (!l.back || now - l.back.at > backShownMs) return l
	return { ...l, back: { ...l.back, events: l.back.events + 1 } }
}

export const freshLink = (now: number): Link => ({
	heardAt: undefined,
	figuresAt: undefined,
	startedAt: now,
	gapSince: undefined,
	back: undefined,
})
export const useLink = create<Link>(() => freshLink(0))
