import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

export interface Look {
	width: number
	height: number
	theme: 'light' | 'dark'
}
export interface Opened {
	context: BrowserContext
	page: Page
	/** Errors of the page and of its console. */
	problems: string[]
	close(): Promise<void>
}
const program = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
	(p) => p && existsSync(p),
)
let browser: Promise<Browser> | undefined

/** One Chromium with a profile of its own, a fake microphone, and nothing that talks to the outside. */
function launch(): Promise<Browser> {
	if (!program) throw new Error('Chromium is not installed (set CHROMIUM to its path)')
	browser ??= chromium.launch({
		executablePath: program,
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
	return browser
}
export async function quit(): Promise<void> {
	await (await browser)?.close()
	browser = undefined
}

export function watch(page: Page, problems: string[]): void {
	page.on('pageerror', (e) => problems.push(`error: ${e.message}`))
	page.on('console', (m) => {
		if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) problems.push(`console: ${m.text()}`)
	})
	page.on('dialog', (d) => void d.accept().catch(() => {}))
}
export async function open(look: Look, more: { locale?: string } = {}): Promise<Opened> {
	const context = await (
		await launch()
	).newContext({
		viewport: { width: look.width, height: look.height },
		colorScheme: look.theme,
		locale: more.locale ?? 'en-GB',
		timezoneId: 'Europe/Rome',
		permissions: ['microphone', 'notifications'],
	})
	const page = await context.newPage()
	const problems: string[] = []
	watch(page, problems)
	return { context, page, problems, close: () => context.close() }
}

export async function signIn(page: Page, url: string, user: string): Promise<void> {
	await page.goto(url)
	await page.locator('[name=username]').fill(user)
	await page.locator('[name=password]').fill('parley')
	await page.locator('button[type=submit]').click()
}
export async function startWork(page: Page, device = 'This browser'): Promise<void> {
	await page.getByText(device).click()
	await page.locator('.start .btn.p').click()
	await page.waitForURL('**/desk')
}
export const desktop: Look = { width: 1440, height: 900, theme: 'light' }
