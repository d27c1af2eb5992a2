import { type AbortOptions, DdmError } from '../../interface/index.ts'

/** Runs work one after the other. Whoever gives up while waiting is passed over; what has begun ends by its own signal. */
export class Serial {
  #last: Promise<void> = Promise.resolve()
  #queued = 0

  get idle(): boolean {
    return this.#queued === 0
  }

  async run<T>(work: () => Promise<T>, options?: AbortOptions): Promise<T> {
    const before = this.#last
    const turn = Promise.withResolvers<void>()
    this.#last = turn.promise
    this.#queued++
    try {
      await until(before, options)
      return await work()
    } finally {
      this.#queued--
      void before.then(turn.resolve)
    }
  }
}

/** A turn for each name, kept while somebody has it or waits for it. */
export class Turns<N extends string> {
  readonly #turns = new Map<N, Serial>()

  async run<T>(name: N, work: () => Promise<T>, options?: AbortOptions): Promise<T> {
    const turns = this.#turns.get(name) ?? new Serial()
    this.#turns.set(name, turns)
    try {
      return await turns.run(work, options)
    } finally {
      if (turns.idle && this.#turns.get(name) === turns) this.#turns.delete(name)
    }
  }
}

/** Waits for a promise that never rejects, or until the signal fires. */
export async function until(promise: Promise<void>, { signal }: AbortOptions = {}): Promise<void> {
  if (signal === undefined) return promise
  const { promise: aborted, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => reject(new DdmError('aborted', 'the wait was aborted', { cause: signal.reason }))
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([aborted, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
