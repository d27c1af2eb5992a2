import type {
  AbortOptions,
  ChannelStanding,
  ChannelStore,
  Payee,
  Payer,
  RailName,
  SessionRecord,
  SessionRole,
  SessionStakes
} from '../interface/index.ts'
import type { Ledger } from '../storage/index.ts'

/** What one side of a session may lose, atomic units (docs/specs/sdpp.md, Money). */
export interface SessionExposure {
  /**
   * Seller: the credit of a session that goes on, else what it owes. Buyer: what may be, or was, paid ahead, and of a session
   * that has ended what no later one of its channel has consumed.
   */
  window: bigint
  /** Buyer: signed, and not yet confirmed by the seller: on its way, not failed. Seller: 0. */
  pending: bigint
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

/** What all sessions and channels of one role in one currency may cost this node, atomic units. */
export interface TotalExposure {
  role: SessionRole
  /** Each rail has its currency. */
  rail: RailName
  /** Over all sessions. Seller: delivered before it is paid. Buyer: paid before it is delivered, also what ended sessions left in channels. */
  window: bigint
  /** Seller, over all channels: vouchers that are not on the chain yet. Buyer: 0. */
  unclaimed: bigint
  /** Seller, over all channels: deposited, and not at confirmation depth. Buyer: 0. */
  unconfirmed: bigint
  /** Buyer, over all channels: what is left of the deposits; without the sellers it comes back after the withdraw delay. Seller: 0. */
  locked: bigint
  /** The sum: what is lost at most, and what is delayed. */
  bound: bigint
}

/** States in which nothing moves any more. */
const ENDED: readonly string[] = ['receipted', 'closed', 'refused', 'disputed', 'abandoned']

export interface ExposureComponents {
  payers: readonly Payer[]
  payees: readonly Payee[]
  channels: ChannelStore
  /** What the seller of a purchase has last said that it has. */
  confirmed: (session: SessionRecord, options?: AbortOptions) => Promise<bigint>
}

export async function exposureOfSession(
  record: SessionRecord,
  { payers, payees, channels, confirmed }: ExposureComponents,
  options?: AbortOptions
): Promise<SessionExposure> {
  const selling = record.role === 'seller'
  const channel = await standingOf(record, selling ? payees : payers, options)
  const { channelId } = record
  const kept = channelId === undefined ? undefined : await channels[selling ? 'payee' : 'payer'](channelId, options)
  const goesOn = !selling && !ENDED.includes(record.state)
  const credited = goesOn ? await confirmed(record, options) : record.paid
  const window = windowOf(record, channel?.ahead)
  const unclaimed = selling ? (channel?.unclaimed ?? 0n) : 0n
  const unconfirmed = selling ? (channel?.unconfirmed ?? 0n) : 0n
  return {
    window,
    pending: record.paid > credited ? record.paid - credited : 0n,
    unclaimed,
    unconfirmed,
    locked: selling || channel === undefined ? 0n : lockedOf(channel, channel.unspent, channel.balance),
    ...(kept === undefined ? {} : { withdrawDelay: kept.config.withdrawDelay }),
    bound: window + unclaimed + unconfirmed
  }
}

/** What was delivered and is not paid, or the other way round, or may yet be. */
function windowOf({ role, state, due, paid, credit }: SessionStakes, ahead = 0n): bigint {
  const atRisk = role === 'seller' ? due - paid : paid - due
  const owed = atRisk > 0n ? atRisk : 0n
  // A receipt closes the buyer's book: what was paid too much is there for the channel's next session, until the seller takes it.
  const unused = ahead < owed ? ahead : owed
  const ended = role === 'buyer' && (state === 'closed' || state === 'receipted') ? unused : owed
  return ENDED.includes(state) || credit < owed ? ended : credit
}

/** What was signed is not only delayed by a seller that takes it. */
function lockedOf({ paid }: ChannelStanding, left: bigint, held: bigint): bigint {
  const unsigned = held > paid ? held - paid : 0n
  return left < unsigned ? left : unsigned
}

/** The bound of the whole node, by role and currency; reads the chain where there are channels. */
export async function totalExposure(
  { payers, payees, ledger }: { payers: readonly Payer[]; payees: readonly Payee[]; ledger: Pick<Ledger, 'unsettled'> },
  options?: AbortOptions
): Promise<TotalExposure[]> {
  const sessions = await ledger.unsettled(ENDED, options)
  const sides = [
    ...payees.map(({ rail, channels }) => ({ role: 'seller' as const, rail, channels })),
    ...payers.map(({ rail, channels }) => ({ role: 'buyer' as const, rail, channels }))
  ].filter(({ rail }) => rail !== 'free')
  return Promise.all(
    sides.map(async ({ role, rail, channels }) => {
      const standings = (await channels?.list(options)) ?? []
      const sum = (amountOf: (standing: ChannelStanding) => bigint): bigint =>
        standings.reduce((total, standing) => total + amountOf(standing), 0n)
      const selling = role === 'seller'
      const window = sessions
        .filter((session) => session.role === role && session.rail === rail)
        .reduce((total, session) => total + windowOf(session), selling ? 0n : sum((channel) => channel.ahead))
      const unclaimed = selling ? sum((channel) => channel.unclaimed) : 0n
      const unconfirmed = selling ? sum((channel) => channel.unconfirmed) : 0n
      // What was asked back is locked until it is taken.
      const lockedIn = (channel: ChannelStanding): bigint => {
        const { unspent, pendingWithdrawal, balance, unconfirmed } = channel
        return lockedOf(channel, unspent + pendingWithdrawal + unconfirmed, balance + unconfirmed)
      }
      const locked = selling ? 0n : sum(lockedIn)
      return { role, rail, window, unclaimed, unconfirmed, locked, bound: window + unclaimed + unconfirmed + locked }
    })
  )
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
