// The agent's work as a fold of the ledger: state and event in, next state out. Pure. Snapshots (after sign-in, reload, or doubt) go
// over it whole; events that come twice or late change nothing.
import type { Message } from '@bufbuild/protobuf'
import { isMessage } from '@bufbuild/protobuf'
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import type { AgentStatus, GetMyWorkResponse, InteractionOffered, OfferEnded } from '../gen/parley/acd/v1/acd_pb.js'
import {
	AgentChangedSchema,
	AgentStateChangedSchema,
	AgentState,
	InteractionOfferedSchema,
	InteractionReleasedSchema,
	OfferEndedSchema,
	OfferOutcome,
	PauseReasonChangedSchema,
	QueueChangedSchema,
} from '../gen/parley/acd/v1/acd_pb.js'
import { Channel, Direction, type EventMeta } from '../gen/parley/common/v1/common_pb.js'
import type { Call } from '../gen/parley/voice/v1/voice_pb.js'
import {
	AgentConnectedSchema,
	AgentDisconnectedSchema,
	CallEndedSchema,
	CallHeldSchema,
	CallResumedSchema,
	CallState,
	CallTransferredSchema,
	RecordingFailedSchema,
	RecordingPausedSchema,
	RecordingState,
} from '../gen/parley/voice/v1/voice_pb.js'
import type { Item, Mark, Offer, Phase, Recording, Status, Work } from './model.ts'

export const ms = (t: Timestamp | undefined): number | undefined => (t ? timestampMs(t) : undefined)
export const endedShownMs = 3000
const sameMs = 300

export const metaOf = (e: Message): EventMeta | undefined => (e as Message & { meta?: EventMeta }).meta

/** Applies one event of the ledger. Returns the same object when it changes nothing. */
export function fold(w: Work, e: Message): Work {
	const meta = metaOf(e)
	if (!meta) return w
	const at = ms(meta.time) ?? 0
	const id = meta.interactionId
	const mine = meta.agentId === w.me

	if (isMessage(e, InteractionOfferedSchema)) return mine ? offered(w, e) : w
	if (isMessage(e, OfferEndedSchema)) return mine ? offerEnded(w, e, at) : w
	if (isMessage(e, AgentStateChangedSchema)) return mine && e.status ? setStatus(w, statusOf(e.status, e.cause)) : w
	if (isMessage(e, InteractionReleasedSchema)) return mine ? drop(w, id) : w
	if (isMessage(e, AgentConnectedSchema)) return mine ? connected(w, id, at, e.recordingId !== '') : w
	if (isMessage(e, AgentDisconnectedSchema)) return mine ? change(w, id, (i) => ended(i, at, e.reason)) : w
	if (isMessage(e, CallEndedSchema)) return change(w, id, (i) => ended(i, at, e.endedBy))
	if (isMessage(e, CallHeldSchema)) return change(w, id, (i) => held(i, at))
	if (isMessage(e, CallResumedSchema)) return change(w, id, (i) => resumed(i, at))
	if (isMessage(e, CallTransferredSchema))
		return change(w, id, (i) => ({ ...i, marks: mark(i, { kind: 'transferred', at, text: e.target }) }))
	if (isMessage(e, RecordingPausedSchema)) return change(w, id, (i) => recordingPaused(i, at, e.paused))
	if (isMessage(e, RecordingFailedSchema))
		return change(w, id, (i) => ({ ...i, recording: 'failed', marks: mark(i, { kind: 'recording-failed', at }) }))
	if (isMessage(e, QueueChangedSchema)) {
		const q = e.queue
		return q ? { ...w, queues: replaced(w.queues, q, e.deleted) } : w
	}
	if (isMessage(e, PauseReasonChangedSchema)) {
		const r = e.pauseReason
		return r ? { ...w, pauseReasons: replaced(w.pauseReasons, r, e.deleted, true) } : w
	}
	if (isMessage(e, AgentChangedSchema)) return e.agent?.id === w.me && !e.deleted ? { ...w, agent: e.agent } : w
	return w
}

// --- snapshots ---

export function setMyWork(w: Work, r: GetMyWorkResponse): Work {
	const next = { ...w, agent: r.agent, queues: r.queues, pauseReasons: r.pauseReasons }
	return r.status ? setStatus(next, statusOf(r.status)) : next
}

