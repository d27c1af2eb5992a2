import { useEffect, useState } from 'preact/hooks'

/** `dark` or `light`, as the system has it now: a canvas does not follow style sheets by itself. */
export function useScheme(): 'dark' | 'light' {
  const [query] = useState(() => matchMedia('(prefers-color-scheme: dark)'))
  const [dark, setDark] = useState(query.matches)
  useEffect(() => {
    const look = (): void => setDark(query.matches)
    query.addEventListener('change', look)
    return () => query.removeEventListener('change', look)
  }, [query])
  return dark ? 'dark' : 'light'
}
