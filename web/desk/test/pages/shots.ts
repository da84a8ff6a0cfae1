// Pictures of scenes into test/shots, for eyes: node test/pages/shots.ts [part of the name]
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { startMock } from '../mock/server.ts'
import { open, quit, signIn } from './browser.ts'
import { looks, scenes } from './scenes.ts'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const out = fileURLToPath(new URL('../shots', import.meta.url))
await mkdir(out, { recursive: true })
const only = process.argv[2] ?? ''
for (const scene of scenes)
	for (const look of looks) {
		const name = `${scene.name}.${look.width}.${look.theme}`
		if (!name.includes(only)) continue
		const mock = await startMock({ dist })
		const b = await open(look)
		b.page.setDefaultTimeout(15000)
		try {
			if (scene.user) await signIn(b.page, mock.url, scene.user)
			else await b.page.goto(mock.url)
			await scene.play({ page: b.page, mock })
			await b.page.waitForTimeout(250)
			console.log(name, b.problems.length ? b.problems : '')
		} catch (e) {
			console.log(name, 'FAILED', (e as Error).message.split('\n')[0], b.problems)
		}
		await b.page.screenshot({ path: `${out}/${name}.png` })
		await b.close()
		await mock.close()
	}
await quit()