/** All calls and offers there are. What is not in the list is over; it stays only while its wrap-up runs. */
export function setCalls(w: Work, calls: Call[], now: number): Work {
	const items: Record<string, Item> = {}
	const order: string[] = []
	const there = new Map(calls.map((c) => [c.interactionId, c]))
	for (const id of w.order) {
		const old = w.items[id]
		const call = there.get(id)
		if (!old) continue
		if (call && inHand(call)) items[id] = merge(old, call)
		else if (inWrapUp(w, id)) items[id] = old.phase === 'ended' ? old : ended(old, now, '')
		else continue
		order.push(id)
	}
	for (const call of calls) {
		if (!inHand(call) || items[call.interactionId]) continue
		items[call.interactionId] = itemOf(call)
		order.push(call.interactionId)
	}
	const live = calls.filter((c) => c.state === CallState.OFFERED && c.offerId)
	const offers = w.offers.filter((o) => o.ended || live.some((c) => c.offerId === o.offerId))
	for (const c of live) if (!offers.some((o) => o.offerId === c.offerId)) offers.push(offerOf(c, now))
	return { ...w, items, order, offers }
}

/** A piece of work that is known by its id only: a wrap-up found after a reload. */
export const missingIds = (w: Work): string[] =>
	w.status?.state === AgentState.WRAP_UP ? w.status.interactionIds.filter((id) => !w.items[id]) : []

export function addWrapUp(w: Work, item: Item): Work {
	if (w.items[item.id] || !inWrapUp(w, item.id)) return w
	return { ...w, items: { ...w.items, [item.id]: item }, order: [...w.order, item.id] }
}

/** The answer of an RPC about one call is as true as an event. */
export function setCall(w: Work, call: Call | undefined): Work {
	if (!call || !inHand(call)) return w
	const id = call.interactionId
	const old = w.items[id]
	const offers = w.offers.filter((o) => o.interactionId !== id || o.ended)
	const items = { ...w.items, [id]: old ? merge(old, call) : itemOf(call) }
	return { ...w, offers, items, order: old ? w.order : [...w.order, id] }
}

export function press(w: Work, offerId: string, what: Offer['pressed']): Work {
	return { ...w, offers: w.offers.map((o) => (o.offerId === offerId && !o.ended ? { ...o, pressed: what } : o)) }
}
/** The server says the offer is not there any more, and the event that tells why has not come yet. */
export function offerGone(w: Work, offerId: string, at: number): Work {
	const gone = { outcome: OfferOutcome.UNSPECIFIED, reason: '', at }
	return { ...w, offers: w.offers.map((o) => (o.offerId === offerId && !o.ended ? { ...o, ended: gone } : o)) }
}
export function dropOldOffers(w: Work, now: number): Work {
	// Its end is an event; an offer far past its deadline is one whose end we missed.
	const offers = w.offers.filter((o) => (o.ended ? now - o.ended.at < endedShownMs : now - o.deadline < 5000))
	return offers.length === w.offers.length ? w : { ...w, offers }
}

// --- offers ---

function offered(w: Work, e: InteractionOffered): Work {
	if (w.offers.some((o) => o.offerId === e.offerId) || w.items[e.meta?.interactionId ?? '']?.phase === 'talking')
		return w
	const offer: Offer = {
		interactionId: e.meta?.interactionId ?? '',
		offerId: e.offerId,
		channel: e.meta?.channel || Channel.VOICE,
		deadline: ms(e.deadline) ?? 0,
		ringMs: e.ringTimeoutMs,
		queueName: e.queueName,
		number: e.customerNumber,
		name: e.customerName,
		queuedAt: ms(e.queuedAt),
		why: e.why,
		attributes: e.attributes.map(pair),
		device: e.device,
		autoAnswer: e.autoAnswer,
		pressed: undefined,
		ended: undefined,
	}
	return { ...w, offers: [...w.offers, offer] }
}

function offerEnded(w: Work, e: OfferEnded, at: number): Work {
	const o = w.offers.find((x) => x.offerId === e.offerId)
	if (!o) return w
	// The call itself comes with agent-connected, which may be here already or not yet: the card goes with either.
	if (e.outcome === OfferOutcome.ACCEPTED) return { ...setStub(w, o, at), offers: w.offers.filter((x) => x !== o) }
	const ended = { outcome: e.outcome, reason: e.reason, at }
	return { ...w, offers: w.offers.map((x) => (x === o ? { ...o, ended, pressed: undefined } : x)) }
}

