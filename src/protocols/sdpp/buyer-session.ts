import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import {
  type AbortOptions,
  type BadRecord,
  type DdmError,
  faultPoint,
  NO_PROGRESS,
  type RecordValidator,
  type SessionRecord
} from '../../interface/index.ts'
import {
  type CheckedStatement,
  equalBytes,
  type StatementVerifier,
  signStatement,
  statementVerifier
} from '../../statements/index.ts'
import type { SessionTerms } from './account.ts'
import { acceptedTerms, resumedAt, takeAccept } from './buyer-accept.ts'
import { checkIssuer, checkProof, checkReceipt } from './buyer-checks.ts'
import { BuyerDelivery } from './buyer-delivery.ts'
import { endedAs, leftAs, toDdmError } from './buyer-errors.ts'
import { closeTrust, dropOrder, leaveOrder, releaseOrder } from './buyer-leave.ts'
import {
  type BuyerEffect,
  type BuyerEvent,
  type BuyerState,
  buyerExpects,
  buyerStart,
  buyerStep,
  hasEnded
} from './buyer-machine.ts'
import { type OrderRequest, type PlacedOrder, placeOrder } from './buyer-negotiation.ts'
import { BuyerPayments } from './buyer-payments.ts'
import { resumeOrder } from './buyer-resume.ts'
import { aheadOf, dueOf, isOpen, isStopped, stateOf } from './buyer-standing.ts'
import type { BuyerComponents, BuyerOutcome, BuyerSessionStatus, BuyRequest, Committed } from './buyer-types.ts'
import { CheckedInbox } from './checked-inbox.ts'
import { DeadlineTimer } from './clock.ts'
import { RECEIPT_TIMEOUT_MS, SDPP_VERSION } from './constants.ts'
import type { DataFrame } from './data-frame.ts'
import type { RecordBatch } from './delivery-queue.ts'
import { encodePlain, encodeSigned, type Message } from './messages.ts'
import { SessionLedger, type Standing } from './session-ledger.ts'
import { asSdppError, CLOSE_REASON, closeReason, isTransient, SdppError, STATUS, statusName } from './status.ts'
import { isSettled, type StoredSession } from './stored-session.ts'
import { BUYER_TRANSITIONS } from './transitions.ts'
import { isFull } from './window-advice.ts'
import { WindowMeter } from './window-meter.ts'
import { Wire, type WireStream } from './wire.ts'

interface ActiveSession {
  terms: SessionTerms
  /** As ACCEPT has it; undefined on rails without channels. */
  base: bigint | undefined
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
  /** Rings when a session with a duration is over. */
  readonly #ending: DeadlineTimer
  readonly #delivery: BuyerDelivery
  /** Holds back what follows records that are being judged. */
  readonly #inbox: CheckedInbox | undefined
  readonly #nonce: Uint8Array
  readonly #verifier: StatementVerifier
  readonly #accepted = Promise.withResolvers<void>()
  readonly #done = Promise.withResolvers<BuyerOutcome>()
  readonly #settled = Promise.withResolvers<void>()
  readonly #abort = new AbortController()
  #state: BuyerState
  #order: PlacedOrder | undefined
  #active: ActiveSession | undefined
  readonly #money: BuyerPayments
  #receipt: CheckedStatement<'receipt'> | undefined
  #greetedAt = 0
  readonly #meter = new WindowMeter()
  #localError: unknown
  #resumable = false
  /** How the session was left, once it was without a receipt. */
  #left: string | undefined
  /** Cancels the wait for the seller's word that it has the acknowledgement. */
  #confirming: (() => void) | undefined
  /** The seller was left, not the product: the session may go on for more records. */
  #wasCut = false
  #invoices = 0
  #finished = false

