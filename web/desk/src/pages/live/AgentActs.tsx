// A supervisor's acts on an agent: those that exist, by state. Reversible ones happen at once with an undo; signing out asks first.
import { Menu } from '@mantine/core'
import { IconCircleCheck, IconDots, IconHelpCircle, IconLogout, IconPlayerPause } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Layer } from '../../parts/Layer.tsx'
import { useBusy } from '../../shell/busy.ts'
import { AgentState } from '../../state/model.ts'
import { rpc } from '../../state/rpc.ts'
import { may, maySteer, useSession } from '../../state/stores.ts'
import type { AgentRow } from './figures.ts'
import { said } from './undo.tsx'
import { Why } from './Why.tsx'

export function AgentActs({ row }: { row: AgentRow }) {
	const { t } = useTranslation()
	const permissions = useSession((s) => s.permissions)
	const steer = useSession(maySteer)
	const [asking, ask] = useState(false)
	const [why, setWhy] = useState(false)
	const { run } = useBusy()
	const reasons = useQuery({
		queryKey: ['pause-reasons'],
		queryFn: () => rpc.pauses.listPauseReasons({}),
		enabled: may(permissions, 'parley.acd.v1.PauseReasonService', 'read'),
	})
	if (!steer) return null
	const before = { state: row.state, reason: row.status?.pauseReasonId ?? '' }
	const set = (state: AgentState, pauseReasonId = '') =>
		rpc.agents.setAgentState({ agentId: row.id, state, pauseReasonId })
	const act = async (state: AgentState, reason: string, done: string) => {
		if (!(await run(() => set(state, reason)))) return
		const back = before.state === AgentState.READY || before.state === AgentState.PAUSED
		said(`act-${row.id}`, done, back ? () => void run(() => set(before.state, before.reason)) : undefined)
	}
	const list = reasons.data?.pauseReasons ?? []
	return (
		<>
			<Menu position="bottom-end" width={220} classNames={{ dropdown: 'pop', item: 'mi', label: 'ml' }}>
				<Menu.Target>
					<button type="button" className="ib sm" aria-label={t('Acts for {name}', { name: row.name })}>
						<IconDots className="i s16" aria-hidden />
					</button>
				</Menu.Target>
				<Menu.Dropdown>
					{row.state !== AgentState.READY && (
						<Menu.Item
							leftSection={<IconCircleCheck className="i c-ready" aria-hidden />}
							onClick={() => void act(AgentState.READY, '', t('{name} is set to Ready', { name: row.name }))}
						>
							{t('Set Ready')}
						</Menu.Item>
					)}
					{row.state !== AgentState.PAUSED &&
						(list.length ? list : [{ id: '', name: '' }]).map((r) => (
							<Menu.Item
								key={r.id}
								leftSection={<IconPlayerPause className="i c-pause" aria-hidden />}
								onClick={() => void act(AgentState.PAUSED, r.id, t('{name} is paused', { name: row.name }))}
							>
								{r.name ? t('Pause: {reason}', { reason: r.name }) : t('Pause')}
							</Menu.Item>
						))}
					<Menu.Divider />
					<Menu.Item leftSection={<IconHelpCircle className="i i2" aria-hidden />} onClick={() => setWhy(true)}>
						{t('Why no call?')}
					</Menu.Item>
					<Menu.Item leftSection={<IconLogout className="i i2" aria-hidden />} onClick={() => ask(true)}>
						{t('Sign out…')}
					</Menu.Item>
				</Menu.Dropdown>
			</Menu>
			{why && (
				<Why
					title={t('Why {name} gets no call', { name: row.name })}
					ask={async () => (await rpc.routing.explainAgent({ agentId: row.id })).sentences}
					close={() => setWhy(false)}
				/>
			)}
			{asking && (
				<Layer close={() => ask(false)} title={t('Sign out {name}?', { name: row.name })}>
					<p className="i2" style={{ marginBottom: 14 }}>
						{row.state === AgentState.ON_CONTACT
							? t('The call in hand goes on and ends as usual. No more calls are offered after it.')
							: t('No more calls are offered until {name} starts work again.', { name: row.name })}
					</p>
					<div className="row" style={{ justifyContent: 'flex-end' }}>
						<button type="button" className="btn" data-autofocus onClick={() => ask(false)}>
							{t('Keep signed in')}
						</button>
						<button
							type="button"
							className="btn no"
							onClick={() => {
								ask(false)
								void act(AgentState.OFFLINE, '', t('{name} is signed out', { name: row.name }))
							}}
						>
							{t('Sign out')}
						</button>
					</div>
				</Layer>
			)}
		</>
	)
}
