import { useCallback, useEffect, useRef, useState } from 'react'
import { Code, codeOf, explain } from '../state/rpc.ts'
import { trouble } from '../state/say.ts'

/** Runs an act of the server's: pressed look at once, "slow" after 1 s, its refusal in words. Nothing is assumed. */
export function useBusy(onError: (text: string) => void = trouble) {
	const [busy, setBusy] = useState(false)
	const [slow, setSlow] = useState(false)
	const there = useRef(true)
	useEffect(() => {
		there.current = true
		return () => {
			there.current = false
		}
	}, [])
	const run = useCallback(
		async (act: () => Promise<unknown>): Promise<boolean> => {
			setBusy(true)
			const timer = setTimeout(() => there.current && setSlow(true), 1000)
			try {
				await act()
				return true
			} catch (e) {
				// The session is over: the sign-in over the page says so.
				if (codeOf(e) !== Code.Unauthenticated) onError(explain(e))
				return false
			} finally {
				clearTimeout(timer)
				if (there.current) {
					setBusy(false)
					setSlow(false)
				}
			}
		},
		[onError],
	)
	return { busy, slow, run }
}
