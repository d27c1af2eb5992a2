import type { PlacedOrder } from './buyer-negotiation.ts'
import { isOpen } from './buyer-standing.ts'
import type { BuyerComponents } from './buyer-types.ts'

type Parts = Pick<BuyerComponents, 'sessions' | 'clock' | 'trust'>

/** The stream was lost before the ORDER was sent: nobody knows of it. */
export async function dropOrder({ payer, record }: PlacedOrder, parts: Parts): Promise<void> {
  await payer.end(0n)
  await closeTrust(parts, record.id, 0n, 0n)
  await parts.sessions.put({ ...record, state: 'abandoned', updatedAt: parts.clock.wallTime() })
}

/** The stream was lost before RESUME was sent: all stays as it was. */
export async function leaveOrder({ payer, record }: PlacedOrder, ahead: bigint, parts: Parts): Promise<void> {
  await payer.suspend()
  await closeTrust(parts, record.id, 0n, ahead)
}

/**
 * The session is left without a receipt: its payments and what the seller owes, before the ledger calls it left.
 *
 * @param state - what the ledger is about to call it
 * @param ahead - signed for and not received
 */
export async function releaseOrder(
  { payer, record }: PlacedOrder,
  state: string,
  ahead: () => bigint,
  parts: Parts
): Promise<void> {
  // All that was paid counts as consumed until the seller's next ACCEPT says what was not.
  if (isOpen(state)) await payer.suspend()
  else await payer.end(payer.paid)
  await closeTrust(parts, record.id, 0n, ahead())
}

export async function closeTrust(
  { trust }: Pick<Parts, 'trust'>,
  session: string,
  settled: bigint,
  debt: bigint
): Promise<void> {
  await trust?.close({ role: 'buyer', session, settled, debt })
}
