import { create } from 'zustand'
import type { User } from '../gen/parley/auth/v1/auth_pb.js'
import { Role } from '../gen/parley/auth/v1/auth_pb.js'
import type { AgentFigures, QueueFigures } from '../gen/parley/report/v1/report_pb.js'
import { emptyWork, type Work } from './model.ts'

export { Role }

/** Who is signed in and what they may do. */
export interface Session {
	phase: 'loading' | 'unreachable' | 'out' | 'password' | 'in'
	user: User | undefined
	sessionId: string
	permissions: Set<string>
	/** The session ended under our hands: sign-in lies over the work. */
	over: boolean
}
export const useSession = create<Session>(() => ({
	phase: 'loading',
	user: undefined,
	sessionId: '',
	permissions: new Set<string>(),
	over: false,
}))

/** "parley.acd.v1.QueueService" and read, edit or delete. */
export function may(permissions: Set<string>, service: string, verb: 'read' | 'edit' | 'delete'): boolean {
	return permissions.has(`${service}.${verb}`) || permissions.has('*')
}
export const isSupervisor = (s: Session): boolean => s.user?.role === Role.SUPERVISOR || s.user?.role === Role.ADMIN
export const mayLive = (s: Session): boolean =>
	isSupervisor(s) && may(s.permissions, 'parley.report.v1.LiveService', 'read')
export const mayHistory = (s: Session): boolean => may(s.permissions, 'parley.report.v1.HistoryService', 'read')
/** Pause, set ready, sign out others. The server's rule for this one act is the role. */
export const maySteer = isSupervisor
export const mayDial = (s: Session): boolean => may(s.permissions, 'parley.voice.v1.CallService', 'edit')

export const useWork = create<Work & { loaded: boolean; known: boolean }>(() => ({
	...emptyWork(),
	/** The first snapshot is here. */
	loaded: false,
	/** This user is an agent. */
	known: false,
}))
export const changeWork = (f: (w: Work) => Work): void =>
	useWork.setState((s) => {
		const next = f(s)
		return next === s ? s : { ...s, ...next }
	})

/** Real-time figures by id; each event replaces one. */
export interface Live {
	queues: Record<string, QueueFigures>
	agents: Record<string, AgentFigures>
	loaded: boolean
}
export const useLive = create<Live>(() => ({ queues: {}, agents: {}, loaded: false }))

/** The browser as a telephone, as the leader tab sees it; other tabs get it from there. */
export interface PhoneState {
	/** Interaction whose sound runs through this browser. */
	connected: string
	attaching: boolean
	failed: string
	muted: boolean
	quality: Quality | undefined
	ringing: boolean
}
export interface Quality {
	level: 'good' | 'fair' | 'poor'
	mos: number
	lossPct: number
	rttMs: number
	cause: 'loss-in' | 'loss-out' | 'delay' | 'jitter' | ''
}
export const idlePhone: PhoneState = {
	connected: '',
	attaching: false,
	failed: '',
	muted: false,
	quality: undefined,
	ringing: false,
}
export const usePhone = create<PhoneState>(() => ({ ...idlePhone }))

/** What this browser remembers of how its user likes the desk. */
export interface Taste {
	theme: 'auto' | 'light' | 'dark'
	density: 'compact' | 'default' | 'comfortable'
	micId: string
	ringerId: string
	device: 'browser' | string
	spoken: 'all' | 'calls' | 'off'
}
const taste0: Taste = { theme: 'auto', density: 'default', micId: '', ringerId: '', device: 'browser', spoken: 'all' }
function keptTaste(): Taste {
	try {
		const kept = JSON.parse(localStorage.getItem('parley.taste') ?? '{}') as Partial<Taste>
		return { ...taste0, ...kept }
	} catch {
		return taste0
	}
}
export const useTaste = create<Taste>(() => keptTaste())
export function setTaste(part: Partial<Taste>): void {
	useTaste.setState(part)
	localStorage.setItem('parley.taste', JSON.stringify(useTaste.getState()))
	if (part.theme) localStorage.setItem('parley.theme', part.theme)
}
