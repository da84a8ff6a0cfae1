import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { describe, expect, it } from 'vitest'
import {
	AgentState,
	AgentStateChangedSchema,
	InteractionOfferedSchema,
	InteractionReleasedSchema,
	OfferEndedSchema,
	OfferOutcome,
} from '../../src/gen/parley/acd/v1/acd_pb.js'
import {
	AgentConnectedSchema,
	AgentDisconnectedSchema,
	CallEndedSchema,
	CallHeldSchema,
	CallResumedSchema,
	CallSchema,
	CallState,
	RecordingPausedSchema,
	RecordingState,
} from '../../src/gen/parley/voice/v1/voice_pb.js'
import {
	addWrapUp,
	blank,
	dropOldOffers,
	endedShownMs,
	fold,
	missingIds,
	offerGone,
	press,
	setCall,
	setCalls,
} from '../../src/state/fold.ts'
import { emptyWork, liveCall, type Work } from '../../src/state/model.ts'

const me = 'agent-me'
const at = timestampFromMs
const meta = (time: number, more: object = {}) => ({ time: at(time), interactionId: 'i1', agentId: me, ...more })
const apply = <D extends DescMessage>(w: Work, schema: D, init: MessageInitShape<D>): Work =>
	fold(w, create(schema, init))

const offered = (w: Work, n = 1, more: object = {}) =>
	apply(w, InteractionOfferedSchema, {
		meta: meta(1000, { interactionId: `i${n}` }),
		offerId: `o${n}`,
		deadline: at(21_000),
		ringTimeoutMs: 20_000,
		customerName: 'Giulia Ferraro',
		customerNumber: '+393475550182',
		queueName: 'Technical support',
		queuedAt: at(500),
		attributes: [{ key: 'Menu', value: '2 Fault' }],
		...more,
	})
const connected = (w: Work, time = 2000) => apply(w, AgentConnectedSchema, { meta: meta(time), recordingId: 'r1' })
const state = (w: Work, s: AgentState, version: bigint, ids: string[], more: object = {}) =>
	apply(w, AgentStateChangedSchema, {
		meta: meta(3000, { interactionId: '' }),
		status: { agentId: me, state: s, version, interactionIds: ids, since: at(3000), ...more },
	})

describe('offers', () => {
	it('one of mine appears with all that is known, one of another does not', () => {
		const w = offered(emptyWork(me))
		expect(w.offers).toHaveLength(1)
		expect(w.offers[0]).toMatchObject({
			name: 'Giulia Ferraro',
			deadline: 21_000,
			queuedAt: 500,
			attributes: [{ key: 'Menu', value: '2 Fault' }],
		})
		expect(offered(emptyWork('somebody else')).offers).toHaveLength(0)
	})
	it('the same event twice makes one offer', () => {
		expect(offered(offered(emptyWork(me))).offers).toHaveLength(1)
	})
	it('accepted: the card goes and the call is there, whichever event comes first', () => {
		const end = { meta: meta(1900), offerId: 'o1', outcome: OfferOutcome.ACCEPTED }
		const a = connected(apply(offered(emptyWork(me)), OfferEndedSchema, end))
		const b = apply(connected(offered(emptyWork(me))), OfferEndedSchema, end)
		for (const w of [a, b]) {
			expect(w.offers).toEqual([])
			expect(liveCall(w)).toMatchObject({
				id: 'i1',
				phase: 'talking',
				answeredAt: 2000,
				recording: 'on',
				name: 'Giulia Ferraro',
			})
			expect(w.order).toEqual(['i1'])
		}
	})
	it('taken elsewhere: it says so in place for 3 s and then closes', () => {
		const w = apply(offered(emptyWork(me)), OfferEndedSchema, {
			meta: meta(5000),
			offerId: 'o1',
			outcome: OfferOutcome.ELSEWHERE,
			reason: 'Omar',
		})
		expect(w.offers[0]?.ended).toEqual({ outcome: OfferOutcome.ELSEWHERE, reason: 'Omar', at: 5000 })
		expect(dropOldOffers(w, 5000 + endedShownMs - 1).offers).toHaveLength(1)
		expect(dropOldOffers(w, 5000 + endedShownMs).offers).toHaveLength(0)
	})
	it('pressing Accept in the moment it ends is no error', () => {
		let w = press(offered(emptyWork(me)), 'o1', 'accept')
		expect(w.offers[0]?.pressed).toBe('accept')
		w = offerGone(w, 'o1', 4000)
		expect(w.offers[0]?.ended?.at).toBe(4000)
		const told = apply(w, OfferEndedSchema, { meta: meta(4100), offerId: 'o1', outcome: OfferOutcome.CANCELLED })
		expect(told.offers[0]?.ended?.outcome).toBe(OfferOutcome.CANCELLED)
	})
	it('an offer whose end was missed does not stay for ever', () => {
		expect(dropOldOffers(offered(emptyWork(me)), 26_000).offers).toHaveLength(0)
	})
	it('an unknown offer that ends changes nothing', () => {
		const w = offered(emptyWork(me))
		expect(apply(w, OfferEndedSchema, { meta: meta(1), offerId: 'other', outcome: OfferOutcome.TIMEOUT })).toBe(w)
	})
})

