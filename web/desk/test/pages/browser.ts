import { mkdtemp, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

export interface Look {
	width: number
	height: number
	theme: 'light' | 'dark'
}
const program = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => p && existsSync(p))

/** A browser with a profile of its own, a fake microphone, and nothing that talks to the outside. */
export async function open(look: Look, more: { locale?: string } = {}): Promise<{ context: BrowserContext; page: Page; problems: string[]; close(): Promise<void> }> {
	if (!program) throw new Error('Chromium is not installed (set CHROMIUM to its path)')
	const profile = await mkdtemp(join(tmpdir(), 'parley-desk-'))
	const context = await chromium.launchPersistentContext(profile, {
		executablePath: program,
		headless: true,
		viewport: { width: look.width, height: look.height },
		colorScheme: look.theme,
		locale: more.locale ?? 'en-GB',
		timezoneId: 'Europe/Rome',
		permissions: ['microphone', 'notifications'],
		args: [
			'--no-sandbox',
			'--disable-quic',
			'--no-first-run',
			'--disable-background-networking',
			'--disable-component-update',
			'--disable-sync',
			'--use-fake-device-for-media-stream',
			'--use-fake-ui-for-media-stream',
		],
	})
	const page = context.pages()[0] ?? (await context.newPage())
	const problems: string[] = []
	page.on('pageerror', (e) => problems.push(`error: ${e.message}`))
	page.on('console', (m) => {
		if (m.type() === 'error' && !/status of 40[134]/.test(m.text())) problems.push(`console: ${m.text()}`)
	})
	page.on('dialog', (d) => void d.accept())
	return {
		context,
		page,
		problems,
		async close() {
			await context.close()
			await rm(profile, { recursive: true, force: true })
		},
	}
}

export async function signIn(page: Page, url: string, user: string): Promise<void> {
	await page.goto(url)
	await page.getByLabel('User').fill(user)
	await page.getByLabel('Password').fill('parley')
	await page.getByRole('button', { name: 'Sign in' }).click()
}
export async function startWork(page: Page, device = 'This browser'): Promise<void> {
	await page.getByText(device).click()
	await page.getByRole('button', { name: 'Start work' }).last().click()
	await page.waitForURL('**/desk')
}
