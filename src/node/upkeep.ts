import type { AbortOptions, Logger } from '../interface/index.ts'

/** What a node does now and then as long as it runs. */
export interface Chore {
  readonly name: string
  look: (options: AbortOptions) => Promise<unknown>
}

const LOOK_EVERY_MS = 3_600_000

/** Does its chores at start and every hour, one after the other; one that fails keeps no other from being done. */
export class Upkeep {
  readonly #chores: readonly Chore[]
  readonly #logger: Logger
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #waits = false

  constructor(chores: readonly Chore[], logger: Logger) {
    this.#chores = chores
    this.#logger = logger
  }

  start(): void {
    this.look()
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref()
  }

  /** Looks now, or once more after the look under way. */
  look(): void {
    if (this.#waits) return
    this.#waits = true
    this.#looking = this.#looking.then(() => {
      this.#waits = false
      return this.#look()
    })
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { signal } = this.#abort
    for (const { name, look } of this.#chores) {
      if (signal.aborted) return
      await look({ signal }).catch((error: unknown) => {
        if (!signal.aborted) this.#logger.error('a chore was not done', { chore: name, error: String(error) })
      })
    }
  }
}