function setStub(w: Work, o: Offer, at: number): Work {
	if (w.items[o.interactionId]) return w
	return insert(w, { ...blank(o.interactionId), ...fromOffer(o), answeredAt: at, phase: 'talking' })
}

// --- calls ---

function connected(w: Work, id: string, at: number, recorded: boolean): Work {
	const offer = w.offers.find((o) => o.interactionId === id)
	const old = w.items[id]
	const item: Item = {
		...(old ?? { ...blank(id), ...(offer ? fromOffer(offer) : {}) }),
		phase: old?.phase === 'held' ? 'held' : 'talking',
		answeredAt: at,
		endedAt: undefined,
		recording: recorded ? (old?.recording === 'paused' ? 'paused' : 'on') : (old?.recording ?? 'off'),
	}
	item.marks = mark(item, { kind: 'answered', at })
	const next = old ? { ...w, items: { ...w.items, [id]: item } } : insert(w, item)
	return { ...next, offers: next.offers.filter((o) => o.interactionId !== id) }
}

// The answer of the RPC may have been here first: then only the line in the course is missing.
function held(i: Item, at: number): Item {
	const marks = mark(i, { kind: 'held', at })
	if (i.heldSince) return { ...i, marks }
	return { ...i, phase: 'held', heldSince: at, holds: i.holds + 1, marks }
}

function resumed(i: Item, at: number): Item {
	const open = i.marks.findLast((m) => m.kind === 'held' && m.ms === undefined)
	const marks = i.marks.map((m) => (m === open ? { ...m, ms: Math.max(0, at - m.at) } : m))
	if (!i.heldSince) return open ? { ...i, marks } : i
	return { ...i, phase: 'talking', heldSince: undefined, heldMs: i.heldMs + Math.max(0, at - i.heldSince), marks }
}

function recordingPaused(i: Item, at: number, paused: boolean): Item {
	const marks = mark(i, { kind: paused ? 'recording-paused' : 'recording-resumed', at })
	return { ...i, recording: paused ? 'paused' : 'on', recordingSince: paused ? at : undefined, marks }
}

function ended(i: Item, at: number, reason: string): Item {
	if (i.phase === 'ended') return i
	const over = i.heldSince ? resumed(i, at) : i
	return { ...over, phase: 'ended', endedAt: at, muted: false, marks: mark(over, { kind: 'ended', at, text: reason }) }
}

function mark(i: Item, m: Mark): Mark[] {
	// Two sources may tell of one thing with times that differ by a little.
	if (i.marks.some((x) => x.kind === m.kind && Math.abs(x.at - m.at) < sameMs)) return i.marks
	return [...i.marks, m].sort((a, b) => a.at - b.at)
}

// --- status ---

export function statusOf(s: AgentStatus, cause = ''): Status {
	return {
		state: s.state,
		since: ms(s.since) ?? 0,
		reasonId: s.pauseReasonId,
		reasonName: s.pauseReasonName,
		missed: s.missed,
		device: s.device,
		phoneId: s.phoneId,
		interactionIds: s.interactionIds,
		wrapUpUntil: ms(s.wrapUpUntil),
		next: s.nextState,
		nextReasonId: s.nextPauseReasonId,
		version: s.version,
		cause,
	}
}

/** An older status than the one we have (events and answers cross) changes nothing. */
export function setStatus(w: Work, s: Status): Work {
	if (w.status && s.version < w.status.version) return w
	// The same status told again without a cause keeps the one it had.
	const status = w.status?.version === s.version && !s.cause ? { ...s, cause: w.status.cause } : s
	const next = { ...w, status }
	// What ended and is not in hand any more has no wrap-up left.
	const gone = w.order.filter((id) => w.items[id]?.phase === 'ended' && !s.interactionIds.includes(id))
	return gone.reduce(drop, next)
}

const inWrapUp = (w: Work, id: string): boolean => !!w.status?.interactionIds.includes(id)

// --- small things ---

