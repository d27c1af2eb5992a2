import { DdmError, type Payer, type PayerSession, priceOfOneRecord, type TrustLedger } from '../../interface/index.ts'
import type { OfferPrice } from '../../statements/index.ts'
import type { PlacedOrder } from './buyer-negotiation.ts'
import { paymentTermsOf, priceOf } from './negotiation.ts'
import { SdppError, STATUS } from './status.ts'
import { isSettled, type StoredSession } from './stored-session.ts'

/** Takes up the payments of a session that was cut; what was ordered stays as it was signed. */
export async function resumeOrder(
  stored: StoredSession,
  { payers, trust }: { payers: readonly Payer[]; trust?: TrustLedger },
  signal: AbortSignal
): Promise<PlacedOrder> {
  const { session, record, offer, order, receipt } = stored
  const entry = offer.content.prices[Number(order.content.price)] as OfferPrice
  if (receipt !== undefined && isSettled(stored)) {
    return { session, statement: order, offer, entry, payer: settledPayer(receipt.content.credited), record }
  }
  const payer = payers.find(({ rail }) => rail === record.rail)
  if (payer === undefined) throw new SdppError(STATUS.noCommonRail, `this wallet does not pay on rail ${record.rail}`)
  const one = priceOfOneRecord(priceOf(entry), offer.content.maxRecordBytes)
  const rail = await payer.resume(
    {
      sessionId: record.id,
      ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
      terms: paymentTermsOf(entry),
      peer: record.peer,
      maximum: order.content.maximum,
      one,
      ...(order.content.account === undefined ? {} : { account: order.content.account })
    },
    { signal }
  )
  const { prepay } = order.content
  // What was agreed to stays agreed; this only counts it as at risk again.
  await trust
    ?.reopen({ role: 'buyer', session: record.id, one, cap: prepay, floor: prepay })
    .catch((error: unknown) => {
      if (!(error instanceof DdmError) || error.code !== 'notFound') throw error
    })
  return { session, statement: order, offer, entry, payer: rail, record }
}

/** Of a session that is paid only records and receipt are fetched: its channel has gone on to others. */
function settledPayer(paid: bigint): PayerSession {
  return {
    order: { rail: 'evm' },
    paid,
    payload: undefined,
    begin: async () => {},
    accept: async () => {},
    pay: async () => {
      throw new DdmError('internal', 'the session is settled; nothing more is signed for it')
    },
    suspend: async () => {},
    end: async () => {}
  }
}
