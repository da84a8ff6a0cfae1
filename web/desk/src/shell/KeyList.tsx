import { useTranslation } from 'react-i18next'
import { Layer } from '../parts/Layer.tsx'
import { activeKeys, ctrl } from './keys.ts'

export default function KeyList({ close }: { close: () => void }) {
	const { t } = useTranslation()
	const acts = activeKeys().filter((a) => a.name)
	return (
		<Layer close={close} title={t('Keys of this page')}>
			<dl className="dl keys">
				{acts.map((a) => (
					<div key={a.key} style={{ display: 'contents' }}>
						<dt>
							<kbd className="kbd">{a.key.replace('Ctrl', ctrl).replaceAll('+', ' ')}</kbd>
						</dt>
						<dd>{a.name}</dd>
					</div>
				))}
			</dl>
		</Layer>
	)
}
