// What is said to people: into the two live regions that index.html holds from the start, and as toasts for what is not on the page.
import { notifications } from '@mantine/notifications'
import { useTaste } from './stores.ts'

function into(id: string, text: string): void {
	const region = document.getElementById(id)
	if (!region) return
	// The same words twice must be heard twice.
	region.textContent = ''
	requestAnimationFrame(() => {
		region.textContent = text
	})
}
/** At once: offers, calls that begin and end, a lost line. */
export function say(text: string): void {
	if (useTaste.getState().spoken !== 'off') into('say-now', text)
}
/** When the reader is free: saved, undone, transferred. */
export function sayLater(text: string): void {
	if (useTaste.getState().spoken === 'all') into('say-later', text)
}
/** Something failed that has no place of its own on the page. It stays until it is closed. */
export function trouble(text: string): void {
	say(text)
	notifications.show({
		message: text,
		autoClose: false,
		color: 'red',
		withCloseButton: true,
		classNames: { root: 'toast bad' },
	})
}
