import { Popover } from '@mantine/core'
import {
	IconActivity,
	IconLock,
	IconLogout,
	IconPhone,
	IconSearch,
	IconWifi,
	IconWifi1,
	IconWifi2,
} from '@tabler/icons-react'
import { Link, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Avatar } from '../parts/parts.tsx'
import { signOut } from '../state/desk.ts'
import { Channel, isLive, isWorking } from '../state/model.ts'
import { setTaste, useLive, usePhone, useSession, useTaste, useWork } from '../state/stores.ts'
import { decimal, initials, pct, timeS } from '../words/format.ts'
import { useLink } from '../stream/link.ts'
import { ctrl } from './keys.ts'
import { openSearch } from './search.ts'
import { StatePicker } from './StatePicker.tsx'
import { useSecond } from '../state/clock.ts'

const PasswordLayer = lazy(() => import('../pages/signin/Password.tsx'))

export function Logo({ size = 28 }: { size?: number }) {
	return (
		<svg width={size} height={size} viewBox="0 0 28 28" fill="none" aria-hidden>
			<path d="M4 9a5 5 0 0 1 5-5h7a5 5 0 0 1 5 5v3a5 5 0 0 1-5 5h-4l-4 4v-4.2A5 5 0 0 1 4 12Z" fill="currentColor" />
			<path
				d="M23.2 10.6A5 5 0 0 1 25 14.4v2.2a5 5 0 0 1-4 4.9V25l-3.6-3.4h-3.6"
				stroke="currentColor"
				strokeWidth="2"
				strokeLinecap="round"
				strokeLinejoin="round"
			/>
		</svg>
	)
}

export function LineQuality() {
	const { t } = useTranslation()
	const q = usePhone((p) => p.quality)
	if (!q) return null
	const [Icon, look, word] =
		q.level === 'good'
			? ([IconWifi, 'c-ready', t('Line good')] as const)
			: q.level === 'fair'
				? ([IconWifi2, 'c-pause', t('Line fair')] as const)
				: ([IconWifi1, 'c-bad', t('Line poor')] as const)
	const why = {
		'': '',
		'loss-in': t('{share} of the sound to you is lost', { share: pct(q.lossPct / 100) }),
		'loss-out': t('{share} of your sound is lost', { share: pct(q.lossPct / 100) }),
		delay: t('the way takes {ms} ms', { ms: Math.round(q.rttMs) }),
		jitter: t('sound arrives unevenly'),
	}[q.cause]
	return (
		<span className="row g6 xs i2 nw linequality">
			<Icon className={`i s16 ${look}`} aria-hidden />
			<span>{word}</span>
			<span className="i3 num">{why || `MOS ${decimal(q.mos)}`}</span>
		</span>
	)
}

function Capacity() {
	const { t } = useTranslation()
	const agent = useWork((w) => w.agent)
	const status = useWork((w) => w.status)
	const used = useWork((w) => w.order.filter((id) => w.items[id] && isLive(w.items[id])).length)
	if (!agent || !isWorking(status)) return null
	const max = agent.capacities.find((c) => c.channel === Channel.VOICE)?.max ?? 1
	return (
		<span className="row g4 xs i2 nw capacity" title={t('Calls in hand, of as many as you take at once')}>
			<IconPhone className="i s14" aria-hidden />
			<b className="m num">
				{used}/{max}
			</b>
			<span className="hid">{t('calls in hand')}</span>
		</span>
	)
}

/** On the Live page: that figures are fresh, by the server's clock. */
function LiveClock() {
	const { t } = useTranslation()
	const now = useSecond()
	const at = useLink((l) => l.figuresAt)
	const loaded = useLive((l) => l.loaded)
	const path = useRouterState({ select: (s) => s.location.pathname })
	if (path !== '/live' || !loaded || at === undefined) return null
	const stopped = now - at > 8000
	return (
		<span className="row g6 xs i2 nw">
			<IconActivity className={`i s16 ${stopped ? 'c-pause' : 'c-ready'}`} aria-hidden />
			{stopped ? t('Stopped') : t('Live')} · <span className="num">{timeS(stopped ? at : now)}</span>
		</span>
	)
}

