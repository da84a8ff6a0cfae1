import '@fontsource-variable/inter/wght.css'
import '@fontsource-variable/jetbrains-mono/wght.css'
import '@mantine/core/styles/baseline.css'
import '@mantine/core/styles/default-css-variables.css'
import '@mantine/core/styles/global.css'
import '@mantine/core/styles/UnstyledButton.css'
import '@mantine/core/styles/Popover.css'
import '@mantine/core/styles/CloseButton.css'
import '@mantine/core/styles/Menu.css'
import './theme/tokens.css'
import './theme/base.css'
import './theme/parts.css'
import './theme/mantine.css'
import './theme/shell.css'
import './theme/rtl.css'
import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { lazy, StrictMode, Suspense, useEffect } from 'react'
import { createRoot } from 'react-dom/client'
import { SignIn, Unreachable } from './pages/signin/SignIn.tsx'
import { router } from './router.tsx'
import { openSession } from './state/desk.ts'
import { query } from './state/query.ts'
import { useSession, useTaste } from './state/stores.ts'
import { theme, themeManager } from './theme/theme.ts'
import { startWords } from './words/i18n.ts'

// Drawn after the page: nothing is said by toast in the first moment.
const PasswordPage = lazy(() => import('./pages/signin/Password.tsx').then((m) => ({ default: m.PasswordPage })))
const Toasts = lazy(() => import('./shell/Toasts.tsx'))

function App() {
	const phase = useSession((s) => s.phase)
	const density = useTaste((s) => s.density)
	useEffect(() => document.documentElement.setAttribute('data-density', density), [density])
	if (phase === 'out') return <SignIn />
	if (phase === 'unreachable') return <Unreachable />
	if (phase === 'loading') return null
	if (phase === 'password')
		return (
			<Suspense fallback={null}>
				<PasswordPage />
			</Suspense>
		)
	return <RouterProvider router={router} />
}
function Themed() {
	const scheme = useTaste((s) => s.theme)
	useEffect(() => themeManager.follow(scheme), [scheme])
	return (
		// No inline styles of the kit's: the page lives under a strict Content-Security-Policy.
		<MantineProvider
			theme={theme}
			withCssVariables={false}
			withGlobalClasses={false}
			colorSchemeManager={themeManager}
			defaultColorScheme="auto"
		>
			<Suspense fallback={null}>
				<Toasts />
			</Suspense>
			<App />
		</MantineProvider>
	)
}

void startWords(navigator.language).then(() => {
	createRoot(document.getElementById('root') as HTMLElement).render(
		<StrictMode>
			<QueryClientProvider client={query}>
				<Themed />
			</QueryClientProvider>
		</StrictMode>,
	)
	void openSession()
})
