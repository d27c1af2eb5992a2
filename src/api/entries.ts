import { DdmError } from '../interface/index.ts'

/** What is over and still listed; its sessions and receipts stay in the ledger. */
const MAX_OVER = 200

/** What callers of the API asked for, by its name, oldest first. */
export class Entries<T> {
  readonly #entries = new Map<string, T>()
  readonly #missing: (name: string) => string

  /** @param missing - what to say of a name that there is not */
  constructor(missing: (name: string) => string) {
    this.#missing = missing
  }

  all(): T[] {
    return [...this.#entries.values()]
  }

  /** @throws DdmError `notFound` */
  get(name: string): T {
    const entry = this.#entries.get(name)
    if (entry === undefined) throw new DdmError('notFound', this.#missing(name))
    return entry
  }

  set(name: string, entry: T): void {
    this.#entries.set(name, entry)
  }

  delete(name: string): void {
    this.#entries.delete(name)
  }

  /** Names of the oldest ones that are over and too many to be listed. */
  tooMany(isOver: (entry: T) => boolean): string[] {
    const over = [...this.#entries].filter(([, entry]) => isOver(entry)).map(([name]) => name)
    return over.slice(0, Math.max(0, over.length - MAX_OVER))
  }
}
