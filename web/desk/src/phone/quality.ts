// Line quality as a person hears it, from what WebRTC counts: the E-model of ITU-T G.107, with the usual short form for delay
// (G.107 7.4) and for loss with Opus' concealment (Bpl 20).
import type { Quality } from '../state/stores.ts'

/** Counters since the start of the connection; lossOut is the share the far side missed lately. */
export interface Sample {
	received: number
	lost: number
	jitterMs: number
	rttMs: number
	lossOut: number
}

export function judge(before: Sample, now: Sample): Quality {
	const received = Math.max(0, now.received - before.received)
	const lost = Math.max(0, now.lost - before.lost)
	const lossIn = received + lost ? lost / (received + lost) : 0
	const loss = Math.max(lossIn, now.lossOut)
	// One way, plus what the jitter buffer adds.
	const delay = now.rttMs / 2 + 2 * now.jitterMs + 20
	const r =
		93.2 - (0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0)) - 95 * ((loss * 100) / (loss * 100 + 20))
	const mos = mosOf(r)
	const level = mos >= 4 ? 'good' : mos >= 3.4 ? 'fair' : 'poor'
	return { level, mos, lossPct: loss * 100, rttMs: now.rttMs, cause: level === 'good' ? '' : cause(lossIn, now) }
}

/** ITU-T G.107 annex B. */
function mosOf(r: number): number {
	if (r <= 0) return 1
	if (r >= 100) return 4.5
	return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6
}

function cause(lossIn: number, s: Sample): Quality['cause'] {
	if (Math.max(lossIn, s.lossOut) > 0.01) return lossIn >= s.lossOut ? 'loss-in' : 'loss-out'
	return s.jitterMs > 40 ? 'jitter' : 'delay'
}
