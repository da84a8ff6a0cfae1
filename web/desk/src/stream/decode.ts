// From the text of the event stream to messages. What this build does not know is skipped: an older desk lives with a newer server.
import { createRegistry, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf'
import { file_parley_acd_v1_acd } from '../gen/parley/acd/v1/acd_pb.js'
import { file_parley_auth_v1_auth } from '../gen/parley/auth/v1/auth_pb.js'
import { file_parley_report_v1_report } from '../gen/parley/report/v1/report_pb.js'
import { file_parley_telephony_v1_telephony } from '../gen/parley/telephony/v1/telephony_pb.js'
import { file_parley_voice_v1_voice } from '../gen/parley/voice/v1/voice_pb.js'

const registry = createRegistry(
	file_parley_acd_v1_acd,
	file_parley_auth_v1_auth,
	file_parley_report_v1_report,
	file_parley_telephony_v1_telephony,
	file_parley_voice_v1_voice,
)

/** One SSE message as the leader tab hands it on. */
export interface Frame {
	name: 'ledger' | 'rt' | 'beat' | 'reload'
	id: string
	data: string
}

/** The message in a ledger or rt frame; undefined for a type we do not know or text that does not parse. */
export function decode(frame: Frame): Message | undefined {
	try {
		const body = JSON.parse(frame.data) as { type?: string; event?: JsonValue }
		const schema = registry.getMessage(body.type ?? '')
		return schema && fromJson(schema, body.event ?? {}, { ignoreUnknownFields: true, registry })
	} catch {
		return undefined
	}
}

/** Server time of a beat in ms: a JSON object with "time", a string, or a number of ms. */
export function beatTime(data: string): number | undefined {
	let v: unknown = data.trim()
	try {
		v = JSON.parse(data)
	} catch {
		// plain text
	}
	if (v && typeof v === 'object') v = (v as Record<string, unknown>).time ?? (v as Record<string, unknown>).now
	if (typeof v === 'number') return v > 1e14 ? v / 1000 : v
	if (typeof v !== 'string') return undefined
	const parsed = /^\d+$/.test(v) ? Number(v) : Date.parse(v)
	return Number.isFinite(parsed) ? (parsed > 1e14 ? parsed / 1000 : parsed) : undefined
}
