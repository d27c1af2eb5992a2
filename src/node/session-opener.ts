import {
  type AbortOptions,
  DdmError,
  type Hex,
  type Listing,
  type ListingDocument,
  type Logger,
  type Payer,
  type RailName,
  type RandomBytes,
  type RecordValidator,
  type SessionStore,
  type TrustLedger
} from '../interface/index.ts'
import {
  BuyerSession,
  type BuyRequest,
  type Clock,
  type NarrowWindow,
  type ResumePoint,
  readSession,
  SDPP_PROTOCOL,
  STATUS,
  type StoredSession,
  systemClock
} from '../protocols/sdpp/index.ts'
import type { StatementSigner, StatementVerifier } from '../statements/index.ts'
import { keepDocument, readDocument } from './listing-document.ts'
import { tokenText } from './money.ts'
import type { Network, ResolvedPeer } from './network.ts'
import { checkActive, checkListed, orderWish, priceLimit, type WishDefaults } from './order-wish.ts'
import { recordCheck } from './record-check.ts'
import { Retry } from './retry.ts'
import type { BuyOptions } from './types.ts'
import { chooseWay } from './way-to-pay.ts'
import { promisedTooMuch } from './window-check.ts'

export interface PurchaseComponents {
  network: Pick<Network, 'resolvePeer' | 'openStream' | 'blocks'>
  signer: StatementSigner
  sessions: SessionStore
  payers: readonly Payer[]
  trust: TrustLedger
  /** Ways to pay, the preferred first. */
  rails: readonly RailName[]
  /** What a purchase is allowed when its caller says nothing, in the currency of a rail. */
  defaults: (rail: RailName) => WishDefaults
  logger: Logger
  find: (listing: string, options?: AbortOptions) => Promise<Listing>
  /**
   * Whether several purchases from this seller are under way: what one owes since its connection was lost leaves the others
   * no window until it is paid. @default none are
   */
  shared?: (seller: string) => boolean
  /** What judges the records of a listing. @default recordCheck */
  judge?: (document: ListingDocument, options: AbortOptions) => Promise<RecordValidator | undefined>
  /** @default systemClock */
  clock?: Clock
  /** 0 ≤ x < 1. @default Math.random */
  chance?: () => number
  /** @default real Ed25519 */
  verifier?: StatementVerifier
  /** @default node:crypto's */
  random?: RandomBytes
}

/** What is bought: a listing anew, or the rest of a session that was cut. */
export type PurchaseTarget = { listing: string | Listing } | { session: StoredSession }

/** How long a purchase tries to reach a seller that it has lost. */
const RESUME_FOR_MS = 300_000
/** How long it waits for a seller that is there and does not take the order now. */
const ORDER_FOR_MS = 15_000

/** Opens the sessions of one purchase: orders, resumes, and tries again as long as that may mend what happened. */
export class SessionOpener {
  readonly #target: PurchaseTarget
  readonly #options: BuyOptions & { signal: AbortSignal }
  readonly #components: PurchaseComponents
  readonly #clock: Clock
  readonly #retry: Retry
  /** Whether the stream before the last brought nothing. */
  #inVain = false
  /** The last session that was tried, whether it opened or not. */
  latest: BuyerSession | undefined
  place: { listing: Hex; seller: string } | undefined
  source: ResolvedPeer['source'] | undefined
  narrow: NarrowWindow | undefined
  rail: RailName | undefined
  document: ListingDocument | undefined
  /** Streams that were lost and replaced. */
  resumes = 0
  onPaid: (() => void) | undefined
  onNarrow: ((narrow: NarrowWindow) => void) | undefined
  /** Judges the records on every stream of the purchase; its thread starts while the seller is dialled. */
  #validator: Promise<RecordValidator | undefined> | undefined

