import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Layer } from '../../parts/Layer.tsx'
import { Failed, Loading } from '../../parts/parts.tsx'
import { explain } from '../../state/rpc.ts'

/** The router's own words for what it did or did not do. */
export function Why({ title, ask, close }: { title: string; ask: () => Promise<string[]>; close: () => void }) {
	const { t } = useTranslation()
	const answer = useQuery({ queryKey: ['why', title], queryFn: ask, staleTime: 0, gcTime: 0 })
	return (
		<Layer title={title} close={close}>
			{answer.isPending ? (
				<Loading rows={1} />
			) : answer.isError ? (
				<Failed title={t('There is no answer')} text={explain(answer.error)} />
			) : (
				<ul className="why">
					{answer.data.map((s) => (
						<li key={s}>{s}</li>
					))}
					{!answer.data.length && <li className="i3">{t('Nothing is known about it.')}</li>}
				</ul>
			)}
		</Layer>
	)
}
