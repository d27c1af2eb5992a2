import type {
  Logger,
  Payee,
  Payer,
  ResumeRequest,
  SessionRecord,
  SessionStore,
  TrustLedger
} from '../interface/index.ts'
import { channelOf, isResumable, readSession, type StoredSession } from '../protocols/sdpp/index.ts'

export interface ExpiryComponents {
  sessions: SessionStore
  payers: readonly Payer[]
  payees: readonly Payee[]
  trust: TrustLedger
  logger: Logger
  /** Unix ms. @default Date.now */
  now?: () => number
}

const LOOK_EVERY_MS = 3_600_000

/**
 * Gives sessions up that were cut and that nobody resumed in time: what was paid in them is consumed, what is owed stays a
 * debt, and the channel is free for others. Looks at start and every hour.
 */
export class Expiry {
  readonly #components: ExpiryComponents
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(components: ExpiryComponents) {
    this.#components = components
  }

  start(): void {
    const look = (): void => {
      this.#looking = this.#looking
        .then(async () => void (await this.look()))
        .catch((error: unknown) => {
          if (this.#abort.signal.aborted) return
          this.#components.logger.error('old sessions were not given up', { error: String(error) })
        })
    }
    look()
    this.#timer = setInterval(look, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#looking
  }

  /** Resolves with the number of sessions that were given up. */
  async look(): Promise<number> {
    const { sessions, now = Date.now } = this.#components
    const { signal } = this.#abort
    let expired = 0
    for (const record of await sessions.list(undefined, { signal })) {
      if (record.state === 'closed' || !isResumable(record)) continue
      const stored = await readSession(sessions, record.id, record.role, { signal })
      if (stored === undefined || stored.receipt !== undefined) continue
      if (now() - record.updatedAt <= Number(stored.offer.content.resumeTtl) * 1000) continue
      await this.#giveUp(record, stored)
      expired++
    }
    return expired
  }

  async #giveUp(record: SessionRecord, stored: StoredSession): Promise<void> {
    const { sessions, payers, payees, trust, logger, now = Date.now } = this.#components
    const { id, role, due, rail } = record
    const options = { signal: this.#abort.signal }
    const entry = stored.offer.content.prices[Number(stored.order.content.price)]
    if (entry === undefined) return
    const { amount, count, unit } = entry
    const request: ResumeRequest = {
      sessionId: id,
      ...(record.channelId === undefined ? {} : { channelId: record.channelId }),
      terms: { rail: entry.rail, price: { amount, count, unit } },
      peer: record.peer,
      maximum: stored.order.content.maximum,
      ...(stored.order.content.account === undefined ? {} : { account: stored.order.content.account }),
      ...channelOf(stored.order.content)
    }
    if (role === 'seller') {
      const session = await payees.find((payee) => payee.rail === rail)?.resume(request, options)
      const credited = session?.credited ?? 0n
      await session?.end(credited, credited, options)
      const settled = credited < due ? credited : due
      await trust.close({ role, session: id, settled, debt: due > credited ? due - credited : 0n, timedOut: true })
    } else {
      const session = await payers.find((payer) => payer.rail === rail)?.resume(request, options)
      const paid = session?.paid ?? 0n
      await session?.end(paid, options)
      await trust.close({ role, session: id, settled: 0n, debt: paid > due ? paid - due : 0n })
    }
    await sessions.put({ ...record, state: 'abandoned', updatedAt: now() })
    logger.info('a session that was cut is given up', { session: id, role })
  }
}
