// What the live page makes of the figures. Pure: figures and now in, rows and sentences out.
import type { AgentFigures, QueueFigures } from '../../gen/parley/report/v1/report_pb.js'
import { AgentState, type AgentStatus } from '../../gen/parley/acd/v1/acd_pb.js'
import { ms } from '../../state/fold.ts'

export interface QueueRow {
	id: string
	name: string
	f: QueueFigures
	longestSince: number | undefined
	/** Percent; undefined: nothing to measure yet. */
	level: number | undefined
	target: number
	/** Share of all that were offered today; undefined: none. */
	abandoned: number | undefined
	misses: boolean
}

export function queueRow(f: QueueFigures): QueueRow {
	const level = f.serviceLevelPct100 < 0 ? undefined : f.serviceLevelPct100 / 100
	const offered = Number(f.offeredToday)
	return {
		id: f.queueId,
		name: f.queueName,
		f,
		longestSince: ms(f.longestSince),
		level,
		target: f.serviceLevelTargetPct,
		abandoned: offered ? Number(f.abandonedToday) / offered : undefined,
		misses: level !== undefined && f.serviceLevelTargetPct > 0 && level < f.serviceLevelTargetPct,
	}
}

/** Worst first: what misses its target, by how far; then by who waits longest; then by name. */
export function worstFirst(rows: QueueRow[]): QueueRow[] {
	const short = (r: QueueRow) => (r.misses ? r.target - (r.level ?? 0) : 0)
	return [...rows].sort(
		(a, b) =>
			short(b) - short(a) ||
			(a.longestSince ?? Infinity) - (b.longestSince ?? Infinity) ||
			b.f.waiting - a.f.waiting ||
			a.name.localeCompare(b.name),
	)
}

export interface Totals {
	waiting: number
	longest: QueueRow | undefined
	level: number | undefined
	target: number
	answered: number
	offered: number
	abandoned: number
	signedIn: number
	ready: number
	contact: number
	wrapUp: number
	paused: number
	/** Share of the signed-in and not paused who talk or write up. */
	occupancy: number | undefined
}

export function totals(rows: QueueRow[], agents: AgentFigures[]): Totals {
	const sum = (f: (q: QueueFigures) => number) => rows.reduce((n, r) => n + f(r.f), 0)
	const measured = rows.filter((r) => r.level !== undefined)
	const weight = (r: QueueRow) => Math.max(1, Number(r.f.offeredToday))
	const all = measured.reduce((n, r) => n + weight(r), 0)
	const mean = (f: (r: QueueRow) => number) => measured.reduce((n, r) => n + f(r) * weight(r), 0) / all
	const count = (...states: AgentState[]) => agents.filter((a) => states.includes(a.status?.state ?? 0)).length
	const ready = count(AgentState.READY)
	const contact = count(AgentState.ON_CONTACT, AgentState.OFFERED)
	const wrapUp = count(AgentState.WRAP_UP)
	const paused = count(AgentState.PAUSED)
	const working = ready + contact + wrapUp
	return {
		waiting: sum((q) => q.waiting),
		longest: rows.reduce<QueueRow | undefined>(
			(a, r) => (r.longestSince !== undefined && (!a || r.longestSince < (a.longestSince ?? Infinity)) ? r : a),
			undefined,
		),
		level: all ? mean((r) => r.level ?? 0) : undefined,
		target: all ? Math.round(mean((r) => r.target)) : 0,
		answered: sum((q) => Number(q.answeredToday)),
		offered: sum((q) => Number(q.offeredToday)),
		abandoned: sum((q) => Number(q.abandonedToday)),
		signedIn: working + paused,
		ready,
		contact,
		wrapUp,
		paused,
		occupancy: working ? (contact + wrapUp) / working : undefined,
	}
}

export interface AgentRow {
	id: string
	name: string
	a: AgentFigures
	status: AgentStatus | undefined
	state: AgentState
	since: number | undefined
	/** When the state's limit is over; undefined: it has none. */
	limitAt: number | undefined
}

/** Pauses have limits by reason, wrap-up by its end. */
export function agentRow(a: AgentFigures, limits: Map<string, number>): AgentRow {
	const s = a.status
	const since = ms(s?.since)
	const limit = s?.state === AgentState.PAUSED ? limits.get(s.pauseReasonId) : undefined
	const limitAt =
		s?.state === AgentState.WRAP_UP ? ms(s.wrapUpUntil) : limit && since !== undefined ? since + limit : undefined
	return { id: a.agentId, name: a.agentName, a, status: s, state: s?.state ?? AgentState.OFFLINE, since, limitAt }
}
export const overLimit = (r: AgentRow, now: number): boolean => r.limitAt !== undefined && now > r.limitAt

const order = [
	AgentState.ON_CONTACT,
	AgentState.OFFERED,
	AgentState.WRAP_UP,
	AgentState.PAUSED,
	AgentState.READY,
	AgentState.OFFLINE,
]
/** Over limit first, then by state, then longest in it. */
export function overLimitFirst(rows: AgentRow[], now: number): AgentRow[] {
	const rank = (r: AgentRow) => (overLimit(r, now) ? -1 : order.indexOf(r.state))
	return [...rows].sort(
		(a, b) => rank(a) - rank(b) || (a.since ?? now) - (b.since ?? now) || a.name.localeCompare(b.name),
	)
}

/** Row heights by the user's taste. */
export const heights = { compact: 32, default: 36, comfortable: 44 }
