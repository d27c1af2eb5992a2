import { type AbortOptions, type DataSource, DdmError, type SourceRecord } from '../interface/index.ts'

interface Batch {
  records: SourceRecord[]
  taken: () => void
}

export interface PushSourceInit {
  name: string
  finite: boolean
  fingerprint?: string | undefined
}

/**
 * A source that is told its records, batch after batch, and says when they are durable: whoever pushes reads its own source
 * no faster than they are stored, and may acknowledge them there.
 */
export class PushSource implements DataSource {
  readonly name: string
  readonly finite: boolean
  readonly fingerprint?: () => Promise<string>
  readonly durable: (position: string) => void
  readonly #queue: Batch[] = []
  /** Positions are numbers of records here; those of the real source are kept beside them. */
  readonly #waiting: Array<{ position: string; resolve: () => void; reject: (error: unknown) => void }> = []
  #from = Promise.withResolvers<string | undefined>()
  #wake = Promise.withResolvers<void>()
  #ended: { error?: DdmError } | undefined

  constructor({ name, finite, fingerprint }: PushSourceInit) {
    this.name = name
    this.finite = finite
    if (fingerprint !== undefined) this.fingerprint = async () => fingerprint
    this.durable = (position) => this.#settle(position)
  }

  /** Where the log stands, in positions of the real source; resolves when the log is open. */
  get from(): Promise<string | undefined> {
    return this.#from.promise
  }

  async *records(options: AbortOptions & { from?: string } = {}): AsyncGenerator<SourceRecord> {
    const { signal } = options
    this.#from.resolve(options.from)
    const onAbort = (): void => this.#wake.resolve()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        signal?.throwIfAborted()
        const batch = this.#queue.shift()
        if (batch !== undefined) {
          yield* batch.records
          batch.taken()
        } else if (this.#ended !== undefined) {
          if (this.#ended.error !== undefined) throw this.#ended.error
          return
        } else {
          await this.#wake.promise
          this.#wake = Promise.withResolvers<void>()
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#stop(new DdmError('aborted', 'the product is not on sale any more'))
    }
  }

  /** Resolves when the records are durable, or with nothing more to wait for when they carry no position. */
  async push(records: SourceRecord[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended.error ?? new DdmError('usage', 'the source has ended already')
    const last = records.at(-1)
    if (last === undefined) return
    const taken = Promise.withResolvers<void>()
    const stored = Promise.withResolvers<void>()
    stored.promise.catch(() => {})
    if (last.position === undefined) stored.resolve()
    else this.#waiting.push({ position: last.position, ...stored })
    this.#queue.push({ records, taken: taken.resolve })
    this.#wake.resolve()
    await Promise.race([stored.promise, this.#failed.promise])
    await Promise.race([taken.promise, this.#failed.promise])
  }

  readonly #failed = Promise.withResolvers<never>()

  end(error?: DdmError): void {
    this.#ended ??= error === undefined ? {} : { error }
    this.#wake.resolve()
  }

  #settle(position: string): void {
    const at = this.#waiting.findIndex((waiting) => waiting.position === position)
    if (at === -1) return
    for (const { resolve } of this.#waiting.splice(0, at + 1)) resolve()
  }

  #stop(error: DdmError): void {
    this.#ended ??= { error }
    this.#failed.promise.catch(() => {})
    this.#failed.reject(error)
  }
}
