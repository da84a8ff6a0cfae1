// Keys of the desk (design 7). One listener; pages lend acts while they are open. No single letters except "?", and that only outside
// of fields; Alt keys outside of text fields on a Mac, where they type letters.
import { useEffect, useRef } from 'react'

export interface KeyAct {
	/** "F2", "Shift+F2", "Alt+X", "Ctrl+Enter", "?". Ctrl means Command on a Mac. */
	key: string
	/** Shown in the list of keys. */
	name: string
	run: () => void
}
const lent = new Set<{ current: KeyAct[] }>()
const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform)

export const activeKeys = (): KeyAct[] => [...lent].flatMap((l) => l.current)

/** "Alt+1" of an event; by physical key for digits and letters, so that every keyboard layout works. */
export function keyName(
	e: Pick<KeyboardEvent, 'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>,
): string {
	const physical = /^(Digit|Key)(.)$/.exec(e.code)?.[2]
	const base = e.altKey && physical ? physical : e.key.length === 1 ? e.key.toUpperCase() : e.key.replace('Arrow', '')
	const named = base.length > 1 || e.altKey || e.ctrlKey || e.metaKey
	return [(mac ? e.metaKey : e.ctrlKey) && 'Ctrl', e.altKey && 'Alt', e.shiftKey && named && 'Shift', base]
		.filter(Boolean)
		.join('+')
}

const isField = (el: EventTarget | null): boolean =>
	el instanceof HTMLElement && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName))

function onKey(e: KeyboardEvent): void {
	if (e.defaultPrevented || e.isComposing || e.repeat) return
	const name = keyName(e)
	if (isField(e.target) && (name === '?' || (mac && e.altKey))) return
	// The latest lender wins: an open layer over the page under it.
	for (const l of [...lent].reverse()) {
		const act = l.current.find((a) => a.key === name)
		if (!act) continue
		e.preventDefault()
		act.run()
		return
	}
}

export function useKeys(acts: KeyAct[]): void {
	const ref = useRef(acts)
	ref.current = acts
	useEffect(() => {
		if (!lent.size) window.addEventListener('keydown', onKey)
		lent.add(ref)
		return () => {
			lent.delete(ref)
			if (!lent.size) window.removeEventListener('keydown', onKey)
		}
	}, [])
}
export const ctrl = mac ? '⌘' : 'Ctrl'
