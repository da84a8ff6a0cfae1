// The desk's conductor: brings snapshots and events into the stores, the browser's sound into calls, and says aloud what must be heard.
import type { Message } from '@bufbuild/protobuf'
import { isMessage } from '@bufbuild/protobuf'
import { InteractionOfferedSchema, OfferOutcome } from '../gen/parley/acd/v1/acd_pb.js'
import type { LoginResponse } from '../gen/parley/auth/v1/auth_pb.js'
import { SessionEndedSchema } from '../gen/parley/auth/v1/auth_pb.js'
import { AgentFiguresSchema, QueueFiguresSchema } from '../gen/parley/report/v1/report_pb.js'
import { AgentConnectedSchema, AgentDisconnectedSchema, CallEndedSchema } from '../gen/parley/voice/v1/voice_pb.js'
import { Ring, chime, chooseRinger, unlockSound } from '../phone/sounds.ts'
import { BrowserPhone } from '../phone/webrtc.ts'
import { beatTime, decode, type Frame } from '../stream/decode.ts'
import { caughtUp, freshLink, heard, useLink } from '../stream/link.ts'
import { type PhoneAsk, Share } from '../stream/share.ts'
import { setRegion } from '../words/format.ts'
import { t, useLanguage } from '../words/i18n.ts'
import { hearServerTime, localNow, serverNow } from './clock.ts'
import {
	addWrapUp,
	blank,
	drop,
	dropOldOffers,
	endedShownMs,
	fold,
	hungUp,
	metaOf,
	missingIds,
	ms,
	offerGone,
	press,
	setCall,
	setCalls,
	setMyWork,
	setStatus,
	statusOf,
} from './fold.ts'
import { Device, emptyWork, isLive, isWorking, liveCall, type Item } from './model.ts'
import { query } from './query.ts'
import { Code, codeOf, explain, rpc, whenSignedOut } from './rpc.ts'
import { say, sayLater, trouble } from './say.ts'
import {
	changeWork,
	idlePhone,
	may,
	type PhoneState,
	Role,
	useLive,
	usePhone,
	useSession,
	useTaste,
	useWork,
} from './stores.ts'

let share: Share | undefined
const ring = new Ring()
const phone = new BrowserPhone({
	quality: (quality) => setPhone({ quality }),
	lost: (id) => void attach(id),
	microphone: (label) => trouble(t('The microphone went away. The call goes on with “{label}”.', { label })),
})
let resync: ReturnType<typeof setTimeout> | undefined

// --- session ---

whenSignedOut(() => useSession.setState((s) => (s.phase === 'in' ? { over: true } : s)))

export async function openSession(): Promise<void> {
	try {
		const me = await rpc.auth.getMe({})
		if (me.user) arrive(me.user, me.permissions, me.sessionId)
	} catch (e) {
		useSession.setState({ phase: codeOf(e) === Code.Unauthenticated ? 'out' : 'unreachable' })
	}
}
export async function signIn(username: string, password: string): Promise<void> {
	const answer: LoginResponse = await rpc.auth.login({ username, password })
	const me = await rpc.auth.getMe({})
	const user = me.user ?? answer.user
	if (user) arrive(user, me.permissions.length ? me.permissions : answer.permissions, me.sessionId)
}
export async function signOut(): Promise<void> {
	if (isWorking(useWork.getState().status)) await rpc.work.stopWork({}).catch(() => {})
	await rpc.auth.logout({}).catch(() => {})
	share?.send({ k: 'signed-out' })
	leave()
}

type User = NonNullable<LoginResponse['user']>
/** Nothing is open to a user whose password must be changed first. */
function arrive(user: User, permissions: string[], sessionId: string): void {
	if (user.mustChangePassword) useSession.setState({ phase: 'password', user, over: false })
	else enter(user, permissions, sessionId)
}
export async function changePassword(oldPassword: string, newPassword: string): Promise<void> {
	await rpc.auth.changePassword({ oldPassword, newPassword })
	if (useSession.getState().phase === 'password') await openSession()
}

