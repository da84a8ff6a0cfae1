// Every view, filter, tab and open record is in the address: shareable, and restored at reload.
import {
	createRootRoute,
	createRoute,
	createRouter,
	lazyRouteComponent,
	Navigate,
	redirect,
} from '@tanstack/react-router'
import { isWorking } from './state/model.ts'
import { mayHistory, mayLive, useSession, useWork } from './state/stores.ts'
import { DeskPage } from './pages/desk/DeskPage.tsx'
import { Shell } from './shell/Shell.tsx'
import { NoEntry } from './shell/NoEntry.tsx'

const text = (v: unknown): string | undefined =>
	typeof v === 'string' && v ? v.slice(0, 200) : typeof v === 'number' ? String(v) : undefined
const oneOf = <T extends string>(list: readonly T[], v: unknown): T | undefined => list.find((x) => x === v)

export interface DeskSearch {
	/** Chosen work item. */
	item?: string
	tab?: 'call' | 'contact'
}
export const liveFilters = ['limit', 'ready', 'contact', 'paused'] as const
export interface LiveSearch {
	queue?: string
	show?: (typeof liveFilters)[number]
	find?: string
	/** Only agents of the chosen queue. */
	of?: string
}
export const periods = ['today', 'yesterday', '7d', '30d'] as const
export interface HistorySearch {
	period?: (typeof periods)[number]
	queue?: string
	agent?: string
	outcome?: string
	q?: string
	id?: string
	at?: number
}

const root = createRootRoute({ component: Shell, notFoundComponent: () => <Navigate to="/" replace /> })

function Home() {
	const session = useSession()
	const known = useWork((w) => w.known)
	const loaded = useWork((w) => w.loaded)
	const working = useWork((w) => isWorking(w.status))
	if (!loaded) return null
	if (known) return <Navigate to={working ? '/desk' : '/start'} replace />
	if (mayLive(session)) return <Navigate to="/live" replace />
	if (mayHistory(session)) return <Navigate to="/history" replace />
	return <NoEntry />
}
const home = createRoute({ getParentRoute: () => root, path: '/', component: Home })
const start = createRoute({
	getParentRoute: () => root,
	path: '/start',
	component: lazyRouteComponent(() => import('./pages/signin/StartWork.tsx'), 'StartWork'),
})
export const deskRoute = createRoute({
	getParentRoute: () => root,
	path: '/desk',
	validateSearch: (s: Record<string, unknown>): DeskSearch => ({
		item: text(s.item),
		tab: oneOf(['call', 'contact'] as const, s.tab),
	}),
	component: DeskPage,
})
export const liveRoute = createRoute({
	getParentRoute: () => root,
	path: '/live',
	validateSearch: (s: Record<string, unknown>): LiveSearch => ({
		queue: text(s.queue),
		show: oneOf(liveFilters, s.show),
		find: text(s.find),
		of: text(s.of),
	}),
	component: lazyRouteComponent(() => import('./pages/live/LivePage.tsx'), 'LivePage'),
})
export const historyRoute = createRoute({
	getParentRoute: () => root,
	path: '/history',
	validateSearch: (s: Record<string, unknown>): HistorySearch => ({
		period: oneOf(periods, s.period),
		queue: text(s.queue),
		agent: text(s.agent),
		outcome: text(s.outcome),
		q: text(s.q),
		id: text(s.id),
		at: typeof s.at === 'number' && s.at > 0 ? Math.floor(s.at) : undefined,
	}),
	component: lazyRouteComponent(() => import('./pages/history/HistoryPage.tsx'), 'HistoryPage'),
})
/** Deep link to any interaction, for any role that may see it. */
const interaction = createRoute({
	getParentRoute: () => root,
	path: '/i/$id',
	beforeLoad: ({ params }) => {
		throw redirect({ to: '/history', search: { id: params.id }, replace: true })
	},
})

export const router = createRouter({
	routeTree: root.addChildren([home, start, deskRoute, liveRoute, historyRoute, interaction]),
	defaultPreload: 'intent',
})
declare module '@tanstack/react-router' {
	interface Register {
		router: typeof router
	}
}
