import type { DataRecord } from '../interface/index.ts'

/** Newest records that somebody who opens a live view sees at once. */
const SHOWN = 500

/** Of all purchases together: a record may have a MiB. */
const MAX_BYTES = 16 * 1024 * 1024

interface Kept {
  batches: Array<{ records: readonly DataRecord[]; bytes: number }>
  count: number
  bytes: number
}

/** The newest records of each purchase, batch by batch; where all together are too large, the largest loses its oldest. */
export class RecentRecords {
  readonly #maxBytes: number
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  add(purchase: string, records: readonly DataRecord[]): void {
    const kept = this.#kept.get(purchase) ?? { batches: [], count: 0, bytes: 0 }
    this.#kept.set(purchase, kept)
    const bytes = records.reduce((sum, record) => sum + record.bytes.byteLength, 0)
    kept.batches.push({ records, bytes })
    kept.count += records.length
    kept.bytes += bytes
    this.#bytes += bytes
    while (kept.count - (kept.batches[0]?.records.length ?? 0) >= SHOWN) this.#dropOldest(kept)
    while (this.#bytes > this.#maxBytes) this.#dropOldest(this.#largest(kept))
  }

  of(purchase: string): DataRecord[] {
    const { batches = [] } = this.#kept.get(purchase) ?? {}
    return batches.flatMap(({ records }) => records).slice(-SHOWN)
  }

  forget(purchase: string): void {
    this.#bytes -= this.#kept.get(purchase)?.bytes ?? 0
    this.#kept.delete(purchase)
  }

  #largest(first: Kept): Kept {
    return [...this.#kept.values()].reduce((largest, kept) => (kept.bytes > largest.bytes ? kept : largest), first)
  }

  #dropOldest(kept: Kept): void {
    const oldest = kept.batches.shift()
    kept.count -= oldest?.records.length ?? 0
    kept.bytes -= oldest?.bytes ?? 0
    this.#bytes -= oldest?.bytes ?? 0
  }
}
