// A new password: by the user's own wish, or because the first one must be changed.
import { IconAlertTriangle, IconCircleCheck, IconLock } from '@tabler/icons-react'
import { type FormEvent, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Layer } from '../../parts/Layer.tsx'
import { Logo } from '../../shell/TopBar.tsx'
import { changePassword, signOut } from '../../state/desk.ts'
import { Code, codeOf, explain } from '../../state/rpc.ts'
import { useSession } from '../../state/stores.ts'
import './signin.css'

function Field({
	label,
	name,
	value,
	set,
	hint,
	bad,
}: {
	label: string
	name: string
	value: string
	set: (v: string) => void
	hint?: string
	bad?: boolean
}) {
	return (
		<label className="col g4">
			<span className="lab">{label}</span>
			<span className={`field${bad ? ' err' : ''}`}>
				<IconLock className="i s16 i3" aria-hidden />
				<input
					type="password"
					name={name}
					value={value}
					onChange={(e) => set(e.target.value)}
					autoComplete={name === 'old' ? 'current-password' : 'new-password'}
					aria-invalid={bad}
					required
				/>
			</span>
			{hint && <span className={`xs ${bad ? 'c-bad' : 'i3'}`}>{hint}</span>}
		</label>
	)
}

function PasswordForm({ done }: { done: () => void }) {
	const { t } = useTranslation()
	const [old, setOld] = useState('')
	const [fresh, setFresh] = useState('')
	const [again, setAgain] = useState('')
	const [error, setError] = useState('')
	const busy = useRef(false)
	const differs = again !== '' && !fresh.startsWith(again) && again !== fresh
	const submit = async (e: FormEvent) => {
		e.preventDefault()
		if (busy.current) return
		if (fresh !== again) return setError(t('The two new passwords differ.'))
		busy.current = true
		try {
			await changePassword(old, fresh)
			done()
		} catch (err) {
			setError(codeOf(err) === Code.Unauthenticated ? t('The present password is not right.') : explain(err))
		} finally {
			busy.current = false
		}
	}
	return (
		<form className="col g12" onSubmit={(e) => void submit(e)}>
			{error && (
				<div className="bn bad" role="alert">
					<IconAlertTriangle className="i s16 c-bad" aria-hidden />
					<span>{error}</span>
				</div>
			)}
			<Field label={t('Present password')} name="old" value={old} set={setOld} />
			<Field label={t('New password')} name="new" value={fresh} set={setFresh} />
			<Field
				label={t('New password again')}
				name="again"
				value={again}
				set={setAgain}
				bad={differs}
				hint={differs ? t('The two new passwords differ.') : undefined}
			/>
			<button type="submit" className="btn p lg wide">
				{t('Change password')}
			</button>
		</form>
	)
}

export function PasswordPage() {
	const { t } = useTranslation()
	const user = useSession((s) => s.user)
	return (
		<main className="signpage" id="main">
			<div className="signin card">
				<span className="c-acc">
					<Logo size={40} />
				</span>
				<div className="col g4">
					<h1 className="xl">{t('Choose a password of your own')}</h1>
					<p className="i2">
						{t('{name}, the first one was set by somebody else.', { name: user?.fullName || user?.username })}
					</p>
				</div>
				<PasswordForm done={() => {}} />
				<button type="button" className="btn g" onClick={() => void signOut()}>
					{t('Sign out')}
				</button>
			</div>
		</main>
	)
}

export default function PasswordLayer({ close }: { close: () => void }) {
	const { t } = useTranslation()
	const [done, setDone] = useState(false)
	return (
		<Layer title={t('Change password')} close={close}>
			{done ? (
				<p className="bn ready" role="status">
					<IconCircleCheck className="i c-ready" aria-hidden />
					{t('Changed. Your other sessions are signed out.')}
				</p>
			) : (
				<PasswordForm done={() => setDone(true)} />
			)}
		</Layer>
	)
}
