import type { Price } from './listing.ts'

/** Where a session stands: what was handled in order since its start, and how much of it is billable. */
export interface Progress {
  /** Records since the start of the session: the position. */
  readonly n: bigint
  /** Those of them outside the free range. */
  readonly records: bigint
  /** Bytes of those records, without length prefixes. */
  readonly bytes: bigint
}

export const NO_PROGRESS: Progress = { n: 0n, records: 0n, bytes: 0n }

/** Offsets that cost nothing, `from ≤ offset < to`, fixed in the listing and the same for everyone. */
export interface FreeRange {
  from: bigint
  to: bigint
}

function unitsPerPrice(price: Price): bigint {
  return price.unit === 'KiB' ? price.count * 1024n : price.count
}

/**
 * What is owed at a position, in atomic units: `ceil(n × amount / count)`, per KiB `ceil(Σ bytes × amount / (count × 1024))`.
 * Cumulative, so nothing drifts and a duplicate changes nothing (docs/specs/sdpp.md, Money).
 *
 * @example
 * ```ts
 * due({ amount: 100n, count: 3n, unit: 'record' }, { n: 4n, records: 4n, bytes: 800n }) // 134n
 * ```
 */
export function due(price: Price, progress: Progress): bigint {
  const units = price.unit === 'KiB' ? progress.bytes : progress.records
  const per = unitsPerPrice(price)
  return (units * price.amount + per - 1n) / per
}

/** Most billable units (records, or bytes for a price per KiB) whose due is at most `limit`; undefined when free. */
export function affordableUnits(price: Price, limit: bigint): bigint | undefined {
  if (price.amount === 0n) return undefined
  if (limit < 0n) return -1n
  return (limit * unitsPerPrice(price)) / price.amount
}

/** Most that one record can cost: what the two windows together must cover at least. */
export function priceOfOneRecord(price: Price, maxRecordBytes: bigint): bigint {
  return due(price, { n: 1n, records: 1n, bytes: maxRecordBytes })
}

export function isFree(free: FreeRange | undefined, offset: bigint): boolean {
  return free !== undefined && offset >= free.from && offset < free.to
}

/** How many of the `n` records from offset `start` on are outside the free range. */
export function billableRecords(n: bigint, start: bigint, free: FreeRange | undefined): bigint {
  if (free === undefined) return n
  const end = start + n
  const from = free.from > start ? free.from : start
  const to = free.to < end ? free.to : end
  return to > from ? n - (to - from) : n
}