function change(w: Work, id: string, f: (i: Item) => Item): Work {
	const old = w.items[id]
	if (!old) return w
	const next = f(old)
	return next === old ? w : { ...w, items: { ...w.items, [id]: next } }
}
function insert(w: Work, item: Item): Work {
	return { ...w, items: { ...w.items, [item.id]: item }, order: [...w.order, item.id] }
}
/** Ended here on purpose: that nobody answered is no news then. */
export const hungUp = (w: Work, id: string): Work => change(w, id, (i) => ({ ...i, hungUp: true }))

export function drop(w: Work, id: string): Work {
	if (!w.items[id]) return w
	const { [id]: _, ...items } = w.items
	return { ...w, items, order: w.order.filter((x) => x !== id) }
}
function replaced<T extends { id: string }>(list: T[], one: T, deleted: boolean, add = false): T[] {
	const known = list.some((x) => x.id === one.id)
	if (deleted) return list.filter((x) => x.id !== one.id)
	if (known) return list.map((x) => (x.id === one.id ? one : x))
	return add ? [...list, one] : list
}
const pair = (kv: { key: string; value: string }) => ({ key: kv.key, value: kv.value })

function fromOffer(o: Offer): Partial<Item> {
	const { channel, number, name, queueName, queuedAt } = o
	return { channel, number, name, queueName, queuedAt, variables: o.attributes, direction: Direction.INBOUND }
}

export const blank = (id: string): Item => ({
	id,
	channel: Channel.VOICE,
	direction: Direction.INBOUND,
	phase: 'talking',
	number: '',
	name: '',
	dialled: '',
	queueId: '',
	queueName: '',
	startedAt: undefined,
	queuedAt: undefined,
	answeredAt: undefined,
	heldSince: undefined,
	holds: 0,
	heldMs: 0,
	recording: 'off',
	recordingSince: undefined,
	muted: false,
	variables: [],
	needsBrowser: false,
	endedAt: undefined,
	hungUp: false,
	marks: [],
})

const phases: Partial<Record<CallState, Phase>> = {
	[CallState.TALKING]: 'talking',
	[CallState.HELD]: 'held',
	[CallState.TRANSFERRING]: 'transferring',
	[CallState.DIALLING]: 'dialling',
}
const recordings: Partial<Record<RecordingState, Recording>> = {
	[RecordingState.ON]: 'on',
	[RecordingState.PAUSED]: 'paused',
	[RecordingState.FAILED]: 'failed',
}
const inHand = (c: Call): boolean => c.state in phases

function itemOf(c: Call): Item {
	const item = merge(blank(c.interactionId), c)
	if (item.answeredAt) item.marks = mark(item, { kind: 'answered', at: item.answeredAt })
	if (item.heldSince) item.marks = mark(item, { kind: 'held', at: item.heldSince })
	return item
}

function merge(old: Item, c: Call): Item {
	const recording = recordings[c.recording] ?? 'off'
	return {
		...old,
		direction: c.direction,
		phase: phases[c.state] ?? old.phase,
		number: c.customerNumber || old.number,
		name: c.customerName || old.name,
		dialled: c.dialledNumber || old.dialled,
		queueId: c.queueId || old.queueId,
		queueName: c.queueName || old.queueName,
		startedAt: ms(c.startedAt) ?? old.startedAt,
		queuedAt: ms(c.queuedAt) ?? old.queuedAt,
		answeredAt: ms(c.answeredAt) ?? old.answeredAt,
		heldSince: ms(c.heldSince),
		holds: Math.max(c.holds, c.heldSince ? 1 : 0),
		heldMs: Number(c.heldMs),
		recording,
		recordingSince: recording === 'paused' ? old.recordingSince : undefined,
		muted: c.muted,
		variables: c.variables.length ? c.variables.map(pair) : old.variables,
		needsBrowser: c.needsBrowser,
		endedAt: undefined,
	}
}

function offerOf(c: Call, now: number): Offer {
	const deadline = ms(c.offerDeadline) ?? now
	return {
		interactionId: c.interactionId,
		offerId: c.offerId,
		channel: Channel.VOICE,
		deadline,
		ringMs: Math.max(1, deadline - now),
		queueName: c.queueName,
		number: c.customerNumber,
		name: c.customerName,
		queuedAt: ms(c.queuedAt),
		why: '',
		attributes: c.variables.map(pair),
		device: 0,
		autoAnswer: false,
		pressed: undefined,
		ended: undefined,
	}
}
