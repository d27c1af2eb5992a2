import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AbortOptions,
  DdmError,
  formatUnits,
  type Hex,
  type Listing,
  type ListingDocument,
  type Logger,
  type NetworkToken,
  type Payer,
  type RecordValidator,
  type SessionStore,
  type TrustLedger
} from '../interface/index.ts'
import {
  BuyerSession,
  type BuyRequest,
  CLOSE_REASON,
  type RecordBatch,
  type ResumePoint,
  readSession,
  SDPP_PROTOCOL,
  STATUS,
  type StoredSession,
  systemClock
} from '../protocols/sdpp/index.ts'
import type { StatementSigner } from '../statements/index.ts'
import { keepDocument, readDocument } from './listing-document.ts'
import type { Network, ResolvedPeer } from './network.ts'
import { checkListed, orderWish, priceLimit } from './order-wish.ts'
import { recordCheck } from './record-check.ts'
import type { BuyOptions, Purchase, PurchasedRecord, PurchaseOutcome, PurchaseStatus } from './types.ts'
import { type NarrowWindow, narrowWindow } from './window-check.ts'

export interface PurchaseComponents {
  network: Pick<Network, 'resolvePeer' | 'openStream' | 'blocks'>
  signer: StatementSigner
  sessions: SessionStore
  payers: readonly Payer[]
  trust: TrustLedger
  token: NetworkToken
  logger: Logger
  /** Defaults of the node, atomic units. */
  prepay: bigint
  maximum: bigint
  find: (listing: string, options?: AbortOptions) => Promise<Listing>
}

/** What is bought: a listing anew, or the rest of a session that was cut. */
export type PurchaseTarget = { listing: string | Listing } | { session: StoredSession }

/** How long a purchase tries to reach a seller that it has lost. */
const RESUME_FOR_MS = 300_000
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000

const decoder = new TextDecoder()

/** Its view of the batch is made when it is looked at. */
class BoughtRecord implements PurchasedRecord {
  readonly #batch: RecordBatch
  readonly #index: number

  constructor(batch: RecordBatch, index: number) {
    this.#batch = batch
    this.#index = index
  }

  get offset(): bigint {
    return this.#batch.first + BigInt(this.#index)
  }

  get bytes(): Uint8Array {
    return this.#batch.bytesOf(this.#index)
  }

  text(): string {
    return decoder.decode(this.bytes)
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T
  }
}

/** Why a session ended, as users read it. */
function reasonName(reason: number): string {
  return Object.entries(CLOSE_REASON).find(([, code]) => code === reason)?.[0] ?? `reason ${reason}`
}

const NOTHING = {
  id: undefined,
  phase: 'resolving',
  received: 0n,
  handled: 0n,
  due: 0n,
  paid: 0n,
  credited: 0n,
  pending: 0n,
  risk: 0n,
  invoices: 0,
  payments: 0
}

/**
 * Starts a purchase at once and keeps it going over as many streams as it takes; errors come out of the iteration and of
 * `done`.
 */
export class RunningPurchase implements Purchase {
  readonly #components: PurchaseComponents
  readonly #options: BuyOptions
  readonly #target: PurchaseTarget
  readonly #startedAt = performance.now()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly done: Promise<PurchaseOutcome>
  /** The session under way; a new one takes its place after a cut, a failure ends it. */
  #session = Promise.withResolvers<BuyerSession>()
  #last: BuyerSession | undefined
  #place: { listing: Hex; seller: string } | undefined
  #source: ResolvedPeer['source'] | undefined
  #firstRecordAt: number | undefined
  #resumes = 0
  #narrow: NarrowWindow | undefined
  /** Judges the records on every stream of the purchase; its thread starts while the seller is dialled. */
  #validator: Promise<RecordValidator | undefined> | undefined

  constructor(target: PurchaseTarget, options: BuyOptions, components: PurchaseComponents) {
    this.#components = components
    this.#options = options
    this.#target = target
    const { signal } = options
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    this.#session.promise.catch(() => {})
    this.done = this.#run()
    this.done.catch(() => {})
  }

