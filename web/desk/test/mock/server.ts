// The mock as an HTTP server: Connect RPCs and the event stream below /api, the built desk at /, and /__mock/<act> for tests and hands.
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import {
	AgentService,
	AgentState,
	OfferOutcome,
	PauseReasonService,
	QueueService,
	RoutingService,
	WorkService,
} from '../../src/gen/parley/acd/v1/acd_pb.js'
import { AuthService, type User } from '../../src/gen/parley/auth/v1/auth_pb.js'
import { HistoryService, LiveService } from '../../src/gen/parley/report/v1/report_pb.js'
import { PhoneService } from '../../src/gen/parley/telephony/v1/telephony_pb.js'
import { CallService, CallState } from '../../src/gen/parley/voice/v1/voice_pb.js'
import { type Sent, uuid, World } from './world.ts'

const policy =
	"default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"

export interface Mock {
	url: string
	world: World
	/** The stream goes quiet, as if the network were gone; what happens meanwhile is sent at the end. */
	silence(on: boolean): void
	/** Cuts every open stream. */
	drop(): void
	/** How many streams are open. */
	streams(): number
	/** How many were ever opened. */
	opened(): number
	close(): Promise<void>
}

/** An SDP answer to a browser's audio offer, good enough for setRemoteDescription; nothing listens behind it. */
export function answerTo(offer: string): string {
	const line = (re: RegExp) => re.exec(offer)?.[1] ?? ''
	const payload = line(/a=rtpmap:(\d+) opus/i) || '111'
	return [
		'v=0',
		'o=- 1 1 IN IP4 127.0.0.1',
		's=-',
		't=0 0',
		'a=ice-lite',
		'a=group:BUNDLE 0',
		`m=audio 9 UDP/TLS/RTP/SAVPF ${payload}`,
		'c=IN IP4 127.0.0.1',
		`a=mid:${line(/a=mid:(\S+)/) || '0'}`,
		'a=rtcp-mux',
		'a=sendrecv',
		`a=rtpmap:${payload} opus/48000/2`,
		'a=setup:passive',
		'a=ice-ufrag:mock',
		'a=ice-pwd:mockmockmockmockmockmock',
		`a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, i) => (i * 7 + 16).toString(16).toUpperCase().padStart(2, '0').slice(-2)).join(':')}`,
		'a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host',
		'a=end-of-candidates',
		'',
	].join('\r\n')
}

