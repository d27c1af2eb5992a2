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

  constructor(chores: readonly Chore[], logger: Logger) {
    this.#chores = chores
    this.#logger = logger
  }

  start(): void {
    const look = (): void => {
      this.#looking = this.#looking.then(() => this.#look())
    }
    look()
    this.#timer = setInterval(look, LOOK_EVERY_MS).unref()
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
