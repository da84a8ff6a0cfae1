// The pages and states that are looked at, pictured and checked by axe.
import type { Page } from 'playwright-core'
import { OfferOutcome } from '../../src/gen/parley/acd/v1/acd_pb.js'
import { Device } from '../../src/gen/parley/acd/v1/acd_pb.js'
import type { Mock } from '../mock/server.ts'
import { uuid } from '../mock/world.ts'
import { startWork } from './browser.ts'

export interface Stage {
	page: Page
	mock: Mock
}
export interface Scene {
	name: string
	user?: string
	play(stage: Stage): Promise<void>
}
const narrow = (page: Page): boolean => (page.viewportSize()?.width ?? 0) < 600
const ring = async ({ page, mock }: Stage, o: Parameters<Mock['world']['offer']>[0] = {}) => {
	const id = mock.world.offer(o)
	await page.locator('.offers').waitFor()
	return id
}
const talk = async (s: Stage) => {
	const id = await ring(s)
	await s.page.getByRole('button', { name: 'Accept' }).click()
	await s.page.locator('.zone.live').waitFor()
	return id
}

export const scenes: Scene[] = [
	{ name: 'signin', play: async ({ page }) => page.getByLabel('User').waitFor() },
	{
		name: 'start',
		user: 'marta',
		play: async ({ page }) => {
			await page.getByText('Yealink T54W').waitFor()
			await page.getByText('Speak: the bar moves').waitFor()
		},
	},
	{ name: 'idle', user: 'marta', play: async ({ page }) => startWork(page) },
	{
		name: 'offer',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await ring(s)
			await s.page.getByText('Before').waitFor()
		},
	},
	{
		name: 'offer-two',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await ring(s)
			s.mock.world.offer({ n: 2, name: 'Anna Blasi', number: '+393315550172', ringMs: 36000 })
			await s.page.getByText('Anna Blasi').first().waitFor()
		},
	},
	{
		name: 'offer-phone',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page, 'Phone 201')
			await ring(s, { device: Device.PHONE })
			await s.page.getByText('Pick up phone 201').waitFor()
		},
	},
	{
		name: 'offer-over',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			const id = await ring(s)
			s.mock.world.endOffer(id, OfferOutcome.CANCELLED)
			await s.page.getByText('Caller hung up').first().waitFor()
		},
	},
	{
		name: 'call',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			const id = await talk(s)
			s.mock.world.hold(id, true, 120_000)
			s.mock.world.hold(id, false, 82_000)
			await s.page.getByText('Held for').waitFor()
		},
	},
	{
		name: 'call-held',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await talk(s)
			await s.page.getByRole('button', { name: 'Mute' }).click()
			await s.page.getByRole('button', { name: 'Hold' }).click()
			await s.page.getByRole('button', { name: 'Pay pause' }).click()
			await s.page.locator('.ctl[aria-pressed=true]').nth(2).waitFor()
		},
	},
	{
		name: 'transfer',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await talk(s)
			await s.page.getByRole('button', { name: 'Transfer' }).click()
			await s.page.locator('.pr', { hasText: 'Elena Fabbri' }).waitFor()
		},
	},
	{
		name: 'wrapup',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			const id = await talk(s)
			s.mock.world.end(id, 'customer')
			await s.page.getByText('Done, Ready').waitFor()
		},
	},
	{
		name: 'missed',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			const id = await ring(s)
			s.mock.world.endOffer(id, OfferOutcome.TIMEOUT)
			await s.page.getByRole('button', { name: 'Back to Ready' }).waitFor()
			await s.page.locator('.offers').waitFor({ state: 'detached' })
		},
	},
	{
		name: 'state-menu',
		user: 'marta',
		play: async ({ page }) => {
			await startWork(page)
			await page.locator(narrow(page) ? '.state.wide' : '.top .state').click()
			await page.getByText('Pause: Training').waitFor()
		},
	},
	{
		name: 'you',
		user: 'marta',
		play: async ({ page }) => {
			await startWork(page)
			await page.locator('.avb').click()
			await page.getByText('Roomy').waitFor()
		},
	},
	{
		name: 'keys',
		user: 'marta',
		play: async ({ page }) => {
			await startWork(page)
			await page.keyboard.press('?')
			await page.getByText('Next region').waitFor()
		},
	},
	{
		name: 'keypad',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await talk(s)
			await s.page.getByRole('button', { name: 'Keypad' }).click()
			await s.page.getByRole('button', { name: '5', exact: true }).click()
		},
	},
	{
		name: 'password',
		user: 'marta',
		play: async ({ page }) => {
			await startWork(page)
			await page.locator('.avb').click()
			await page.getByRole('button', { name: 'Change password' }).click()
			await page.getByLabel('New password again').waitFor()
		},
	},
	{
		name: 'commands',
		user: 'marta',
		play: async ({ page }) => {
			await startWork(page)
			await page.keyboard.press('Control+K')
			await page.getByPlaceholder('Search people').last().fill('pau')
			await page.getByText('Pause: Break').waitFor()
		},
	},
	{
		name: 'over',
		user: 'marta',
		play: async (s) => {
			await startWork(s.page)
			await talk(s)
			s.mock.world.sessions.clear()
			await s.page.getByRole('button', { name: 'Hold' }).click()
			await s.page.locator('dialog.signover').waitFor()
		},
	},
	{ name: 'live', user: 'federica', play: async ({ page }) => page.getByText('Luca Moretti').waitFor() },
	{
		name: 'live-acts',
		user: 'federica',
		play: async ({ page }) => {
			await page.getByRole('button', { name: 'Acts for Elena Fabbri' }).click()
			await page.getByRole('menuitem', { name: 'Pause: Break' }).click()
			await page.getByText('Elena Fabbri is paused').first().waitFor()
		},
	},
	{
		name: 'live-why',
		user: 'federica',
		play: async ({ page }) => {
			await page.getByRole('button', { name: 'Acts for Anna Blasi' }).click()
			await page.getByRole('menuitem', { name: 'Why does it wait?' }).click()
			await page.getByText('number 1').waitFor()
		},
	},
	{
		name: 'live-assign',
		user: 'federica',
		play: async ({ page }) => {
			await page.getByRole('button', { name: 'Assign' }).click()
			await page.getByRole('menuitem', { name: 'Elena Fabbri' }).waitFor()
		},
	},
	{
		name: 'stale',
		user: 'federica',
		play: async ({ page, mock }) => {
			await page.getByText('Luca Moretti').waitFor()
			mock.silence(true)
			await page.getByText('Reconnecting').waitFor({ timeout: 20000 })
		},
	},
	{
		name: 'history',
		user: 'federica',
		play: async ({ page, mock }) => {
			await page.getByText('Luca Moretti').waitFor()
			await page.goto(`${mock.url}/history?id=${uuid(2000)}&at=235000`)
			await page.getByText('Listening is logged').waitFor()
		},
	},
	{
		name: 'history-list',
		user: 'federica',
		play: async ({ page, mock }) => {
			await page.getByText('Luca Moretti').waitFor()
			await page.goto(`${mock.url}/history?queue=${uuid(100)}`)
			await page.locator('.lrow').first().waitFor()
		},
	},
]

export const looks = (['light', 'dark'] as const).flatMap((theme) => [
	{ width: 1440, height: 900, theme },
	{ width: 390, height: 844, theme },
])
