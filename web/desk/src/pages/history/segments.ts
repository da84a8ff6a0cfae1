import { type Segment, SegmentKind } from '../../gen/parley/report/v1/report_pb.js'
import { ms } from '../../state/fold.ts'

export interface Part {
	segment: Segment
	from: number
	ms: number
	open: boolean
}

/** All segments in time order; a ring stands after the queue it belongs to. */
export function course(segments: Segment[]): Part[] {
	return segments.map(part).sort((a, b) => a.from - b.from || a.segment.kind - b.segment.kind)
}
function part(segment: Segment): Part {
	const from = ms(segment.startedAt) ?? 0
	const to = ms(segment.endedAt)
	return { segment, from, ms: to === undefined ? 0 : Math.max(0, to - from), open: to === undefined }
}

/** What the customer lived through, side by side: rings lie inside their queue, holds cut the talk they lie in. */
export function strip(segments: Segment[]): Part[] {
	const all = course(segments).filter((p) => p.segment.kind !== SegmentKind.RING)
	const holds = all.filter((p) => p.segment.kind === SegmentKind.HOLD && !p.open)
	const out: Part[] = []
	for (const p of all) {
		if (p.segment.kind !== SegmentKind.TALK || p.open) {
			out.push(p)
			continue
		}
		let from = p.from
		const end = p.from + p.ms
		for (const h of holds) {
			if (h.from < from || h.from + h.ms > end) continue
			if (h.from > from) out.push({ ...p, from, ms: h.from - from })
			from = h.from + h.ms
		}
		if (end > from) out.push({ ...p, from, ms: end - from })
	}
	return out.sort((a, b) => a.from - b.from)
}
