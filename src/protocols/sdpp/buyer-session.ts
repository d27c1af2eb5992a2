import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import type {
  AbortOptions,
  Listing,
  Logger,
  Payer,
  PayerSession,
  SessionRecord,
  SessionStore,
  SignedStatement
} from '../../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  type StatementSigner,
  signStatement,
  verifyStatement,
  verifyStatementInBackground
} from '../../statements/index.ts'
import { advance, type SessionTerms } from './account.ts'
import { toDdmError } from './buyer-errors.ts'
import {
  type Answering,
  type BuyerEffect,
  type BuyerEvent,
  type BuyerState,
  buyerExpects,
  buyerStart,
  buyerStep
} from './buyer-machine.ts'
import { type PlacedOrder, placeOrder } from './buyer-negotiation.ts'
import { type Clock, DeadlineTimer } from './clock.ts'
import { IDLE_POSITION_MS, SDPP_VERSION } from './constants.ts'
import type { DataFrame } from './data-frame.ts'
import { type Batch, DeliveryQueue, RecordBatch } from './delivery-queue.ts'
import { encodePlain, encodeSigned, type Message } from './messages.ts'
import { checkAccept, type OrderWish, sessionTerms } from './negotiation.ts'
import { SessionLedger } from './session-ledger.ts'
import { asSdppError, CLOSE_REASON, SdppError, STATUS, statusName } from './status.ts'
import { BUYER_TRANSITIONS } from './transitions.ts'
import { Wire, type WireStream } from './wire.ts'

export interface BuyerComponents {
  signer: StatementSigner
  sessions: SessionStore
  payers: readonly Payer[]
  clock: Clock
  logger: Logger
}

export interface BuyRequest {
  listing: Listing
  wish: OrderWish
  /** Highest price per unit, as a fraction; an offer above it is refused. */
  maxPrice?: { amount: bigint; count: bigint }
  /** @default 'newest' */
  answering?: Answering
}

/** What a buyer's node shows of a session. Amounts in atomic units. */
export interface BuyerSessionStatus {
  id: string | undefined
  phase: string
  received: bigint
  handled: bigint
  due: bigint
  paid: bigint
  credited: bigint
  /** paid − due: what the buyer would lose now if the seller vanished. */
  risk: bigint
  /** Invoices received and payments sent. */
  invoices: number
  payments: number
}

export interface BuyerOutcome extends BuyerSessionStatus {
  id: string
  reason: number
  receipt: SignedStatement
}

interface ActiveSession {
  terms: SessionTerms
  ledger: SessionLedger
}

/**
 * One purchase: an async iterable of batches of records. Data keeps arriving into a bounded queue while the consumer
 * works; stopping early closes the session in an orderly way.
 */
export class BuyerSession {
  readonly #components: BuyerComponents
  readonly #request: BuyRequest
  readonly #seller: string
  readonly #wire: Wire
  readonly #timer: DeadlineTimer
  readonly #queue: DeliveryQueue
  readonly #nonce = randomBytes(16)
  readonly #accepted = Promise.withResolvers<void>()
  readonly #done = Promise.withResolvers<BuyerOutcome>()
  readonly #abort = new AbortController()
  #state: BuyerState
  #order: PlacedOrder | undefined
  #active: ActiveSession | undefined
  #openBlock: bigint | undefined
  /** Settles when the rail has taken ACCEPT: payments wait for it, data does not. */
  #rail: Promise<void> = Promise.resolve()
  /** Settles when the invoices received so far have proven to be signed. */
  #verified: Promise<void> = Promise.resolve()
  /** Settles when the payments asked for so far are signed and stored, or failed. */
  #paying: Promise<unknown> = Promise.resolve()
  #receipt: CheckedStatement<'receipt'> | undefined
  #localError: unknown
  #idle: (() => void) | undefined
  #invoices = 0
  #payments = 0
  #finished = false

  constructor(stream: WireStream, seller: string, request: BuyRequest, components: BuyerComponents) {
    const { clock, logger } = components
    this.#components = components
    this.#request = request
    this.#seller = seller
    this.#state = buyerStart(clock.now(), request.answering ?? 'newest')
    this.#queue = new DeliveryQueue((batch, idle) => this.#onHandled(batch, idle))
    this.#timer = new DeadlineTimer(clock, () => this.#step({ type: 'tick' }))
    this.#wire = new Wire(
      stream,
      { onMessage: (message) => this.#onMessage(message), onDrain: () => {}, onEnd: (error) => this.#onEnd(error) },
      clock,
      logger
    )
    this.#timer.set(this.#state.deadline)
    this.#accepted.promise.catch(() => {})
    this.#done.promise.catch(() => {})
  }

