// The order of a live table's rows, as a fold: what was shown, what the data says now, and whether a hand is near. Pure.

export const afterClickMs = 5000
export const vanishMs = 3000

export interface Order<T> {
	/** As shown, top to bottom. */
	keys: string[]
	rows: Map<string, T>
	/** Rows that are not in the data any more, and since when. */
	gone: Map<string, number>
	/** The data's order is another than the one shown. */
	changed: boolean
}

export function arrange<T>(
	old: Order<T>,
	rows: T[],
	keyOf: (row: T) => string,
	frozen: boolean,
	now: number,
): Order<T> {
	const fresh = new Map(rows.map((r) => [keyOf(r), r]))
	const gone = new Map<string, number>()
	for (const key of old.keys) {
		if (fresh.has(key)) continue
		const since = old.gone.get(key) ?? now
		if (now - since < vanishMs) gone.set(key, since)
	}
	const shown = new Map(fresh)
	for (const key of gone.keys()) {
		const row = old.rows.get(key)
		if (row) shown.set(key, row)
	}
	const wanted = withGone([...fresh.keys()], old.keys, gone)
	if (!frozen) return { keys: wanted, rows: shown, gone, changed: false }
	// Kept where they are; what is new goes below, where no hand is.
	const stay = old.keys.filter((k) => shown.has(k))
	const added = [...fresh.keys()].filter((k) => !old.rows.has(k))
	const keys = [...stay, ...added]
	return { keys, rows: shown, gone, changed: keys.some((k, i) => k !== wanted[i]) }
}

/** Vanished rows keep their place between their old neighbours. */
function withGone(keys: string[], old: string[], gone: Map<string, number>): string[] {
	const out = [...keys]
	for (const key of gone.keys()) {
		const before = old
			.slice(0, old.indexOf(key))
			.reverse()
			.find((k) => out.includes(k))
		out.splice(before === undefined ? 0 : out.indexOf(before) + 1, 0, key)
	}
	return out
}
