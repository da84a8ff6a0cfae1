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
	},
	test: {
		environment: 'jsdom',
		include: ['test/unit/**/*.test.{ts,tsx}'],
		setupFiles: ['test/unit/setup.ts'],
		restoreMocks: true,
	},
})
