import { type FieldPath, parsePath, timeOfRecord } from '../data/index.ts'
import type { ListingDocument } from '../interface/index.ts'
import { timeField } from './time-field.ts'

/** What a buyer saw of a purchase, held against what the listing promises; nothing of it is evidence. */
export interface PurchaseQuality {
  /** Records that break the JSON Schema of the listing. */
  invalid: number
  /** Streams that were lost. */
  failures: number
  /**
   * Records that did not come, of those that the listing's cadence promises for the time from the first record to the last,
   * and while the purchase runs until now. Absent where it promises no period.
   */
  missing?: number
  /**
   * Milliseconds from a record's own time to its arrival, to within 3 %, by this machine's clock. Absent where the listing
   * names no time, and of finite products.
   */
  delayMs?: { p50: number; p95: number }
}

/** A batch as it was handed out. */
export interface SeenBatch {
  readonly length: number
  bytesOf: (index: number) => Uint8Array
  /** Unix ms. */
  readonly receivedAt: number
}

/** Adds up the quality of one purchase: constant work per batch, bounded memory. */
export class QualityMeter {
  #time: FieldPath | undefined
  #periodMs: number | undefined
  readonly #delays = new DelayHistogram()
  #invalid = 0
  #failures = 0
  #count = 0
  /** Of the first and the last record whose time is known: when, and which of all. */
  #first: { at: number; number: number } | undefined
  #last: { at: number; number: number } | undefined
  #arrivedAt: number | undefined

  /** What the listing promises. */
  promised(document: Pick<ListingDocument, 'schema' | 'cadence'> | undefined): void {
    if (document === undefined || document.cadence?.mode === 'finite') return
    const time = timeField(document)
    this.#time = time === undefined ? undefined : parsePath(time)
    const { periodMs = 0 } = document.cadence ?? {}
    if (periodMs > 0) this.#periodMs = periodMs
  }

  add(batch: SeenBatch): void {
    if (batch.length === 0) return
    this.#count += batch.length
    this.#arrivedAt = batch.receivedAt
    const at = this.#time === undefined ? batch.receivedAt : this.#delayOf(batch, batch.length - 1, this.#time)
    if (this.#time !== undefined && batch.length > 1) this.#delayOf(batch, 0, this.#time)
    if (at === undefined) return
    this.#last = { at, number: this.#count }
    this.#first ??= this.#last
  }

  addInvalid(count: number): void {
    this.#invalid += count
  }

  addFailure(): void {
    this.#failures++
  }

  /** @param now - Unix ms, while the next record is waited for */
  quality(now?: number): PurchaseQuality {
    const missing = this.#missing(now)
    const delayMs = this.#delays.percentiles()
    return {
      invalid: this.#invalid,
      failures: this.#failures,
      ...(missing === undefined ? {} : { missing }),
      ...(delayMs === undefined ? {} : { delayMs })
    }
  }

  #delayOf(batch: SeenBatch, index: number, path: FieldPath): number | undefined {
    const at = timeOfRecord(batch.bytesOf(index), path)
    if (at !== undefined) this.#delays.add(batch.receivedAt - at)
    return at
  }

  #missing(now: number | undefined): number | undefined {
    const [first, last, period] = [this.#first, this.#last, this.#periodMs]
    if (period === undefined) return undefined
    if (first === undefined || last === undefined) return 0
    const promised = Math.round((last.at - first.at) / period)
    const absent = promised - (last.number - first.number)
    // The next one may be on its way.
    const overdue = now === undefined ? 0 : Math.floor((now - (this.#arrivedAt ?? now)) / period) - 1
    return Math.min(Math.max(0, absent) + Math.max(0, overdue), Number.MAX_SAFE_INTEGER)
  }
}

/** Buckets that grow by 5 %: 1 ms to 150 years. */
const GROWTH = Math.log(1.05)
const BUCKETS = 600

class DelayHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #total = 0

  /** A record from the future counts as one that came at once: the clocks differ. */
  add(ms: number): void {
    const bucket = ms < 1 ? 0 : Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(ms) / GROWTH))
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#total++
  }

  percentiles(): { p50: number; p95: number } | undefined {
    return this.#total === 0 ? undefined : { p50: this.#at(0.5), p95: this.#at(0.95) }
  }

  #at(share: number): number {
    const wanted = Math.ceil(share * this.#total)
    let seen = 0
    const bucket = this.#counts.findIndex((count) => {
      seen += count
      return seen >= wanted
    })
    return bucket <= 0 ? 0 : Math.round(Math.exp((bucket - 0.5) * GROWTH))
  }
}