function enter(user: User, permissions: string[], sessionId: string): void {
	const before = useSession.getState()
	const same = before.user?.id === user.id
	setRegion(user.locale, user.timeZone)
	void useLanguage(user.locale || navigator.language)
	useSession.setState({ phase: 'in', user, permissions: new Set(permissions), sessionId, over: false })
	if (!same) {
		useWork.setState({ ...emptyWork(user.id), loaded: false, known: false })
		useLive.setState({ queues: {}, agents: {}, loaded: false })
		query.clear()
	}
	share?.close()
	useLink.setState(freshLink(localNow()), true)
	phone.chooseMicrophone(useTaste.getState().micId)
	share = new Share({
		frame: hearFrame,
		lead: () => {
			void unlockSound().then(() => chooseRinger(useTaste.getState().ringerId))
			attachWanted()
		},
		ask: (ask) => void doAsk(ask),
		phone: (state) => usePhone.setState(state as PhoneState, true),
		hello: () => share?.send({ k: 'phone', phone: usePhone.getState() }),
		signedOut: leave,
		refused: () => void checkSession(),
	})
	void snapshot()
}
function leave(): void {
	share?.close()
	share = undefined
	phone.drop()
	ring.stop()
	usePhone.setState({ ...idlePhone }, true)
	useWork.setState({ ...emptyWork(), loaded: false, known: false })
	useSession.setState({ phase: 'out', user: undefined, permissions: new Set(), sessionId: '', over: false })
	query.clear()
}
async function checkSession(): Promise<void> {
	try {
		await rpc.auth.getMe({})
	} catch (e) {
		if (codeOf(e) === Code.Unauthenticated) useSession.setState((s) => (s.phase === 'in' ? { over: true } : s))
	}
}
export const tryNow = (): void => share?.reopen()

// --- snapshots ---

/** Everything again from the server: at the start, when it says reload, and when the session came back. */
async function snapshot(): Promise<void> {
	const { permissions, user } = useSession.getState()
	const agentWork = may(permissions, 'parley.acd.v1.WorkService', 'read') || user?.role === Role.AGENT
	await Promise.all([agentWork ? loadWork() : noWork(), loadLive()])
	await query.invalidateQueries()
}
function noWork(): void {
	useWork.setState({ loaded: true, known: false })
}
async function loadWork(): Promise<void> {
	try {
		const work = await rpc.work.getMyWork({})
		changeWork((w) => setMyWork(w, work))
		if (work.agent || work.status) await loadCalls()
		useWork.setState({ loaded: true, known: !!(work.agent ?? work.status) })
	} catch (e) {
		const code = codeOf(e)
		if (code === Code.NotFound || code === Code.PermissionDenied) noWork()
		else if (code !== Code.Unauthenticated) setTimeout(() => void loadWork(), 3000)
	}
}
async function loadCalls(): Promise<void> {
	const answer = await rpc.calls.listMyCalls({})
	const before = useWork.getState().items
	changeWork((w) => setCalls(w, answer.calls, serverNow()))
	sayUnreached(before, 0)
	for (const id of missingIds(useWork.getState())) void loadWrapUp(id)
	attachWanted()
}
/** A wrap-up that was running when the page was opened: what it was about is in the history. */
async function loadWrapUp(id: string): Promise<void> {
	const { interaction: i } = await rpc.history.getInteraction({ id }).catch(() => ({ interaction: undefined }))
	const item: Item = { ...blank(id), phase: 'ended' }
	if (i) {
		Object.assign(item, {
			number: i.customerNumber,
			name: i.customerName,
			dialled: i.dialledNumber,
			queueId: i.queueId,
			queueName: i.queueName,
			startedAt: ms(i.startedAt),
			endedAt: ms(i.endedAt),
			variables: i.menuPath.map((kv) => ({ key: kv.key, value: kv.value })),
		})
	}
	changeWork((w) => addWrapUp(w, item))
}
async function loadLive(): Promise<void> {
	if (!may(useSession.getState().permissions, 'parley.report.v1.LiveService', 'read')) return
	try {
		const live = await rpc.live.getLive({})
		useLive.setState({
			queues: Object.fromEntries(live.queues.map((q) => [q.queueId, q])),
			agents: Object.fromEntries(live.agents.map((a) => [a.agentId, a])),
			loaded: true,
		})
	} catch (e) {
		if (codeOf(e) === Code.Unavailable) setTimeout(() => void loadLive(), 3000)
	}
}
/** Events tell what happened; a moment later the server is asked how things stand, so that nothing can stay wrong. */
function soonCheckCalls(): void {
	clearTimeout(resync)
	resync = setTimeout(() => void loadCalls().catch(() => {}), 400)
}

// --- the stream ---

function hearFrame(frame: Frame): void {
	const now = localNow()
	const beat = frame.name === 'beat' ? beatTime(frame.data) : undefined
	if (beat !== undefined) hearServerTime(beat, now)
	useLink.setState((l) => heard(l, now, serverNow()))
	if (frame.name === 'reload') return void snapshot()
	if (frame.name === 'beat') return afterEvents()
	const message = decode(frame)
	if (!message) return
	if (frame.name === 'rt') return figures(message)
	const at = ms(metaOf(message)?.time)
	const gap = useLink.getState().gapSince
	if (at !== undefined && gap !== undefined && at < serverNow() - 1000) useLink.setState((l) => caughtUp(l, now))
	hearEvent(message)
	afterEvents()
}

