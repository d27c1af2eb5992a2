import { due, type Price, type Progress } from '../../interface/index.ts'
import type { SessionTerms } from './account.ts'
import { MAX_IN_FLIGHT_BYTES } from './constants.ts'

export interface WindowUse {
  price: Price
  /** As the listing or the last minutes have it. */
  recordsPerSecond: number
  roundTripMs: number
  /** Credit and what is paid ahead, atomic units. */
  window: bigint
  /** Bytes of a usual record: needed where the price is per KiB. */
  recordBytes?: bigint
}

/**
 * Is a window too small to keep a stream flowing? What is sent during a round trip is unpaid until the payment for it
 * comes back, and one record more must fit. Nothing is lost when it is too small: the seller waits for payments instead.
 *
 * @example
 * ```ts
 * const price = { amount: 100n, count: 1n, unit: 'record' } as const
 * windowAdvice({ price, recordsPerSecond: 50, roundTripMs: 200, window: 1_000n }) // { tooSmall: true, need: 1100n }
 * ```
 */
export function windowAdvice(use: WindowUse): { tooSmall: boolean; need: bigint } {
  const { price, recordsPerSecond, roundTripMs, window, recordBytes = 1024n } = use
  const unpaid = (recordsPerSecond * roundTripMs) / 1000
  const records = BigInt(Number.isFinite(unpaid) && unpaid > 0 ? Math.ceil(unpaid) : 0) + 1n
  const need = due(price, { n: records, records, bytes: records * recordBytes })
  return { tooSmall: window < need, need }
}

/** What a session has measured of itself. */
export interface MeasuredFlow {
  /** Billable records and their bytes that went, in so many ms. */
  records: bigint
  bytes: bigint
  ms: number
  /** How often, and how long of that, the next record waited for a payment. */
  waits: number
  waitedMs: number
  roundTripMs: number | undefined
}

/** A window that holds a stream back, and what would not; atomic units. */
export interface NarrowWindow {
  window: bigint
  need: bigint
}

/** Fewer, or a smaller part of the time, may be chance: one in so many. */
const MIN_WAITS = 10
const MIN_SHARE = 5

/**
 * Did the window hold the stream back, and how large would it have to be? The rate is that of the time in which the stream
 * did not wait: how fast it goes when nothing holds it. undefined while nothing is measured, or the window is wide enough.
 */
export function narrowWindow(
  flow: MeasuredFlow,
  { price, credit, ahead, maximum }: SessionTerms
): NarrowWindow | undefined {
  const { records, bytes, ms, waits, waitedMs, roundTripMs } = flow
  if (roundTripMs === undefined || records === 0n || waits < MIN_WAITS || waitedMs * MIN_SHARE < ms) return undefined
  const recordBytes = bytes / records
  const most = (MAX_IN_FLIGHT_BYTES / Math.max(Number(recordBytes), 1) / Math.max(roundTripMs, 1)) * 1000
  const recordsPerSecond = Math.min((Number(records) / Math.max(ms - waitedMs, 1)) * 1000, most)
  const window = credit + ahead
  const { need } = windowAdvice({ price, recordsPerSecond, roundTripMs, window, recordBytes })
  const enough = need < maximum ? need : maximum
  return window < enough ? { window, need: enough } : undefined
}

/** Whether not one more record of the usual size fits: then the seller waits for a payment. */
export function isFull(
  { price, credit, maximum }: SessionTerms,
  { n, records, bytes }: Progress,
  credited: bigint
): boolean {
  const usual = records === 0n ? 0n : bytes / records
  const next = due(price, { n: n + 1n, records: records + 1n, bytes: bytes + usual })
  return next > credited + credit && next <= maximum
}