  constructor(target: PurchaseTarget, options: BuyOptions & { signal: AbortSignal }, components: PurchaseComponents) {
    this.#target = target
    this.#options = options
    this.#components = components
    this.#clock = components.clock ?? systemClock
    this.#retry = new Retry({
      clock: this.#clock,
      signal: options.signal,
      chance: components.chance ?? Math.random
    })
  }

  /**
   * Tries, ever less often, until the seller takes the session, says no, or the time is over. An order whose answer was
   * lost is resumed; one that never got there is ordered anew. Somebody who was never reached is not waited for.
   *
   * @param from - where the session was cut; undefined to order
   * @param vain - why the stream before ended, when it brought nothing: a try that failed like any other
   */
  async open(from?: ResumePoint, vain?: unknown): Promise<BuyerSession> {
    const { signal, resumeFor = RESUME_FOR_MS } = this.#options
    let point = from ?? (await this.#given())
    let known = point !== undefined
    if (vain === undefined) this.#retry.begin(known ? resumeFor : Math.min(resumeFor, ORDER_FOR_MS))
    else {
      if (!this.#inVain) this.#retry.extend(resumeFor)
      await this.#retry.after(vain)
    }
    this.#inVain = vain !== undefined
    for (;;) {
      this.latest = undefined
      try {
        return await (point === undefined ? this.#order() : this.#resume(point))
      } catch (error) {
        const tried = this.latest as BuyerSession | undefined
        if (signal.aborted || resumeFor === 0) throw error
        const statusCode = statusOf(error)
        if (tried?.resumable === true && point === undefined) {
          point = await pointOf(tried, this.#components.sessions)
          this.#retry.extend(resumeFor)
          known = true
        } else if (
          statusCode === STATUS.unknownSession &&
          point?.stored.accept === undefined &&
          'listing' in this.#target
        ) {
          point = undefined
        } else if (
          !isWorthRetrying(error, known || tried !== undefined, known) &&
          !(statusCode === STATUS.limitsIncompatible && this.#isShared)
        ) {
          throw error
        }
        await this.#retry.after(error)
      }
    }
  }

  get #isShared(): boolean {
    const { place } = this
    return place !== undefined && this.#components.shared?.(place.seller) === true
  }

  /** Frees what judges records. */
  async close(): Promise<void> {
    const validator = await this.#validator?.catch(() => undefined)
    await validator?.close()
  }

  async #given(): Promise<ResumePoint | undefined> {
    if (!('session' in this.#target)) return undefined
    const { session: stored } = this.#target
    const { checkSchema = true, signal } = this.#options
    const checking = checkSchema && stored.offer.content.schema !== undefined
    try {
      this.document = await readDocument(this.#components.network.blocks, stored.record.listingCid, { signal })
    } catch (error) {
      if (checking) throw error
    }
    if (checking && this.document !== undefined) this.#check(this.document)
    return { stored }
  }

  /** What judges the records; undefined when nothing does. */
  get validator(): Promise<RecordValidator | undefined> {
    return this.#validator ?? Promise.resolve(undefined)
  }

  #check(document: ListingDocument): void {
    const { judge = recordCheck } = this.#components
    this.#validator ??= judge(document, { signal: this.#options.signal })
    this.#validator.catch(() => {})
  }

  async #order(): Promise<BuyerSession> {
    const { network, find, payers, rails, defaults } = this.#components
    const { answering, refund, mark, maxPrice, checkSchema, rail, signal } = this.#options
    const { listing: wanted } = this.#target as { listing: string | Listing }
    const listing = typeof wanted === 'string' ? await find(wanted, this.#options) : wanted
    checkActive(listing)
    const { payment, payer } = await chooseWay(listing, payers, rail === undefined ? rails : [rail], this.#options)
    this.rail = payment.rail
    const { currency, ...most } = defaults(payment.rail)
    const wish = orderWish(listing, payment, this.#options, { currency, ...most })
    const limit = priceLimit(payment, maxPrice, currency)
    checkListed(listing, payment, wish, limit, currency)
    this.place = { listing: listing.id, seller: listing.peerId }
    this.document = listing.document
    await keepDocument(network.blocks, listing.document, { signal })
    if (checkSchema !== false) this.#check(listing.document)
    const session = await this.#connect(listing.peerId, [payer], {
      listing,
      wish,
      ...(limit === undefined ? {} : { maxPrice: limit }),
      ...(mark === undefined ? {} : { sink: mark }),
      ...(answering === undefined ? {} : { answering }),
      ...(refund === undefined ? {} : { refund })
    })
    const narrow = promisedTooMuch(listing, session)
    if (narrow !== undefined) this.#tell(narrow)
    return session
  }

  /** Once in a purchase: by what the listing promises, or by what was measured. */
  #tell(narrow: NarrowWindow): void {
    if (this.narrow !== undefined) return
    this.narrow = narrow
    const { window, need } = narrow
    const { defaults, logger } = this.#components
    const roundTripMs = this.latest?.roundTripMs ?? 0
    const { currency } = defaults(this.rail ?? 'evm')
    const amount = (value: bigint): string => tokenText(value, currency)
    logger.warn(
      `the window of ${amount(window)} is too small for the rate of this stream and a round trip of ${Math.round(roundTripMs)} ms: the seller will wait for payments; ${amount(need)} would do`,
      { listing: this.place?.listing }
    )
    this.onNarrow?.(narrow)
  }

  async #resume(point: ResumePoint): Promise<BuyerSession> {
    const { record, order } = point.stored
    const { answering, refund } = this.#options
    const { prepay, maximum } = order.content
    this.place = { listing: record.listingId, seller: record.peer }
    this.rail = record.rail
    const session = await this.#connect(record.peer, this.#components.payers, {
      wish: { from: {}, prepay, maximum },
      resume: point,
      ...(answering === undefined ? {} : { answering }),
      ...(refund === undefined ? {} : { refund })
    })
    this.resumes++
    return session
  }

  async #connect(seller: string, payers: readonly Payer[], request: BuyRequest): Promise<BuyerSession> {
    const { network, signer, sessions, trust, logger, verifier, random } = this.#components
    const { signal, onInvalid } = this.#options
    const { source } = await network.resolvePeer(seller, { signal, refresh: true })
    this.source = source
    const validator = await this.#validator
    const stream = await network.openStream(seller, SDPP_PROTOCOL, { signal })
    // Records that are dropped are paid for: whoever hands them out judges them.
    const judged = validator === undefined || onInvalid === 'drop' ? {} : { validator }
    const session = new BuyerSession(
      stream,
      seller,
      { ...request, ...judged, onPaid: () => this.onPaid?.(), onNarrow: (narrow) => this.#tell(narrow) },
      {
        signer,
        sessions,
        payers,
        trust,
        clock: this.#clock,
        logger,
        ...(verifier === undefined ? {} : { verifier }),
        ...(random === undefined ? {} : { random })
      }
    )
    this.latest = session
    await session.open({ signal })
    return session
  }
}

