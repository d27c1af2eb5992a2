import type { AbortOptions, SessionStore } from '../interface/index.ts'
import { CLOSE_REASON, isComplete, readSession, violationError } from '../protocols/sdpp/index.ts'
import type { PurchaseOutcome } from './types.ts'

/**
 * How a purchase ended, as the ledger has it; undefined while there is something to fetch. What else the run counted that
 * made it went with that run.
 *
 * @throws DdmError `schema` when a record that breaks the schema ended it
 */
export async function endedPurchase(
  session: string,
  sessions: SessionStore,
  options?: AbortOptions
): Promise<PurchaseOutcome | undefined> {
  const stored = await readSession(sessions, session, 'buyer', options)
  if (stored?.receipt === undefined || !isComplete(stored)) return undefined
  const { listingId: listing, peer: seller, rail, paid, openedAt, updatedAt } = stored.record
  const { n: records, due, credited, reason } = stored.receipt.content
  const violation = await sessions.violation(session, 'buyer', options)
  if (violation !== undefined) throw violationError(violation, { session, seller, records, paid })
  return {
    session,
    listing,
    seller,
    rail,
    records,
    due,
    paid,
    credited,
    reason: reasonName(Number(reason)),
    resumes: 0,
    quality: { invalid: 0, failures: 0 },
    firstRecordMs: undefined,
    totalMs: updatedAt - openedAt
  }
}

/** Why a session ended, as users read it. */
export function reasonName(reason: number): string {
  return Object.entries(CLOSE_REASON).find(([, code]) => code === reason)?.[0] ?? `reason ${reason}`
}