  /** HELLO → OFFER → ORDER → ACCEPT; resolves when the session is accepted. */
  async open(options: AbortOptions = {}): Promise<void> {
    const { listing } = this.#request
    options.signal?.throwIfAborted()
    const onAbort = (): void => this.#onCallerAbort()
    options.signal?.addEventListener('abort', onAbort)
    this.#abort.signal.addEventListener('abort', () => options.signal?.removeEventListener('abort', onAbort), {
      once: true
    })
    const pay = this.#components.payers.flatMap((payer) => payer.capabilities())
    const hello = { versions: [SDPP_VERSION], nonce: this.#nonce, pay, listing: CID.parse(listing.cid) }
    this.#wire.send(encodePlain('HELLO', hello))
    await this.#accepted.promise
  }

  get status(): BuyerSessionStatus {
    const { phase, received, handled, due, paid, credited } = this.#state
    const risk = paid > due ? paid - due : 0n
    return {
      id: this.#order?.session.toString(),
      phase,
      received: received.n,
      handled,
      due,
      paid,
      credited,
      risk,
      invoices: this.#invoices,
      payments: this.#payments
    }
  }

  get terms(): SessionTerms | undefined {
    return this.#state.terms
  }

  /** Resolves with the receipt; rejects when the session failed. */
  get done(): Promise<BuyerOutcome> {
    return this.#done.promise
  }

  /** Records as they came, a batch per DATA frame; views of the received bytes. */
  async *batches(): AsyncGenerator<RecordBatch, void, undefined> {
    try {
      for (;;) {
        const records = await this.#queue.next()
        if (records === undefined) return
        yield records
      }
    } finally {
      this.stop()
      this.#queue.discard()
    }
  }

  /** Wants no more records: the session settles and `done` resolves. What was received, and paid for, still comes out. */
  stop(reason: number = CLOSE_REASON.buyerDone): void {
    this.#step({ type: 'stop', reason })
  }

  #onCallerAbort(): void {
    if (this.#state.phase === 'streaming' || this.#state.phase === 'settling') this.stop()
    else this.#fail(new SdppError(STATUS.shuttingDown, 'the buyer gave up'))
  }

  #onMessage(message: Message): void {
    if (!buyerExpects(this.#state, message.name)) {
      throw new SdppError(STATUS.unexpected, `${message.name} is unexpected in state ${this.#state.phase}`)
    }
    if ('statement' in message && message.name !== 'INVOICE' && !verifyStatement(message.statement)) {
      throw new SdppError(STATUS.badSignature, `${message.name} has a bad signature`)
    }
    switch (message.name) {
      case 'OFFER':
        return this.#onOffer(message.statement)
      case 'ACCEPT':
        return this.#onAccept(message.statement)
      case 'DATA':
        return this.#onData(message.data)
      case 'INVOICE':
        return this.#onInvoice(message.statement)
      case 'RECEIPT':
        return this.#onReceipt(message.statement)
      case 'CLOSE':
        return this.#step({ type: 'closeReceived', reason: Number(message.content.reason) })
      case 'STATUS': {
        const { code, text } = message.content
        if (code >= 200n) throw new SdppError(Number(code) as never, text, { side: 'remote' })
        return
      }
      default:
        throw new SdppError(STATUS.unexpected, `${message.name} is not for this buyer`)
    }
  }

  #onOffer(offer: CheckedStatement<'offer'>): void {
    this.#step({ type: 'offerReceived' })
    const { signer, payers, sessions, clock } = this.#components
    const { signal } = this.#abort
    placeOrder({
      offer,
      nonce: this.#nonce,
      seller: this.#seller,
      request: this.#request,
      signer,
      payers,
      sessions,
      clock,
      signal
    })
      .then((order) => {
        if (this.#wire.ended) return order.payer.end(0n)
        this.#order = order
        this.#step({ type: 'orderSent' })
        this.#wire.send(encodeSigned('ORDER', order.statement))
      })
      .catch((error: unknown) => this.#fail(error))
  }

  #onAccept(accept: CheckedStatement<'accept'>): void {
    const { sessions } = this.#components
    const order = this.#order as PlacedOrder
    const { content } = accept
    checkAccept(content, order.statement.content, order.offer.content, order.session.toString())
    const terms = sessionTerms(order.entry, order.offer.content, order.statement.content, content)
    const record: SessionRecord = { ...order.record, state: 'streaming', start: content.start }
    const id = record.id
    this.#active = { terms, ledger: new SessionLedger(order.session, record, this.#components) }
    const payer: PayerSession = order.payer
    // Data may already follow ACCEPT: the machine streams at once, payments wait for the rail.
    this.#rail = (async () => {
      if (content.base !== undefined) await payer.accept(content.base, content.proof, { signal: this.#abort.signal })
      await sessions.keep(id, 'buyer', [accept])
      await sessions.put(record)
    })()
    this.#rail.then(
      () => this.#accepted.resolve(),
      (error: unknown) => this.#fail(error)
    )
    this.#step({ type: 'accepted', terms })
  }

  #onData(data: DataFrame): void {
    const { terms, ledger } = this.#active as ActiveSession
    const { received } = this.#state
    const { first, count, bytes, ends, endOfBlock, blockStart } = data
    const expected = this.#openBlock ?? (received.n === 0n ? blockStart : first)
    if (blockStart !== expected) {
      throw new SdppError(STATUS.unexpected, `DATA names block ${blockStart}, expected ${expected}`)
    }
    const progress = advance(terms, received, { first, count, ends }, 0, count)
    this.#step({ type: 'data', first, progress, bytes: bytes.length })
    if (this.#finished || this.#state.phase === 'failed') return
    ledger.transcript.add(first, count, bytes, endOfBlock)
    this.#openBlock = endOfBlock ? undefined : blockStart
    this.#queue.push({ records: new RecordBatch(first, bytes, ends), n: progress.n, bytes: bytes.length })
  }

  #onInvoice(statement: CheckedStatement<'invoice'>): void {
    const { n, bytes, due, credited } = this.#checkIssuer(statement)
    // The content is compared now, while the position is the invoice's; the signature on another core. Nothing is paid
    // and nothing is kept before it is known to be good.
    this.#verified = this.#verifyInBackground(statement)
    this.#step({ type: 'invoice', n, bytes, due, credited, rootMatches: this.#rootMatches(statement.content.root) })
    this.#invoices++
  }

  async #verifyInBackground(statement: CheckedStatement<'invoice'>): Promise<void> {
    const before = this.#verified
    const good = await verifyStatementInBackground(statement)
    await before
    if (good) this.#active?.ledger.keepInvoice(statement)
    else this.#fail(new SdppError(STATUS.badSignature, 'INVOICE has a bad signature'))
  }

  #onReceipt(statement: CheckedStatement<'receipt'>): void {
    const { n, bytes, due, credited } = this.#checkIssuer(statement)
    this.#receipt = statement
    this.#step({ type: 'receipt', n, bytes, due, credited, rootMatches: this.#rootMatches(statement.content.root) })
  }

  #checkIssuer<K extends 'invoice' | 'receipt'>(statement: CheckedStatement<K>): CheckedStatement<K>['content'] {
    const order = this.#order as PlacedOrder
    if (statement.issuer !== order.offer.issuer || !statement.content.session.equals(order.session)) {
      throw new SdppError(STATUS.badSignature, `${statement.kind} is not of this session`)
    }
    return statement.content
  }

  #rootMatches(root: Uint8Array): boolean {
    return equalBytes(root, (this.#active as ActiveSession).ledger.transcript.root())
  }

  #onHandled(batch: Batch, idle: boolean): void {
    if (this.#finished) return
    this.#step({ type: 'handled', n: batch.n, bytes: batch.bytes, idle: false })
    if (!idle || this.#idle !== undefined) return
    // A consumer that keeps up would otherwise acknowledge every frame on its own.
    this.#idle = this.#components.clock.after(IDLE_POSITION_MS, () => {
      this.#idle = undefined
      this.#step({ type: 'handled', n: this.#state.handled, bytes: 0, idle: true })
    })
  }

  #step(event: BuyerEvent): void {
    if (this.#finished) return
    const [state, effects] = buyerStep(this.#state, event, this.#components.clock.now())
    this.#state = state
    this.#timer.set(state.deadline)
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: BuyerEffect): void {
    switch (effect.type) {
      case 'pay':
        return this.#pay(effect.n, effect.sessionPaid)
      case 'position':
        return this.#wire.send(encodePlain('POSITION', { n: effect.n }))
      case 'close':
        return this.#wire.send(encodePlain('CLOSE', { reason: BigInt(effect.reason), n: effect.n }))
      case 'acknowledge':
        this.#finish().catch((error: unknown) => this.#fail(error))
        return
      case 'fail':
        return this.#fail(new SdppError(effect.code, effect.text))
      case 'deliver':
      case 'keepInvoice':
        return
    }
  }

  /** The rail stores the new amount before it hands out the voucher; only then does the PAYMENT leave. */
  #pay(n: bigint, sessionPaid: bigint): void {
    const { payer } = this.#order as PlacedOrder
    const payment = Promise.all([this.#rail, this.#verified])
      .then(async () => {
        if (this.#wire.ended || this.#state.phase === 'closed') return
        const payload = await payer.pay(sessionPaid, { signal: this.#abort.signal })
        if (this.#wire.ended) return
        this.#wire.send(encodePlain('PAYMENT', { n, sessionPaid, ...(payload === undefined ? {} : { payload }) }))
        this.#payments++
        this.#step({ type: 'paid', sessionPaid })
      })
      .catch((error: unknown) => this.#fail(error))
    this.#paying = Promise.all([this.#paying, payment]).then(() => {})
  }

  async #finish(): Promise<void> {
    const { signer, clock } = this.#components
    const order = this.#order as PlacedOrder
    const receipt = this.#receipt as CheckedStatement<'receipt'>
    const fields = { session: order.session, receipt: receipt.link }
    const acknowledgement = signStatement(signer, 'receipt-ack', fields, clock.wallTime())
    await Promise.all([this.#paying, this.#rail, this.#verified])
    if (this.#finished) return
    await this.#active?.ledger.flush()
    await order.payer.end(receipt.content.due)
    await this.#store([receipt, acknowledgement])
    this.#wire.send(encodeSigned('RECEIPT_ACK', acknowledgement))
    this.#finished = true
    this.#wire.close()
    this.#timer.stop()
    this.#idle?.()
    this.#abort.abort()
    const id = order.session.toString()
    this.#queue.end()
    this.#done.resolve({ ...this.status, id, reason: Number(receipt.content.reason), receipt })
  }

  async #store(statements: SignedStatement[]): Promise<void> {
    const { sessions, clock } = this.#components
    const { phase, received, handled, due, paid } = this.#state
    // A receipt acknowledges what was received; the consumer may still be at it.
    const position = phase === 'closed' ? received.n : handled
    const active = this.#active
    if (active === undefined) {
      if (this.#order === undefined) return
      return sessions.put({ ...this.#order.record, state: phase, updatedAt: clock.wallTime() })
    }
    await active.ledger.store(statements, { state: phase, position, due, paid })
  }

  /** A local error reaches the caller as it is; the other side learns its code, nothing of wallet or budget. */
  #fail(error: unknown): void {
    this.#localError ??= error
    const { code } = asSdppError(error)
    const said =
      error instanceof SdppError ? error : new SdppError(code, statusName(code) ?? 'internal', { cause: error })
    if (this.#wire.ended) this.#onEnd(said)
    else this.#wire.fail(said)
  }

  #onEnd(error: SdppError | undefined): void {
    const { phase } = this.#state
    // A receipt that came is kept, whatever happens to the stream meanwhile.
    if (this.#finished || (phase === 'closed' && this.#localError === undefined)) return
    const refused = error?.isRefusal === true && Object.hasOwn(BUYER_TRANSITIONS[phase], 'refused')
    this.#step({ type: refused ? 'refused' : 'aborted' })
    this.#finished = true
    this.#timer.stop()
    this.#idle?.()
    this.#abort.abort()
    const cause =
      this.#localError ?? error ?? new SdppError(STATUS.shuttingDown, 'the session ended', { side: 'remote' })
    const failure = cause instanceof SdppError ? toDdmError(cause, this.#seller, phase) : cause
    void this.#release().then(() => {
      this.#accepted.reject(failure)
      this.#queue.end(failure)
      this.#done.reject(failure)
    })
  }

  async #release(): Promise<void> {
    try {
      await Promise.all([this.#paying, this.#rail.catch(() => {}), this.#verified])
      await this.#active?.ledger.flush()
      // Without a receipt all that was paid counts as consumed until the seller's next ACCEPT says what was not.
      const { due, asked } = this.#state
      await this.#order?.payer.end(asked > due ? asked : due)
      await this.#store([])
    } catch (error) {
      this.#components.logger.error('session state not stored', { error: String(error) })
    }
  }
}
