// Figures, times and lengths as people read them. Language and region are two settings: words come from i18n, figures from here.
// All times are server milliseconds since 1970; "–" stands for unknown, nothing for not applicable.

interface Region {
	locale: string | undefined
	zone: string | undefined
}
let region: Region = { locale: undefined, zone: undefined }
let kept = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>()

export function setRegion(locale: string, zone: string): void {
	region = { locale: known(locale, (v) => new Intl.NumberFormat(v)), zone: known(zone, zoned) }
	kept = new Map()
}
const zoned = (zone: string) => new Intl.DateTimeFormat(undefined, { timeZone: zone })

/** The value if the browser knows it, else the browser's own. */
function known(value: string, make: (value: string) => unknown): string | undefined {
	try {
		if (value) make(value)
		return value || undefined
	} catch {
		return undefined
	}
}
function numbers(key: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
	let f = kept.get(key) as Intl.NumberFormat | undefined
	if (!f) kept.set(key, (f = new Intl.NumberFormat(region.locale, options)))
	return f
}
function dates(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
	let f = kept.get(key) as Intl.DateTimeFormat | undefined
	if (!f) kept.set(key, (f = new Intl.DateTimeFormat(region.locale, { ...options, timeZone: region.zone })))
	return f
}

export const unknown = '–'
export const num = (n: number): string => numbers('n', { useGrouping: true }).format(n)
/** 0.046 gives "4.6%" in English, "4,6 %" in German. */
export const pct = (share: number, digits = 0): string =>
	numbers(`p${digits}`, { style: 'percent', maximumFractionDigits: digits }).format(share)
export const decimal = (n: number, digits = 1): string =>
	numbers(`d${digits}`, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n)

const two = (n: number) => String(n).padStart(2, '0')

/** "0:38", "12:48", "1:02:10", and beyond two hours "2 h 10 min". */
export function length(ms: number): string {
	const s = Math.max(0, Math.floor(ms / 1000))
	const h = Math.floor(s / 3600)
	const m = Math.floor(s / 60) % 60
	if (h >= 2) return `${h} h ${m} min`
	return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}
/** A running clock: "00:47", "12:48", "1:02:10". */
export function clock(ms: number): string {
	const s = Math.max(0, Math.floor(ms / 1000))
	const h = Math.floor(s / 3600)
	const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
	return h ? `${h}:${rest}` : rest
}
/** Whole seconds left until a deadline; a second is used up only when it is over. */
export const secondsLeft = (deadline: number, now: number): number => Math.max(0, Math.ceil((deadline - now) / 1000))

export const time = (at: number): string => dates('t', { hour: '2-digit', minute: '2-digit' }).format(at)
export const timeS = (at: number): string =>
	dates('ts', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at)
export const day = (at: number): string => dates('d', { day: 'numeric', month: 'short' }).format(at)
export const dayYear = (at: number): string =>
	dates('dy', { day: 'numeric', month: 'short', year: 'numeric' }).format(at)
export const exact = (at: number): string =>
	dates('x', {
		day: 'numeric',
		month: 'short',
		year: 'numeric',
		hour: '2-digit',
		minute: '2-digit',
		second: '2-digit',
		timeZoneName: 'short',
	}).format(at)
const dayKey = (at: number): string => dates('k', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(at)
export const sameDay = (a: number, b: number): boolean => dayKey(a) === dayKey(b)
/** The time alone today, with the day before that. */
export const when = (at: number, now: number): string => (sameDay(at, now) ? time(at) : `${day(at)} ${time(at)}`)

/** "Luca Moretti" as "Luca M.", where room is short. */
export function shortName(name: string): string {
	const words = name.trim().split(/\s+/u)
	const last = words.length > 1 ? [...(words[words.length - 1] ?? '')][0] : undefined
	return last && words[0] ? `${words[0]} ${last}.` : name
}
export function initials(name: string): string {
	const words = name
		.trim()
		.split(/\s+/u)
		.filter((w) => /\p{L}/u.test(w))
	const first = [...(words[0] ?? '')][0] ?? ''
	const last = words.length > 1 ? ([...(words[words.length - 1] ?? '')][0] ?? '') : ''
	return (first + last).toUpperCase()
}
