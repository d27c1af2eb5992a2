import type { Chain } from '../chain/index.ts'
import { type AbortOptions, DdmError, type LedgerMove, type SessionRecord } from '../interface/index.ts'
import type { Ledger } from '../storage/index.ts'
import { transactionName } from './transaction-name.ts'

/** Clocks differ: a deposit may be in a block that is older than the session that asked for it. */
const CLOCKS_DIFFER_MS = 3_600_000

export interface MovesComponents {
  ledger: Pick<Ledger, 'sessions' | 'transfers'>
  chain: Pick<Chain, 'channelMoves'>
}

/** What moved money for a session: the events of its channel, or the transactions that paid its invoices. */
export async function movesOfSession(
  { id, role }: Pick<SessionRecord, 'id' | 'role'>,
  { ledger, chain }: MovesComponents,
  options: AbortOptions = {}
): Promise<LedgerMove[]> {
  const { sessions, transfers } = ledger
  const session = await sessions.get(id, role, options)
  if (session === undefined) throw new DdmError('notFound', `session ${id} is not in the ledger`)
  const { channelId, rail } = session
  if (channelId !== undefined) {
    const onChannel = (await sessions.list(role, options)).filter((one) => one.channelId === channelId)
    const since = Math.min(...onChannel.map(({ openedAt }) => openedAt))
    return chain.channelMoves(channelId, since - CLOCKS_DIFFER_MS, options)
  }
  const paid = role === 'buyer' ? await transfers.sent(id, options) : await transfers.receivedOf(id, options)
  return paid.map(({ amount, transaction, at }) => ({
    kind: 'payment',
    amount,
    transaction: transactionName(rail, transaction),
    at
  }))
}
