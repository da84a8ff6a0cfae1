import { QueryClient } from '@tanstack/react-query'
import { Code, codeOf } from './rpc.ts'

export const query = new QueryClient({
	defaultOptions: {
		queries: {
			staleTime: 15_000,
			refetchOnWindowFocus: false,
			retry: (times, e) => times < 3 && [Code.Unavailable, Code.DeadlineExceeded, Code.Unknown].includes(codeOf(e)),
		},
	},
})
