export interface PacedInit {
  run: () => Promise<void>
  onError: (error: unknown) => void
  /** ms between the end of one run and the next. */
  pause: number
}

/** Work for which there is always a reason: one run at a time, with a pause after each. */
export class Paced {
  readonly #init: PacedInit
  #running: Promise<void> | undefined
  #pause: NodeJS.Timeout | undefined
  #again = false

  constructor(init: PacedInit) {
    this.#init = init
  }

  /** The run under way; undefined between two. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /** Runs now, or once more a moment after the run under way or just over. */
  run(): void {
    if (this.#running !== undefined || this.#pause !== undefined) {
      this.#again = true
      return
    }
    const { run, onError, pause } = this.#init
    this.#running = run()
      .catch(onError)
      .finally(() => {
        this.#running = undefined
        this.#pause = setTimeout(() => {
          this.#pause = undefined
          if (!this.#again) return
          this.#again = false
          this.run()
        }, pause)
        this.#pause.unref()
      })
  }

  /** Resolves when the run under way has ended, which whoever stops has to see to. */
  async stop(): Promise<void> {
    this.#again = false
    await this.#running
    this.#again = false
    clearTimeout(this.#pause)
  }
}
