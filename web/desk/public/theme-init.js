// Before the first paint, so that a dark desk does not flash white. Kept apart from the bundle: the page has no inline script.
;(() => {
	const kept = localStorage.getItem('parley.theme') ?? 'auto'
	const dark = kept === 'dark' || (kept === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches)
	document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
})()
