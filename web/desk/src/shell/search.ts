// The command bar is loaded when it is asked for the first time.
import { create } from 'zustand'

export const useSearch = create<{ wanted: number }>(() => ({ wanted: 0 }))
export const openSearch = (): void => useSearch.setState((s) => ({ wanted: s.wanted + 1 }))
