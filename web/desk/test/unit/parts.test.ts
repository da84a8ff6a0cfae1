import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { describe, expect, it } from 'vitest'
import { AgentState } from '../../src/gen/parley/acd/v1/acd_pb.js'
import {
	AgentFiguresSchema,
	QueueFiguresSchema,
	SegmentKind,
	SegmentSchema,
} from '../../src/gen/parley/report/v1/report_pb.js'
import { RecordingSchema } from '../../src/gen/parley/voice/v1/voice_pb.js'
import { arrange, type Order, vanishMs } from '../../src/parts/freeze.ts'
import { gaps } from '../../src/pages/history/Player.tsx'
import { period } from '../../src/pages/history/period.ts'
import { strip } from '../../src/pages/history/segments.ts'
import { agentRow, overLimit, overLimitFirst, queueRow, totals, worstFirst } from '../../src/pages/live/figures.ts'
import { stack } from '../../src/pages/desk/OfferStack.tsx'
import { judge } from '../../src/phone/quality.ts'
import { keyName } from '../../src/shell/keys.ts'
import { Channel, type Offer } from '../../src/state/model.ts'
import { uuidv7 } from '../../src/state/desk.ts'
import { beatTime, decode } from '../../src/stream/decode.ts'
import { backShownMs, caughtUp, freshLink, heard, linkState } from '../../src/stream/link.ts'

describe('the order of a live table', () => {
	const empty: Order<string> = { keys: [], rows: new Map(), gone: new Map(), changed: false }
	const key = (s: string) => s
	const shown = arrange(empty, ['a', 'b', 'c'], key, false, 0)
	it('is the data’s while no hand is near', () => {
		expect(arrange(shown, ['c', 'a', 'b'], key, false, 1).keys).toEqual(['c', 'a', 'b'])
	})
	it('stays under a hand, and says that it would be another', () => {
		const o = arrange(shown, ['c', 'a', 'b'], key, true, 1)
		expect(o.keys).toEqual(['a', 'b', 'c'])
		expect(o.changed).toBe(true)
		expect(arrange(o, ['c', 'a', 'b'], key, false, 2)).toMatchObject({ keys: ['c', 'a', 'b'], changed: false })
	})
	it('puts new rows below while a hand is near', () => {
		expect(arrange(shown, ['x', 'a', 'b', 'c'], key, true, 1)).toMatchObject({
			keys: ['a', 'b', 'c', 'x'],
			changed: true,
		})
	})
	it('greys a vanished row in its place for 3 s', () => {
		for (const frozen of [true, false]) {
			const o = arrange(shown, ['a', 'c'], key, frozen, 1000)
			expect(o.keys).toEqual(['a', 'b', 'c'])
			expect([...o.gone.keys()]).toEqual(['b'])
			const later = arrange(o, ['a', 'c'], key, frozen, 1000 + vanishMs)
			expect(later.keys).toEqual(['a', 'c'])
		}
	})
	it('keeps order and loses nothing over a thousand random steps', () => {
		let seed = 7
		const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
		let o = empty
		for (let step = 0; step < 1000; step++) {
			const rows = Array.from({ length: random(8) }, () => String.fromCharCode(97 + random(12)))
			const data = [...new Set(rows)]
			const before = o
			const frozen = random(2) === 0
			o = arrange(o, data, key, frozen, step * 400)
			expect(new Set(o.keys).size).toBe(o.keys.length)
			for (const d of data) expect(o.keys).toContain(d)
			for (const k of o.keys) expect(data.includes(k) || o.gone.has(k)).toBe(true)
			if (frozen)
				expect(o.keys.filter((k) => before.keys.includes(k))).toEqual(before.keys.filter((k) => o.keys.includes(k)))
		}
	})
})

describe('the offer stack', () => {
	const offer = (id: string, channel: Channel, ended = false): Offer =>
		({ offerId: id, channel, ended: ended ? { outcome: 0, reason: '', at: 0 } : undefined }) as Offer
	it('has voice first, then the oldest, ended ones last', () => {
		const list = [
			offer('chat', Channel.CHAT),
			offer('old', Channel.VOICE, true),
			offer('v1', Channel.VOICE),
			offer('v2', Channel.VOICE),
		]
		expect(stack(list).map((o) => o.offerId)).toEqual(['v1', 'v2', 'chat', 'old'])
	})
})

