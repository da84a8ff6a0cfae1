// What a supervisor can do for one who waits: give the call to somebody, put it first, ask why it still waits.
import { Menu } from '@mantine/core'
import { IconArrowBarToUp, IconDots, IconHelpCircle, IconUserCheck } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { WaitingItem } from '../../gen/parley/acd/v1/acd_pb.js'
import { StateChip } from '../../parts/parts.tsx'
import { useBusy } from '../../shell/busy.ts'
import { AgentState } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { maySteer, useLive, useSession } from '../../state/stores.ts'
import { Why } from './Why.tsx'
import { said } from './undo.tsx'

interface Props {
	item: WaitingItem
	all: WaitingItem[]
	/** The first in the list has its act as a button, as it is the one most often taken. */
	first: boolean
}

export function WaitingActs({ item, all, first }: Props) {
	const { t } = useTranslation()
	const steer = useSession(maySteer)
	const agents = useLive((l) => l.agents)
	const { run } = useBusy()
	const [why, setWhy] = useState(false)
	if (!steer) return null
	const { interactionId, priority } = item
	const who = item.customerName || item.customerNumber || t('Number withheld')
	const people = Object.values(agents)
		.filter((a) => a.status && a.status.state !== AgentState.OFFLINE)
		.map((a) => ({
			id: a.agentId,
			name: a.agentName,
			state: a.status?.state ?? 0,
			inQueue: a.queueIds.includes(item.queueId),
		}))
		.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
		.slice(0, 12)
	const top = Math.max(...all.map((w) => w.priority))
	const setPriority = (p: number) => rpc.routing.setInteractionPriority({ interactionId, priority: p })
	const assign = async (agentId: string, name: string) => {
		if (await run(() => rpc.routing.assignInteraction({ interactionId, agentId })))
			said(interactionId, t('{who} goes to {name}', { who, name }))
	}
	const putFirst = async () => {
		if (await run(() => setPriority(top + 1)))
			said(interactionId, t('{who} is first now', { who }), () => void run(() => setPriority(priority)))
	}
	return (
		<>
			<Menu position="bottom-end" width={264} classNames={{ dropdown: 'pop', item: 'mi', label: 'ml' }}>
				<Menu.Target>
					{first ? (
						<button type="button" className="btn sm">
							<IconUserCheck className="i" aria-hidden />
							{t('Assign')}
						</button>
					) : (
						<button type="button" className="ib sm" aria-label={t('Acts for {name}', { name: who })}>
							<IconDots className="i s16" aria-hidden />
						</button>
					)}
				</Menu.Target>
				<Menu.Dropdown className="scrolling">
					<Menu.Label>{t('Assign to')}</Menu.Label>
					{people.map((a) => (
						<Menu.Item
							key={a.id}
							rightSection={<StateChip state={a.state} />}
							onClick={() => void assign(a.id, a.name)}
						>
							{a.name}
						</Menu.Item>
					))}
					{!people.length && <Menu.Item disabled>{t('Nobody is signed in')}</Menu.Item>}
					<Menu.Divider />
					{all.length > 1 && !first && (
						<Menu.Item leftSection={<IconArrowBarToUp className="i i2" aria-hidden />} onClick={() => void putFirst()}>
							{t('Put first')}
						</Menu.Item>
					)}
					<Menu.Item leftSection={<IconHelpCircle className="i i2" aria-hidden />} onClick={() => setWhy(true)}>
						{t('Why does it wait?')}
					</Menu.Item>
				</Menu.Dropdown>
			</Menu>
			{why && (
				<Why
					title={t('Why {who} waits', { who })}
					ask={async () => (await rpc.routing.explainInteraction({ interactionId })).sentences}
					close={() => setWhy(false)}
				/>
			)}
		</>
	)
}

/** Ready members of the queue first, then other members, then the rest. */
function rank(a: { state: AgentState; inQueue: boolean }): number {
	return (a.inQueue ? 0 : 2) + (a.state === AgentState.READY ? 0 : 1)
}
