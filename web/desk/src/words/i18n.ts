// Words. Keys are whole English sentences in ICU form, so English needs no file and a missing translation is readable.
import i18next from 'i18next'
import ICU from 'i18next-icu'
import { initReactI18next } from 'react-i18next'

const files: Record<string, () => Promise<{ default: Record<string, string> }>> = {
	it: () => import('./it.json'),
}
const rightToLeft = new Set(['ar', 'fa', 'he', 'ur'])

export async function startWords(language: string): Promise<void> {
	await i18next
		.use(new ICU({ bindI18nStore: 'added' }))
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