describe('the link', () => {
	it('is stale after 8 s of silence and down after 30', () => {
		const l = heard(freshLink(0), 100, 5000)
		expect([100, 8099, 8100, 30_099, 30_100].map((now) => linkState(l, now))).toEqual([
			'live',
			'live',
			'stale',
			'stale',
			'down',
		])
		expect(linkState(freshLink(0), 100)).toBe('starting')
	})
	it('says after a gap how many events were caught up, and no more when that is old', () => {
		let l = heard(freshLink(0), 100, 1)
		l = heard(l, 20_000, 2)
		expect(l.back).toEqual({ at: 20_000, events: 0 })
		l = caughtUp(caughtUp(l, 20_010), 20_020)
		expect(l.back?.events).toBe(2)
		expect(caughtUp(l, 20_000 + backShownMs + 1).back?.events).toBe(2)
		expect(heard(l, 21_000, 3).back?.events).toBe(2)
	})
	it('reads the time of a beat in any of its forms', () => {
		const ms = Date.UTC(2026, 10, 22, 15, 59, 4)
		for (const form of [
			'{"time":"2026-11-22T15:59:04Z"}',
			'"2026-11-22T15:59:04Z"',
			'2026-11-22T15:59:04Z',
			String(ms),
			`${ms}000`,
			`{"time":${ms}}`,
		])
			expect(beatTime(form), form).toBe(ms)
		for (const odd of ['', '{}', 'null', 'soon', '[]', '{']) expect(beatTime(odd), odd).toBeUndefined()
	})
	it('skips what it does not know or cannot read', () => {
		const frame = (data: string) => ({ name: 'ledger' as const, id: '1', data })
		expect(decode(frame('{"type":"parley.future.v1.Thing","event":{}}'))).toBeUndefined()
		expect(decode(frame('{"type":"parley.acd.v1.OfferEnded","event":{"meta":7}}'))).toBeUndefined()
		expect(decode(frame('not json'))).toBeUndefined()
		expect(decode(frame('{"type":"parley.acd.v1.OfferEnded","event":{"offerId":"o","newField":1}}'))).toMatchObject({
			offerId: 'o',
		})
	})
})

describe('the live page', () => {
	const q = (name: string, pct100: number, target: number, since?: number) =>
		queueRow(
			create(QueueFiguresSchema, {
				queueId: name,
				queueName: name,
				serviceLevelPct100: pct100,
				serviceLevelTargetPct: target,
				longestSince: since ? timestampFromMs(since) : undefined,
				offeredToday: 10n,
				abandonedToday: 1n,
			}),
		)
	it('has the worst queue first: what misses its target most, then who waits longest', () => {
		const rows = worstFirst([
			q('calm', 9000, 80),
			q('waits', 9000, 80, 1000),
			q('bad', 6100, 80),
			q('worse', 4000, 80),
			q('new', -1, 80),
		])
		expect(rows.map((r) => r.name)).toEqual(['worse', 'bad', 'waits', 'calm', 'new'])
		expect(rows.filter((r) => r.misses).map((r) => r.name)).toEqual(['worse', 'bad'])
	})
	it('sums nothing as nothing', () => {
		expect(totals([], [])).toMatchObject({
			waiting: 0,
			level: undefined,
			occupancy: undefined,
			longest: undefined,
			signedIn: 0,
		})
	})
	it('knows who is over a limit: pauses by reason, wrap-up by its end', () => {
		const a = (id: string, state: AgentState, more: object = {}) =>
			agentRow(
				create(AgentFiguresSchema, {
					agentId: id,
					agentName: id,
					status: { state, since: timestampFromMs(0), ...more },
				}),
				new Map([['break', 900_000]]),
			)
		const pause = a('pause', AgentState.PAUSED, { pauseReasonId: 'break' })
		expect(overLimit(pause, 900_000)).toBe(false)
		expect(overLimit(pause, 900_001)).toBe(true)
		const free = a('free', AgentState.PAUSED, { pauseReasonId: 'other' })
		expect(overLimit(free, 1e12)).toBe(false)
		const wrap = a('wrap', AgentState.WRAP_UP, { wrapUpUntil: timestampFromMs(45_000) })
		expect(overLimit(wrap, 45_001)).toBe(true)
		expect(overLimitFirst([free, a('ready', AgentState.READY), pause], 1e6).map((r) => r.id)).toEqual([
			'pause',
			'free',
			'ready',
		])
	})
})

