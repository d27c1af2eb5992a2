/**
 * Writes only the newest of many values: at most one write is under way, what came meanwhile is written once, also when
 * the write before it failed. For what is superseded anyway (the last invoice, the position), so that storage never slows the stream down.
 */
export class Latest<T> {
  readonly #write: (value: T) => Promise<void>
  readonly #onError: (error: unknown) => void
  #waiting: { value: T } | undefined
  #running: Promise<void> | undefined

  constructor(write: (value: T) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write
    this.#onError = onError
  }

  set(value: T): void {
    this.#waiting = { value }
    this.#running ??= this.#run()
  }

  /** Resolves when the newest value is written. */
  async flush(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting !== undefined) {
      const { value } = this.#waiting
      this.#waiting = undefined
      try {
        await this.#write(value)
      } catch (error) {
        this.#onError(error)
      }
    }
    this.#running = undefined
  }
}
