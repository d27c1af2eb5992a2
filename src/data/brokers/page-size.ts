/** What may wait in memory for a slow reader. */
export const PAGE_BYTES = 4 * 1024 * 1024

const MAX_ITEMS = 1_000

/** Before anything is known of their size. */
const FIRST_ITEMS = 16

/** How many items to ask a server for at once, when it counts items and memory counts bytes: by the size of the last ones. */
export class PageSize {
  #items = FIRST_ITEMS
  #bytes = 0
  #seen = 0

  get items(): number {
    return this.#items
  }

  add(bytes: number): void {
    this.#bytes += bytes
    this.#seen += 1
  }

  /** A page was read: the next one is of a size to match, but not many times larger. */
  turn(): void {
    if (this.#seen === 0) return
    const fits = Math.floor(PAGE_BYTES / Math.max(1, this.#bytes / this.#seen))
    this.#items = Math.max(1, Math.min(fits, this.#items * 4, MAX_ITEMS))
    this.#bytes = 0
    this.#seen = 0
  }
}
