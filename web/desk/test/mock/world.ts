// A small company that lives in memory: enough of Parley's behaviour to build and test the desk against. Never part of the product's build.
import { create, toJson, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import {
	AgentSchema,
	AgentState,
	AgentStateChangedSchema,
	AgentStatusSchema,
	Device,
	InteractionOfferedSchema,
	InteractionReleasedSchema,
	OfferEndedSchema,
	OfferOutcome,
	PauseReasonSchema,
	Presence,
	QueueSchema,
	WaitingItemSchema,
	type Agent,
	type AgentStatus,
	type PauseReason,
	type Queue,
} from '../../src/gen/parley/acd/v1/acd_pb.js'
import { Role, UserSchema, type User } from '../../src/gen/parley/auth/v1/auth_pb.js'
import { Channel, Direction } from '../../src/gen/parley/common/v1/common_pb.js'
import {
	AgentFiguresSchema,
	InteractionSchema,
	QueueFiguresSchema,
	SegmentKind,
	type AgentFigures,
	type Interaction,
	type QueueFigures,
} from '../../src/gen/parley/report/v1/report_pb.js'
import { PhoneSchema, type Phone } from '../../src/gen/parley/telephony/v1/telephony_pb.js'
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
	RecordingStatus,
	type Call,
} from '../../src/gen/parley/voice/v1/voice_pb.js'

