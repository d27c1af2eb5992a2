/** Time as sessions see it: monotonic, so that a wrong wall clock expires nothing. A simulation gives its own. */
export interface Clock {
  /** Monotonic milliseconds. */
  now: () => number
  /** Calls back once, for delays beyond 2³¹ ms possibly early; returns the function that cancels it. */
  after: (milliseconds: number, callback: () => void) => () => void
  /** Unix milliseconds, only for the informational `at` of statements. */
  wallTime: () => number
}

/** Longest delay of setTimeout; a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(milliseconds, MAX_TIMEOUT_MS))
    return () => clearTimeout(timer)
  },
  wallTime: () => Date.now()
}

/** One timer that follows a moving deadline; re-armed only when the deadline comes nearer. */
export class DeadlineTimer {
  readonly #clock: Clock
  readonly #onDeadline: () => void
  #armedFor: number | undefined
  #cancel: (() => void) | undefined
  #deadline: number | undefined

  constructor(clock: Clock, onDeadline: () => void) {
    this.#clock = clock
    this.#onDeadline = onDeadline
  }

  set(deadline: number | undefined): void {
    this.#deadline = deadline
    if (deadline === undefined || (this.#armedFor !== undefined && this.#armedFor <= deadline)) return
    this.#cancel?.()
    this.#arm(deadline)
  }

  stop(): void {
    this.#deadline = undefined
    this.#cancel?.()
  }

  #arm(deadline: number): void {
    this.#armedFor = deadline
    this.#cancel = this.#clock.after(Math.max(0, deadline - this.#clock.now()), () => {
      this.#armedFor = undefined
      if (this.#deadline === undefined) return
      if (this.#clock.now() >= this.#deadline) this.#onDeadline()
      else this.#arm(this.#deadline)
    })
  }
}
