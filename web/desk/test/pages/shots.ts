// Pictures of every page in both themes and two sizes, into test/out, for eyes: node test/pages/shots.ts [name part]
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { startMock } from '../mock/server.ts'
import { open, signIn } from './browser.ts'
import { scenes } from './scenes.ts'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const out = fileURLToPath(new URL('../out', import.meta.url))
await mkdir(out, { recursive: true })
const only = process.argv[2] ?? ''
const sizes = [
	{ width: 1440, height: 900 },
	{ width: 390, height: 844 },
]
for (const scene of scenes)
	for (const theme of ['light', 'dark'] as const)
		for (const size of sizes) {
			const name = `${scene.name}.${size.width}.${theme}`
			if (!name.includes(only)) continue
			const mock = await startMock({ dist })
			const b = await open({ ...size, theme })
			try {
				if (scene.user) await signIn(b.page, mock.url, scene.user)
				else await b.page.goto(mock.url)
				await scene.play({ page: b.page, mock })
				await b.page.waitForTimeout(250)
				await b.page.screenshot({ path: `${out}/${name}.png` })
				console.log(name, b.problems.length ? b.problems : '')
			} catch (e) {
				console.log(name, 'FAILED', (e as Error).message.split('\n')[0], b.problems)
				await b.page.screenshot({ path: `${out}/${name}.png` }).catch(() => {})
			} finally {
				await b.close()
				await mock.close()
			}
		}