/** Where a session that was cut goes on, and what its consumer has already. */
export async function pointOf(session: BuyerSession, sessions: SessionStore): Promise<ResumePoint> {
  const { id } = session.status
  const stored = id === undefined ? undefined : await readSession(sessions, id, 'buyer')
  if (stored === undefined) throw new DdmError('internal', `session ${id} is not in the ledger`)
  const { delivered, committed } = session
  return { stored, delivered, ...(committed === undefined ? {} : { committed }) }
}

/**
 * Nobody was reached, or the seller has not noticed yet that the older stream is gone, or is busy.
 *
 * @param met - whether there was ever a stream to this seller
 * @param ordered - whether it may know of an order, whose deposit may be on its way
 */
function isWorthRetrying(error: unknown, met: boolean, ordered: boolean): boolean {
  if (!(error instanceof DdmError)) return false
  // A node that is starting is reached before it speaks the protocol.
  if (isAway(error) || error.details?.protocol !== undefined) return met
  const code = statusOf(error)
  return RETRIED_STATUS.includes(code) || (ordered && RETRIED_AFTER_ORDER.includes(code))
}

/** Nobody answered, or no node knows where the seller is now, as when it has just come back at a new address. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof DdmError)) return false
  return error.code === 'unreachable' || (error.code === 'notFound' && statusOf(error) === 0)
}

function statusOf(error: unknown): number {
  return error instanceof DdmError ? Number(error.details?.status ?? 0) : 0
}

const RETRIED_STATUS: readonly number[] = [STATUS.busy, STATUS.internal, STATUS.shuttingDown]

/** A seller that has just started may not sell yet what it is about to; a deposit may not be final. */
const RETRIED_AFTER_ORDER: readonly number[] = [
  STATUS.unknownListing,
  STATUS.paymentTimeout,
  STATUS.channelUnfunded,
  STATUS.limitsIncompatible
]
