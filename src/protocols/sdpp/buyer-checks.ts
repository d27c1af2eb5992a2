import type { CheckedStatement } from '../../statements/index.ts'
import type { PlacedOrder } from './buyer-negotiation.ts'
import { SdppError, STATUS } from './status.ts'
import { isSettled, type StoredSession } from './stored-session.ts'

/** An invoice or receipt is the seller's, and of this session. */
export function checkIssuer<K extends 'invoice' | 'receipt'>(
  statement: CheckedStatement<K>,
  { offer, session }: PlacedOrder
): CheckedStatement<K>['content'] {
  if (statement.issuer !== offer.issuer || !statement.content.session.equals(session)) {
    throw new SdppError(STATUS.badSignature, `${statement.kind} is not of this session`)
  }
  return statement.content
}

/** A settled session has one receipt for ever, and what is unused is what was not due. */
export function checkReceipt(statement: CheckedStatement<'receipt'>, before: StoredSession | undefined): void {
  const { due, credited, unused } = statement.content
  if (before?.receipt !== undefined && isSettled(before) && !before.receipt.link.equals(statement.link)) {
    throw new SdppError(STATUS.accountMismatch, `RECEIPT ${statement.cid} is not the one given before`)
  }
  const rest = credited > due ? credited - due : 0n
  if (unused !== rest) {
    throw new SdppError(STATUS.accountMismatch, `RECEIPT says that ${unused} is unused, it is ${rest}`)
  }
}

/**
 * Without a voucher of ours that covers what was credited, nobody could verify the receipt; nor with one that is not ours,
 * whatever was credited.
 *
 * @param base - as ACCEPT has it; undefined on rails without channels, and for a session that has ended
 */
export async function checkProof(
  { credited, proof }: CheckedStatement<'receipt'>['content'],
  base: bigint | undefined,
  { payer, record }: Pick<PlacedOrder, 'payer' | 'record'>
): Promise<void> {
  if (proof !== undefined && record.rail !== 'evm') {
    throw new SdppError(STATUS.paymentInvalid, `RECEIPT shows a voucher on the ${record.rail} rail`)
  }
  if (proof === undefined && record.channelId === undefined) return
  const least = credited === 0n ? 0n : (base ?? 0n) + credited
  const held = proof?.maxClaimableAmount ?? 0n
  if (held < least) throw new SdppError(STATUS.paymentInvalid, `RECEIPT shows a voucher of ${held} for ${least}`)
  if (base !== undefined) await payer.accept(base, proof)
  else if (proof !== undefined) await payer.accept(undefined, proof, { credited })
}
