import { useCallback, useEffect, useState } from 'preact/hooks'

export interface Resource<T> {
  value: T | undefined
  error: unknown
  reload: () => void
}

export interface ResourceOptions {
  /** Asks again after so many ms, for what changes without an event. */
  every?: number
}

/** What a call answers, asked again when one of `keys` changes; an older answer stays until the new one is there. */
export function useResource<T>(
  load: (options: { signal: AbortSignal }) => Promise<T>,
  keys: readonly unknown[],
  { every }: ResourceOptions = {}
): Resource<T> {
  const [value, setValue] = useState<T | undefined>(undefined)
  const [error, setError] = useState<unknown>(undefined)
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((last) => last + 1), [])
  useEffect(() => {
    const gone = new AbortController()
    const { signal } = gone
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = async (): Promise<void> => {
      try {
        const answer = await load({ signal })
        if (signal.aborted) return
        setValue(() => answer)
        setError(undefined)
      } catch (problem) {
        if (signal.aborted) return
        setError(problem)
      }
      if (every !== undefined) timer = setTimeout(() => void run(), every)
    }
    void run()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [...keys, round, every])
  return { value, error, reload }
}