function routes(w: World) {
	const who = (c: HandlerContext): User => {
		const token = /parley=([^;]+)/.exec(c.requestHeader.get('cookie') ?? '')?.[1] ?? ''
		const user = w.users.find((u) => u.id === w.sessions.get(token))
		if (!user) throw new ConnectError('no session', Code.Unauthenticated)
		return user
	}
	const heard = (c: HandlerContext, body: unknown) => {
		w.heard.push({ method: c.method.name, body })
		if (w.refuse === c.method.name) throw new ConnectError('not in this state', Code.FailedPrecondition)
	}
	const mine = (c: HandlerContext, id: string) => {
		const call = w.calls.get(id)
		if (!call || call.agentId !== who(c).id) throw new ConnectError('no such call of yours', Code.NotFound)
		return call
	}
	return (r: ConnectRouter) => {
		r.service(AuthService, {
			login(req, c) {
				heard(c, req)
				const user = w.users.find((u) => u.username === req.username)
				if (!user || req.password !== 'parley') throw new ConnectError('wrong name or password', Code.Unauthenticated)
				const token = `t${w.sessions.size + 1}${Date.now()}`
				w.sessions.set(token, user.id)
				c.responseHeader.set('set-cookie', `parley=${token}; Path=/; HttpOnly; SameSite=Strict`)
				return { user, permissions: w.permissions(user) }
			},
			changePassword(req, c) {
				heard(c, req)
				if (req.oldPassword !== 'parley') throw new ConnectError('wrong password', Code.Unauthenticated)
				who(c).mustChangePassword = false
				return {}
			},
			logout(_, c) {
				const token = /parley=([^;]+)/.exec(c.requestHeader.get('cookie') ?? '')?.[1] ?? ''
				w.sessions.delete(token)
				return {}
			},
			getMe(_, c) {
				const user = who(c)
				return { user, sessionId: uuid(42), permissions: w.permissions(user) }
			},
		})
		r.service(WorkService, {
			getMyWork(_, c) {
				const user = who(c)
				const agent = w.agents.find((a) => a.id === user.id)
				if (!agent) throw new ConnectError('not an agent', Code.NotFound)
				return { status: w.status.get(user.id), agent, queues: w.queues, pauseReasons: w.reasons }
			},
			startWork(req, c) {
				heard(c, req)
				return {
					status: w.setState(who(c).id, {
						state: req.state,
						device: req.device,
						phoneId: req.phoneId,
						presence: req.presence,
					}),
				}
			},
			stopWork(_, c) {
				return { status: w.setState(who(c).id, { state: AgentState.OFFLINE }) }
			},
			setMyState(req, c) {
				heard(c, req)
				const id = who(c).id
				const now = w.status.get(id)!
				if ([AgentState.ON_CONTACT, AgentState.WRAP_UP, AgentState.OFFERED].includes(now.state))
					return {
						status: w.setState(id, { nextState: req.state, nextPauseReasonId: req.pauseReasonId, since: now.since }),
					}
				return {
					status: w.setState(id, {
						state: req.state,
						missed: false,
						pauseReasonId: req.pauseReasonId,
						pauseReasonName: w.reasons.find((x) => x.id === req.pauseReasonId)?.name ?? '',
					}),
				}
			},
			endWrapUp(req, c) {
				heard(c, req)
				return { status: w.release(req.interactionId, who(c).id) }
			},
		})
		r.service(RoutingService, {
			assignInteraction(req, c) {
				heard(c, req)
				return {}
			},
			setInteractionPriority(req, c) {
				heard(c, req)
				return {}
			},
			explainInteraction: () => ({
				sentences: [
					'9 are waiting in Technical support; this one is number 1, for 4 min 52 s.',
					'7 members are signed in: 4 on contact, 1 in wrap-up, 2 paused. Nobody is ready.',
				],
			}),
			explainAgent: () => ({ sentences: ['Paused for 17 min (Break): no call is offered to a paused agent.'] }),
		})
		r.service(QueueService, { listQueues: () => ({ queues: w.queues }) })
		r.service(PauseReasonService, { listPauseReasons: () => ({ pauseReasons: w.reasons }) })
		r.service(AgentService, {
			listAgents: () => ({ agents: w.agents }),
			setAgentState(req, c) {
				heard(c, req)
				const reason = w.reasons.find((x) => x.id === req.pauseReasonId)
				return {
					status: w.setState(
						req.agentId,
						{ state: req.state, pauseReasonId: req.pauseReasonId, pauseReasonName: reason?.name ?? '' },
						'supervisor',
					),
				}
			},
		})
		r.service(PhoneService, {
			listPhones: (req) => ({ phones: w.phones.filter((p) => !req.agentId || p.agentId === req.agentId) }),
		})
		r.service(CallService, {
			listMyCalls: (_, c) => ({ calls: [...w.calls.values()].filter((x) => x.agentId === who(c).id) }),
			acceptOffer(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				return { sdp: answerTo(req.sdp), call: w.connect(req.interactionId) }
			},
			rejectOffer(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				w.endOffer(req.interactionId, OfferOutcome.REJECTED)
				return {}
			},
			attachBrowser(req, c) {
				heard(c, req)
				mine(c, req.interactionId).needsBrowser = false
				return { sdp: answerTo(req.sdp) }
			},
			holdCall(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				return { call: w.hold(req.interactionId, true) }
			},
			resumeCall(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				return { call: w.hold(req.interactionId, false) }
			},
			muteCall(req, c) {
				heard(c, req)
				const call = mine(c, req.interactionId)
				call.muted = req.muted
				return { call }
			},
			sendDigits(req, c) {
				heard(c, req)
				return {}
			},
			transferCall(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				w.end(req.interactionId)
				return {}
			},
			hangupCall(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				w.end(req.interactionId)
				return {}
			},
			pauseRecording(req, c) {
				heard(c, req)
				mine(c, req.interactionId)
				return { call: w.pauseRecording(req.interactionId, req.paused) }
			},
			dialNumber(req, c) {
				heard(c, req)
				w.offer({ agentId: who(c).id, name: '', number: req.number })
				const call = w.calls.get(uuid(501))!
				w.calls.delete(uuid(501))
				Object.assign(call, {
					interactionId: req.interactionId,
					state: CallState.DIALLING,
					offerId: '',
					queueName: '',
					direction: 2,
					queuedAt: undefined,
				})
				w.calls.set(req.interactionId, call)
				return { sdp: req.sdp && answerTo(req.sdp), call }
			},
		})
		r.service(HistoryService, {
			listInteractions(req) {
				const size = req.page?.size || 50
				const from = Number(req.page?.token || 0)
				const s = req.search.toLowerCase()
				const list = w.history.filter(
					(i) =>
						(!s || i.customerNumber.includes(s) || i.customerName.toLowerCase().includes(s)) &&
						(!req.queueId || i.queueId === req.queueId) &&
						(!req.agentId || i.agentId === req.agentId) &&
						(!req.outcome || i.outcome === req.outcome) &&
						(!req.from || Number(i.startedAt!.seconds) >= Number(req.from.seconds)) &&
						(!req.to || Number(i.startedAt!.seconds) < Number(req.to.seconds)),
				)
				const end = from + size
				return {
					interactions: list.slice(from, end),
					page: { nextToken: end < list.length ? String(end) : '', total: BigInt(list.length) },
				}
			},
			getInteraction(req) {
				const interaction = w.history.find((i) => i.id === req.id)
				if (!interaction) throw new ConnectError('no such interaction', Code.NotFound)
				return { interaction }
			},
		})
		r.service(LiveService, { getLive: () => ({ queues: w.live, agents: w.figures }) })
	}
}

