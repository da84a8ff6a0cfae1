// What people do, from the first key to what the server hears of it.
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { AgentFiguresSchema, QueueFiguresSchema } from '../../src/gen/parley/report/v1/report_pb.js'
import { AgentState, Device, OfferOutcome } from '../../src/gen/parley/acd/v1/acd_pb.js'
import { CallEndedSchema } from '../../src/gen/parley/voice/v1/voice_pb.js'
import { type Mock, startMock } from '../mock/server.ts'
import { uuid } from '../mock/world.ts'
import { desktop, open, type Opened, quit, signIn, startWork, watch } from './browser.ts'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
let mock: Mock
let b: Opened
const heard = (method: string) => mock.world.heard.filter((h) => h.method === method)
const until = async (what: () => boolean | Promise<boolean>, say: string) => {
	for (let i = 0; i < 400; i++) {
		if (await what()) return
		await new Promise((done) => setTimeout(done, 50))
	}
	assert.fail(`20 s and still not: ${say}`)
}
const agent = async (device?: string) => {
	await signIn(b.page, mock.url, 'marta')
	await startWork(b.page, device)
}

beforeEach(async () => {
	mock = await startMock({ dist })
	b = await open(desktop)
})
afterEach(async () => {
	await b.close()
	await mock.close()
})
after(quit)

describe('sign-in', () => {
	it('a wrong password is said without saying which was wrong, and the right one goes on', async () => {
		await b.page.goto(mock.url)
		await b.page.locator('[name=username]').fill('marta')
		await b.page.locator('[name=password]').fill('wrong')
		await b.page.keyboard.press('Enter')
		await b.page.getByText('Name or password is not right').waitFor()
		await b.page.locator('[name=password]').fill('parley')
		await b.page.keyboard.press('Enter')
		await b.page.waitForURL('**/start')
	})
	it('a session that ends lays sign-in over the work, and the work is there after it', async () => {
		await agent()
		mock.world.offer({})
		await b.page.getByRole('button', { name: 'Accept' }).click()
		await b.page.locator('.zone.live').waitFor()
		mock.world.sessions.clear()
		await b.page.getByRole('button', { name: 'Hold' }).click()
		await b.page.locator('dialog [name=password]').fill('parley')
		await b.page.keyboard.press('Enter')
		await b.page.locator('dialog').waitFor({ state: 'detached' })
		await b.page.getByRole('button', { name: 'Hold' }).click()
		await until(() => heard('HoldCall').length > 0, 'held after signing in again')
	})
	it('a password set by somebody else is changed before anything opens', async () => {
		mock.world.users[0]!.mustChangePassword = true
		await signIn(b.page, mock.url, 'marta')
		await b.page.getByText('Choose a password of your own').waitFor()
		await b.page.locator('[name=old]').fill('parley')
		await b.page.locator('[name=new]').fill('a long walk home')
		await b.page.locator('[name=again]').fill('a long talk home')
		await b.page.getByText('The two new passwords differ.').waitFor()
		await b.page.locator('[name=again]').fill('a long walk home')
		await b.page.keyboard.press('Enter')
		await b.page.waitForURL('**/start')
		assert.equal(heard('ChangePassword').length, 1)
	})
	it('an agent has no Live page, by menu or by address', async () => {
		await agent()
		assert.equal(await b.page.getByRole('link', { name: 'Live' }).count(), 0)
		await b.page.goto(`${mock.url}/live`)
		await b.page.waitForURL('**/desk')
	})
})

