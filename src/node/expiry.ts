import {
  type AbortOptions,
  DdmError,
  type Logger,
  type Payee,
  type Payer,
  type ResumeRequest,
  type SessionRecord,
  type SessionStore,
  type TrustLedger
} from '../interface/index.ts'
import { channelOf, isResumable, isSettled, readSession, type StoredSession } from '../protocols/sdpp/index.ts'
import type { Chore } from './upkeep.ts'

type Which = Pick<SessionRecord, 'id' | 'role'>

export interface ExpiryComponents {
  sessions: SessionStore
  payers: readonly Payer[]
  payees: readonly Payee[]
  trust: TrustLedger
  /** Whether a session runs, or is about to go on: however long nothing came of it, it is not given up. */
  inUse: (session: Which) => boolean
  logger: Logger
  /**
   * Time of the newest block, Unix ms: a session is given up only when that is late enough, too. A clock that jumps ahead must
   * not cost what was paid. @default this clock alone decides
   */
  blockTime?: (options: AbortOptions) => Promise<number>
  /** Unix ms. @default Date.now */
  now?: () => number
}

/**
 * Gives sessions up that were cut and that nobody resumed in time: what was paid in them is consumed, what is owed stays a
 * debt, and the channel is free for others.
 */
export class Expiry implements Chore {
  readonly name = 'expiry'
  readonly #components: ExpiryComponents
  /** The session that is being given up. */
  #ending: (Which & { done: Promise<unknown> }) | undefined

  constructor(components: ExpiryComponents) {
    this.#components = components
  }

  /** Resolves with the number of sessions that were given up. One that cannot be is tried again at the next look. */
  readonly look = async (options: AbortOptions = {}): Promise<number> => {
    const { sessions, logger } = this.#components
    let expired = 0
    for (const { id, role, state } of await sessions.list(undefined, options)) {
      if (state === 'closed' || !isResumable({ state })) continue
      try {
        if (await this.#lookAt(id, role, options)) expired++
      } catch (error) {
        if (options.signal?.aborted === true) throw error
        logger.warn('a session that was cut is not given up', { session: id, role, error: String(error) })
      }
    }
    return expired
  }

  /** Whether the session is being given up now. */
  has({ id, role }: Which): boolean {
    return this.#ending?.id === id && this.#ending.role === role
  }

  /** Whoever takes a session up asks for it first: its payments must not end under a stream that goes on with them. */
  async release(session: Which): Promise<void> {
    if (this.has(session)) await this.#ending?.done
  }

  async #lookAt(id: string, role: SessionRecord['role'], options: AbortOptions): Promise<boolean> {
    const { sessions, inUse, now = Date.now } = this.#components
    // As it is now: giving up those before it took a while.
    const found = await this.#find(id, role, options)
    if (found === undefined) return false
    if (inUse({ id, role })) {
      // Were this node killed now, it would find the session as old as its last record.
      await sessions.touch(id, role, now(), options)
      return false
    }
    if (!(await this.#isLate(found, options))) return false
    // Somebody may have gone on with it meanwhile.
    const stored = await this.#find(id, role, options)
    if (stored?.record.updatedAt !== found.record.updatedAt || inUse({ id, role })) return false
    const ended = this.#end(stored, options)
    this.#ending = { id, role, done: ended.catch(() => {}) }
    try {
      return await ended
    } finally {
      this.#ending = undefined
    }
  }

  async #end(stored: StoredSession, options: AbortOptions): Promise<boolean> {
    if (!isOver(stored)) return this.#giveUp(stored, options)
    await this.#components.sessions.put({ ...stored.record, state: 'closed' })
    return true
  }

  /** Undefined when it is over, or not to be resumed. */
  async #find(id: string, role: SessionRecord['role'], options: AbortOptions): Promise<StoredSession | undefined> {
    const stored = await readSession(this.#components.sessions, id, role, options)
    return stored === undefined || stored.record.state === 'closed' || !isResumable(stored.record) ? undefined : stored
  }

  async #isLate({ record, offer }: StoredSession, options: AbortOptions): Promise<boolean> {
    const { blockTime, now = Date.now } = this.#components
    const end = record.updatedAt + Number(offer.content.resumeTtl) * 1000
    return now() > end && (blockTime === undefined || (await blockTime(options)) > end)
  }

  async #giveUp({ record, offer, order, receipt }: StoredSession, options: AbortOptions): Promise<boolean> {
    const { sessions, trust, logger, now = Date.now } = this.#components
    const { id, role, due } = record
    const entry = offer.content.prices[Number(order.content.price)]
    if (entry === undefined) return false
    const { amount, count, unit } = entry
    const { maximum, account } = order.content
    const request: ResumeRequest = {
      sessionId: id,
      ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
      terms: { rail: entry.rail, price: { amount, count, unit } },
      peer: record.peer,
      maximum,
      ...(account === undefined ? {} : { account }),
      ...channelOf(order.content),
      toEnd: true
    }
    if (role === 'seller') {
      const credited = await this.#endSelling(record, request, options)
      const [settled, debt] = credited < due ? [credited, due - credited] : [due, 0n]
      // Whoever has paid all that it got missed no payment.
      await trust.close({ role, session: id, settled, debt, timedOut: debt > 0n })
    } else {
      const paid = await this.#endBuying(record, request, options)
      await trust.close({ role, session: id, settled: 0n, debt: paid > due ? paid - due : 0n })
    }
    await sessions.put({ ...record, state: receipt === undefined ? 'abandoned' : 'closed', updatedAt: now() })
    logger.info('a session that was cut is given up', { session: id, role })
    return true
  }

  /** Resolves with what was credited, by the row when the rail knows nothing of it. */
  async #endSelling({ rail, paid }: SessionRecord, request: ResumeRequest, options: AbortOptions): Promise<bigint> {
    const payee = this.#components.payees.find((one) => one.rail === rail)
    const session = await payee?.resume(request, options).catch(unlessUnknown)
    const credited = session?.credited ?? paid
    await session?.end(credited, credited, options)
    return credited
  }

  /** Resolves with what was signed. */
  async #endBuying({ rail, paid }: SessionRecord, request: ResumeRequest, options: AbortOptions): Promise<bigint> {
    const payer = this.#components.payers.find((one) => one.rail === rail)
    const session = await payer?.resume(request, options).catch(unlessUnknown)
    const signed = session?.paid ?? paid
    await session?.end(signed, options)
    return signed
  }
}

/**
 * With its RECEIPT nothing is open in a session, unless it was taken up again to pay the rest. The state alone says nothing: a
 * crash may have come between that and the RECEIPT.
 */
function isOver(stored: StoredSession): boolean {
  return stored.receipt !== undefined && (stored.record.state === 'receipted' || isSettled(stored))
}

/** A rail that knows nothing of a session has nothing to end. */
function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof DdmError) || error.code !== 'notFound') throw error
  return undefined
}
