// The part of ICU MessageFormat that the desk's sentences use: {name}, and {n, plural, =0 {…} one {…} other {# …}} with plurals inside
// of texts. 60 lines instead of a 12 kB parser; what is not understood is shown as it stands.
import { num } from './format.ts'

type Values = Record<string, unknown>
type Part = string | { name: string } | { name: string; forms: Map<string, Part[]> } | { hash: true }

const parsed = new Map<string, Part[]>()

export function icu(message: string, values: Values, language: string): string {
	if (!message.includes('{')) return message
	let parts = parsed.get(message)
	if (!parts) parsed.set(message, (parts = parse(message, 0, false)[0]))
	return show(parts, values, language, undefined)
}

function show(parts: Part[], values: Values, language: string, hash: number | undefined): string {
	let out = ''
	for (const p of parts) {
		if (typeof p === 'string') out += p
		else if ('hash' in p) out += hash === undefined ? '#' : num(hash)
		else if (!('forms' in p)) out += values[p.name] === undefined ? `{${p.name}}` : String(values[p.name])
		else {
			const n = Number(values[p.name])
			const form = p.forms.get(`=${n}`) ?? p.forms.get(new Intl.PluralRules(language).select(n)) ?? p.forms.get('other')
			out += form ? show(form, values, language, n) : ''
		}
	}
	return out
}

/** Parts from `at` to the end, or to the brace that closes this form; and where it stopped. */
function parse(text: string, at: number, inForm: boolean): [Part[], number] {
	const parts: Part[] = []
	let from = at
	const flush = (to: number) => to > from && parts.push(text.slice(from, to))
	while (at < text.length) {
		const c = text[at]
		if (c === '}' && inForm) break
		if (c === '#' && inForm) {
			flush(at)
			parts.push({ hash: true })
			from = ++at
		} else if (c === '{') {
			flush(at)
			const head = /^\{\s*(\w+)\s*(?:\}|,\s*plural\s*,)/.exec(text.slice(at))
			if (!head) {
				from = at++
				continue
			}
			at += head[0].length
			if (head[0].endsWith('}')) parts.push({ name: head[1]! })
			else {
				const [forms, end] = plural(text, at)
				parts.push({ name: head[1]!, forms })
				at = end
			}
			from = at
		} else at++
	}
	flush(at)
	return [parts, at]
}

/** "one {…} other {…}" and the brace behind it. */
function plural(text: string, at: number): [Map<string, Part[]>, number] {
	const forms = new Map<string, Part[]>()
	for (;;) {
		const head = /^\s*(=\d+|\w+)\s*\{/.exec(text.slice(at))
		if (!head) break
		const [parts, end] = parse(text, at + head[0].length, true)
		forms.set(head[1]!, parts)
		at = end + 1
	}
	const close = text.indexOf('}', at)
	return [forms, close < 0 ? text.length : close + 1]
}
