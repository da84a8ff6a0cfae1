// What the desk knows of the agent's own work. Plain values, times in server milliseconds; protobuf stops at fold.ts.
import type { Agent, PauseReason, Queue } from '../gen/parley/acd/v1/acd_pb.js'
import { AgentState, Device, OfferOutcome } from '../gen/parley/acd/v1/acd_pb.js'
import { Channel, Direction } from '../gen/parley/common/v1/common_pb.js'

export { AgentState, Channel, Device, Direction, OfferOutcome }

export interface KeyValue {
	key: string
	value: string
}

export interface Status {
	state: AgentState
	since: number
	reasonId: string
	reasonName: string
	missed: boolean
	device: Device
	phoneId: string
	interactionIds: string[]
	wrapUpUntil: number | undefined
	next: AgentState
	nextReasonId: string
	version: bigint
	/** Why it is so, where an event told: "presence-lost", "supervisor", ... */
	cause: string
}

export interface Offer {
	interactionId: string
	offerId: string
	channel: Channel
	deadline: number
	ringMs: number
	queueName: string
	number: string
	name: string
	queuedAt: number | undefined
	why: string
	attributes: KeyValue[]
	device: Device
	autoAnswer: boolean
	/** The agent pressed Accept or Reject and the server has not said yet. */
	pressed: 'accept' | 'reject' | undefined
	/** It ended without being accepted: shown in place for 3 s. */
	ended: { outcome: OfferOutcome; reason: string; at: number } | undefined
}

export type Phase = 'dialling' | 'talking' | 'held' | 'transferring' | 'ended'
export type Recording = 'off' | 'on' | 'paused' | 'failed'
export type MarkKind =
	| 'started'
	| 'queued'
	| 'answered'
	| 'held'
	| 'resumed'
	| 'recording-paused'
	| 'recording-resumed'
	| 'recording-failed'
	| 'transferred'
	| 'ended'

/** Something that happened in a call, as a line of its course. */
export interface Mark {
	kind: MarkKind
	at: number
	text?: string
	ms?: number
}

/** One piece of work in the list: a call in hand, or one whose wrap-up runs. */
export interface Item {
	id: string
	channel: Channel
	direction: Direction
	phase: Phase
	number: string
	name: string
	dialled: string
	queueId: string
	queueName: string
	startedAt: number | undefined
	queuedAt: number | undefined
	answeredAt: number | undefined
	heldSince: number | undefined
	holds: number
	heldMs: number
	recording: Recording
	recordingSince: number | undefined
	muted: boolean
	variables: KeyValue[]
	needsBrowser: boolean
	endedAt: number | undefined
	/** The agent pressed End call. */
	hungUp: boolean
	marks: Mark[]
}

export interface Work {
	me: string
	status: Status | undefined
	agent: Agent | undefined
	queues: Queue[]
	pauseReasons: PauseReason[]
	/** Oldest first; an ended one stays until dropOldOffers. */
	offers: Offer[]
	items: Record<string, Item>
	/** Ids in order of arrival. The order stays while things change. */
	order: string[]
}

export const emptyWork = (me = ''): Work => ({
	me,
	status: undefined,
	agent: undefined,
	queues: [],
	pauseReasons: [],
	offers: [],
	items: {},
	order: [],
})

export const isLive = (item: Item): boolean => item.phase !== 'ended'
/** The call that the call zone holds. */
export const liveCall = (w: Work): Item | undefined =>
	w.order.map((id) => w.items[id]).find((i): i is Item => !!i && isLive(i))
export const isWorking = (s: Status | undefined): boolean =>
	!!s && s.state !== AgentState.OFFLINE && s.state !== AgentState.UNSPECIFIED
export const displayName = (x: { name: string; number: string }): string => x.name || x.number
