/** What is to be stored and is not durable yet, in order: a write that fails leaves it to the next. */
export class Unstored<T> {
  #items: T[] = []
  /** How many were dropped from the front. */
  #stored = 0

  get size(): number {
    return this.#items.length
  }

  add(items: readonly T[]): void {
    for (const item of items) this.#items.push(item)
  }

  /** All of them; call `done` once they are durable, whatever other writes have done meanwhile. */
  take(): { items: T[]; done: () => void } {
    const items = [...this.#items]
    const until = this.#stored + items.length
    const done = (): void => {
      if (until <= this.#stored) return
      this.#items = this.#items.slice(until - this.#stored)
      this.#stored = until
    }
    return { items, done }
  }
}
