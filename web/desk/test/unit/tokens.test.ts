import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const css = readFileSync(join(import.meta.dirname, '../../src/theme/tokens.css'), 'utf8')
type Theme = Record<string, string>
const blocks = css
	.split('}')
	.map((b) => Object.fromEntries([...b.matchAll(/--([\w-]+):\s*(#[0-9A-Fa-f]{6})/g)].map((m) => [m[1]!, m[2]!])))
const themes: Record<string, Theme> = { light: blocks[0]!, dark: blocks[1]! }

const rgb = (hex: string) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255)
const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
const luminance = (hex: string) => {
	const [r, g, b] = rgb(hex).map(linear)
	return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}
const contrast = (a: string, b: string) => {
	const [x, y] = [luminance(a), luminance(b)]
	return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}
// Machado, Oliveira, Fernandes 2009, full strength; distance CIE76.
const eyes: Record<string, number[][]> = {
	protan: [
		[0.152286, 1.052583, -0.204868],
		[0.114503, 0.786281, 0.099216],
		[-0.003882, -0.048116, 1.051998],
	],
	deutan: [
		[0.367322, 0.860646, -0.227968],
		[0.280085, 0.672501, 0.047413],
		[-0.01182, 0.04294, 0.968881],
	],
	tritan: [
		[1.255528, -0.076749, -0.178779],
		[-0.078411, 0.930809, 0.147602],
		[0.004733, 0.691367, 0.3039],
	],
}
function lab(hex: string, eye: number[][]): number[] {
	const v = rgb(hex).map(linear)
	const [r, g, b] = eye.map((row) => Math.min(1, Math.max(0, row[0]! * v[0]! + row[1]! * v[1]! + row[2]! * v[2]!)))
	const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116)
	const x = (0.4124 * r! + 0.3576 * g! + 0.1805 * b!) / 0.95047
	const y = 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
	const z = (0.0193 * r! + 0.1192 * g! + 0.9505 * b!) / 1.08883
	return [116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))]
}
const states = ['ready', 'busy', 'wrap', 'pause', 'off', 'bad']

describe.each(Object.entries(themes))('colours of the %s theme', (_, t) => {
	it('text reads on the surface: at least 4.5 to 1', () => {
		for (const role of ['ink', 'ink2', 'ink3', 'accent', ...states])
			expect(contrast(t[role]!, t.surface!), role).toBeGreaterThanOrEqual(4.5)
	})
	it('a state reads on its own tint', () => {
		for (const s of [...states, 'accent']) expect(contrast(t[s]!, t[`${s}-bg`]!), s).toBeGreaterThanOrEqual(4.5)
	})
	it('what is on filled buttons reads', () => {
		for (const b of ['accent', 'accept', 'danger'])
			expect(contrast(t[b]!, t[`on-${b}`]!), b).toBeGreaterThanOrEqual(4.5)
	})
	it('edges of inputs are seen: at least 3 to 1', () => {
		for (const on of ['surface', 'canvas']) expect(contrast(t.control!, t[on]!), on).toBeGreaterThanOrEqual(3)
	})
	it('state fills differ for colour-blind eyes', () => {
		for (const [eye, m] of Object.entries(eyes))
			for (let i = 0; i < states.length; i++)
				for (let j = i + 1; j < states.length; j++) {
					const [a, b] = [lab(t[`f-${states[i]}`]!, m), lab(t[`f-${states[j]}`]!, m)]
					const d = Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!, a[2]! - b[2]!)
					expect(d, `${eye}: ${states[i]} and ${states[j]}`).toBeGreaterThanOrEqual(23.5)
				}
	})
})