export interface Sent {
	seq: number
	name: 'ledger' | 'rt' | 'beat' | 'reload'
	data: string
}
export const uuid = (n: number): string => `0193a7c2-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
const at = (ms: number) => timestampFromMs(ms)
const minute = 60_000

const everything = [
	'auth.v1.AuthService',
	'auth.v1.UserService',
	'acd.v1.QueueService',
	'acd.v1.AgentService',
	'acd.v1.PauseReasonService',
	'acd.v1.WorkService',
	'acd.v1.RoutingService',
	'voice.v1.CallService',
	'voice.v1.RecordingService',
	'telephony.v1.PhoneService',
	'report.v1.HistoryService',
	'report.v1.LiveService',
]
const agentMay = [
	'acd.v1.QueueService.read',
	'acd.v1.AgentService.read',
	'acd.v1.PauseReasonService.read',
	'acd.v1.WorkService.read',
	'acd.v1.WorkService.edit',
	'voice.v1.CallService.read',
	'voice.v1.CallService.edit',
	'voice.v1.RecordingService.read',
	'telephony.v1.PhoneService.read',
	'report.v1.HistoryService.read',
	'report.v1.LiveService.read',
	'auth.v1.AuthService.read',
	'auth.v1.AuthService.edit',
]

export class World {
	seq = 100
	log: Sent[] = []
	listeners = new Set<(s: Sent) => void>()
	sessions = new Map<string, string>()
	users: User[]
	queues: Queue[]
	agents: Agent[]
	reasons: PauseReason[]
	phones: Phone[]
	status = new Map<string, AgentStatus>()
	calls = new Map<string, Call>()
	history: Interaction[] = []
	live: QueueFigures[] = []
	figures: AgentFigures[] = []
	version = 1n
	refuse = ''
	/** RPCs that were called, for tests to look at. */
	heard: { method: string; body: unknown }[] = []

	constructor(now = Date.now()) {
		const people = [
			['marta', 'Marta Rinaldi', Role.AGENT],
			['luca', 'Luca Moretti', Role.AGENT],
			['sara', 'Sara Colombo', Role.AGENT],
			['davide', 'Davide Serra', Role.AGENT],
			['omar', 'Omar Haddad', Role.AGENT],
			['elena', 'Elena Fabbri', Role.AGENT],
			['ivan', 'Ivan Petrov', Role.AGENT],
			['federica', 'Federica Bruni', Role.SUPERVISOR],
			['admin', 'Ada Minister', Role.ADMIN],
		] as const
		this.users = people.map(([username, fullName, role], i) =>
			create(UserSchema, { id: uuid(i + 1), username, fullName, role, enabled: true }),
		)
		this.queues = ['Technical support', 'Sales', 'Billing'].map((name, i) =>
			create(QueueSchema, {
				id: uuid(100 + i),
				name,
				channel: Channel.VOICE,
				enabled: true,
				ringTimeoutMs: 20000,
				wrapUpMs: 45000,
				serviceLevelMs: 20000,
				serviceLevelTargetPct: 80,
			}),
		)
		this.reasons = [
			create(PauseReasonSchema, { id: uuid(200), name: 'Break', limitMs: 15 * minute, paid: true }),
			create(PauseReasonSchema, { id: uuid(201), name: 'Training' }),
			create(PauseReasonSchema, { id: uuid(202), name: 'Back office' }),
		]
		this.agents = this.users
			.filter((u) => u.role === Role.AGENT)
			.map((u) =>
				create(AgentSchema, {
					id: u.id,
					name: u.fullName,
					enabled: true,
					memberships: this.queues.map((q) => ({ queueId: q.id })),
				}),
			)
		this.phones = [
			create(PhoneSchema, {
				id: uuid(300),
				user: '201',
				agentId: uuid(1),
				enabled: true,
				registered: true,
				userAgent: 'Yealink T54W',
			}),
			create(PhoneSchema, { id: uuid(301), user: '211', agentId: uuid(1), enabled: true, registered: false }),
		]
		for (const a of this.agents)
			this.status.set(
				a.id,
				create(AgentStatusSchema, {
					agentId: a.id,
					agentName: a.name,
					state: AgentState.OFFLINE,
					since: at(now - minute),
					version: this.version,
				}),
			)
		this.#floor(now)
		this.#past(now)
	}

	permissions(u: User): string[] {
		if (u.role === Role.AGENT) return agentMay.map((p) => `parley.${p}`)
		return everything.flatMap((s) => ['read', 'edit', 'delete'].map((v) => `parley.${s}.${v}`))
	}

	// --- what is sent ---

	send(name: Sent['name'], data: string): void {
		const s: Sent = { seq: name === 'ledger' ? ++this.seq : this.seq, name, data }
		if (name === 'ledger') this.log.push(s)
		for (const f of this.listeners) f(s)
	}
	emit<D extends DescMessage>(subject: string, schema: D, init: MessageInitShape<D>, when = Date.now()): void {
		const message = create(schema, init)
		const meta = (message as unknown as { meta?: { time?: unknown; eventId: string } }).meta
		if (meta) Object.assign(meta, { time: at(when), eventId: uuid(9000 + this.seq) })
		const event = toJson(schema, message)
		this.send('ledger', JSON.stringify({ seq: this.seq + 1, subject, type: schema.typeName, event }))
	}
	rt<D extends DescMessage>(subject: string, schema: D, message: MessageInitShape<D>): void {
		this.send('rt', JSON.stringify({ subject, type: schema.typeName, event: toJson(schema, create(schema, message)) }))
	}
	beat(): void {
		this.send('beat', JSON.stringify({ time: new Date().toISOString() }))
	}

	// --- agents ---

	setState(agentId: string, part: Partial<AgentStatus>, cause = 'agent'): AgentStatus {
		const old = this.status.get(agentId)!
		const status = create(AgentStatusSchema, {
			...old,
			...part,
			since: part.since ?? at(Date.now()),
			version: ++this.version,
		})
		this.status.set(agentId, status)
		this.emit(`ev.acd.agent-state.${agentId}`, AgentStateChangedSchema, {
			meta: { agentId },
			status,
			previous: old.state,
			cause,
		})
		const f = this.figures.find((x) => x.agentId === agentId)
		if (f) {
			f.status = status
			this.rt(`rt.agent.${agentId}`, AgentFiguresSchema, f)
		}
		return status
	}

	// --- one call to Marta ---

	offer(o: {
		agentId?: string
		n?: number
		name?: string
		number?: string
		ringMs?: number
		waitedMs?: number
		device?: Device
		startedAgo?: number
	}): string {
		const agentId = o.agentId ?? uuid(1)
		const n = o.n ?? 1
		const interactionId = uuid(500 + n)
		const offerId = uuid(600 + n)
		const ringMs = o.ringMs ?? 20000
		const now = Date.now()
		const queuedAt = now - (o.waitedMs ?? 38000)
		const q = this.queues[0]!
		const variables = [
			{ key: 'Menu', value: '2 Fault' },
			{ key: 'Line', value: '0432 118 220' },
			{ key: 'PIN', value: 'correct' },
		]
		const call = create(CallSchema, {
			interactionId,
			offerId,
			direction: Direction.INBOUND,
			state: CallState.OFFERED,
			customerNumber: o.number ?? '+393475550182',
			customerName: o.name ?? 'Giulia Ferraro',
			dialledNumber: '+390432900100',
			queueId: q.id,
			queueName: q.name,
			agentId,
			offerDeadline: at(now + ringMs),
			startedAt: at(queuedAt - 41000),
			queuedAt: at(queuedAt),
			variables,
		})
		this.calls.set(interactionId, call)
		const device = o.device ?? this.status.get(agentId)?.device ?? Device.BROWSER
		this.setState(
			agentId,
			{ state: AgentState.OFFERED, interactionIds: [interactionId], nextState: AgentState.READY },
			'offer',
		)
		this.emit(`ev.acd.offered.${interactionId}`, InteractionOfferedSchema, {
			meta: { interactionId, agentId, queueId: q.id, channel: Channel.VOICE },
			offerId,
			fence: 1n,
			deadline: at(now + ringMs),
			ringTimeoutMs: ringMs,
			device,
			queuedAt: at(queuedAt),
			customerNumber: call.customerNumber,
			customerName: call.customerName,
			queueName: q.name,
			why: 'Longest idle: 4 min 12 s',
			attributes: variables,
			record: true,
		})
		return interactionId
	}
	endOffer(interactionId: string, outcome: OfferOutcome, reason = ''): void {
		const call = this.calls.get(interactionId)!
		const agentId = call.agentId
		this.emit(`ev.acd.offer-ended.${interactionId}`, OfferEndedSchema, {
			meta: { interactionId, agentId },
			offerId: call.offerId,
			outcome,
			reason,
		})
		if (outcome === OfferOutcome.ACCEPTED) return
		this.calls.delete(interactionId)
		const missed = outcome === OfferOutcome.TIMEOUT
		this.setState(
			agentId,
			{ state: missed ? AgentState.PAUSED : AgentState.READY, missed, interactionIds: [] },
			missed ? 'missed' : 'offer',
		)
	}
	connect(interactionId: string, talkedMs = 0): Call {
		const call = this.calls.get(interactionId)!
		const now = Date.now() - talkedMs
		Object.assign(call, { state: CallState.TALKING, answeredAt: at(now), recording: RecordingState.ON })
		const meta = { interactionId, agentId: call.agentId, queueId: call.queueId }
		this.endOffer(interactionId, OfferOutcome.ACCEPTED)
		this.emit(
			`ev.call.agent-connected.${interactionId}`,
			AgentConnectedSchema,
			{ meta, legId: uuid(700), recordingId: uuid(800) },
			now,
		)
		this.setState(call.agentId, { state: AgentState.ON_CONTACT, since: at(now) }, 'contact')
		return call
	}
	hold(interactionId: string, on: boolean, backMs = 0): Call {
		const call = this.calls.get(interactionId)!
		const now = Date.now() - backMs
		const meta = { interactionId, agentId: call.agentId }
		if (on) {
			Object.assign(call, { state: CallState.HELD, heldSince: at(now), holds: call.holds + 1 })
			this.emit(`ev.call.held.${interactionId}`, CallHeldSchema, { meta }, now)
		} else {
			const held = BigInt(Math.round(now - Number(call.heldSince?.seconds ?? 0n) * 1000))
			Object.assign(call, { state: CallState.TALKING, heldSince: undefined, heldMs: call.heldMs + held })
			this.emit(`ev.call.resumed.${interactionId}`, CallResumedSchema, { meta, heldMs: held }, now)
		}
		return call
	}
	pauseRecording(interactionId: string, paused: boolean): Call {
		const call = this.calls.get(interactionId)!
		call.recording = paused ? RecordingState.PAUSED : RecordingState.ON
		this.emit(`ev.recording.paused.${uuid(800)}`, RecordingPausedSchema, {
			meta: { interactionId, agentId: call.agentId },
			recordingId: uuid(800),
			paused,
		})
		return call
	}
	end(interactionId: string, by: 'customer' | 'agent' = 'agent'): void {
		const call = this.calls.get(interactionId)!
		const meta = { interactionId, agentId: call.agentId }
		this.calls.delete(interactionId)
		this.emit(`ev.call.agent-disconnected.${interactionId}`, AgentDisconnectedSchema, { meta, reason: `${by}-hangup` })
		this.emit(`ev.call.ended.${interactionId}`, CallEndedSchema, { meta, endedBy: by, cause: 'normal' })
		const wrapUpUntil = at(Date.now() + 45000)
		this.setState(call.agentId, { state: AgentState.WRAP_UP, wrapUpUntil, interactionIds: [interactionId] }, 'wrap-up')
	}
	release(interactionId: string, agentId: string): AgentStatus {
		const old = this.status.get(agentId)!
		this.emit(`ev.acd.released.${interactionId}`, InteractionReleasedSchema, { meta: { interactionId, agentId } })
		const next = old.nextState === AgentState.PAUSED
		return this.setState(agentId, {
			state: next ? AgentState.PAUSED : AgentState.READY,
			pauseReasonId: next ? old.nextPauseReasonId : '',
			pauseReasonName: next ? (this.reasons.find((r) => r.id === old.nextPauseReasonId)?.name ?? '') : '',
			interactionIds: [],
			wrapUpUntil: undefined,
		})
	}

	// --- the floor as supervisors see it ---

	#floor(now: number): void {
		const set = (n: number, state: AgentState, ago: number, more: Partial<AgentStatus> = {}) =>
			this.status.set(
				uuid(n),
				create(AgentStatusSchema, {
					...this.status.get(uuid(n))!,
					state,
					since: at(now - ago),
					presence: Presence.DESK,
					...more,
				}),
			)
		set(2, AgentState.ON_CONTACT, 768_000)
		set(3, AgentState.WRAP_UP, 161_000, { wrapUpUntil: at(now - 101_000) })
		set(4, AgentState.PAUSED, 1_026_000, { pauseReasonId: uuid(200), pauseReasonName: 'Break' })
		set(5, AgentState.ON_CONTACT, 200_000)
		set(6, AgentState.READY, 114_000)
		set(7, AgentState.OFFERED, 6_000)
		this.figures = this.agents.map((a, i) => {
			const status = this.status.get(a.id)!
			const busy =
				status.state === AgentState.ON_CONTACT ||
				status.state === AgentState.WRAP_UP ||
				status.state === AgentState.OFFERED
			const who = ['', 'Carlo Dessì', '', '', 'Mario Zanella', '', 'Anna Blasi'][i]
			return create(AgentFiguresSchema, {
				agentId: a.id,
				agentName: a.name,
				status,
				queueIds: this.queues.slice(0, i % 3 ? 2 : 3).map((q) => q.id),
				handledToday: BigInt(23 - i),
				missedToday: i === 3 ? 2n : 0n,
				sumTalkMs: BigInt((23 - i) * 348_000),
				queueId: busy ? this.queues[0]!.id : '',
				customerName: busy ? who : '',
			})
		})
		const names: [string, string, number][] = [
			['Carlo Dessì', '+393495550117', 292],
			['Anna Blasi', '+393315550172', 260],
			['Hotel Aurora', '+390431555019', 237],
			['', '', 211],
			['Silvia Neri', '+393475550155', 168],
			['', '+390432555020', 121],
			['Paolo Greco', '+393385550101', 84],
			['Lucia Perin', '+393405550144', 42],
			['Marco Tonini', '+393475550199', 11],
		]
		const waiting = names.map(([customerName, customerNumber, s], i) =>
			create(WaitingItemSchema, {
				interactionId: uuid(900 + i),
				queueId: this.queues[0]!.id,
				customerName,
				customerNumber,
				queuedAt: at(now - s * 1000),
				position: i + 1,
				priority: i === 2 ? 5 : 0,
			}),
		)
		const q = (i: number, part: MessageInitShape<typeof QueueFiguresSchema>): QueueFigures =>
			create(QueueFiguresSchema, {
				queueId: this.queues[i]!.id,
				queueName: this.queues[i]!.name,
				channel: Channel.VOICE,
				serviceLevelTargetPct: 80,
				time: at(now),
				...part,
			})
		const wave = (f: (i: number) => number) => Array.from({ length: 30 }, (_, i) => Math.max(0, Math.round(f(i))))
		this.live = [
			q(0, {
				waiting: 9,
				longestSince: at(now - 292_000),
				agentsSignedIn: 7,
				agentsReady: 0,
				agentsOnContact: 4,
				agentsWrapUp: 1,
				agentsPaused: 2,
				offeredToday: 640n,
				answeredToday: 560n,
				abandonedToday: 73n,
				serviceLevelPct100: 6100,
				waitingHistory: wave((i) => 1 + i / 4 + Math.sin(i)),
				waitingItems: waiting,
			}),
			q(1, {
				waiting: 1,
				longestSince: at(now - 14_000),
				agentsSignedIn: 6,
				agentsReady: 3,
				agentsOnContact: 3,
				offeredToday: 420n,
				answeredToday: 411n,
				abandonedToday: 9n,
				serviceLevelPct100: 9200,
				waitingHistory: wave((i) => 2 + 2 * Math.sin(i * 1.3)),
			}),
			q(2, {
				waiting: 0,
				agentsSignedIn: 4,
				agentsReady: 1,
				agentsOnContact: 2,
				agentsPaused: 1,
				offeredToday: 324n,
				answeredToday: 313n,
				abandonedToday: 11n,
				serviceLevelPct100: 8600,
				waitingHistory: wave((i) => 1 + Math.cos(i)),
			}),
		]
	}

	// --- what was ---

	#past(now: number): void {
		const people: [string, string][] = [
			['Carlo Dessì', '+393495550117'],
			['Anna Blasi', '+393315550172'],
			['', '+390431555077'],
			['Hotel Aurora', '+390431555019'],
			['Giulia Ferraro', '+393475550182'],
			['Marco Tonini', '+393475550199'],
			['', ''],
			['Silvia Neri', '+393475550155'],
			['Paolo Greco', '+393385550101'],
			['Beatrice Lenarduzzi', '+390432555111'],
		]
		for (let i = 0; i < 240; i++) {
			const [customerName, customerNumber] = people[i % people.length]!
			const start = now - 6 * minute - i * 31 * minute
			const abandoned = i % 7 === 3
			const queue = this.queues[i % 3]!
			const a = this.agents[1 + (i % 6)]!
			const b = this.agents[1 + ((i + 3) % 6)]!
			const s = (kind: SegmentKind, from: number, to: number, more: object = {}) => ({
				kind,
				startedAt: at(start + from * 1000),
				endedAt: at(start + to * 1000),
				queueId: queue.id,
				queueName: queue.name,
				...more,
			})
			const talk = (x: { id: string; name: string }) => ({ agentId: x.id, agentName: x.name })
			const full = i % 5 === 0
			const segments = abandoned
				? [s(SegmentKind.MENU, 0, 22), s(SegmentKind.QUEUE, 22, 80, { result: 'abandoned' })]
				: full
					? [
							s(SegmentKind.MENU, 0, 41),
							s(SegmentKind.QUEUE, 41, 113, { result: 'answered' }),
							s(SegmentKind.RING, 105, 113, { ...talk(a), result: 'answered' }),
							s(SegmentKind.TALK, 113, 298, { ...talk(a), result: 'transfer' }),
							s(SegmentKind.HOLD, 298, 346),
							s(SegmentKind.TALK, 346, 608, { ...talk(b), result: 'customer-hangup' }),
							s(SegmentKind.WRAP_UP, 608, 663, talk(b)),
						]
					: [
							s(SegmentKind.MENU, 0, 18),
							s(SegmentKind.QUEUE, 18, 40, { result: 'answered' }),
							s(SegmentKind.TALK, 40, 291, { ...talk(a), result: 'agent-hangup' }),
							s(SegmentKind.WRAP_UP, 291, 320, talk(a)),
						]
			const total = abandoned ? 80 : full ? 608 : 291
			const rec = {
				id: uuid(3000 + i),
				interactionId: uuid(2000 + i),
				status: RecordingStatus.VERIFIED,
				durationMs: BigInt((total - (full ? 113 : 40)) * 1000),
			}
			this.history.push(
				create(InteractionSchema, {
					id: uuid(2000 + i),
					channel: Channel.VOICE,
					direction: i % 9 === 8 ? Direction.OUTBOUND : Direction.INBOUND,
					customerName,
					customerNumber,
					dialledNumber: '+390432900100',
					startedAt: at(start),
					endedAt: at(start + total * 1000),
					queueId: queue.id,
					queueName: queue.name,
					agentId: abandoned ? '' : (full ? b : a).id,
					agentName: abandoned ? '' : (full ? b : a).name,
					agents: abandoned ? 0 : full ? 2 : 1,
					outcome: abandoned ? 'abandoned-queue' : 'answered',
					menuMs: BigInt((full ? 41 : 18) * 1000),
					waitMs: BigInt((abandoned ? 58 : full ? 72 : 22) * 1000),
					talkMs: BigInt((abandoned ? 0 : full ? 447 : 251) * 1000),
					heldMs: BigInt((full ? 48 : 0) * 1000),
					durationMs: BigInt(total * 1000),
					endedBy: abandoned || full ? 'customer' : 'agent',
					segments,
					recordings: abandoned
						? []
						: [
								{
									...rec,
									marks: full
										? [
												{ offsetMs: 0n, kind: 'agent', text: a.name },
												{ offsetMs: 185_000n, kind: 'hold' },
												{ offsetMs: 233_000n, kind: 'agent', text: b.name },
												{ offsetMs: 233_000n, kind: 'resume' },
												{ offsetMs: 327_000n, kind: 'pause' },
												{ offsetMs: 351_000n, kind: 'unpause' },
												{ offsetMs: 495_000n, kind: 'end', text: 'Customer hangs up' },
											]
										: [{ offsetMs: 0n, kind: 'agent', text: a.name }],
								},
							],
					mos: abandoned ? 0 : 4.2,
					lossPct: 0.3,
					menuPath: abandoned
						? []
						: [
								{ key: 'Menu', value: '2 Fault' },
								{ key: 'Line', value: 'Fibre' },
							],
				}),
			)
		}
	}
}
