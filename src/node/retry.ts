import type { Clock } from '../protocols/sdpp/index.ts'

const FIRST_MS = 250
const LAST_MS = 10_000

export interface RetryInit {
  clock: Clock
  signal: AbortSignal
  /** 0 ≤ x < 1. */
  chance: () => number
}

/** Waits between tries, ever longer, until the time is over. */
export class Retry {
  readonly #init: RetryInit
  #wait = FIRST_MS
  #end = 0

  constructor(init: RetryInit) {
    this.#init = init
  }

  /** From now on so many ms, the first wait short again. */
  begin(milliseconds: number): void {
    this.#wait = FIRST_MS
    this.extend(milliseconds)
  }

  /** From now on so many ms, with waits as long as they have become. */
  extend(milliseconds: number): void {
    this.#end = this.#init.clock.now() + milliseconds
  }

  /** Resolves when it is time for the next try; rejects with why the last one failed when there is none. */
  async after(failure: unknown): Promise<void> {
    const wait = this.#wait
    const { clock, chance } = this.#init
    if (clock.now() + wait > this.#end) throw failure
    this.#wait = Math.min(2 * wait, LAST_MS)
    // Half of it is chance, so that the buyers of a seller that came back do not all come at once.
    await this.#sleep(wait / 2 + (chance() * wait) / 2)
  }

  #sleep(milliseconds: number): Promise<void> {
    const { clock, signal } = this.#init
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        cancel()
        reject(signal.reason as Error)
      }
      const cancel = clock.after(milliseconds, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
