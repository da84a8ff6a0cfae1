// Words. Keys are whole English sentences in ICU form, so English needs no file and a missing translation is readable.
import i18next, { type Module } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { icu } from './icu.ts'

const files: Record<string, () => Promise<{ default: Record<string, string> }>> = {
	it: () => import('./it.json'),
}
const rightToLeft = new Set(['ar', 'fa', 'he', 'ur'])

export async function startWords(language: string): Promise<void> {
	await i18next
		.use({
			type: 'i18nFormat' as const,
			init() {},
			parse: (message: string, values: Record<string, unknown>, language: string) => icu(message, values, language),
			addLookupKeys: (keys: string[]) => keys,
		} as Module)
		.use(initReactI18next)
		.init({
			lng: 'en',
			fallbackLng: false,
			keySeparator: false,
			nsSeparator: false,
			resources: { en: { translation: {} } },
			react: { useSuspense: false },
		})
	await useLanguage(language)
}

export async function useLanguage(tag: string): Promise<void> {
	const language = tag.toLowerCase().split('-')[0] ?? 'en'
	const load = files[language]
	if (load && !i18next.hasResourceBundle(language, 'translation')) {
		i18next.addResourceBundle(language, 'translation', (await load()).default)
	}
	await i18next.changeLanguage(load ? language : 'en')
	document.documentElement.lang = load ? language : 'en'
	document.documentElement.dir = rightToLeft.has(language) ? 'rtl' : 'ltr'
}

export const t = (key: string, values?: Record<string, unknown>): string => i18next.t(key, values ?? {})