describe('an offer', () => {
	it('does not take the focus, and Enter or Space do not accept it; F2 does', async () => {
		await agent()
		const field = b.page.getByLabel('Number to call')
		await field.fill('+39')
		mock.world.offer({})
		await b.page.locator('.offers').waitFor()
		assert.ok(await field.evaluate((e) => e === document.activeElement), 'focus stays in the field')
		await b.page.keyboard.press('Enter')
		await b.page.keyboard.press('Space')
		assert.equal(heard('AcceptOffer').length, 0)
		await b.page.keyboard.press('F2')
		await b.page.locator('.zone.live').waitFor()
		const body = heard('AcceptOffer')[0]?.body as { sdp: string; offerId: string }
		assert.equal(body.offerId, uuid(601))
		assert.match(body.sdp, /^v=0/)
		assert.match(body.sdp, /a=candidate:/, 'all candidates are inside: there is no trickle')
		assert.deepEqual(b.problems, [])
	})
	it('that is taken in the moment of the click says so in place', async () => {
		await agent()
		mock.world.offer({})
		await b.page.locator('.offers').waitFor()
		mock.world.refuse = 'AcceptOffer'
		await b.page.keyboard.press('F2')
		await b.page.getByText('The offer is over').first().waitFor()
		assert.equal(await b.page.locator('.mantine-Notification-root').count(), 0)
	})
	it('says why it ended for 3 s, then closes', async () => {
		await agent()
		const id = mock.world.offer({})
		await b.page.locator('.offers').waitFor()
		mock.world.endOffer(id, OfferOutcome.ELSEWHERE, 'Omar Haddad')
		await b.page.locator('.offers').getByText('Omar Haddad took it').waitFor()
		await b.page.locator('.offers').waitFor({ state: 'detached' })
	})
	it('is rejected with Shift F2', async () => {
		await agent()
		mock.world.offer({})
		await b.page.locator('.offers').waitFor()
		await b.page.keyboard.press('Shift+F2')
		await until(() => heard('RejectOffer').length === 1, 'rejected')
	})
	it('on a SIP phone is picked up there and steered here', async () => {
		await agent('Phone 201')
		assert.equal((heard('StartWork')[0]?.body as { phoneId: string }).phoneId, uuid(300))
		const id = mock.world.offer({ device: Device.PHONE })
		await b.page.getByText('Pick up phone 201').waitFor()
		await b.page.keyboard.press('F2')
		assert.equal(heard('AcceptOffer').length, 0)
		mock.world.connect(id)
		await b.page.locator('.zone.live').waitFor()
		await b.page.keyboard.press('F9')
		await b.page.getByRole('button', { name: 'Held' }).waitFor()
		await b.page.keyboard.press('Shift+F9')
		await b.page.getByText('Done, Ready').waitFor()
	})
})

describe('a call', () => {
	const talk = async () => {
		await agent()
		const id = mock.world.offer({})
		await b.page.getByRole('button', { name: 'Accept' }).click()
		await b.page.locator('.zone.live').waitFor()
		return id
	}
	it('is muted, held, paused for payment by keys, and the chip says what the recorder does', async () => {
		const id = await talk()
		await b.page.keyboard.press('F8')
		await b.page.getByRole('button', { name: 'Muted' }).waitFor()
		await b.page.keyboard.press('Shift+F8')
		await b.page.locator('.rec .chip.pause').waitFor()
		mock.world.pauseRecording(id, false)
		await b.page.locator('.rec').getByText('Recording').waitFor()
	})
	it('sends digits, by click and by key', async () => {
		await talk()
		await b.page.keyboard.press('F4')
		await b.page.getByRole('button', { name: '4', exact: true }).click()
		await b.page.keyboard.press('2')
		await until(() => heard('SendDigits').length === 2, 'two digits')
		assert.deepEqual(
			heard('SendDigits').map((h) => (h.body as { digits: string }).digits),
			['4', '2'],
		)
	})
	it('is transferred by name from the keyboard alone', async () => {
		await talk()
		await b.page.keyboard.press('Alt+X')
		await b.page.keyboard.type('elena')
		await b.page.keyboard.press('Enter')
		await until(() => heard('TransferCall').length === 1, 'transferred')
		assert.deepEqual((heard('TransferCall')[0]?.body as { target: unknown }).target, {
			case: 'agentId',
			value: uuid(6),
		})
	})
	it('ends in wrap-up, which ends with Ctrl Enter', async () => {
		const id = await talk()
		mock.world.end(id, 'customer')
		await b.page.getByText('Customer hung up').waitFor()
		await b.page.keyboard.press('Control+Enter')
		await b.page.getByText('Nothing in hand').waitFor()
		assert.equal(heard('EndWrapUp').length, 1)
	})
	it('goes on through a reload: its sound is attached again', async () => {
		const id = await talk()
		mock.world.calls.get(id)!.needsBrowser = true
		await b.page.reload()
		await b.page.locator('.zone.live').waitFor()
		await until(() => heard('AttachBrowser').length === 1, 'attached')
		assert.match((heard('AttachBrowser')[0]?.body as { sdp: string }).sdp, /^v=0/)
	})
	it('is attached by the browser that had it, before the server notices the loss', async () => {
		await talk()
		await b.page.reload()
		await until(() => heard('AttachBrowser').length === 1, 'attached')
	})
	it('is placed from the dial field', async () => {
		await agent()
		await b.page.keyboard.press('F4')
		await b.page.keyboard.type('+39 0432 118220')
		await b.page.keyboard.press('Enter')
		await until(() => heard('DialNumber').length === 1, 'dialled')
		assert.equal((heard('DialNumber')[0]?.body as { number: string }).number, '+390432118220')
		await b.page.locator('.zone.live').getByText('dialling').waitFor()
	})
	it('that nobody answers says so, with the code of the far side', async () => {
		await agent()
		await b.page.keyboard.press('F4')
		await b.page.keyboard.type('0432118220')
		await b.page.keyboard.press('Enter')
		await b.page.locator('.zone.live').getByText('dialling').waitFor()
		const id = [...mock.world.calls.keys()][0]!
		mock.world.calls.delete(id)
		mock.world.emit(`ev.call.ended.${id}`, CallEndedSchema, {
			meta: { interactionId: id, agentId: uuid(1) },
			cause: 'failed',
			sipStatus: 404,
		})
		await b.page.getByText('0432118220 was not reached (404)', { exact: false }).last().waitFor()
		await b.page.locator('.zone.live').waitFor({ state: 'detached' })
	})
})

