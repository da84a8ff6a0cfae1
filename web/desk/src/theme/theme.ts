import { createTheme, type MantineColorScheme, type MantineColorSchemeManager } from '@mantine/core'

export const theme = createTheme({
	fontFamily: "'Inter Variable', system-ui, sans-serif",
	fontFamilyMonospace: "'JetBrains Mono Variable', monospace",
	cursorType: 'pointer',
	respectReducedMotion: true,
	defaultRadius: 6,
	components: {
		Popover: { defaultProps: { transitionProps: { duration: 0 }, withinPortal: true, shadow: undefined } },
		Menu: {
			defaultProps: {
				withInitialFocusPlaceholder: false,
				transitionProps: { duration: 0 },
				withinPortal: true,
				shadow: undefined,
			},
		},
		Modal: {
			defaultProps: {
				transitionProps: { duration: 0 },
				lockScroll: false,
				overlayProps: { backgroundOpacity: 0.45 },
				centered: true,
			},
		},
	},
})

/** The theme is one of the user's tastes; the kit follows it through this. */
type Scheme = MantineColorScheme
let scheme: Scheme = 'auto'
let listener: ((s: Scheme) => void) | undefined
export const themeManager: MantineColorSchemeManager & { follow(s: Scheme): void } = {
	get: () => (localStorage.getItem('parley.theme') as Scheme | null) ?? scheme,
	set: (s) => {
		scheme = s
	},
	subscribe: (f) => {
		listener = f
	},
	unsubscribe: () => {
		listener = undefined
	},
	clear: () => {
		scheme = 'auto'
	},
	follow: (s) => {
		scheme = s
		listener?.(s)
	},
}