function figures(m: Message): void {
	if (isMessage(m, QueueFiguresSchema)) useLive.setState((s) => ({ queues: { ...s.queues, [m.queueId]: m } }))
	else if (isMessage(m, AgentFiguresSchema)) useLive.setState((s) => ({ agents: { ...s.agents, [m.agentId]: m } }))
}

function hearEvent(m: Message): void {
	if (isMessage(m, SessionEndedSchema)) {
		if (m.sessionId === useSession.getState().sessionId) useSession.setState({ over: true })
		return
	}
	const before = useWork.getState()
	const mine = metaOf(m)?.agentId === before.me
	if (mine && (m.$typeName === 'parley.acd.v1.AgentStateChanged' || m.$typeName.startsWith('parley.voice.')))
		soonCheckCalls()
	changeWork((w) => fold(w, m))
	const after = useWork.getState()
	if (before === after) return
	if (isMessage(m, CallEndedSchema)) sayUnreached(before.items, m.sipStatus)
	speak(m)
}

/** A number that was dialled here and never answered: the page would only fall silent. */
function sayUnreached(before: Record<string, Item>, status: number): void {
	const after = useWork.getState().items
	for (const i of Object.values(before)) {
		const now = after[i.id]
		if (i.phase !== 'dialling' || i.answeredAt || i.hungUp || (now && isLive(now))) continue
		const number = i.number || i.dialled
		trouble(
			status
				? t('{number} was not reached ({status}). Check the number, or try again later.', { number, status })
				: t('{number} was not reached. Check the number, or try again later.', { number }),
		)
		changeWork((w) => drop(w, i.id))
	}
}

/** What a person who does not look at the screen must hear at once. */
function speak(m: Message): void {
	if (isMessage(m, InteractionOfferedSchema)) {
		const seconds = Math.round((m.ringTimeoutMs || 0) / 1000)
		const who = m.customerName || m.customerNumber || t('Number withheld')
		say(t('Call, {queue}, {who}, {seconds} seconds, F2 accepts', { queue: m.queueName, who, seconds }))
	} else if (isMessage(m, AgentConnectedSchema)) say(t('Call connected'))
	else if (isMessage(m, AgentDisconnectedSchema) || isMessage(m, CallEndedSchema)) say(t('Call ended'))
}

/** Sound, title and the browser's leg follow the state, never the other way round. */
function afterEvents(): void {
	const now = serverNow()
	changeWork((w) => dropOldOffers(w, now))
	const work = useWork.getState()
	if (work.offers.some((o) => o.ended))
		setTimeout(() => changeWork((w) => dropOldOffers(w, serverNow())), endedShownMs + 50)
	const waiting = work.offers.filter((o) => !o.ended && !o.pressed && o.deadline > now)
	const talking = liveCall(work)
	if (share?.leading) {
		if (!waiting.length || talking) ring.stop()
		else if (waiting.some((o) => o.device !== Device.PHONE)) ring.start()
		if (phone.interactionId && !work.items[phone.interactionId] && !usePhone.getState().attaching) hangLocal()
		else if (phone.interactionId && work.items[phone.interactionId]?.phase === 'ended') hangLocal()
		if (usePhone.getState().ringing !== waiting.length > 0) {
			setPhone({ ringing: waiting.length > 0 })
			if (waiting.length && talking) chime()
			if (waiting.length && document.hidden) notify(waiting[0]?.name || waiting[0]?.number || '')
		}
		for (const o of waiting) if (o.autoAnswer && o.device === Device.BROWSER) accept(o.interactionId, o.offerId)
	}
	const first = waiting[0]
	document.title = first ? t('({n}) {who} calls', { n: waiting.length, who: first.name || first.number }) : 'Parley'
}
function notify(who: string): void {
	if (!('Notification' in window) || Notification.permission !== 'granted') return
	const n = new Notification(t('{who} calls', { who }), { tag: 'parley-offer', requireInteraction: false })
	n.onclick = () => {
		window.focus()
		n.close()
	}
}

// --- the browser as a telephone ---

const soundKey = 'parley.sound'
const retryMs = 3000

