import { cleanup } from '@testing-library/react'
import { afterEach, beforeAll } from 'vitest'
import { startWords } from '../../src/words/i18n.ts'

beforeAll(() => startWords('en'))
afterEach(() => cleanup())

// What jsdom has not: the desk asks for these at start.
window.matchMedia ??= (() => ({ matches: false, addEventListener() {}, removeEventListener() {} })) as never
class Quiet {
	observe() {}
	unobserve() {}
	disconnect() {}
}
globalThis.ResizeObserver ??= Quiet as never
Element.prototype.scrollIntoView ??= () => {}
