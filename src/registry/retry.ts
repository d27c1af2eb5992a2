import { setTimeout as delay } from 'node:timers/promises'

/** Half fixed, half random over `first × 2^failures`, capped: what failed together does not come back together. */
export function backoff(failures: number, firstMs: number, maxMs: number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30))
  return Math.ceil(ceiling / 2 + (Math.random() * ceiling) / 2)
}

/** Resolves after `ms`, or at once when aborted: loops check their signal themselves. Never keeps a process alive. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {})
}

/** Waits for shared work without stopping it when only this caller gives up. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The pause of a loop: ends after its time, when woken (also if that happened before the pause), or when aborted. */
export class Alarm {
  #rung = false
  #ring: (() => void) | undefined

  wake(): void {
    this.#rung = true
    this.#ring?.()
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung) {
      const early = new AbortController()
      this.#ring = () => early.abort()
      await sleep(ms, AbortSignal.any([early.signal, signal]))
      this.#ring = undefined
    }
    this.#rung = false
  }
}
