import { IconInfoCircle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../parts/parts.tsx'

export function NoEntry() {
	const { t } = useTranslation()
	return (
		<main id="main" style={{ padding: 24, maxWidth: 560 }}>
			<Empty
				Icon={IconInfoCircle}
				look="busy"
				title={t('Nothing is open to you yet')}
				text={t('Ask the people who administer Parley to add you to a queue or to give you a role.')}
			/>
		</main>
	)
}
