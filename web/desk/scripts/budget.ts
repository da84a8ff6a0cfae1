// The desk's first load must stay small: all script that the entry needs before anything is lazy, gzipped, at most 250 kB.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const most = 250_000
const dist = new URL('../dist/', import.meta.url)
interface Chunk {
	file: string
	imports?: string[]
	isEntry?: boolean
}
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8')) as Record<string, Chunk>
const seen = new Map<string, number>()
function add(key: string): void {
	const chunk = manifest[key]
	if (!chunk || seen.has(chunk.file)) return
	seen.set(chunk.file, gzipSync(readFileSync(new URL(chunk.file, dist)), { level: 9 }).length)
	chunk.imports?.forEach(add)
}
for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) add(key)
const total = [...seen.values()].reduce((a, b) => a + b, 0)
for (const [file, bytes] of seen) console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${file}`)
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB  first load, gzip, of ${most / 1000} kB`)
if (total > most) {
	console.error('The desk became too large: make something lazy, or leave it out.')
	process.exit(1)
}
