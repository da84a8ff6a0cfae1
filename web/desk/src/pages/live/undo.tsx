// A reversible act is done at once; the toast that says so takes it back for 10 s.
import { notifications } from '@mantine/notifications'
import { IconCircleCheck } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { sayLater } from '../../state/say.ts'

const undoMs = 10_000

export function said(id: string, text: string, undo?: () => void): void {
	sayLater(text)
	notifications.hide(id)
	notifications.show({
		id,
		withCloseButton: !undo,
		autoClose: undoMs,
		message: <Said text={text} undo={undo && (() => (notifications.hide(id), undo()))} />,
	})
}

function Said({ text, undo }: { text: string; undo: (() => void) | undefined }) {
	const { t } = useTranslation()
	const [end] = useState(() => performance.now() + undoMs)
	const [left, setLeft] = useState(undoMs / 1000)
	useEffect(() => {
		const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000))), 250)
		return () => clearInterval(timer)
	}, [end])
	return (
		<span className="row g12">
			<IconCircleCheck className="i s16" aria-hidden />
			<span className="sp">{text}</span>
			{undo && (
				<button type="button" className="toast-act" onClick={undo}>
					{t('Undo')} <span className="num">{t('{n} s', { n: left })}</span>
				</button>
			)}
		</span>
	)
}
