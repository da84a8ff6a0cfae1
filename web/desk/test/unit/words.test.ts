import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clock, initials, length, pct, sameDay, secondsLeft, setRegion, num } from '../../src/words/format.ts'
import { icu } from '../../src/words/icu.ts'
import it_ from '../../src/words/it.json'

describe('figures', () => {
	it('lengths are short and exact, long ones in words', () => {
		expect([38_000, 768_999, 3_730_000, 7_800_000].map(length)).toEqual(['0:38', '12:48', '1:02:10', '2 h 10 min'])
		expect(clock(47_999)).toBe('00:47')
		expect(clock(3_730_000)).toBe('1:02:10')
	})
	it('a second of an offer is used up only when it is over', () => {
		expect(secondsLeft(20_000, 0)).toBe(20)
		expect(secondsLeft(20_000, 1)).toBe(20)
		expect(secondsLeft(20_000, 19_999)).toBe(1)
		expect(secondsLeft(20_000, 20_001)).toBe(0)
	})
	it('figures follow the region, not the language', () => {
		setRegion('it-IT', 'Europe/Rome')
		expect(num(12840)).toBe('12.840')
		expect(pct(0.046, 1)).toMatch(/^4,6\s?%$/)
		setRegion('en-US', 'UTC')
		expect(num(12840)).toBe('12,840')
		expect(sameDay(Date.UTC(2026, 10, 22, 23, 59), Date.UTC(2026, 10, 23, 0, 1))).toBe(false)
	})
	it('a region or zone that no browser knows does no harm', () => {
		setRegion('no-such-locale-anywhere', 'Moon/Crater')
		expect(length(1000)).toBe('0:01')
		expect(num(1)).toBe('1')
		setRegion('', '')
	})
	it('initials come from first and last word in any script', () => {
		expect(['Giulia Ferraro', 'Anna Maria De Blasi', 'Øystein', '', '+39 347', '李 明'].map(initials)).toEqual([
			'GF',
			'AB',
			'Ø',
			'',
			'',
			'李明',
		])
	})
})

describe('sentences', () => {
	it('values and plurals are filled in, nested as deep as sentences go', () => {
		expect(icu('{n} waiting, longest {time}', { n: 3, time: '0:14' }, 'en')).toBe('3 waiting, longest 0:14')
		const calls = '{n, plural, =0 {Nothing.} one {# call with {who}} other {# calls with {who}}}!'
		expect([0, 1, 2].map((n) => icu(calls, { n, who: 'Ada' }, 'en'))).toEqual([
			'Nothing.!',
			'1 call with Ada!',
			'2 calls with Ada!',
		])
		expect(icu('{n, plural, one {a} few {b} other {c}}', { n: 3 }, 'pl')).toBe('b')
	})
	it('what is not understood is shown, never thrown', () => {
		for (const odd of [
			'{',
			'}',
			'{n',
			'{n, plural',
			'{n, plural, one',
			'{n, plural, one {a',
			'{a b}',
			'#',
			"it's {x}",
			'{n, select, a {b}}',
		])
			expect(typeof icu(odd, {}, 'en')).toBe('string')
	})

	const root = join(import.meta.dirname, '../../src')
	const files = (dir: string): string[] =>
		readdirSync(dir).flatMap((n) => {
			const p = join(dir, n)
			return n === 'gen' ? [] : statSync(p).isDirectory() ? files(p) : /\.tsx?$/.test(n) ? [p] : []
		})
	const keys = new Set(
		files(root).flatMap((f) =>
			[...readFileSync(f, 'utf8').matchAll(/\bt\(\s*'((?:[^'\\]|\\.)+)'/g)].map((m) => m[1]!.replace(/\\'/g, "'")),
		),
	)
	const translated = it_ as Record<string, string>
	const names = (s: string) => [...new Set([...s.matchAll(/\{\s*(\w+)\s*[},]/g)].map((m) => m[1]))].sort()

	it('every sentence of the desk is there in Italian', () => {
		expect(keys.size).toBeGreaterThan(200)
		expect([...keys].filter((k) => !translated[k])).toEqual([])
	})
	it('a translation uses the same values as its sentence', () => {
		for (const [k, v] of Object.entries(translated)) {
			const plural = /, plural,/.test(k)
			expect(plural ? names(v).filter((n) => names(k).includes(n)) : names(v), k).toEqual(
				plural ? expect.arrayContaining([]) : names(k),
			)
		}
	})
})