describe('a call', () => {
	const up = connected(offered(emptyWork(me)))
	it('hold and resume are counted and timed, the line in the course says how long', () => {
		let w = apply(up, CallHeldSchema, { meta: meta(10_000) })
		expect(liveCall(w)).toMatchObject({ phase: 'held', heldSince: 10_000, holds: 1 })
		w = apply(w, CallResumedSchema, { meta: meta(48_000), heldMs: 38_000n })
		expect(liveCall(w)).toMatchObject({ phase: 'talking', heldSince: undefined, holds: 1, heldMs: 38_000 })
		expect(liveCall(w)?.marks.find((m) => m.kind === 'held')).toMatchObject({ at: 10_000, ms: 38_000 })
	})
	it('the answer of the RPC before the event gives the same', () => {
		const held = create(CallSchema, {
			interactionId: 'i1',
			state: CallState.HELD,
			heldSince: at(10_050),
			holds: 1,
			answeredAt: at(2000),
			recording: RecordingState.ON,
		})
		let w = setCall(up, held)
		expect(liveCall(w)?.phase).toBe('held')
		w = apply(w, CallHeldSchema, { meta: meta(10_000) })
		expect(liveCall(w)).toMatchObject({ holds: 1, heldSince: 10_050 })
		w = setCall(w, create(CallSchema, { ...held, state: CallState.TALKING, heldSince: undefined, heldMs: 5000n }))
		w = apply(w, CallResumedSchema, { meta: meta(15_000), heldMs: 5000n })
		expect(liveCall(w)).toMatchObject({ phase: 'talking', heldMs: 5000 })
		expect(liveCall(w)?.marks.filter((m) => m.kind === 'held')).toMatchObject([{ at: 10_000, ms: 5000 }])
	})
	it('the recording chip follows the recorder', () => {
		let w = apply(up, RecordingPausedSchema, { meta: meta(7000), paused: true })
		expect(liveCall(w)).toMatchObject({ recording: 'paused', recordingSince: 7000 })
		w = apply(w, RecordingPausedSchema, { meta: meta(9000), paused: false })
		expect(liveCall(w)?.recording).toBe('on')
	})
	it('stays as wrap-up while the agent has it in hand, and goes when released', () => {
		let w = apply(up, AgentDisconnectedSchema, { meta: meta(60_000), reason: 'customer-hangup' })
		w = apply(w, CallEndedSchema, { meta: meta(60_010), endedBy: 'customer' })
		expect(w.items.i1).toMatchObject({ phase: 'ended', endedAt: 60_000 })
		expect(w.items.i1?.marks.filter((m) => m.kind === 'ended')).toHaveLength(1)
		w = state(w, AgentState.WRAP_UP, 5n, ['i1'])
		expect(w.order).toEqual(['i1'])
		w = apply(w, InteractionReleasedSchema, { meta: meta(70_000) })
		expect(w.order).toEqual([])
	})
	it('goes at once when there is no wrap-up', () => {
		const w = state(apply(up, AgentDisconnectedSchema, { meta: meta(60_000) }), AgentState.READY, 5n, [])
		expect(w.items).toEqual({})
	})
	it('a late status does not turn time back', () => {
		const w = state(state(up, AgentState.READY, 9n, []), AgentState.ON_CONTACT, 8n, ['i1'])
		expect(w.status?.state).toBe(AgentState.READY)
	})
})

describe('snapshots', () => {
	it('a call that is not in it is over, one in it is as it says, the order stays', () => {
		let w = connected(offered(emptyWork(me)))
		const call = (id: string, s: CallState) => create(CallSchema, { interactionId: id, state: s, customerName: id })
		w = setCalls(w, [call('i2', CallState.TALKING), call('i1', CallState.HELD)], 9000)
		expect(w.order).toEqual(['i1', 'i2'])
		expect(w.items.i1?.phase).toBe('held')
		w = setCalls(w, [call('i2', CallState.TALKING)], 9000)
		expect(w.order).toEqual(['i2'])
	})
	it('offers are found again after a reload, and lost ones go', () => {
		const call = create(CallSchema, {
			interactionId: 'i7',
			offerId: 'o7',
			state: CallState.OFFERED,
			offerDeadline: at(30_000),
			customerNumber: '+39',
			queueName: 'Sales',
		})
		const w = setCalls(offered(emptyWork(me)), [call], 20_000)
		expect(w.offers).toMatchObject([{ offerId: 'o7', ringMs: 10_000, queueName: 'Sales' }])
		expect(setCalls(w, [], 21_000).offers).toEqual([])
	})
	it('a wrap-up that runs at a reload is asked for by its id', () => {
		let w = state(emptyWork(me), AgentState.WRAP_UP, 3n, ['i9'])
		expect(missingIds(w)).toEqual(['i9'])
		w = addWrapUp(w, { ...blank('i9'), phase: 'ended', name: 'Anna' })
		expect(missingIds(w)).toEqual([])
		expect(addWrapUp(w, blank('i8'))).toBe(w)
	})
})
