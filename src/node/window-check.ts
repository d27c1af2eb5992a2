import type { Listing } from '../interface/index.ts'
import { type BuyerSession, windowAdvice } from '../protocols/sdpp/index.ts'

/** A window that cannot carry the stream at the rate that its listing promises; atomic units. */
export interface NarrowWindow {
  window: bigint
  /** What a round trip and one record more would take. */
  need: bigint
}

/** undefined where the window is wide enough, or the listing promises no rate. */
export function narrowWindow(
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
