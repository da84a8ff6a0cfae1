import { IconAlertTriangle, IconLock, IconUser } from '@tabler/icons-react'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { openSession, signIn } from '../../state/desk.ts'
import { Code, codeOf, explain } from '../../state/rpc.ts'
import { useSession } from '../../state/stores.ts'
import { Logo } from '../../shell/TopBar.tsx'
import './signin.css'

function SignInForm({ title, fixedName }: { title: string; fixedName?: string }) {
	const { t } = useTranslation()
	const [name, setName] = useState(fixedName ?? '')
	const [password, setPassword] = useState('')
	const [error, setError] = useState('')
	const [busy, setBusy] = useState(false)
	const first = useRef<HTMLInputElement>(null)
	useEffect(() => first.current?.focus(), [])
	const submit = async (e: FormEvent) => {
		e.preventDefault()
		if (busy) return
		setBusy(true)
		setError('')
		try {
			await signIn(name.trim(), password)
		} catch (err) {
			setError(
				codeOf(err) === Code.Unauthenticated
					? t('Name or password is not right. Check both and sign in again.')
					: explain(err),
			)
			setPassword('')
			first.current?.focus()
		} finally {
			setBusy(false)
		}
	}
	return (
		<form className="signin card" onSubmit={(e) => void submit(e)} aria-labelledby="signin-title">
			<span className="c-acc">
				<Logo size={40} />
			</span>
			<h1 className="xl" id="signin-title">
				{title}
			</h1>
			{error && (
				<div className="bn bad" role="alert">
					<IconAlertTriangle className="i s16 c-bad" aria-hidden />
					<span>{error}</span>
				</div>
			)}
			<label className="col g4">
				<span className="lab">{t('User')}</span>
				<span className="field">
					<IconUser className="i s16 i3" aria-hidden />
					<input
						ref={fixedName ? undefined : first}
						value={name}
						onChange={(e) => setName(e.target.value)}
						readOnly={!!fixedName}
						autoComplete="username"
						autoCapitalize="none"
						spellCheck={false}
						required
						name="username"
					/>
				</span>
			</label>
			<label className="col g4">
				<span className="lab">{t('Password')}</span>
				<span className="field">
					<IconLock className="i s16 i3" aria-hidden />
					<input
						ref={fixedName ? first : undefined}
						value={password}
						onChange={(e) => setPassword(e.target.value)}
						type="password"
						autoComplete="current-password"
						required
						name="password"
					/>
				</span>
			</label>
			<button type="submit" className="btn p lg wide" aria-disabled={busy}>
				{busy ? t('Signing in…') : t('Sign in')}
			</button>
		</form>
	)
}

export function SignIn() {
	const { t } = useTranslation()
	return (
		<main className="signpage" id="main">
			<SignInForm title={t('Sign in to Parley')} />
		</main>
	)
}

/** The session ended: sign-in lies over the work, nothing is lost. */
export function SignInOverlay() {
	const { t } = useTranslation()
	const user = useSession((s) => s.user)
	const box = useRef<HTMLDialogElement>(null)
	useEffect(() => {
		box.current?.showModal()
		box.current?.querySelector<HTMLInputElement>('[name=password]')?.focus()
	}, [])
	return (
		<dialog className="signover" ref={box} aria-label={t('Sign in again')} onCancel={(e) => e.preventDefault()}>
			<SignInForm title={t('Sign in again')} fixedName={user?.username} />
			<p className="xs i2">{t('The session ended. Your work is as you left it, calls go on.')}</p>
		</dialog>
	)
}

export function Unreachable() {
	const { t } = useTranslation()
	useEffect(() => {
		const timer = setInterval(() => void openSession(), 3000)
		return () => clearInterval(timer)
	}, [])
	return (
		<main className="signpage" id="main">
			<div className="signin card">
				<span className="c-acc">
					<Logo size={40} />
				</span>
				<h1 className="xl">{t('Parley does not answer')}</h1>
				<p className="i2">{t('Calls that run go on. This page tries again by itself every 3 seconds.')}</p>
				<button type="button" className="btn lg wide" onClick={() => void openSession()}>
					{t('Try now')}
				</button>
			</div>
		</main>
	)
}
