import { due, type Price } from '../../interface/index.ts'

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
