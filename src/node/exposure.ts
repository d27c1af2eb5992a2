import type { AbortOptions, ChannelStanding, ChannelStore, Payee, Payer, SessionRecord } from '../interface/index.ts'

/** What one side of a session may lose, atomic units (docs/specs/sdpp.md, Money). */
export interface SessionExposure {
  /** Seller: the credit of a session that goes on, else what it owes. Buyer: what may be, or was, paid ahead. */
  window: bigint
  /** Seller: vouchers of the channel that are not on the chain yet. Buyer: 0. */
  unclaimed: bigint
  /** Seller: deposited, and not at confirmation depth. Buyer: 0. */
  unconfirmed: bigint
  /** Buyer: what is left of the deposit. Not lost: a seller that vanished delays it by `withdrawDelay`. Seller: 0. */
  locked: bigint
  /** Seconds; undefined without a channel. */
  withdrawDelay?: number
  /** Most that can be lost: window, unclaimed and unconfirmed. */
  bound: bigint
}

/** States in which nothing moves any more. */
const ENDED: readonly string[] = ['receipted', 'closed', 'refused', 'disputed', 'abandoned']

export async function exposureOfSession(
  record: SessionRecord,
  { payers, payees, channels }: { payers: readonly Payer[]; payees: readonly Payee[]; channels: ChannelStore },
  options?: AbortOptions
): Promise<SessionExposure> {
  const selling = record.role === 'seller'
  const channel = await standingOf(record, selling ? payees : payers, options)
  const { channelId } = record
  const kept = channelId === undefined ? undefined : await channels[selling ? 'payee' : 'payer'](channelId, options)
  const { due, paid, credit, state } = record
  const atRisk = selling ? due - paid : paid - due
  const owed = atRisk > 0n ? atRisk : 0n
  // A receipt closes the buyer's book: what was paid too much is the base of the next session.
  const ended = state === 'closed' && !selling ? 0n : owed
  const window = ENDED.includes(state) || credit < owed ? ended : credit
  const unclaimed = selling ? (channel?.unclaimed ?? 0n) : 0n
  const unconfirmed = selling ? (channel?.unconfirmed ?? 0n) : 0n
  return {
    window,
    unclaimed,
    unconfirmed,
    locked: selling ? 0n : (channel?.unspent ?? 0n),
    ...(kept === undefined ? {} : { withdrawDelay: kept.config.withdrawDelay }),
    bound: window + unclaimed + unconfirmed
  }
}

async function standingOf(
  { rail, channelId }: SessionRecord,
  sides: ReadonlyArray<Payer | Payee>,
  options?: AbortOptions
): Promise<ChannelStanding | undefined> {
  if (channelId === undefined) return undefined
  const channels = await sides.find((side) => side.rail === rail)?.channels?.list(options)
  return channels?.find((channel) => channel.channelId === channelId)
}
