// Every page and state, in both themes and two sizes: axe finds nothing, the console is silent under a strict policy, nothing hangs over.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { AxeResults } from 'axe-core'
import { startMock } from '../mock/server.ts'
import { open, quit, signIn } from './browser.ts'
import { looks, scenes } from './scenes.ts'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const out = fileURLToPath(new URL('../shots', import.meta.url))
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

before(() => mkdir(out, { recursive: true }))
after(quit)

for (const look of looks)
	describe(`at ${look.width} x ${look.height}, ${look.theme}`, () => {
		for (const scene of scenes)
			it(`${scene.name} is accessible, silent and in its frame`, async () => {
				const mock = await startMock({ dist })
				const b = await open(look)
				try {
					if (scene.user) await signIn(b.page, mock.url, scene.user)
					else await b.page.goto(mock.url)
					await scene.play({ page: b.page, mock })
					// What appears has appeared: half-transparent text has no contrast.
					await b.page.evaluate(() =>
						Promise.all(
							document
								.getAnimations()
								.filter((a) => a.effect?.getTiming().iterations === 1 && Number(a.effect.getTiming().duration) < 1000)
								.map((a) => a.finished),
						),
					)
					await b.page.screenshot({ path: `${out}/${scene.name}.${look.width}.${look.theme}.png` })
					await b.page.evaluate(axe)
					const found = (await b.page.evaluate(
						'axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })',
					)) as AxeResults
					const said = found.violations.flatMap((v) =>
						v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.any[0]?.message ?? n.all[0]?.message ?? ''}`),
					)
					assert.deepEqual(said, [])
					assert.deepEqual(b.problems, [])
					const over = await b.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
					assert.ok(over <= 0, `${over} px too wide`)
				} finally {
					await b.close()
					await mock.close()
				}
			})
	})
