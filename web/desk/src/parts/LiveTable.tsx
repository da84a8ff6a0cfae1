// A table whose figures live. Order is frozen while the pointer or the focus is in it, and for 5 s after a click (design 6.5): nothing
// moves under a hand. Values change in place. A row that vanished stays greyed for 3 s.
import { IconArrowsSort } from '@tabler/icons-react'
import { type ColumnDef, flexRender, tableFeatures, useTable } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import {
	type CSSProperties,
	type PointerEvent,
	type ReactNode,
	useEffect,
	useMemo,
	useReducer,
	useRef,
	useState,
} from 'react'
import { useTranslation } from 'react-i18next'
import { afterClickMs, arrange, type Order, vanishMs } from './freeze.ts'

export interface Column<T> {
	id: string
	title: string
	right?: boolean
	width?: number | string
	cell: (row: T) => ReactNode
	/** Not for narrow screens. */
	wide?: boolean
}
export interface LiveTableProps<T> {
	label: string
	/** What stands above the table; it finds a place for the chip that says the order has changed. */
	head: (changed: ReactNode) => ReactNode
	columns: Column<T>[]
	/** In the order they should have. */
	rows: T[]
	keyOf: (row: T) => string
	look?: (row: T) => string
	selected?: string
	onPick?: (row: T) => void
	empty: ReactNode
	rowHeight: number
	className?: string
}

const features = tableFeatures({})
const virtualFrom = 100

export function LiveTable<T extends object>(p: LiveTableProps<T>) {
	const { t } = useTranslation()
	const box = useRef<HTMLDivElement>(null)
	const [inside, setInside] = useState({ pointer: false, focus: false })
	const [clickedAt, setClickedAt] = useState(0)
	const [, redraw] = useReducer((n: number) => n + 1, 0)
	const kept = useRef<Order<T>>({ keys: [], rows: new Map(), gone: new Map(), changed: false })
	const now = performance.now()
	const frozen = inside.pointer || inside.focus || now - clickedAt < afterClickMs

	// Written during drawing on purpose: the order shown is a fold of what was shown before and what comes now.
	const order = useMemo(() => {
		kept.current = arrange(kept.current, p.rows, p.keyOf, frozen, now)
		return kept.current
		// `now` only matters together with the others.
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, [p.rows, p.keyOf, frozen])

	useEffect(() => {
		const waits: number[] = []
		if (clickedAt && now - clickedAt < afterClickMs) waits.push(afterClickMs - (now - clickedAt))
		for (const at of order.gone.values()) waits.push(vanishMs - (now - at))
		if (!waits.length) return
		const timer = setTimeout(
			() => {
				kept.current = arrange(kept.current, p.rows, p.keyOf, inside.pointer || inside.focus, performance.now())
				redraw()
			},
			Math.max(50, Math.min(...waits)),
		)
		return () => clearTimeout(timer)
	})

	const shown = kept.current
	const data = useMemo(() => shown.keys.map((k) => shown.rows.get(k)).filter((r): r is T => !!r), [shown])
	const columns = useMemo<ColumnDef<typeof features, T>[]>(
		() => p.columns.map((c) => ({ id: c.id, header: c.title, cell: ({ row }) => c.cell(row.original) })),
		[p.columns],
	)
	const table = useTable({ features, data, columns, getRowId: p.keyOf })
	const rows = table.getRowModel().rows
	const virtual = useVirtualizer({
		count: rows.length,
		getScrollElement: () => box.current,
		estimateSize: () => p.rowHeight,
		overscan: 12,
		enabled: rows.length > virtualFrom,
	})
	const window = rows.length > virtualFrom ? virtual.getVirtualItems().map((v) => v.index) : rows.map((_, i) => i)
	const before = rows.length > virtualFrom ? (virtual.getVirtualItems()[0]?.start ?? 0) : 0
	const after = rows.length > virtualFrom ? virtual.getTotalSize() - before - window.length * p.rowHeight : 0
	const byId = new Map(p.columns.map((c) => [c.id, c]))

	const changed = frozen && shown.changed && (
		<button
			type="button"
			className="chip acc"
			onClick={() => {
				kept.current = arrange(kept.current, p.rows, p.keyOf, false, performance.now())
				redraw()
			}}
		>
			<IconArrowsSort className="i" aria-hidden />
			{t('order changed')}
		</button>
	)
	const hand = {
		onPointerEnter: (e: PointerEvent) => e.pointerType !== 'touch' && setInside((s) => ({ ...s, pointer: true })),
		onPointerLeave: () => setInside((s) => ({ ...s, pointer: false })),
	}
	if (!rows.length)
		return (
			<>
				{p.head(null)}
				{p.empty}
			</>
		)
	return (
		<div className="ltbox" {...hand}>
			{p.head(changed)}
			<div
				className={`lt ${p.className ?? ''}`}
				ref={box}
				style={{ ['--row' as string]: `${p.rowHeight}px` } as CSSProperties}
				onFocus={() => setInside((s) => ({ ...s, focus: true }))}
				onBlur={(e) => !e.currentTarget.contains(e.relatedTarget) && setInside((s) => ({ ...s, focus: false }))}
				onPointerDown={() => setClickedAt(performance.now())}
			>
				<table className="t" aria-label={p.label} aria-rowcount={rows.length + 1}>
					<thead>
						<tr>
							{p.columns.map((c) => (
								<th
									key={c.id}
									scope="col"
									className={`${c.right ? 'r' : ''}${c.wide ? ' wide-only' : ''}`}
									style={{ width: c.width }}
								>
									{c.title || <span className="hid">{c.id}</span>}
								</th>
							))}
						</tr>
					</thead>
					<tbody>
						{before > 0 && <tr aria-hidden style={{ height: before }} />}
						{window.map((index) => {
							const row = rows[index]
							if (!row) return null
							const gone = shown.gone.has(row.id)
							const sel = p.selected === row.id
							return (
								<tr
									key={row.id}
									aria-rowindex={index + 2}
									aria-selected={p.onPick ? sel : undefined}
									className={`${sel ? 'sel ' : ''}${gone ? 'gone ' : ''}${p.onPick ? 'pickrow ' : ''}${p.look?.(row.original) ?? ''}`}
									onClick={p.onPick && !gone ? () => p.onPick?.(row.original) : undefined}
								>
									{row.getAllCells().map((cell) => {
										const c = byId.get(cell.column.id)
										return (
											<td key={cell.id} className={`${c?.right ? 'r' : ''}${c?.wide ? ' wide-only' : ''}`}>
												{flexRender(cell.column.columnDef.cell, cell.getContext())}
											</td>
										)
									})}
								</tr>
							)
						})}
						{after > 0 && <tr aria-hidden style={{ height: after }} />}
					</tbody>
				</table>
			</div>
		</div>
	)
}