  get status(): PurchaseStatus {
    const status = this.#last?.status ?? NOTHING
    const seconds = this.#firstRecordAt === undefined ? 0 : (performance.now() - this.#firstRecordAt) / 1000
    return {
      ...status,
      resolvedThrough: this.#source,
      resumes: this.#resumes,
      ...(this.#narrow === undefined ? {} : { narrow: this.#narrow }),
      rate: seconds > 0 ? Number(status.received) / seconds : 0
    }
  }

  /** Whether the consumer has everything that came so far. */
  get idle(): boolean {
    return this.#last?.idle ?? true
  }

  stop(): void {
    this.#stop.abort(new DdmError('aborted', 'the purchase was stopped'))
  }

  async commit(mark?: string): Promise<void> {
    // Between two streams it is the last session's row that is written; the next one starts from it.
    const session = this.#last ?? (await this.#session.promise)
    await session.commit(mark)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord, void, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  async *batches(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    for (;;) {
      const waiting = this.#session
      const session = await waiting.promise
      try {
        for await (const batch of session.batches()) {
          this.#firstRecordAt ??= performance.now()
          const records = new Array<PurchasedRecord>(batch.length)
          for (let i = 0; i < batch.length; i++) records[i] = new BoughtRecord(batch, i)
          yield records
        }
        // A session that failed after its last record must not look like the end of the data.
        await session.done
        return
      } catch (error) {
        if (!session.resumable) throw error
      }
    }
  }

  /** Opens the session, and opens it again over another stream as long as that may mend what happened. */
  async #run(): Promise<PurchaseOutcome> {
    let point: ResumePoint | undefined
    try {
      if ('session' in this.#target) point = await this.#takeUp(this.#target.session)
      for (;;) {
        const session: BuyerSession = point === undefined ? await this.#order() : await this.#reconnect(point)
        this.#last = session
        this.#session.resolve(session)
        try {
          return this.#outcome(await session.done)
        } catch (error) {
          if (!session.resumable || this.#signal.aborted || this.#options.resumeFor === 0) throw error
          this.#components.logger.debug('the session was cut and is resumed', { session: session.status.id })
          this.#session = Promise.withResolvers()
          this.#session.promise.catch(() => {})
          point = await this.#pointOf(session)
        }
      }
    } catch (error) {
      const failure = this.#hint(error)
      this.#session.reject(failure)
      // A consumer whose stream was cut waits for the next one.
      this.#session = Promise.withResolvers()
      this.#session.promise.catch(() => {})
      this.#session.reject(failure)
      throw failure
    } finally {
      const validator = await this.#validator?.catch(() => undefined)
      await validator?.close()
    }
  }

  async #takeUp(stored: StoredSession): Promise<ResumePoint> {
    const { checkSchema = true } = this.#options
    if (checkSchema && stored.offer.content.schema !== undefined) {
      const { blocks } = this.#components.network
      this.#check(await readDocument(blocks, stored.record.listingCid, { signal: this.#signal }))
    }
    return { stored }
  }

  #check(document: ListingDocument): void {
    this.#validator ??= recordCheck(document, { signal: this.#signal })
    this.#validator.catch(() => {})
  }

  async #order(): Promise<BuyerSession> {
    const { token } = this.#components
    const { listing: wanted } = this.#target as { listing: string | Listing }
    const listing = typeof wanted === 'string' ? await this.#components.find(wanted, this.#options) : wanted
    const wish = orderWish(listing, this.#options, this.#components)
    const limit = priceLimit(listing, this.#options.maxPrice, token)
    checkListed(listing, wish, limit, token)
    this.#place = { listing: listing.id, seller: listing.peerId }
    await keepDocument(this.#components.network.blocks, listing.document, { signal: this.#signal })
    if (this.#options.checkSchema !== false) this.#check(listing.document)
    const { answering, refund, mark } = this.#options
    const session = await this.#open(listing.peerId, {
      listing,
      wish,
      ...(limit === undefined ? {} : { maxPrice: limit }),
      ...(mark === undefined ? {} : { sink: mark }),
      ...(answering === undefined ? {} : { answering }),
      ...(refund === undefined ? {} : { refund })
    })
    this.#narrow = narrowWindow(listing, session)
    if (this.#narrow !== undefined) {
      const { window, need } = this.#narrow
      const amount = (value: bigint): string => `${formatUnits(value, token.decimals)} ${token.symbol}`
      this.#components.logger.warn(
        `the window of ${amount(window)} is too small for the rate of this stream and a round trip of ${Math.round(session.roundTripMs ?? 0)} ms: the seller will wait for payments; ${amount(need)} would do`,
        { listing: listing.id }
      )
    }
    return session
  }

  /** Tries again, ever less often, until the seller answers, says no, or the time is over. */
  async #reconnect(point: ResumePoint): Promise<BuyerSession> {
    const { record, order } = point.stored
    this.#place = { listing: record.listingId, seller: record.peer }
    const { answering, refund, resumeFor = RESUME_FOR_MS } = this.#options
    const deadline = performance.now() + resumeFor
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(2 * wait, LAST_RETRY_MS)) {
      try {
        const { prepay, maximum } = order.content
        const session = await this.#open(record.peer, {
          wish: { from: {}, prepay, maximum },
          resume: point,
          ...(answering === undefined ? {} : { answering }),
          ...(refund === undefined ? {} : { refund })
        })
        this.#resumes++
        return session
      } catch (error) {
        // The ORDER never got there: nothing was sold and nothing paid.
        const nothing = statusOf(error) === STATUS.unknownSession && point.stored.accept === undefined
        if (nothing && 'listing' in this.#target) return this.#order()
        if (!isWorthRetrying(error) || this.#signal.aborted || performance.now() + wait > deadline) throw error
        // Half of it is chance, so that the buyers of a seller that came back do not all come at once.
        await sleep(wait / 2 + (Math.random() * wait) / 2, undefined, { signal: this.#signal })
      }
    }
  }

  async #open(seller: string, request: BuyRequest): Promise<BuyerSession> {
    const { network, signer, sessions, payers, trust, logger } = this.#components
    const signal = this.#signal
    const { source } = await network.resolvePeer(seller, { signal, refresh: true })
    this.#source = source
    const validator = await this.#validator
    const stream = await network.openStream(seller, SDPP_PROTOCOL, { signal })
    const session = new BuyerSession(stream, seller, validator === undefined ? request : { ...request, validator }, {
      signer,
      sessions,
      payers,
      trust,
      clock: systemClock,
      logger
    })
    await session.open({ signal })
    return session
  }

  async #pointOf(session: BuyerSession): Promise<ResumePoint> {
    const { id } = session.status
    const stored = id === undefined ? undefined : await readSession(this.#components.sessions, id, 'buyer')
    if (stored === undefined) throw new DdmError('internal', `session ${id} is not in the ledger`)
    const { delivered, committed } = session
    return { stored, delivered, ...(committed === undefined ? {} : { committed }) }
  }

  /** Says how to go on by hand. */
  #hint(error: unknown): unknown {
    const id = this.#last?.status.id
    if (!(error instanceof DdmError) || error.code !== 'unreachable' || id === undefined) return error
    return new DdmError(error.code, `${error.message}; go on with: ddm sessions resume ${id}`, {
      cause: error,
      details: { ...error.details, session: id }
    })
  }

  #outcome(ended: Awaited<BuyerSession['done']>): PurchaseOutcome {
    const { id, received, due: owed, paid, credited, reason } = ended
    const at = this.#startedAt
    const { listing, seller } = this.#place as { listing: Hex; seller: string }
    return {
      session: id,
      listing,
      seller,
      records: received,
      due: owed,
      paid,
      credited,
      reason: reasonName(reason),
      resumes: this.#resumes,
      firstRecordMs: this.#firstRecordAt === undefined ? undefined : this.#firstRecordAt - at,
      totalMs: performance.now() - at
    }
  }
}

/** Nobody was reached, or the seller has not noticed yet that the older stream is gone, or is busy. */
function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof DdmError)) return false
  if (error.code === 'unreachable') return true
  return RETRIED_STATUS.includes(statusOf(error))
}

function statusOf(error: unknown): number {
  return error instanceof DdmError ? Number(error.details?.status ?? 0) : 0
}

/** A seller that has just started may not sell yet what it is about to. */
const RETRIED_STATUS: readonly number[] = [
  STATUS.unknownListing,
  STATUS.busy,
  STATUS.paymentTimeout,
  STATUS.internal,
  STATUS.shuttingDown
]
