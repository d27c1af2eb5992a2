import type { AbortOptions } from '../../interface/index.ts'
import { abortedBy, orAborted, throwIfAborted } from '../abort.ts'
import { isLost } from '../brokers/reconnect.ts'

/** What may wait for answers, in memory, before `add` waits. */
const MAX_ITEMS = 2_000
const MAX_BYTES = 4 * 1024 * 1024

export interface OutboxInit<T> {
  /** Sends one item; resolves when it is there for good. */
  send: (item: T) => Promise<unknown>
}

interface Entry<T> {
  item: T
  bytes: number
  done: boolean
}

/**
 * Items on their way to a broker, in order. What is not acknowledged when a connection is lost is sent again on the next
 * one. Only a bounded number is on the way, and in memory.
 */
export class Outbox<T> {
  readonly #init: OutboxInit<T>
  /** In order; the first `#sent` of them were handed to the connection. */
  #entries: Array<Entry<T>> = []
  #bytes = 0
  #sent = 0
  /** How many may be on the way; 0 without a connection. */
  #window = 0
  /** Counts connections: late answers of an earlier one mean nothing. */
  #round = 0
  #failure: Error | undefined
  readonly #waiting = new Set<() => void>()
  /** Whoever adds while another waits for room comes after it. */
  #last: Promise<void> = Promise.resolve()

  constructor(init: OutboxInit<T>) {
    this.#init = init
  }

  /** Resolves when there is room for more. */
  async add(items: Array<{ item: T; bytes: number }>, options?: AbortOptions): Promise<void> {
    throwIfAborted(options)
    const adding = this.#last.then(() => this.#add(items, options))
    this.#last = adding.catch(() => {})
    await orAborted(adding, options)
  }

  async #add(items: Array<{ item: T; bytes: number }>, options: AbortOptions | undefined): Promise<void> {
    throwIfAborted(options)
    for (const { item, bytes } of items) {
      if (this.#failure !== undefined) throw this.#failure
      this.#entries.push({ item, bytes, done: false })
      this.#bytes += bytes
      this.#fill()
      await this.#until(() => this.#entries.length < MAX_ITEMS && this.#bytes < MAX_BYTES, options)
    }
  }

  /** Resolves when everything was acknowledged. */
  async empty(options?: AbortOptions): Promise<void> {
    throwIfAborted(options)
    await orAborted(this.#last, options)
    await this.#until(() => this.#entries.length === 0, options)
  }

  /** There is a connection, on which so many may be on the way at once. */
  open(window: number): void {
    this.#round += 1
    this.#sent = 0
    this.#entries = this.#entries.filter(({ done }) => !done)
    this.#window = window
    this.#fill()
    this.#wake()
  }

  /** The connection is gone. */
  interrupt(): void {
    this.#round += 1
    this.#window = 0
  }

  /** Nothing will be sent any more. */
  fail(error: Error): void {
    this.#failure ??= error
    this.interrupt()
    this.#wake()
  }

  #fill(): void {
    const round = this.#round
    while (this.#sent < Math.min(this.#window, this.#entries.length)) {
      const entry = this.#entries[this.#sent++] as Entry<T>
      const answered = (error?: Error): void => {
        if (round === this.#round) this.#answered(entry, error)
      }
      this.#init.send(entry.item).then(() => answered(), answered)
    }
  }

  #answered(entry: Entry<T>, error: Error | undefined): void {
    // A lost connection is told by itself; what was on it comes again then.
    if (error !== undefined) return isLost(error) ? undefined : this.fail(error)
    entry.done = true
    this.#bytes -= entry.bytes
    let count = 0
    while (this.#entries[count]?.done === true) count += 1
    if (count === 0) return
    this.#entries.splice(0, count)
    this.#sent -= count
    this.#fill()
    this.#wake()
  }

  #wake(): void {
    for (const look of this.#waiting) look()
  }

  async #until(ready: () => boolean, options: AbortOptions | undefined): Promise<void> {
    const signal = options?.signal
    if (this.#failure === undefined && ready()) return
    await new Promise<void>((resolve, reject) => {
      const end = (act: () => void): void => {
        this.#waiting.delete(look)
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const onAbort = (): void => end(() => reject(abortedBy(signal as AbortSignal)))
      const look = (): void => {
        if (this.#failure !== undefined) end(() => reject(this.#failure as Error))
        else if (ready()) end(resolve)
      }
      this.#waiting.add(look)
      signal?.addEventListener('abort', onAbort, { once: true })
      look()
    })
  }
}
