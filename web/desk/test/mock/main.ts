// npm run mock: the mock on port 4180 for `npm run dev`. Users marta (agent), federica (supervisor), admin; password parley.
import { startMock } from './server.ts'

const mock = await startMock({ port: Number(process.env.PORT ?? 4180), dist: process.env.DIST })
console.log(`mock at ${mock.url}; acts: ${mock.url}/__mock/offer, cancel, connect, end, silence?on=1, reload`)
