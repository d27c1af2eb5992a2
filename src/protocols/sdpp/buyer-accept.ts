import type { AbortOptions, SessionRecord, SessionStore } from '../../interface/index.ts'
import type { CheckedStatement } from '../../statements/index.ts'
import type { SessionTerms } from './account.ts'
import type { BuyerStanding } from './buyer-machine.ts'
import type { PlacedOrder } from './buyer-negotiation.ts'
import { checkAccept, checkCredited, checkResumed, checkShown, sessionTerms } from './negotiation.ts'
import { isSettled, type StoredSession } from './stored-session.ts'

/**
 * What an ACCEPT agrees to, held against order and offer.
 *
 * @param before - the session as it was left, of one that is resumed
 */
export function acceptedTerms(
  { content }: CheckedStatement<'accept'>,
  { session, statement, offer, entry, payer }: PlacedOrder,
  before: StoredSession | undefined
): SessionTerms {
  checkAccept(content, statement.content, offer.content, session.toString())
  checkResumed(content, before?.accept?.content)
  const isEnded = before !== undefined && isSettled(before)
  if (payer.channelId !== undefined && !isEnded) checkShown(content, before !== undefined)
  // A rail with channels may learn of more from the voucher that is shown.
  if (before === undefined) checkCredited(content, 0n)
  else if (payer.channelId === undefined && !isEnded) checkCredited(content, payer.paid)
  return sessionTerms(entry, offer.content, statement.content, content)
}

/** The rail takes what ACCEPT says of its channel; then ACCEPT is kept. */
export async function takeAccept(
  accept: CheckedStatement<'accept'>,
  { payer }: PlacedOrder,
  record: SessionRecord,
  before: StoredSession | undefined,
  sessions: SessionStore,
  options: AbortOptions
): Promise<void> {
  const { base, proof, credited = 0n } = accept.content
  if (base !== undefined || proof !== undefined) {
    await payer.accept(base, proof, { ...options, credited }).catch(async (error: unknown) => {
      // Beside the RECEIPT that it contradicts; one that came before stays what the session is verified with.
      if (before === undefined) await sessions.keep(record.id, 'buyer', [accept])
      throw error
    })
  }
  const isEnded = before !== undefined && isSettled(before)
  if (base !== undefined && !isEnded) checkCredited(accept.content, payer.paid)
  await sessions.put(record, isEnded ? {} : { statements: [accept], replaces: ['accept'] })
}

/** Where a session that is resumed begins. */
export function resumedAt(
  { content: { credited = 0n } }: CheckedStatement<'accept'>,
  { payer, record }: PlacedOrder
): BuyerStanding {
  const { limit, checkpoint, due } = record
  const { position, records, bytes } = checkpoint
  // More is credited than this ledger knows of when it was put back, which the rail judges (`takeAccept`), or when the payments
  // ended before the receipt was stored, with what was used of them only.
  const paid = credited > payer.paid ? credited : payer.paid
  const stopped = limit === undefined ? {} : { limit }
  return { received: { n: position, records, bytes }, due, paid, credited, ...stopped }
}