function setPhone(part: Partial<PhoneState>): void {
	usePhone.setState(part)
	if (part.connected) localStorage.setItem(soundKey, part.connected)
	else if (part.connected === '') localStorage.removeItem(soundKey)
	share?.send({ k: 'phone', phone: usePhone.getState() })
}
function hangLocal(): void {
	phone.drop()
	setPhone({ ...idlePhone })
}
/** After a reload or a change of leader the call goes on and only its sound is missing. */
function attachWanted(): void {
	if (!share?.leading || phone.interactionId) return
	const work = useWork.getState()
	// The server sees a lost leg only after a while; this browser knows at once whose sound it had before the reload.
	const had = work.status?.device === Device.BROWSER ? localStorage.getItem(soundKey) : null
	const wanted = Object.values(work.items).find((i) => isLive(i) && (i.needsBrowser || i.id === had))
	if (wanted) void attach(wanted.id)
}
async function attach(id: string): Promise<void> {
	const item = useWork.getState().items[id]
	if (!item || item.phase === 'ended' || usePhone.getState().attaching) return
	setPhone({ attaching: true, failed: '' })
	try {
		await phone.connect(id, item.muted, async (sdp) => (await rpc.calls.attachBrowser({ interactionId: id, sdp })).sdp)
		setPhone({ connected: id, attaching: false, muted: item.muted })
	} catch (e) {
		setPhone({ attaching: false, failed: soundTrouble(e) })
		// A microphone that is refused needs a person; a server or a network that is away comes back.
		if (!(e instanceof DOMException)) setTimeout(attachWanted, retryMs)
	}
}
export const attachAgain = (): void => attachWanted()

async function doAsk(ask: PhoneAsk): Promise<void> {
	if (ask.do === 'mute') {
		phone.mute(ask.muted)
		setPhone({ muted: ask.muted })
	} else if (ask.do === 'accept') await acceptHere(ask.interactionId, ask.offerId)
	else await dialHere(ask.interactionId, ask.number)
}

async function acceptHere(interactionId: string, offerId: string): Promise<void> {
	ring.stop()
	changeWork((w) => press(w, offerId, 'accept'))
	setPhone({ attaching: true, failed: '', ringing: false })
	try {
		await phone.connect(interactionId, false, async (sdp) => {
			const answer = await rpc.calls.acceptOffer({ interactionId, offerId, sdp })
			changeWork((w) => setCall(w, answer.call))
			return answer.sdp
		})
		setPhone({ connected: interactionId, attaching: false, muted: false })
	} catch (e) {
		setPhone({ attaching: false })
		acceptFailed(e, offerId)
	}
	afterEvents()
}
function acceptFailed(e: unknown, offerId: string): void {
	if (e instanceof DOMException) {
		changeWork((w) => press(w, offerId, undefined))
		trouble(soundTrouble(e))
		return
	}
	// Taken elsewhere or gone while we pressed: the card says so in its place, an error would be noise.
	if ([Code.NotFound, Code.FailedPrecondition, Code.Aborted].includes(codeOf(e)))
		changeWork((w) => offerGone(w, offerId, serverNow()))
	else {
		changeWork((w) => press(w, offerId, undefined))
		trouble(explain(e))
	}
}
function soundTrouble(e: unknown): string {
	if (!(e instanceof DOMException)) return explain(e)
	if (e.name === 'NotAllowedError')
		return t('This browser may not use the microphone. Allow it beside the address, then press Connect sound.')
	if (e.name === 'NotFoundError') return t('No microphone found. Plug one in, then press Connect sound.')
	return t('The microphone could not be opened ({code}). Another program may hold it.', { code: e.name })
}

// --- what buttons do ---

export function accept(interactionId: string, offerId: string): void {
	const offer = useWork.getState().offers.find((o) => o.offerId === offerId)
	if (!offer || offer.ended || offer.pressed) return
	changeWork((w) => press(w, offerId, 'accept'))
	share?.ask({ do: 'accept', interactionId, offerId })
}
export async function reject(interactionId: string, offerId: string): Promise<void> {
	changeWork((w) => press(w, offerId, 'reject'))
	ring.stop()
	try {
		await rpc.calls.rejectOffer({ interactionId, offerId })
		changeWork((w) => press(w, offerId, 'reject'))
	} catch (e) {
		if ([Code.NotFound, Code.FailedPrecondition].includes(codeOf(e)))
			changeWork((w) => offerGone(w, offerId, serverNow()))
		else {
			changeWork((w) => press(w, offerId, undefined))
			trouble(explain(e))
		}
	}
	afterEvents()
}
export async function mute(item: Item, muted: boolean): Promise<void> {
	if (usePhone.getState().connected === item.id) share?.ask({ do: 'mute', interactionId: item.id, muted })
	const answer = await rpc.calls.muteCall({ interactionId: item.id, muted })
	changeWork((w) => setCall(w, answer.call))
}
export async function hold(item: Item, on: boolean): Promise<void> {
	const interactionId = item.id
	const answer = on ? await rpc.calls.holdCall({ interactionId }) : await rpc.calls.resumeCall({ interactionId })
	changeWork((w) => setCall(w, answer.call))
}
export async function payPause(item: Item, paused: boolean): Promise<void> {
	const answer = await rpc.calls.pauseRecording({ interactionId: item.id, paused })
	changeWork((w) => setCall(w, answer.call))
}
export async function hangUp(item: Item): Promise<void> {
	changeWork((w) => hungUp(w, item.id))
	await rpc.calls.hangupCall({ interactionId: item.id })
}
export const sendDigits = (item: Item, digits: string) => rpc.calls.sendDigits({ interactionId: item.id, digits })