function peaks(seconds: number) {
	const n = Math.min(1600, seconds * 4)
	const talk = (i: number, who: number) => {
		const turn = Math.floor(i / 37) % 2 === who
		return turn ? Math.round(Math.abs(Math.sin(i * 0.9) * 60 + Math.sin(i * 2.7) * 50) % 120) : 1
	}
	return {
		left: Array.from({ length: n }, (_, i) => talk(i, 0)),
		right: Array.from({ length: n }, (_, i) => talk(i, 1)),
		durationMs: String(seconds * 1000),
	}
}
/** Stereo PCM, 8 kHz, a tone on each side. */
function wav(seconds: number): Buffer {
	const rate = 8000
	const data = Buffer.alloc(seconds * rate * 4)
	for (let i = 0; i < seconds * rate; i++) {
		data.writeInt16LE(Math.round(6000 * Math.sin((i * 2 * Math.PI * 440) / rate)), i * 4)
		data.writeInt16LE(Math.round(6000 * Math.sin((i * 2 * Math.PI * 330) / rate)), i * 4 + 2)
	}
	const head = Buffer.alloc(44)
	head.write('RIFF', 0)
	head.writeUInt32LE(36 + data.length, 4)
	head.write('WAVEfmt ', 8)
	head.writeUInt32LE(16, 16)
	head.writeUInt16LE(1, 20)
	head.writeUInt16LE(2, 22)
	head.writeUInt32LE(rate, 24)
	head.writeUInt32LE(rate * 4, 28)
	head.writeUInt16LE(4, 32)
	head.writeUInt16LE(16, 34)
	head.write('data', 36)
	head.writeUInt32LE(data.length, 40)
	return Buffer.concat([head, data])
}

const types: Record<string, string> = {
	'.html': 'text/html; charset=utf-8',
	'.js': 'text/javascript',
	'.css': 'text/css',
	'.svg': 'image/svg+xml',
	'.woff2': 'font/woff2',
	'.json': 'application/json',
}

