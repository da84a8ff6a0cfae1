import type { periods } from '../../router.tsx'

/** From and to (excluded) of a period that ends now or with a day, by the browser's days. */
export function period(p: (typeof periods)[number], now: number): { from: number; to: number | undefined } {
	const midnight = new Date(now)
	midnight.setHours(0, 0, 0, 0)
	const back = (days: number) => {
		const d = new Date(midnight)
		d.setDate(d.getDate() - days)
		return d.getTime()
	}
	switch (p) {
		case 'today':
			return { from: midnight.getTime(), to: undefined }
		case 'yesterday':
			return { from: back(1), to: midnight.getTime() }
		case '7d':
			return { from: back(6), to: undefined }
		case '30d':
			return { from: back(29), to: undefined }
	}
}