export type Target = { kind: 'queue' | 'agent' | 'number'; value: string }
export async function transfer(item: Item, target: Target): Promise<void> {
	const to =
		target.kind === 'queue'
			? { case: 'queueId' as const, value: target.value }
			: target.kind === 'agent'
				? { case: 'agentId' as const, value: target.value }
				: { case: 'number' as const, value: target.value }
	await rpc.calls.transferCall({ interactionId: item.id, target: to })
	sayLater(t('Call transferred'))
}
export function dial(number: string): string {
	const interactionId = uuidv7()
	share?.ask({ do: 'dial', interactionId, number })
	return interactionId
}
async function dialHere(interactionId: string, number: string): Promise<void> {
	const browser = useWork.getState().status?.device === Device.BROWSER
	const call = async (sdp: string) => {
		const answer = await rpc.calls.dialNumber({ interactionId, number, sdp })
		changeWork((w) => setCall(w, answer.call))
		return answer.sdp
	}
	try {
		if (browser) {
			setPhone({ attaching: true, failed: '' })
			await phone.connect(interactionId, false, call)
			setPhone({ connected: interactionId, attaching: false, muted: false })
		} else await call('')
	} catch (e) {
		setPhone({ attaching: false })
		trouble(e instanceof DOMException ? soundTrouble(e) : explain(e))
	}
}

export async function startWork(device: Device, phoneId: string, state: number): Promise<void> {
	const answer = await rpc.work.startWork({ device, phoneId, presence: 1, state })
	if (answer.status) {
		const s = statusOf(answer.status)
		changeWork((w) => setStatus(w, s))
	}
}
export async function stopWork(): Promise<void> {
	const answer = await rpc.work.stopWork({})
	if (answer.status) {
		const s = statusOf(answer.status)
		changeWork((w) => setStatus(w, s))
	}
}
export async function setMyState(state: number, pauseReasonId = ''): Promise<void> {
	const answer = await rpc.work.setMyState({ state, pauseReasonId })
	if (answer.status) {
		const s = statusOf(answer.status)
		changeWork((w) => setStatus(w, s))
	}
}
export async function endWrapUp(item: Item): Promise<void> {
	const answer = await rpc.work.endWrapUp({ interactionId: item.id })
	if (answer.status) {
		const s = statusOf(answer.status)
		changeWork((w) => setStatus(w, s))
	}
}

/** RFC 9562 5.7. */
export function uuidv7(now = Date.now()): string {
	const b = crypto.getRandomValues(new Uint8Array(16))
	for (let i = 0; i < 6; i++) b[i] = Math.floor(now / 2 ** (8 * (5 - i))) & 0xff
	b[6] = ((b[6] ?? 0) & 0x0f) | 0x70
	b[8] = ((b[8] ?? 0) & 0x3f) | 0x80
	const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('')
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

window.addEventListener('online', () => share?.reopen())
window.addEventListener('beforeunload', (e) => {
	// Leaving would cut the sound of a call that runs through this tab.
	if (phone.interactionId) e.preventDefault()
})
for (const kind of ['pointerdown', 'keydown'] as const)
	window.addEventListener(kind, () => void unlockSound().then(() => afterEvents()), { once: true, capture: true })

/** What an offer's end means to the one who saw it ring. */
export function endedText(outcome: OfferOutcome, reason: string): string {
	switch (outcome) {
		case OfferOutcome.CANCELLED:
			return t('Caller hung up')
		case OfferOutcome.ELSEWHERE:
			return /\p{Lu}\p{L}+/u.test(reason) ? t('{who} took it', { who: reason }) : t('A colleague took it')
		case OfferOutcome.TIMEOUT:
			return t('Not answered in time')
		case OfferOutcome.REJECTED:
			return t('Rejected. It goes to the next agent.')
		case OfferOutcome.FAILED:
			return t('The phone could not be reached')
		default:
			return t('The offer is over')
	}
}