describe('history', () => {
	const s = (kind: SegmentKind, from: number, to?: number) =>
		create(SegmentSchema, {
			kind,
			startedAt: timestampFromMs(from),
			endedAt: to === undefined ? undefined : timestampFromMs(to),
		})
	it('the strip cuts talk by its holds and leaves rings inside their queue out', () => {
		const parts = strip([
			s(SegmentKind.QUEUE, 0, 10),
			s(SegmentKind.RING, 5, 10),
			s(SegmentKind.TALK, 10, 100),
			s(SegmentKind.HOLD, 40, 60),
			s(SegmentKind.WRAP_UP, 100),
		])
		expect(parts.map((p) => [SegmentKind[p.segment.kind], p.from, p.ms, p.open])).toEqual([
			['QUEUE', 0, 10, false],
			['TALK', 10, 30, false],
			['HOLD', 40, 20, false],
			['TALK', 60, 40, false],
			['WRAP_UP', 100, 0, true],
		])
	})
	it('gaps of a recording are its holds and pauses, an open one lasts to the end', () => {
		const r = create(RecordingSchema, {
			marks: [
				{ offsetMs: 5n, kind: 'hold' },
				{ offsetMs: 9n, kind: 'resume' },
				{ offsetMs: 20n, kind: 'pause' },
				{ offsetMs: 3n, kind: 'unpause' },
			],
		})
		expect(gaps(r, 30)).toEqual([
			{ from: 5, to: 9, kind: 'hold' },
			{ from: 20, to: 30, kind: 'pause' },
		])
	})
	it('yesterday is a whole day, the others reach until now', () => {
		const now = new Date(2026, 10, 22, 15, 0).getTime()
		const y = period('yesterday', now)
		expect(new Date(y.from).getDate()).toBe(21)
		expect(y.to! - y.from).toBe(86_400_000)
		expect(period('7d', now)).toEqual({ from: new Date(2026, 10, 16).getTime(), to: undefined })
	})
})

describe('small things', () => {
	it('line quality says good, fair or poor, and why', () => {
		const base = { received: 0, lost: 0, jitterMs: 2, rttMs: 30, lossOut: 0 }
		expect(judge(base, { ...base, received: 100 })).toMatchObject({ level: 'good', cause: '' })
		expect(judge(base, { ...base, received: 96, lost: 4 })).toMatchObject({ cause: 'loss-in' })
		expect(judge(base, { ...base, received: 100, lossOut: 0.15 })).toMatchObject({ level: 'poor', cause: 'loss-out' })
		expect(judge(base, { ...base, received: 100, rttMs: 900 })).toMatchObject({ level: 'poor', cause: 'delay' })
	})
	it('keys have one name on every keyboard', () => {
		const k = (o: Partial<KeyboardEvent>) =>
			keyName({ key: '', code: '', ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...o })
		expect(k({ key: 'F2', code: 'F2' })).toBe('F2')
		expect(k({ key: 'F2', code: 'F2', shiftKey: true })).toBe('Shift+F2')
		expect(k({ key: '≈', code: 'KeyX', altKey: true })).toBe('Alt+X')
		expect(k({ key: '1', code: 'Digit1', altKey: true })).toBe('Alt+1')
		expect(k({ key: '?', code: 'Slash', shiftKey: true })).toBe('?')
		expect(k({ key: 'k', code: 'KeyK', ctrlKey: true })).toBe('Ctrl+K')
		expect(k({ key: 'Enter', code: 'Enter', ctrlKey: true })).toBe('Ctrl+Enter')
	})
	it('a call placed here has a UUIDv7 that sorts by time', () => {
		const a = uuidv7(1_000_000_000_000)
		expect(a).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
		expect(a < uuidv7(1_000_000_000_001)).toBe(true)
	})
})
