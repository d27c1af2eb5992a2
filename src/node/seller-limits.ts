import type { ListingDocument } from '../interface/index.ts'
import type { LeaveReason, SellerLimits } from './follow-types.ts'
import type { PurchaseQuality } from './quality.ts'

const SILENT_PERIODS = 10
const LEAST_SILENCE_MS = 5_000

/** How long a seller may be silent; undefined: as long as it likes. */
export function silentLimit(
  { silentMs }: SellerLimits,
  { cadence }: Pick<ListingDocument, 'cadence'>
): number | undefined {
  if (silentMs !== undefined) return silentMs
  const { mode, periodMs = 0 } = cadence ?? {}
  return mode === 'finite' || !(periodMs > 0) ? undefined : Math.max(SILENT_PERIODS * periodMs, LEAST_SILENCE_MS)
}

/** The first limit that a seller exceeds. */
export function whyLeave(
  { invalid, failures, missing = 0, delayMs }: PurchaseQuality,
  limits: SellerLimits
): LeaveReason | undefined {
  if (invalid > (limits.invalid ?? 0)) return 'invalid'
  if (limits.missing !== undefined && missing > limits.missing) return 'missing'
  if (limits.delayMs !== undefined && delayMs !== undefined && delayMs.p95 > limits.delayMs) return 'delayMs'
  return limits.failures !== undefined && failures > limits.failures ? 'failures' : undefined
}
