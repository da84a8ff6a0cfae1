import type { TFunction } from 'i18next'

export const outcomes = [
	'answered',
	'abandoned-menu',
	'abandoned-queue',
	'timeout',
	'self-service',
	'no-route',
	'failed',
	'open',
] as const

/** The ledger's word for how an interaction went, in ours. */
export function outcomeWord(t: TFunction, outcome: string): string {
	switch (outcome) {
		case 'answered':
			return t('Answered')
		case 'abandoned-menu':
			return t('Abandoned in menu')
		case 'abandoned-queue':
			return t('Abandoned')
		case 'timeout':
			return t('Waited too long')
		case 'no-route':
			return t('No route')
		case 'failed':
			return t('Failed')
		case 'self-service':
			return t('Self-service')
		case 'open':
			return t('Going on')
		default:
			return outcome
	}
}
export const isBad = (outcome: string): boolean => /^(abandoned|timeout|no-route|failed)/.test(outcome)