interface ChoiceProps<T extends string> {
	label: string
	value: T
	set: (value: T) => void
	data: [T, string][]
}
function Choice<T extends string>({ label, value, set, data }: ChoiceProps<T>) {
	return (
		<div className="seg s fill" role="radiogroup" aria-label={label}>
			{data.map(([v, word]) => (
				<button type="button" role="radio" key={v} aria-checked={v === value} onClick={() => set(v)}>
					{word}
				</button>
			))}
		</div>
	)
}

export function UserMenu() {
	const { t } = useTranslation()
	const user = useSession((s) => s.user)
	const taste = useTaste()
	const name = user?.fullName || user?.username || ''
	const [opened, setOpened] = useState(false)
	const [password, setPassword] = useState(false)
	return (
		<>
			<Popover
				opened={opened}
				onChange={setOpened}
				position="bottom-end"
				width={264}
				classNames={{ dropdown: 'pop' }}
				trapFocus
				returnFocus
			>
				<Popover.Target>
					<button
						type="button"
						className="avb"
						onClick={() => setOpened((o) => !o)}
						aria-label={`${initials(name)}, ${name}`}
					>
						<Avatar name={name} />
					</button>
				</Popover.Target>
				<Popover.Dropdown aria-label={t('Your settings')}>
					<div className="col" style={{ padding: '6px 10px 8px' }}>
						<b>{name}</b>
						<span className="xs i3">{user?.username}</span>
					</div>
					<hr className="cut" />
					<div className="ml">{t('Theme')}</div>
					<div style={{ padding: '0 8px 6px' }}>
						<Choice
							label={t('Theme')}
							value={taste.theme}
							set={(theme) => setTaste({ theme })}
							data={[
								['auto', t('System')],
								['light', t('Light')],
								['dark', t('Dark')],
							]}
						/>
					</div>
					<div className="ml">{t('Rows')}</div>
					<div style={{ padding: '0 8px 6px' }}>
						<Choice
							label={t('Rows')}
							value={taste.density}
							set={(density) => setTaste({ density })}
							data={[
								['compact', t('Compact')],
								['default', t('Default')],
								['comfortable', t('Roomy')],
							]}
						/>
					</div>
					<div className="ml">{t('Announce to screen readers')}</div>
					<div style={{ padding: '0 8px 6px' }}>
						<Choice
							label={t('Announce to screen readers')}
							value={taste.spoken}
							set={(spoken) => setTaste({ spoken })}
							data={[
								['all', t('All')],
								['calls', t('Calls only')],
								['off', t('Off')],
							]}
						/>
					</div>
					<hr className="cut" />
					<button type="button" className="mi row wide" onClick={() => (setOpened(false), setPassword(true))}>
						<IconLock className="i i2" aria-hidden />
						{t('Change password')}
					</button>
					<button type="button" className="mi row wide" onClick={() => void signOut()}>
						<IconLogout className="i i2" aria-hidden />
						{t('Sign out')}
					</button>
				</Popover.Dropdown>
			</Popover>
			{password && (
				<Suspense fallback={null}>
					<PasswordLayer close={() => setPassword(false)} />
				</Suspense>
			)}
		</>
	)
}

export function TopBar() {
	const { t } = useTranslation()
	const known = useWork((w) => w.known)
	return (
		<header className="top">
			<Link to="/" className="logo" aria-label={t('Parley, home')}>
				<Logo />
			</Link>
			<button type="button" className="search" onClick={openSearch} aria-keyshortcuts="Control+K">
				<IconSearch className="i s16" aria-hidden />
				<span className="sp el">{t('Search people, numbers or type a command')}</span>
				<kbd className="kbd">{ctrl} K</kbd>
			</button>
			<span className="sp" />
			<LiveClock />
			<LineQuality />
			{known && (
				<>
					<Capacity />
					<StatePicker />
				</>
			)}
			<UserMenu />
		</header>
	)
}