describe('the event stream', () => {
	it('that sleeps is said, and what happened meanwhile is caught up', async () => {
		await agent()
		mock.silence(true)
		await b.page.getByText('Reconnecting').waitFor({ timeout: 20000 })
		mock.world.offer({ ringMs: 60000 })
		mock.silence(false)
		await b.page.locator('.offers').waitFor()
		await b.page.getByText('Back.').waitFor()
	})
	it('that died without a word is opened anew', async () => {
		await agent()
		mock.silence(true)
		const before = mock.opened()
		await until(() => mock.opened() > before, 'another stream')
		mock.silence(false)
		mock.world.offer({ ringMs: 60000 })
		await b.page.locator('.offers').waitFor()
	})
	it('that breaks is opened again and resumes where it was', async () => {
		await agent()
		mock.drop()
		mock.world.offer({ ringMs: 60000 })
		await b.page.locator('.offers').waitFor({ timeout: 20000 })
	})
	it('is one for all tabs; the next tab takes over when the first closes', async () => {
		await agent()
		const second = await b.context.newPage()
		watch(second, b.problems)
		await second.goto(`${mock.url}/desk`)
		await second.getByText('Nothing in hand').waitFor()
		assert.equal(mock.streams(), 1)
		mock.world.offer({})
		await second.locator('.offers').waitFor()
		await b.page.locator('.offers').waitFor()
		// Pressed in the second tab, done by the first, which has the microphone.
		await second.keyboard.press('F2')
		await second.locator('.zone.live').waitFor()
		await b.page.locator('.zone.live').waitFor()
		assert.equal(heard('AcceptOffer').length, 1)
		await b.page.close({ runBeforeUnload: false })
		await until(() => mock.streams() === 1, 'the second tab leads')
		mock.world.end(uuid(501), 'customer')
		await second.getByText('Done, Ready').waitFor()
		assert.deepEqual(b.problems, [])
	})
	it('that was away too long leaves the agent offline, and one button goes back', async () => {
		await agent()
		mock.world.setState(uuid(1), { state: AgentState.OFFLINE }, 'presence-lost')
		await b.page.getByText('You went offline').waitFor()
		await b.page.getByRole('button', { name: 'Back to Ready' }).click()
		await b.page.getByText('Nothing in hand').waitFor()
		assert.equal(heard('StartWork').length, 2)
	})
	it('told to reload, asks for everything again', async () => {
		await agent()
		mock.world.status.get(uuid(1))!.state = AgentState.PAUSED
		mock.world.status.get(uuid(1))!.pauseReasonName = 'Training'
		mock.world.send('reload', '{}')
		await b.page.locator('.top .state').getByText('Training').waitFor()
	})
})

