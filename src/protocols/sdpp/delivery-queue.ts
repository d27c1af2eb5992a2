import { type DataRecord, type RecordEnds, sliceRecords } from '../../interface/index.ts'

/** Records of one DATA frame: views of the received bytes, made when they are looked at. */
export class RecordBatch implements Iterable<DataRecord> {
  /** Offset of the first record. */
  readonly first: bigint
  readonly length: number
  /** Unix ms. */
  readonly receivedAt: number
  readonly #bytes: Uint8Array
  readonly #ends: RecordEnds
  readonly #skip: number

  /** @param skip - records at the beginning that the consumer has already */
  constructor(first: bigint, bytes: Uint8Array, ends: RecordEnds, skip = 0, receivedAt = Date.now()) {
    this.first = first + BigInt(skip)
    this.length = ends.length - skip
    this.receivedAt = receivedAt
    this.#bytes = bytes
    this.#ends = ends
    this.#skip = skip
  }

  /** All of them as u32be length ‖ bytes. */
  get joined(): Uint8Array {
    return sliceRecords(this.#bytes, this.#ends, this.#skip, this.#ends.length)
  }

  bytesOf(index: number): Uint8Array {
    const at = index + this.#skip
    const start = at === 0 ? 0 : (this.#ends[at - 1] as number)
    return this.#bytes.subarray(start + 4, this.#ends[at])
  }

  *[Symbol.iterator](): Generator<DataRecord, void, undefined> {
    for (let i = 0; i < this.length; i++) yield { offset: this.first + BigInt(i), bytes: this.bytesOf(i) }
  }
}

/** A batch on its way to the consumer, and the position after it. */
export interface Batch {
  records: RecordBatch
  /** Position after the last record. */
  n: bigint
  bytes: number
}

/**
 * Between the wire and the consumer: frames go in as they come, batches come out as they are asked for. A batch counts
 * as handled when the consumer asks for the next one. Bounded by the protocol's in-flight budget.
 */
export class DeliveryQueue {
  readonly #onHandled: (batch: Batch, idle: boolean) => void
  #batches: Batch[] = []
  #current: Batch | undefined
  #ended: { error: unknown } | undefined
  #wake: (() => void) | undefined
  #discarding = false
  /** Position after the last batch that was handed out. */
  delivered = 0n

  constructor(onHandled: (batch: Batch, idle: boolean) => void) {
    this.#onHandled = onHandled
  }

  push(batch: Batch): void {
    if (this.#discarding) {
      this.#onHandled(batch, true)
      return
    }
    this.#batches.push(batch)
    this.#wake?.()
  }

  get empty(): boolean {
    return this.#batches.length === 0
  }

  /**
   * After the last batch `next` answers undefined, or throws `error`. Of a session that goes on over another stream
   * nothing more is handed out: it comes again there.
   */
  end(error?: unknown, dropRest = false): void {
    if (dropRest) this.#batches = []
    this.#ended ??= { error }
    this.#wake?.()
  }

  /** The consumer wants no more: what still comes is handled by dropping it. */
  discard(): void {
    this.#discarding = true
    this.#handleCurrent()
    for (const batch of this.#batches.splice(0)) this.#onHandled(batch, true)
    this.#wake?.()
  }

  async next(): Promise<RecordBatch | undefined> {
    this.#handleCurrent()
    while (this.#batches.length === 0) {
      if (this.#discarding) return undefined
      if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error
        return undefined
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    this.#current = this.#batches.shift()
    if (this.#current !== undefined) this.delivered = this.#current.n
    return this.#current?.records
  }

  #handleCurrent(): void {
    const batch = this.#current
    this.#current = undefined
    if (batch !== undefined) this.#onHandled(batch, this.#batches.length === 0)
  }
}
