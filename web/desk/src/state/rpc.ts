// Calls to the server. Everything the desk does goes through the clients here; nothing else talks to /api except the event stream
// and the recordings' files.
import { Code, ConnectError, createClient, type Client, type Interceptor, type Transport } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import {
	AgentService,
	PauseReasonService,
	QueueService,
	RoutingService,
	WorkService,
} from '../gen/parley/acd/v1/acd_pb.js'
import { AuthService } from '../gen/parley/auth/v1/auth_pb.js'
import { HistoryService, LiveService } from '../gen/parley/report/v1/report_pb.js'
import { PhoneService } from '../gen/parley/telephony/v1/telephony_pb.js'
import { CallService } from '../gen/parley/voice/v1/voice_pb.js'
import { t } from '../words/i18n.ts'

let onSignedOut = (): void => {}
/** Called when the server says that the session is over. */
export function whenSignedOut(f: () => void): void {
	onSignedOut = f
}
const watchSession: Interceptor = (next) => async (request) => {
	try {
		return await next(request)
	} catch (e) {
		const open = request.method.name === 'Login' || request.method.name === 'GetMe'
		if (!open && ConnectError.from(e).code === Code.Unauthenticated) onSignedOut()
		throw e
	}
}

function clients(transport: Transport) {
	return {
		auth: createClient(AuthService, transport),
		work: createClient(WorkService, transport),
		agents: createClient(AgentService, transport),
		queues: createClient(QueueService, transport),
		pauses: createClient(PauseReasonService, transport),
		routing: createClient(RoutingService, transport),
		calls: createClient(CallService, transport),
		phones: createClient(PhoneService, transport),
		history: createClient(HistoryService, transport),
		live: createClient(LiveService, transport),
	}
}
export type Rpc = ReturnType<typeof clients>
export type CallsClient = Client<typeof CallService>

export let rpc: Rpc = clients(
	createConnectTransport({ baseUrl: '/api', interceptors: [watchSession], defaultTimeoutMs: 15000 }),
)
/** Tests give a transport of their own. */
export function useTransport(transport: Transport): void {
	rpc = clients(transport)
}

/** What happened, in the server's words where it has some, and the code small behind it. */
export function explain(e: unknown): string {
	const error = ConnectError.from(e)
	const code = Code[error.code]?.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase() ?? 'unknown'
	switch (error.code) {
		case Code.Unavailable:
		case Code.DeadlineExceeded:
		case Code.Unknown:
			return t('The server does not answer. Calls go on; try again in a moment. ({code})', { code })
		case Code.PermissionDenied:
			return t('Your role does not allow this. ({code})', { code })
		default:
			return error.rawMessage ? `${sentence(error.rawMessage)} (${code})` : t('That did not work. ({code})', { code })
	}
}
export const codeOf = (e: unknown): Code => ConnectError.from(e).code
export { Code }

function sentence(text: string): string {
	const s = text.charAt(0).toUpperCase() + text.slice(1)
	return /[.?]$/.test(s) ? s : `${s}.`
}
