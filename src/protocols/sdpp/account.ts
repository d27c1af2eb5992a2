import {
  affordableUnits,
  billableRecords,
  due,
  type FreeRange,
  isFree,
  type Price,
  type Progress,
  type RecordEnds
} from '../../interface/index.ts'

/** What both sides agreed on: the part of OFFER, ORDER and ACCEPT that arithmetic needs. */
export interface SessionTerms {
  price: Price
  free?: FreeRange
  /** Granularity: records per invoice. */
  k: bigint
  /** Seller's risk, atomic units: due − credited stays within it. */
  credit: bigint
  /** Buyer's risk, atomic units: paid − due(received) stays within it. */
  prepay: bigint
  /** What the buyer keeps paid in advance, ≤ prepay. */
  ahead: bigint
  /** Most that the session may cost. */
  maximum: bigint
  /** Offset of the first record. */
  start: bigint
  /** Offset after the last record; undefined for "until stopped". */
  end?: bigint
  /** Offset after the last record that there will ever be; undefined while the log grows. */
  last?: bigint
  /** Size of the largest record that was offered. */
  maxRecordBytes?: bigint
}

/** Consecutive records of one block, as the log or a DATA frame has them. */
export interface Records {
  first: bigint
  count: number
  ends: RecordEnds
}

function sizeOf(records: Records, index: number): bigint {
  return BigInt((records.ends[index] as number) - (index === 0 ? 0 : (records.ends[index - 1] as number)) - 4)
}

/** Index of the first record that is larger than offered where that costs more: nobody agreed to its price. */
export function oversized({ price, maxRecordBytes }: SessionTerms, records: Records, to: number): number | undefined {
  if (price.unit === 'record' || maxRecordBytes === undefined) return undefined
  for (let index = 0; index < to; index++) if (sizeOf(records, index) > maxRecordBytes) return index
  return undefined
}

/** Progress after records `from ≤ i < to` of a block. */
export function advance(terms: SessionTerms, progress: Progress, records: Records, from: number, to: number): Progress {
  if (to === from) return progress
  const count = BigInt(to - from)
  if (terms.price.unit === 'record' && terms.free === undefined) {
    return {
      n: progress.n + count,
      records: progress.records + count,
      bytes: progress.bytes + sizes(records, from, to)
    }
  }
  let { records: billable, bytes } = progress
  for (let index = from; index < to; index++) {
    if (isFree(terms.free, records.first + BigInt(index))) continue
    billable++
    bytes += sizeOf(records, index)
  }
  return { n: progress.n + count, records: billable, bytes }
}

function sizes(records: Records, from: number, to: number): bigint {
  const start = from === 0 ? 0 : (records.ends[from - 1] as number)
  return BigInt((records.ends[to - 1] as number) - start - 4 * (to - from))
}

/** How many of the records `from ≤ i < to` can follow `progress` such that due stays ≤ limit. */
export function fitting(
  terms: SessionTerms,
  progress: Progress,
  records: Records,
  from: number,
  to: number,
  limit: bigint
): number {
  const units = affordableUnits(terms.price, limit)
  if (units === undefined) return to - from
  if (terms.price.unit === 'record' && terms.free === undefined) {
    const room = units - progress.records
    return room <= 0n ? 0 : Number(room < BigInt(to - from) ? room : BigInt(to - from))
  }
  let used = terms.price.unit === 'KiB' ? progress.bytes : progress.records
  for (let index = from; index < to; index++) {
    if (isFree(terms.free, records.first + BigInt(index))) continue
    used += terms.price.unit === 'KiB' ? sizeOf(records, index) : 1n
    if (used > units) return index - from
  }
  return to - from
}

/** Position (since the start) of the next invoice: at most k records on, on a log offset divisible by k (Invoices). */
export function nextInvoiceAt(terms: SessionTerms, invoicedAt: bigint): bigint {
  const offset = terms.start + invoicedAt
  return (offset / terms.k + 1n) * terms.k - terms.start
}

/**
 * What the buyer signs for after receiving `received`: its due and `ahead`, never above the maximum, nor above what the
 * whole order costs where that is known from the start.
 */
export function paymentTarget(terms: SessionTerms, received: Progress, ahead: bigint): bigint {
  const target = due(terms.price, received) + ahead
  const limit = mostDue(terms)
  return target > limit ? limit : target
}

function mostDue({ price, free, start, last, end = last, maximum }: SessionTerms): bigint {
  if (end === undefined || price.unit !== 'record') return maximum
  const n = (last !== undefined && last < end ? last : end) - start
  const whole = due(price, { n, records: billableRecords(n, start, free), bytes: 0n })
  return whole < maximum ? whole : maximum
}
