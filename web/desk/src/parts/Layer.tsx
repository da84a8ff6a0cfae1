// A dialog over the page: the kit's, in our dress.
import { Modal } from '@mantine/core'
import '@mantine/core/styles/Overlay.css'
import '@mantine/core/styles/ModalBase.css'
import '@mantine/core/styles/Modal.css'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'

export function Layer({ title, close, children }: { title: string; close: () => void; children: ReactNode }) {
	const { t } = useTranslation()
	return (
		<Modal
			opened
			onClose={close}
			size={440}
			title={title}
			classNames={{ content: 'md-content' }}
			closeButtonProps={{ 'aria-label': t('Close') }}
		>
			{children}
		</Modal>
	)
}