describe('the live page', () => {
	const rows = () =>
		b.page.locator('.acard tbody tr').evaluateAll((list) => list.map((r) => r.querySelector('.m')?.textContent))
	it('moves its figures in place while order stays under the pointer', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByText('Luca Moretti').waitFor()
		await b.page.locator('.acard tbody tr').nth(2).hover()
		const before = await rows()
		const f = mock.world.figures[5]!
		mock.world.rt('rt.agent', AgentFiguresSchema, {
			...f,
			status: { ...f.status!, state: AgentState.ON_CONTACT, since: timestampFromMs(1000) },
		})
		await b.page.getByText('order changed').waitFor()
		assert.deepEqual(await rows(), before)
		await b.page.mouse.move(10, 700)
		await until(
			async () => (await rows())[0] !== before[0] || String(await rows()) !== String(before),
			'sorted when the pointer left',
		)
	})
	it('shows the queue move while it happens', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByText('Luca Moretti').waitFor()
		const q = mock.world.live[1]!
		mock.world.rt('rt.queue', QueueFiguresSchema, { ...q, waiting: 77 })
		await b.page.locator('.qcard').getByText('77', { exact: true }).waitFor()
	})
	it('pauses an agent at once and takes it back with Undo; signing out asks first', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByRole('button', { name: 'Acts for Elena Fabbri' }).click()
		await b.page.getByRole('menuitem', { name: 'Pause: Break' }).click()
		await b.page.getByRole('button', { name: 'Undo' }).click()
		await until(() => heard('SetAgentState').length === 2, 'undone')
		assert.deepEqual(
			heard('SetAgentState').map((h) => (h.body as { state: number }).state),
			[AgentState.PAUSED, AgentState.READY],
		)
		await b.page.getByRole('button', { name: 'Acts for Elena Fabbri' }).click()
		await b.page.getByRole('menuitem', { name: 'Sign out' }).click()
		await b.page.getByRole('button', { name: 'Keep signed in' }).click()
		assert.equal(heard('SetAgentState').length, 2)
	})
	it('gives one who waits to an agent, puts another first, and tells why they wait', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByRole('button', { name: 'Assign' }).click()
		await b.page.getByRole('menuitem', { name: 'Elena Fabbri' }).click()
		await b.page.getByText('Carlo Dessì goes to Elena Fabbri').first().waitFor()
		const sent = heard('AssignInteraction')[0]?.body as { interactionId: string; agentId: string }
		assert.deepEqual([sent.interactionId, sent.agentId], [uuid(900), uuid(6)])
		await b.page.getByRole('button', { name: 'Acts for Silvia Neri' }).click()
		await b.page.getByRole('menuitem', { name: 'Put first' }).click()
		await b.page.getByRole('button', { name: /^Undo/ }).click()
		await until(() => heard('SetInteractionPriority').length === 2, 'put first and back')
		assert.deepEqual(
			heard('SetInteractionPriority').map((h) => (h.body as { priority: number }).priority),
			[6, 0],
		)
		await b.page.getByRole('button', { name: 'Acts for Silvia Neri' }).click()
		await b.page.getByRole('menuitem', { name: 'Why does it wait?' }).click()
		await b.page.getByText('Nobody is ready.', { exact: false }).last().waitFor()
	})
	it('keeps its filters in the address', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByRole('button', { name: 'Ready 1' }).click()
		await b.page.waitForURL('**/live?show=ready')
		await b.page.reload()
		await b.page.getByText('Elena Fabbri').waitFor()
		assert.equal((await rows()).length, 1)
	})
})

describe('history', () => {
	it('opens a call by its own address, plays and seeks its recording', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByText('Luca Moretti').waitFor()
		await b.page.goto(`${mock.url}/i/${uuid(2001)}`)
		await b.page.getByText('Listening is logged').waitFor()
		const time = () => b.page.locator('audio').evaluate((a: HTMLAudioElement) => a.currentTime)
		await b.page.getByRole('button', { name: 'Play' }).click()
		await until(async () => (await time()) > 0.3, 'it plays')
		await b.page.getByRole('slider', { name: 'Position' }).press('ArrowRight')
		await until(async () => (await time()) > 5, 'it jumped')
		assert.deepEqual(b.problems, [])
	})
	it('finds by number, keeps the search in the address, and loads more while scrolling', async () => {
		await signIn(b.page, mock.url, 'federica')
		await b.page.getByText('Luca Moretti').waitFor()
		await b.page.goto(`${mock.url}/history?period=30d`)
		await b.page.getByText('240 found').waitFor()
		await b.page.locator('.ls').evaluate((e) => (e.scrollTop = 1e6))
		await until(
			async () => (await b.page.locator('.ls').evaluate((e) => e.scrollHeight)) > 200 * 40,
			'the next page came',
		)
		await b.page.getByLabel('Name or number').fill('ferraro')
		await b.page.getByText('24 found').waitFor()
		assert.match(b.page.url(), /q=ferraro/)
	})
})
