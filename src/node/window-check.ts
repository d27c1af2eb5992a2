import type { Listing } from '../interface/index.ts'
import { type BuyerSession, type NarrowWindow, windowAdvice } from '../protocols/sdpp/index.ts'

/** A window that cannot carry the stream at the rate that its listing promises: known before anything is measured. */
export function promisedTooMuch(
  { document: { cadence } }: Listing,
  { terms, roundTripMs }: Pick<BuyerSession, 'terms' | 'roundTripMs'>
): NarrowWindow | undefined {
  const periodMs = cadence?.periodMs
  if (periodMs === undefined || periodMs <= 0 || terms === undefined || roundTripMs === undefined) return undefined
  const window = terms.credit + terms.ahead
  const { tooSmall, need } = windowAdvice({
    price: terms.price,
    recordsPerSecond: 1000 / periodMs,
    roundTripMs,
    window
  })
  return tooSmall ? { window, need } : undefined
}