export async function startMock(options: { port?: number; dist?: string; now?: number } = {}): Promise<Mock> {
	const w = new World(options.now)
	let quiet = false
	let opened = 0
	const streams = new Set<{ res: ServerResponse; user: string }>()
	const write = (res: ServerResponse, s: Sent) =>
		res.write(`${s.name === 'ledger' ? `id: ${s.seq}\n` : ''}event: ${s.name}\ndata: ${s.data}\n\n`)
	let kept: Sent[] = []
	w.listeners.add((s) => {
		if (quiet) {
			if (s.name === 'ledger') kept.push(s)
		} else for (const x of streams) write(x.res, s)
	})
	const beat = setInterval(() => w.beat(), 1000)
	const rpc = connectNodeAdapter({ routes: routes(w), requestPathPrefix: '/api' })

	function events(req: IncomingMessage, res: ServerResponse): void {
		const token = /parley=([^;]+)/.exec(req.headers.cookie ?? '')?.[1] ?? ''
		const user = w.sessions.get(token)
		if (!user) return void res.writeHead(401).end()
		res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
		const last = req.headers['last-event-id'] ?? new URL(req.url ?? '/', 'http://x').searchParams.get('lastEventId')
		if (quiet) {
			streams.add({ res, user })
			opened++
			return
		}
		if (last) for (const s of w.log) if (s.seq > Number(last)) write(res, s)
		write(res, { seq: 0, name: 'beat', data: JSON.stringify({ time: new Date().toISOString() }) })
		const one = { res, user }
		streams.add(one)
		opened++
		req.on('close', () => streams.delete(one))
	}
	function recording(req: IncomingMessage, res: ServerResponse, id: string, what: string): void {
		const i = w.history.find((x) => x.recordings.some((r) => r.id === id))
		const r = i?.recordings.find((x) => x.id === id)
		if (!r) return void res.writeHead(404).end()
		const seconds = Number(r.durationMs) / 1000
		if (what === 'peaks')
			return void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(peaks(seconds)))
		const body = wav(Math.min(seconds, 20))
		const range = /bytes=(\d+)-(\d*)/.exec(req.headers.range ?? '')
		if (!range)
			return void res
				.writeHead(200, { 'content-type': 'audio/wav', 'accept-ranges': 'bytes', 'content-length': body.length })
				.end(body)
		const from = Number(range[1])
		const to = range[2] ? Number(range[2]) : body.length - 1
		res
			.writeHead(206, {
				'content-type': 'audio/wav',
				'accept-ranges': 'bytes',
				'content-range': `bytes ${from}-${to}/${body.length}`,
				'content-length': to - from + 1,
			})
			.end(body.subarray(from, to + 1))
	}
	async function file(res: ServerResponse, path: string): Promise<void> {
		const dist = options.dist ?? ''
		const clean = normalize(path).replace(/^(\.\.[/\\])+/, '')
		for (const name of extname(clean) ? [clean] : ['index.html']) {
			const body = await readFile(join(dist, name)).catch(() => undefined)
			if (!body) break
			const type = types[extname(name)] ?? 'application/octet-stream'
			return void res
				.writeHead(200, {
					'content-type': type,
					'content-security-policy': policy,
					'permissions-policy': 'microphone=(self)',
				})
				.end(body)
		}
		res.writeHead(404).end()
	}
	const acts: Record<string, (q: URLSearchParams) => unknown> = {
		offer: (q) =>
			w.offer({
				n: Number(q.get('n') ?? 1),
				name: q.get('name') ?? undefined,
				ringMs: Number(q.get('ring') ?? 20000),
				number: q.get('number') ?? undefined,
			}),
		cancel: () => w.endOffer(uuid(501), OfferOutcome.CANCELLED),
		connect: () => w.connect(uuid(501)),
		end: () => w.end(uuid(501), 'customer'),
		silence: (q) => mock.silence(q.get('on') !== '0'),
		reload: () => w.send('reload', '{}'),
	}
	const server: Server = createServer((req, res) => {
		const url = new URL(req.url ?? '/', 'http://x')
		const rec = /^\/api\/recordings\/([^/]+)\/(peaks|audio)$/.exec(url.pathname)
		const act = /^\/__mock\/(\w+)$/.exec(url.pathname)
		if (url.pathname === '/api/events') events(req, res)
		else if (rec) recording(req, res, rec[1]!, rec[2]!)
		else if (act) res.end(JSON.stringify(acts[act[1]!]?.(url.searchParams) ?? null))
		else if (url.pathname.startsWith('/api/')) rpc(req, res)
		else void file(res, url.pathname)
	})
	await new Promise<void>((done) => server.listen(options.port ?? 0, '127.0.0.1', done))
	const address = server.address() as { port: number }
	const mock: Mock = {
		url: `http://127.0.0.1:${address.port}`,
		world: w,
		silence(on) {
			quiet = on
			if (on) return
			for (const s of kept) for (const x of streams) write(x.res, s)
			kept = []
			w.beat()
		},
		drop() {
			for (const x of streams) x.res.destroy()
		},
		streams: () => streams.size,
		opened: () => opened,
		async close() {
			clearInterval(beat)
			for (const x of streams) x.res.end()
			server.closeAllConnections()
			await new Promise((done) => server.close(done))
		},
	}
	return mock
}
