/** Values that wait for a slow reader; older ones are dropped for newer ones. */
const MAX_WAITING = 256

/**
 * Values from callbacks as an iterable. A reader that is slow misses the oldest ones: nothing waits for it.
 *
 * @param begin - gets the two calls, returns what ends the callbacks
 */
export async function* latest<T>(
  signal: AbortSignal,
  begin: (push: (value: T) => void, end: () => void) => () => void
): AsyncGenerator<T> {
  const waiting: T[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  const push = (value: T): void => {
    waiting.push(value)
    if (waiting.length > MAX_WAITING) waiting.shift()
    wake.resolve()
  }
  const end = (): void => {
    ended = true
    wake.resolve()
  }
  signal.addEventListener('abort', end, { once: true })
  const stop = begin(push, end)
  try {
    for (;;) {
      const value = waiting.shift()
      if (value !== undefined) yield value
      else if (ended || signal.aborted) return
      else {
        await wake.promise
        wake = Promise.withResolvers<void>()
      }
    }
  } finally {
    signal.removeEventListener('abort', end)
    stop()
  }
}
