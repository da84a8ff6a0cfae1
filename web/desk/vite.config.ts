import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// The dev server passes /api on: to a running Parley (PARLEY_API=http://host:port) or to the mock of test/mock.
const api = process.env.PARLEY_API ?? 'http://127.0.0.1:4180'

export default defineConfig({
	plugins: [react()],
	server: { proxy: { '/api': { target: api, changeOrigin: true } } },
	build: {
		target: 'es2023',
		sourcemap: true,
		manifest: true,
		// Pictures and fonts stay files: a strict Content-Security-Policy has no data: in it.
		assetsInlineLimit: 0,
		chunkSizeWarningLimit: 900,
		rolldownOptions: {
			output: {
				codeSplitting: {
					groups: [
						// What changes rarely and is needed at once, together: it compresses better and stays in the cache over updates.
						{
							name: 'base',
							test: /node_modules[\\/](react|react-dom|scheduler|i18next|react-i18next|zustand|@bufbuild|@connectrpc|@tanstack[\\/](react-router|router-core|history|react-query|query-core|react-store|store))[\\/]/,
						},
					],
				},
			},
		},
	},
	test: {
		environment: 'jsdom',
		include: ['test/unit/**/*.test.{ts,tsx}'],
		setupFiles: ['test/unit/setup.ts'],
		restoreMocks: true,
	},
})
