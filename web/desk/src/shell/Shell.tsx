import { IconActivity, IconHeadset, IconHistory, type Icon } from '@tabler/icons-react'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { liveCall } from '../state/model.ts'
import { mayHistory, mayLive, useSession, useWork } from '../state/stores.ts'
import { Since, Who } from '../parts/parts.tsx'
import { Banner } from './Banner.tsx'
import { useKeys } from './keys.ts'
import { openSearch, useSearch } from './search.ts'
import { TopBar } from './TopBar.tsx'
import { SignInOverlay } from '../pages/signin/SignIn.tsx'

const Search = lazy(() => import('./Search.tsx'))
const KeyList = lazy(() => import('./KeyList.tsx'))

interface Entry {
	to: '/desk' | '/live' | '/history'
	word: string
	Icon: Icon
}
export function useEntries(): Entry[] {
	const session = useSession()
	const known = useWork((w) => w.known)
	const all: (Entry | false)[] = [
		known && { to: '/desk', word: 'Desk', Icon: IconHeadset },
		mayLive(session) && { to: '/live', word: 'Live', Icon: IconActivity },
		mayHistory(session) && { to: '/history', word: 'History', Icon: IconHistory },
	]
	return all.filter((e): e is Entry => !!e)
}

function Rail({ className }: { className: string }) {
	const { t } = useTranslation()
	return (
		<nav className={className} aria-label={t('Main')}>
			{useEntries().map(({ to, word, Icon }) => (
				<Link key={to} to={to} activeProps={{ 'aria-current': 'page', className: 'on' }}>
					<Icon className="i" aria-hidden />
					{t(word)}
				</Link>
			))}
		</nav>
	)
}

/** On a phone, away from the desk: the call stays in hand. */
function ReturnStrip() {
	const { t } = useTranslation()
	const call = useWork((w) => liveCall(w))
	const path = useRouterState({ select: (s) => s.location.pathname })
	if (!call || path === '/desk') return null
	return (
		<Link to="/desk" className="strip narrow-only">
			<IconHeadset className="i s16" aria-hidden />
			<span className="el sp">
				{t('Back to the call with')} <Who name={call.name} number={call.number} />
			</span>
			{call.answeredAt && <Since at={call.answeredAt} padded />}
		</Link>
	)
}

const regions = ['.rail', '.work', '.center', '.ctx', 'main']
function nextRegion(): void {
	const there = regions
		.map((r) => document.querySelector<HTMLElement>(r))
		.filter((e): e is HTMLElement => !!e?.offsetParent)
	const at = there.findIndex((e) => e.contains(document.activeElement))
	const next = there[(at + 1) % there.length]
	if (!next) return
	const inside = next.querySelector<HTMLElement>('a[href],button:not(:disabled),input,[tabindex="0"]')
	;(inside ?? next).focus()
}

export function Shell() {
	const { t } = useTranslation()
	const [keys, setKeys] = useState(false)
	const wanted = useSearch((s) => s.wanted)
	const over = useSession((s) => s.over)
	const path = useRouterState({ select: (s) => s.location.pathname })
	const go = useNavigate()
	const entries = useEntries()
	const loaded = useWork((w) => w.loaded)
	useKeys([
		{ key: 'Ctrl+K', name: t('Search and commands'), run: openSearch },
		{ key: 'Ctrl+.', name: t('Next region'), run: nextRegion },
		{ key: '?', name: t('Keys of this page'), run: () => setKeys(true) },
	])
	// A page that this role may not open leads to its home.
	useEffect(() => {
		if (!loaded || !entries.length || path === '/' || path === '/start' || path.startsWith('/i/')) return
		if (!entries.some((e) => path.startsWith(e.to))) void go({ to: entries[0]!.to, replace: true })
	}, [loaded, entries, path, go])
	return (
		<div className="app">
			<a className="skip" href="#main">
				{t('Skip to the page')}
			</a>
			<TopBar />
			<Rail className="rail" />
			<div className="page col">
				<Banner />
				<Outlet />
			</div>
			<ReturnStrip />
			<Rail className="tabbar" />
			{wanted > 0 && (
				<Suspense fallback={null}>
					<Search />
				</Suspense>
			)}
			{keys && (
				<Suspense fallback={null}>
					<KeyList close={() => setKeys(false)} />
				</Suspense>
			)}
			{over && <SignInOverlay />}
		</div>
	)
}