  constructor(stream: WireStream, seller: string, request: BuyRequest, components: BuyerComponents) {
    const { clock, logger } = components
    this.#components = components
    this.#request = request
    this.#seller = seller
    this.#nonce = (components.random ?? randomBytes)(16)
    this.#verifier = components.verifier ?? statementVerifier
    this.#state = buyerStart(clock.now(), request.answering ?? 'newest')
    this.#delivery = new BuyerDelivery({
      request,
      components,
      state: () => this.#state,
      step: (event) => this.#step(event),
      fail: (error) => this.#fail(error),
      isOpen: () => !this.#finished,
      store: async () => this.#active?.ledger.store(this.#standing),
      touch: async () => {
        // Left without a receipt, another stream may have it.
        if (this.#left !== undefined) return
        this.#active?.ledger.touch(this.#standing)
        await this.#active?.ledger.flush()
      }
    })
    this.#timer = new DeadlineTimer(clock, () => this.#step({ type: 'tick' }))
    this.#ending = new DeadlineTimer(clock, () => this.stop())
    this.#inbox = request.validator === undefined ? undefined : this.#checkedInbox(request.validator)
    this.#wire = new Wire(
      stream,
      {
        onMessage: (message) => (this.#inbox === undefined ? this.#onMessage(message) : this.#inbox.push(message)),
        onDrain: () => {},
        onEnd: (error) => this.#onWireEnd(error)
      },
      clock,
      logger
    )
    this.#money = new BuyerPayments({
      wire: this.#wire,
      payer: () => (this.#order as PlacedOrder).payer,
      state: () => this.#state,
      step: (event) => this.#step(event),
      fail: (error) => this.#fail(error),
      stop: (reason) => this.stop(reason),
      onPaid: (sessionPaid) => this.#onPaid(sessionPaid),
      logger,
      signal: this.#abort.signal
    })
    this.#timer.set(this.#state.deadline)
    this.#accepted.promise.catch(() => {})
    this.#done.promise.catch(() => {})
  }

  #checkedInbox(validator: RecordValidator): CheckedInbox {
    return new CheckedInbox(validator, {
      take: (message, bad) => this.#onMessage(message, bad),
      fail: (error) => (error instanceof SdppError ? this.#wire.fail(error) : this.#fail(error)),
      pause: () => this.#wire.pause(),
      resume: () => this.#wire.resume()
    })
  }

  /** HELLO → OFFER → ORDER → ACCEPT, or RESUME → ACCEPT; resolves when the session is accepted. */
  async open(options: AbortOptions = {}): Promise<void> {
    const { listing, resume } = this.#request
    options.signal?.throwIfAborted()
    const onAbort = (): void => this.#onCallerAbort()
    options.signal?.addEventListener('abort', onAbort)
    this.#abort.signal.addEventListener('abort', () => options.signal?.removeEventListener('abort', onAbort), {
      once: true
    })
    if (resume === undefined) {
      const pay = this.#components.payers.flatMap((payer) => payer.capabilities())
      const wanted = listing === undefined ? {} : { listing: CID.parse(listing.cid) }
      this.#greetedAt = this.#components.clock.now()
      const hello = { versions: [SDPP_VERSION], nonce: this.#nonce, pay, ...wanted }
      this.#wire.send(encodePlain('HELLO', hello))
    } else this.#resume(resume.stored)
    await this.#accepted.promise
  }

  #resume(stored: StoredSession): void {
    resumeOrder(stored, this.#components, this.#abort.signal)
      .then((order) => {
        if (this.#wire.ended)
          return this.#wasSettled ? undefined : leaveOrder(order, this.#ahead(order), this.#components)
        this.#order = order
        this.#step({ type: 'resumeSent' })
        const { position, root } = stored.record.checkpoint
        const { paid, payload } = order.payer
        const shown = paid === 0n || payload === undefined ? {} : { payload }
        this.#wire.send(encodePlain('RESUME', { session: order.session, position, root, paid, ...shown }))
        faultPoint('resume.sent')
      })
      .catch((error: unknown) => this.#fail(error))
  }

  get status(): BuyerSessionStatus {
    const { phase, received, handled, due, asked, paid, credited } = this.#state
    const risk = paid > due ? paid - due : 0n
    const pending = paid > credited ? paid - credited : 0n
    return {
      id: this.#order?.session.toString(),
      phase,
      received: received.n,
      handled,
      due,
      paid,
      signed: asked,
      credited,
      pending,
      risk,
      invoices: this.#invoices,
      payments: this.#money.count
    }
  }

  get terms(): SessionTerms | undefined {
    return this.#state.terms
  }

  /**
   * The shortest so far, of HELLO to OFFER and PAYMENT to INVOICE; where each payment moves money, of payments alone, with
   * their transactions.
   */
  get roundTripMs(): number | undefined {
    return this.#meter.roundTripMs
  }

  /** Each payment is a transaction on a ledger. */
  get #transfers(): boolean {
    return this.#order?.payer.transfers === true
  }

  /** After a failure: whether the session can go on over another stream. */
  get resumable(): boolean {
    return this.#resumable
  }

  /**
   * The consumer has made everything durable that it was given. Resolves when the position is, together with the
   * consumer's own mark: from then on a resume begins here, and only calls of this function move it.
   *
   * @param sink - what the consumer needs to go on from here, such as the length of its file
   */
  async commit(sink?: string): Promise<void> {
    await this.#delivery.position.commit(sink)
  }

  /** Position after the last record that was handed out. */
  get delivered(): bigint {
    return this.#delivery.position.delivered
  }

  get committed(): Committed | undefined {
    return this.#delivery.position.committed
  }

  /** Whether the consumer has everything that came. */
  get idle(): boolean {
    return this.#delivery.idle
  }

  get #standing(): Standing {
    const { due, paid, limit } = this.#state
    const { reached: position, committed } = this.#delivery.position
    const needed = this.#meter.needed === undefined ? {} : { needed: this.#meter.needed }
    const known = hasEnded(this.#state) ? due : dueOf(this.#state, this.#before)
    const state = this.#left ?? stateOf(this.#state, this.#isStopped)
    const stopped = this.#isStopped && limit !== undefined ? { limit } : {}
    return { state, position, due: known, paid, ...needed, ...stopped, ...committed }
  }

  /** The session as it was left, of one that is resumed. */
  get #before(): StoredSession | undefined {
    return this.#request.resume?.stored
  }

  /** Its trust was closed with its receipt. */
  get #wasSettled(): boolean {
    return this.#before !== undefined && isSettled(this.#before)
  }

  #ahead({ payer }: PlacedOrder): bigint {
    return aheadOf(payer.paid, this.#state, this.#before)
  }

  get #isStopped(): boolean {
    return isStopped(this.#state, this.#before, this.#wasCut)
  }

  /** Resolves with the receipt; rejects when the session failed, or a record broke the schema. */
  get done(): Promise<BuyerOutcome> {
    return this.#done.promise
  }

  /** Resolves after `done`, when the seller has said that it has the acknowledgement, or nobody waits for that any more. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  /** Waits no longer for the seller's word: the session stays `receipted`, to be taken up another time. */
  leave(): void {
    if (this.#finished) this.#wire.close()
  }

  /** Records as they came, a batch per DATA frame; views of the received bytes. */
  batches(): AsyncGenerator<RecordBatch, void, undefined> {
    return this.#delivery.batches(() => this.stop())
  }

  /** Wants no more records: the session settles and `done` resolves. What was received, and paid for, still comes out. */
  stop(reason: number = CLOSE_REASON.buyerDone): void {
    this.#step({ type: 'stop', reason })
    // Durable soon: a crash before the end must not make the session go on for more records.
    if (!this.#finished && this.#isStopped) this.#active?.ledger.touch(this.#standing)
  }

  /** Does not wait for a seller that does not settle: nothing more is signed, and the session may be resumed. */
  cut(): void {
    if (hasEnded(this.#state)) return this.leave()
    this.#wasCut = true
    this.#fail(new SdppError(STATUS.timeout, 'the seller did not settle in time'))
  }

  /** Leaves the session as it stands, to be resumed; one that is being settled is settled. */
  suspend(): void {
    if (this.#state.phase === 'settling' || hasEnded(this.#state)) return
    this.#fail(new SdppError(STATUS.shuttingDown, 'the buyer goes on later', { lost: true }))
  }

  #onCallerAbort(): void {
    if (this.#state.phase === 'streaming' || this.#state.phase === 'settling') this.stop()
    else this.#fail(new SdppError(STATUS.shuttingDown, 'the buyer gave up'))
  }

  #onMessage(message: Message, bad?: BadRecord): void {
    if (!buyerExpects(this.#state, message.name)) {
      throw new SdppError(STATUS.unexpected, `${message.name} is unexpected in state ${this.#state.phase}`)
    }
    if ('statement' in message && message.name !== 'INVOICE' && !this.#verifier.verify(message.statement)) {
      throw new SdppError(STATUS.badSignature, `${message.name} has a bad signature`)
    }
    switch (message.name) {
      case 'OFFER':
        return this.#onOffer(message.statement)
      case 'ACCEPT':
        return this.#onAccept(message.statement)
      case 'DATA':
        return this.#onData(message.data, bad)
      case 'INVOICE':
        return this.#onInvoice(message.statement)
      case 'RECEIPT':
        return this.#onReceipt(message.statement)
      case 'CLOSE':
        return this.#onClose(closeReason(message.content.reason))
      case 'STATUS': {
        const { code, text } = message.content
        if (code >= 200n) throw new SdppError(Number(code) as never, text, { side: 'remote' })
        if (code === BigInt(STATUS.ok) && this.#finished && this.#state.phase === 'receipted') this.#onConfirmed()
        if (code === BigInt(STATUS.toppingUp)) this.#money.topUp()
        return
      }
      default:
        throw new SdppError(STATUS.unexpected, `${message.name} is not for this buyer`)
    }
  }

  #onClose(reason: number): void {
    const { closeSent, received } = this.#state
    this.#step({ type: 'closeReceived', reason })
    if (this.#request.refund !== true || closeSent || this.#finished) return
    this.#wire.send(encodePlain('CLOSE', { reason: BigInt(reason), n: received.n, refund: true }))
  }

  #onOffer(offer: CheckedStatement<'offer'>): void {
    this.#step({ type: 'offerReceived' })
    const { signer, payers, sessions, clock } = this.#components
    const { signal } = this.#abort
    const roundTripMs = clock.now() - this.#greetedAt
    placeOrder({
      offer,
      nonce: this.#nonce,
      seller: this.#seller,
      request: this.#request as OrderRequest,
      signer,
      payers,
      sessions,
      clock,
      ...(this.#components.random === undefined ? {} : { random: this.#components.random }),
      ...(this.#components.trust === undefined ? {} : { trust: this.#components.trust }),
      signal
    })
      .then((order) => {
        if (this.#wire.ended) return dropOrder(order, this.#components)
        this.#order = order
        if (!this.#transfers) this.#meter.sample(roundTripMs)
        this.#step({ type: 'orderSent' })
        this.#wire.send(encodeSigned('ORDER', order.statement))
      })
      .catch((error: unknown) => this.#fail(error))
  }

  #onAccept(accept: CheckedStatement<'accept'>): void {
    const { sessions } = this.#components
    const order = this.#order as PlacedOrder
    const agreed = acceptedTerms(accept, order, this.#before)
    // Nothing is paid ahead in a session that has its receipt, or goes on for that only.
    const isOver = this.#before?.receipt !== undefined || this.#isStopped
    const terms = isOver ? { ...agreed, ahead: 0n } : agreed
    const state = this.#isStopped ? 'stopped' : 'streaming'
    const record: SessionRecord = { ...order.record, state, start: accept.content.start }
    if (this.#transfers) this.#state = { ...this.#state, answering: 'every' }
    this.#active = {
      terms,
      base: accept.content.base,
      ledger: new SessionLedger(order.session, record, this.#components)
    }
    // Data may already follow ACCEPT: the machine streams at once, payments wait for the rail.
    const taken = takeAccept(accept, order, record, this.#before, sessions, { signal: this.#abort.signal })
    this.#money.accepted(accept, taken)
    taken.then(
      () => this.#accepted.resolve(),
      (error: unknown) => this.#fail(error)
    )
    this.#meter.recover(record.needed)
    this.#meter.start(NO_PROGRESS, this.#components.clock.now())
    this.#stopAt(order)
    if (this.#before === undefined) return this.#step({ type: 'accepted', terms })
    const resumed = resumedAt(accept, order)
    this.#meter.start(resumed.received, this.#components.clock.now())
    this.#step({ type: 'accepted', terms, resumed })
    if (this.#isStopped) this.stop()
  }

  /** The seller ends the session at its duration; one that does not is stopped. */
  #stopAt({ statement, record }: PlacedOrder): void {
    const { duration } = statement.content
    if (duration === undefined) return
    const { clock } = this.#components
    // What is left of it after a cut is counted as the seller counts it.
    const passed = this.#before === undefined ? 0 : Math.max(0, clock.wallTime() - record.openedAt)
    this.#ending.set(clock.now() + Math.max(0, Number(duration) - passed) + RECEIPT_TIMEOUT_MS)
  }

  #onData(data: DataFrame, bad: BadRecord | undefined): void {
    const { session } = this.#order as PlacedOrder
    this.#delivery.take(data, bad, { session, ...(this.#active as ActiveSession) }, () =>
      this.#meter.goesOn(this.#components.clock.now(), this.#meter.likelyWaitMs)
    )
  }

  #onInvoice(statement: CheckedStatement<'invoice'>): void {
    const { n, bytes, due, credited } = checkIssuer(statement, this.#order as PlacedOrder)
    // The content is compared now, while the position is the invoice's; the signature on another core. Nothing is paid
    // and nothing is kept before it is known to be good.
    this.#money.invoiced(statement, (before) => this.#verifyInBackground(statement, before))
    this.#step({ type: 'invoice', n, bytes, due, credited, rootMatches: this.#rootMatches(statement.content.root) })
    this.#invoices++
    this.#measure(credited)
  }

  /** An invoice after which no record fits says that the seller waits. */
  #measure(credited: bigint): void {
    const { terms } = this.#active as ActiveSession
    const { received, asked, phase } = this.#state
    const now = this.#components.clock.now()
    this.#meter.answered(credited, now)
    if (phase !== 'streaming') return
    if (isFull(terms, received, credited)) this.#meter.waits(now)
    // Its transaction is a part of the round trip, and what takes longest of it.
    if (this.#transfers && asked > credited) this.#meter.asks(asked, now)
    const narrow = this.#meter.narrow(received, terms, now)
    if (narrow !== undefined) this.#request.onNarrow?.(narrow)
  }

  async #verifyInBackground(statement: CheckedStatement<'invoice'>, before: Promise<void>): Promise<void> {
    const good = await this.#verifier.verifyInBackground(statement)
    await before
    if (!good) return this.#fail(new SdppError(STATUS.badSignature, 'INVOICE has a bad signature'))
    if (this.#state.phase !== 'failed') return this.#active?.ledger.keepInvoice(statement, this.#standing)
    // It may be the one that is disputed: kept beside the last that both agreed to, not in its place.
    await this.#components.sessions.keep(statement.content.session.toString(), 'buyer', [statement])
  }

  #onReceipt(statement: CheckedStatement<'receipt'>): void {
    const { n, bytes, due, credited } = checkIssuer(statement, this.#order as PlacedOrder)
    checkReceipt(statement, this.#before)
    this.#receipt = statement
    this.#step({ type: 'receipt', n, bytes, due, credited, rootMatches: this.#rootMatches(statement.content.root) })
  }

  #rootMatches(root: Uint8Array): boolean {
    return equalBytes(root, (this.#active as ActiveSession).ledger.transcript.root())
  }

  #step(event: BuyerEvent): void {
    // What came before the end is still handled after it.
    if (this.#finished && event.type !== 'handled') return
    const [state, effects] = buyerStep(this.#state, event, this.#components.clock.now())
    this.#state = state
    this.#timer.set(state.deadline)
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: BuyerEffect): void {
    switch (effect.type) {
      case 'pay':
        return this.#money.pay(effect.n, effect.sessionPaid)
      case 'position':
        return this.#wire.send(encodePlain('POSITION', { n: effect.n }))
      case 'close':
        return this.#sendClose(effect)
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

  #sendClose({ reason, n }: Extract<BuyerEffect, { type: 'close' }>): void {
    const refund = this.#request.refund === true ? { refund: true } : {}
    const close = encodePlain('CLOSE', { reason: BigInt(reason), n, ...refund })
    // A seller waits for no payment after it: the one for the records before the bad one goes first.
    if (this.#state.payable === undefined) this.#wire.send(close)
    else void this.#money.sent().then(() => this.#wire.send(close))
  }

  #onPaid(sessionPaid: bigint): void {
    if (!this.#transfers) this.#meter.asks(sessionPaid, this.#components.clock.now())
    this.#step({ type: 'paid', sessionPaid })
    this.#request.onPaid?.()
  }

  async #finish(): Promise<void> {
    const { signer, clock } = this.#components
    const order = this.#order as PlacedOrder
    const receipt = this.#receipt as CheckedStatement<'receipt'>
    const fields = { session: order.session, receipt: receipt.link }
    const acknowledgement = signStatement(signer, 'receipt-ack', fields, clock.wallTime())
    await this.#money.finished()
    if (this.#finished) return
    await checkProof(receipt.content, this.#active?.base, order)
    this.#delivery.violation.keep(order.session)
    await this.#delivery.violation.kept
    await order.payer.end(receipt.content.due)
    const violation = this.#badRecord
    const settled = violation === undefined ? receipt.content.due : 0n
    if (!this.#wasSettled) await closeTrust(this.#components, order.record.id, settled, this.#kept(receipt.content.due))
    await this.#active?.ledger.store(this.#standing, [receipt, acknowledgement])
    faultPoint('acknowledgement.stored')
    this.#wire.send(encodeSigned('RECEIPT_ACK', acknowledgement))
    faultPoint('acknowledgement.sent')
    this.#finished = true
    this.#stopTimers()
    this.#abort.abort()
    if (this.#wire.ended) this.#settled.resolve()
    else this.#confirming = clock.after(RECEIPT_TIMEOUT_MS, () => this.leave())
    const id = order.session.toString()
    if (violation === undefined) {
      this.#delivery.end()
      this.#done.resolve({ ...this.status, id, reason: Number(receipt.content.reason), receipt })
    } else {
      this.#delivery.end(violation)
      this.#done.reject(violation)
    }
  }

  /** Where each payment has moved its money, what was paid ahead stays with a seller that ends the session by itself. */
  #kept(due: bigint): bigint {
    const { closeSent, paid } = this.#state
    return this.#transfers && !closeSent && paid > due ? paid - due : 0n
  }

  /** Stored before the stream is closed: until then it counts as lost, and the acknowledgement is sent again. */
  #onConfirmed(): void {
    this.#state = buyerStep(this.#state, { type: 'confirmed' }, this.#components.clock.now())[0]
    const stored = this.#active?.ledger.store(this.#standing)
    stored
      ?.catch((error: unknown) => this.#components.logger.error('session state not stored', { error: String(error) }))
      .finally(() => this.leave())
  }

  get #badRecord(): DdmError | undefined {
    const { payable, asked } = this.#state
    const session = this.#order?.session.toString()
    if (payable === undefined || session === undefined) return undefined
    return this.#delivery.violation.error({ session, seller: this.#seller, records: payable.n, paid: asked })
  }

  #stopTimers(): void {
    this.#timer.stop()
    this.#ending.stop()
    this.#delivery.position.stop()
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

  /** What the other side said before it left is heard first. */
  #onWireEnd(error: SdppError | undefined): void {
    if (this.#inbox !== undefined && error?.side === 'remote') return this.#inbox.end(() => this.#onEnd(error))
    this.#inbox?.close()
    this.#onEnd(error)
  }

  #onEnd(error: SdppError | undefined): void {
    const { phase } = this.#state
    if (this.#finished) {
      this.#confirming?.()
      return this.#settled.resolve()
    }
    // A receipt that came is kept, whatever happens to the stream meanwhile.
    if (hasEnded(this.#state) && this.#localError === undefined) return
    const refused = error?.isRefusal === true && Object.hasOwn(BUYER_TRANSITIONS[phase], 'refused')
    this.#step({ type: refused ? 'refused' : 'aborted' })
    this.#finished = true
    this.#stopTimers()
    this.#abort.abort()
    const cause =
      this.#localError ?? error ?? new SdppError(STATUS.shuttingDown, 'the session ended', { side: 'remote' })
    const failure = this.#badRecord ?? (cause instanceof SdppError ? toDdmError(cause, this.#seller, phase) : cause)
    void this.#release(asSdppError(cause), refused).then(() => {
      this.#accepted.reject(failure)
      this.#delivery.end(failure, this.#resumable)
      this.#done.reject(failure)
      this.#settled.resolve()
    })
  }

  /** Without a receipt the session waits to be resumed, unless the two sides disagree, or the seller knows nothing of it. */
  async #release(error: SdppError, refused: boolean): Promise<void> {
    const order = this.#order
    if (order === undefined) return
    const ended = this.#wasSettled
    const resuming = this.#before !== undefined && this.#active === undefined
    const state = ended ? endedAs(error) : leftAs(error, refused, resuming, this.#isStopped)
    try {
      this.#delivery.violation.keep(order.session)
      await Promise.all([this.#money.finished({ whatever: true }), this.#delivery.violation.kept])
      if (!ended) await releaseOrder(order, state, () => this.#ahead(order), this.#components)
      // Also for a consumer that commits its last records after the end.
      this.#left = state
      if (this.#active !== undefined) await this.#active.ledger.store({ ...this.#standing, state })
      else {
        const { sessions, clock } = this.#components
        await sessions.put({ ...order.record, state, updatedAt: clock.wallTime() })
      }
      this.#resumable = (isOpen(state) || state === 'receipted') && isTransient(error) && this.#badRecord === undefined
    } catch (cause) {
      this.#components.logger.error('session state not stored', { error: String(cause) })
    }
  }
}
