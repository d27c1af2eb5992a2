import type { AbortOptions, Logger, SessionRecord, SessionStore } from '../interface/index.ts'
import { isUnconfirmed, readSession, type StoredSession } from '../protocols/sdpp/index.ts'
import type { Chore } from './upkeep.ts'

export interface SettlementComponents {
  sessions: SessionStore
  /** Whether a session runs, or is about to go on. */
  inUse: (session: Pick<SessionRecord, 'id' | 'role'>) => boolean
  /** Takes a session up until it has ended; resolves with whether the seller has confirmed that. */
  settle: (session: StoredSession, options: { signal: AbortSignal }) => Promise<boolean>
  logger: Logger
  /** Unix ms. @default Date.now */
  now?: () => number
}

/** Sellers that are asked at a time. */
const MAX_SELLERS = 4
/** A seller that comes and goes, or never confirms, is not asked at each contact, nor for ever. */
const CONTACT_AGAIN_MS = 60_000
const MAX_TRIES = 20

/**
 * Fetches what a buyer's node lost with a connection: the RECEIPT of a session whose records are all here, and the seller's
 * word that it has the RECEIPT_ACK. Looks at start and now and then, and when a seller is met; asks a seller for one session
 * after the other. When one fails, those after it wait for the next look as well.
 */
export class Settlement implements Chore {
  readonly name = 'settlement'
  readonly #components: SettlementComponents
  readonly #stop = new AbortController()
  /** Sessions by seller, as of the last look. */
  readonly #waiting = new Map<string, string[]>()
  /** Sellers whose turn has not come. */
  readonly #next = new Set<string>()
  readonly #asked = new Map<string, { running: Promise<void> | undefined; at: number }>()
  readonly #running = new Map<string, { abort: AbortController; done: Promise<unknown> }>()
  readonly #tries = new Map<string, number>()

  constructor(components: SettlementComponents) {
    this.#components = components
  }

  /** Resolves when it is known what is to be fetched: that goes on in the background. */
  readonly look = async (options: AbortOptions = {}): Promise<void> => {
    const { sessions } = this.#components
    const found = new Map<string, string[]>()
    for (const record of await sessions.list('buyer', options)) {
      if (record.state === 'closed' || !(await this.#find(record.id, options))) continue
      found.set(record.peer, [...(found.get(record.peer) ?? []), record.id])
    }
    this.#waiting.clear()
    for (const [seller, ids] of found) {
      this.#waiting.set(seller, ids)
      this.#ask(seller)
    }
  }

  /** There is a connection to this peer, who may be a seller that was away. */
  readonly met = (peer: string): void => {
    const { now = Date.now } = this.#components
    const last = this.#asked.get(peer)?.at ?? Number.NEGATIVE_INFINITY
    if (this.#waiting.has(peer) && now() - last > CONTACT_AGAIN_MS) this.#ask(peer)
  }

  /** A session of this seller has just ended without its word. */
  missed(seller: string, id: string): void {
    this.#waiting.set(seller, [...(this.#waiting.get(seller) ?? []), id])
    this.met(seller)
  }

  /** Whether what a session ends with is being fetched. */
  has(id: string): boolean {
    return this.#running.has(id)
  }

  /** Somebody else takes the session up. It may be looked at again at once: see `has`. */
  async release(id: string): Promise<void> {
    const running = this.#running.get(id)
    running?.abort.abort()
    await running?.done
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#asked.values()].flatMap(({ running }) => running ?? []))
  }

  #ask(seller: string): void {
    if (this.#asked.get(seller)?.running === undefined) this.#next.add(seller)
    this.#run()
  }

  #run(): void {
    if (this.#stop.signal.aborted) return
    const { now = Date.now } = this.#components
    const busy = [...this.#asked.values()].filter(({ running }) => running !== undefined).length
    for (const seller of [...this.#next].slice(0, Math.max(0, MAX_SELLERS - busy))) {
      this.#next.delete(seller)
      const running = this.#settleAll(seller)
        .catch((error: unknown) => this.#components.logger.debug('not settled', { seller, error: String(error) }))
        .then(() => {
          this.#asked.set(seller, { running: undefined, at: now() })
          this.#run()
        })
      this.#asked.set(seller, { running, at: now() })
    }
  }

  async #settleAll(seller: string): Promise<void> {
    for (const id of this.#waiting.get(seller) ?? []) {
      this.#stop.signal.throwIfAborted()
      const session = await this.#find(id, { signal: this.#stop.signal })
      // Asked in the moment in which it is taken: somebody may have done so while it was read.
      if (session === undefined || this.#components.inUse({ id, role: 'buyer' })) continue
      if (!(await this.#settle(id, session))) return
    }
  }

  async #settle(id: string, session: StoredSession): Promise<boolean> {
    const { settle, logger } = this.#components
    this.#tries.set(id, (this.#tries.get(id) ?? 0) + 1)
    const abort = new AbortController()
    const done = settle(session, { signal: AbortSignal.any([abort.signal, this.#stop.signal]) })
    this.#running.set(id, { abort, done: done.catch(() => {}) })
    try {
      const confirmed = await done
      logger.debug('what a session ends with was fetched', { session: id, confirmed })
      return confirmed
    } finally {
      this.#running.delete(id)
    }
  }

  /** As it is now; undefined when there is nothing to fetch any more, or nobody to fetch it from. */
  async #find(id: string, options: AbortOptions): Promise<StoredSession | undefined> {
    const { sessions, inUse, now = Date.now } = this.#components
    if (inUse({ id, role: 'buyer' }) || (this.#tries.get(id) ?? 0) >= MAX_TRIES) return undefined
    const session = await readSession(sessions, id, 'buyer', options)
    if (session === undefined || !isUnconfirmed(session)) return undefined
    const kept = Number(session.offer.content.resumeTtl) * 1000
    return now() - session.record.updatedAt > kept ? undefined : session
  }
}
