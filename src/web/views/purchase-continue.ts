import type { Purchase, PurchaseWish, Session } from '../client/types.ts'
import type { Terms } from './purchase-terms.ts'

/** What a session that was lost fails with; the same session can go on. */
const CUT = new Set(['unreachable', 'aborted'])

/**
 * How to go on with a purchase that is over: a session that was cut is resumed; after an orderly end the rest of what was
 * wanted is bought from the next record on, at the same risk. undefined when nothing is left.
 */
export function continuation(
  { listing, status, outcome, problem }: Purchase,
  { start, quantity, maximum, prepay }: Terms
): PurchaseWish | undefined {
  if (problem !== undefined) return CUT.has(problem.code) && status.id !== undefined ? { resume: status.id } : undefined
  if (outcome === undefined || listing === undefined || start === undefined) return undefined
  const received = BigInt(outcome.records)
  const left = quantity === undefined ? undefined : quantity - received
  const budget = maximum === undefined ? undefined : maximum - BigInt(outcome.due)
  if (left === 0n || budget === 0n) return undefined
  return {
    listing,
    keep: 'node',
    options: {
      rail: outcome.rail,
      from: (start + received).toString(),
      ...(left === undefined ? {} : { records: left.toString() }),
      ...(budget === undefined ? {} : { max: { units: budget.toString() } }),
      ...(prepay === undefined ? {} : { prepay: { units: prepay.toString() } })
    }
  }
}

/** States of sessions that wait for somebody to go on with them. */
const WAITING = new Set(['suspended', 'stopped'])
/** States that a session does not leave any more. */
const OVER = new Set(['closed', 'refused', 'disputed', 'abandoned'])

/**
 * Whether a session stopped in the middle and nobody goes on with it: it says so, or is of an earlier run of the node,
 * which may not have had the time to say so. `startedAt`: Unix ms of this run.
 */
export function isCut({ state, openedAt }: Session, startedAt: number): boolean {
  return WAITING.has(state) || (!OVER.has(state) && openedAt < startedAt)
}
