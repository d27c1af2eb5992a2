import type { Logger } from '../interface/index.ts'
import type { PurchaseQuality } from './quality.ts'
import type { PurchaseOutcome } from './types.ts'

/** What happens in a purchase, in order; amounts in atomic units, cumulative over the purchase. */
export type PurchaseEvent =
  /** Records are being handed out. */
  | { type: 'records'; first: bigint; count: number }
  /** A payment has left this node. */
  | { type: 'payment'; paid: bigint; due: bigint }
  /** The window cannot carry the rate that the listing promises, or that was measured; paying `need` ahead (`prepay`) would. */
  | { type: 'window'; window: bigint; need: bigint }
  /** The stream was lost, and the session goes on over another one. */
  | { type: 'resumed'; resumes: number }
  /** Another record was missing or invalid, or a stream lost. */
  | { type: 'quality'; quality: PurchaseQuality }
  /** Always the last one, with one of the two. */
  | { type: 'ended'; outcome?: PurchaseOutcome; error?: unknown }

/** Listeners never end what they listen to: their errors are logged. */
export function listener<E extends { type: string }>(
  onEvent: ((event: E) => void) | undefined,
  logger: Logger
): (event: E) => void {
  if (onEvent === undefined) return () => {}
  return (event) => {
    try {
      onEvent(event)
    } catch (error) {
      logger.error('a listener of events failed', { event: event.type, error: String(error) })
    }
  }
}
