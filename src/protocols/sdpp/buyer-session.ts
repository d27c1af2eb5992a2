import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import {
  type AbortOptions,
  type BadRecord,
  type DdmError,
  faultPoint,
  NO_PROGRESS,
  type PayerSession,
  type Progress,
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
import { advance, type SessionTerms } from './account.ts'
import { endedAs, leftAs, toDdmError } from './buyer-errors.ts'
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
import { BuyerPosition } from './buyer-position.ts'
import { resumeOrder } from './buyer-resume.ts'
import type { BuyerComponents, BuyerOutcome, BuyerSessionStatus, BuyRequest, Committed } from './buyer-types.ts'
import { BuyerViolation } from './buyer-violation.ts'
import { CheckedInbox } from './checked-inbox.ts'
import { DeadlineTimer } from './clock.ts'
import { RECEIPT_TIMEOUT_MS, SDPP_VERSION } from './constants.ts'
import type { DataFrame } from './data-frame.ts'
import { DeliveryQueue, RecordBatch } from './delivery-queue.ts'
import { encodePlain, encodeSigned, type Message } from './messages.ts'
import { checkAccept, checkResumed, checkShown, sessionTerms } from './negotiation.ts'
import { SessionLedger, type Standing } from './session-ledger.ts'
import { asSdppError, CLOSE_REASON, isTransient, SdppError, STATUS, statusName } from './status.ts'
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
  readonly #queue: DeliveryQueue
  /** Holds back what follows records that are being judged. */
  readonly #inbox: CheckedInbox | undefined
  readonly #violation: BuyerViolation
  readonly #nonce: Uint8Array
  readonly #verifier: StatementVerifier
  readonly #accepted = Promise.withResolvers<void>()
  readonly #done = Promise.withResolvers<BuyerOutcome>()
  readonly #settled = Promise.withResolvers<void>()
  readonly #abort = new AbortController()
  #state: BuyerState
  #order: PlacedOrder | undefined
  #active: ActiveSession | undefined
  #openBlock: bigint | undefined
  readonly #money: BuyerPayments
  #receipt: CheckedStatement<'receipt'> | undefined
  #greetedAt = 0
  readonly #meter = new WindowMeter()
  #localError: unknown
  readonly #position: BuyerPosition
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
    this.#violation = new BuyerViolation(components.sessions, (error) => this.#fail(error))
    this.#position = new BuyerPosition({
      request,
      clock,
      state: () => this.#state,
      step: (event) => this.#step(event),
      handedOut: () => this.#queue.delivered,
      store: async () => this.#active?.ledger.store(this.#standing),
      touch: () => {
        if (!this.#finished) this.#active?.ledger.touch(this.#standing)
      }
    })
    this.#queue = new DeliveryQueue((batch, idle) => {
      if (!this.#finished) this.#position.handled(batch, idle)
    })
    this.#timer = new DeadlineTimer(clock, () => this.#step({ type: 'tick' }))
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
        if (this.#wire.ended) return this.#leave(order)
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

  /** The stream was lost before the ORDER was sent: nobody knows of it. */
  async #drop({ payer, record }: PlacedOrder): Promise<void> {
    const { sessions, clock } = this.#components
    await payer.end(0n)
    await this.#closeTrust(record.id, 0n, 0n)
    await sessions.put({ ...record, state: 'abandoned', updatedAt: clock.wallTime() })
  }

  /** The stream was lost before RESUME was sent: all stays as it was. */
  async #leave(order: PlacedOrder): Promise<void> {
    await order.payer.suspend()
    await this.#closeTrust(order.record.id, 0n, this.#ahead(order))
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

  /** The shortest so far, of HELLO to OFFER and PAYMENT to INVOICE. */
  get roundTripMs(): number | undefined {
    return this.#meter.roundTripMs
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
    await this.#position.commit(sink)
  }

  /** Position after the last record that was handed out. */
  get delivered(): bigint {
    return this.#position.delivered
  }

  get committed(): Committed | undefined {
    return this.#position.committed
  }

  /** Whether the consumer has everything that came. */
  get idle(): boolean {
    return this.#queue.empty
  }

  get #standing(): Standing {
    const { phase, due, paid } = this.#state
    const { reached: position, committed } = this.#position
    const needed = this.#meter.needed === undefined ? {} : { needed: this.#meter.needed }
    const known = hasEnded(this.#state) ? due : this.#due
    // One that has failed is left only when its trust is closed: a crash before that finds it to be taken up again.
    const isOver = phase === 'failed' || phase === 'settling'
    const running = phase === 'failed' ? 'suspended' : phase
    const state = isOver && this.#isStopped ? 'stopped' : running
    return { state: this.#left ?? state, position, due: known, paid, ...needed, ...committed }
  }

  /** A resume begins at a checkpoint: what comes again was due before. */
  get #due(): bigint {
    const { due } = this.#state
    const { due: before = 0n } = this.#request.resume?.stored.record ?? {}
    return due > before ? due : before
  }

  /**
   * Signed for and not received: what the seller owes, also one that does not take the session up again. Settled, it owes
   * nothing.
   */
  #ahead({ payer: { paid } }: PlacedOrder): bigint {
    const { resume } = this.#request
    if (resume !== undefined && isSettled(resume.stored)) return 0n
    return paid > this.#due ? paid - this.#due : 0n
  }

  /** The user wants no more records, now or since an earlier stream: only the end of the session is still missing. */
  get #isStopped(): boolean {
    const { closeSent, reason } = this.#state
    if (this.#request.resume?.stored.record.state === 'stopped') return true
    return closeSent && reason === CLOSE_REASON.buyerDone && !this.#wasCut
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
  async *batches(): AsyncGenerator<RecordBatch, void, undefined> {
    this.#position.resumed()
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
        return this.#onClose(Number(message.content.reason))
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
    this.#meter.sample(clock.now() - this.#greetedAt)
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
        if (this.#wire.ended) return this.#drop(order)
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
    const { resume } = this.#request
    checkAccept(content, order.statement.content, order.offer.content, order.session.toString())
    checkResumed(content, resume?.stored.accept?.content)
    const isEnded = resume !== undefined && isSettled(resume.stored)
    if (order.payer.channelId !== undefined && !isEnded) checkShown(content, resume !== undefined)
    const agreed = sessionTerms(order.entry, order.offer.content, order.statement.content, content)
    // Nothing is paid ahead in a session that has its receipt, or goes on for that only.
    const isOver = resume?.stored.receipt !== undefined || this.#isStopped
    const terms = isOver ? { ...agreed, ahead: 0n } : agreed
    const state = this.#isStopped ? 'stopped' : 'streaming'
    const record: SessionRecord = { ...order.record, state, start: content.start }
    if (order.payer.transfers === true) this.#state = { ...this.#state, answering: 'every' }
    this.#active = { terms, base: content.base, ledger: new SessionLedger(order.session, record, this.#components) }
    const payer: PayerSession = order.payer
    // Data may already follow ACCEPT: the machine streams at once, payments wait for the rail.
    const taken = (async () => {
      const { base, proof } = content
      if (base !== undefined || proof !== undefined) {
        await payer
          .accept(base, proof, { signal: this.#abort.signal, credited: content.credited ?? 0n })
          .catch(async (error: unknown) => {
            // Beside the RECEIPT that it contradicts; one that came before stays what the session is verified with.
            if (resume === undefined) await sessions.keep(record.id, 'buyer', [accept])
            throw error
          })
      }
      await sessions.put(record, isEnded ? {} : { statements: [accept], replaces: ['accept'] })
    })()
    this.#money.accepted(accept, taken)
    taken.then(
      () => this.#accepted.resolve(),
      (error: unknown) => this.#fail(error)
    )
    this.#meter.recover(record.needed)
    this.#meter.start(NO_PROGRESS, this.#components.clock.now())
    if (resume === undefined) return this.#step({ type: 'accepted', terms })
    const { position, records, bytes } = record.checkpoint
    const received: Progress = { n: position, records, bytes }
    const credited = content.credited ?? 0n
    // Without a base the seller has given its receipt; here the payments may have ended before it was stored, with what was
    // used of them only.
    this.#meter.start(received, this.#components.clock.now())
    const paid = content.base === undefined && credited > payer.paid ? credited : payer.paid
    this.#step({ type: 'accepted', terms, resumed: { received, paid, credited } })
    if (this.#isStopped) this.stop()
  }

  #onData(data: DataFrame, bad: BadRecord | undefined): void {
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
    ledger.add(data, progress)
    this.#meter.goesOn(this.#components.clock.now(), this.#meter.likelyWaitMs)
    if (this.#inbox !== undefined) this.#violation.add(data, bad)
    this.#openBlock = endOfBlock ? undefined : blockStart
    if (bad !== undefined) {
      this.#step({ type: 'violated', payable: advance(terms, received, { first, count, ends }, 0, bad.index) })
      this.#violation.keep(this.#order?.session)
    }
    const good = Number(this.#position.good(progress.n) - received.n)
    const skip = this.#position.known(received.n)
    if (skip >= good) this.#step({ type: 'handled', n: progress.n, bytes: bytes.length, idle: false })
    else {
      const at = this.#components.clock.wallTime()
      const records = new RecordBatch(first, bytes, ends.subarray(0, good), skip, at)
      this.#queue.push({ records, n: progress.n, bytes: bytes.length })
    }
  }

  #onInvoice(statement: CheckedStatement<'invoice'>): void {
    const { n, bytes, due, credited } = this.#checkIssuer(statement)
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
    const { received, phase } = this.#state
    const now = this.#components.clock.now()
    this.#meter.answered(credited, now)
    if (phase !== 'streaming') return
    if (isFull(terms, received, credited)) this.#meter.waits(now)
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
    const { n, bytes, due, credited, unused } = this.#checkIssuer(statement)
    const before = this.#request.resume?.stored
    if (before?.receipt !== undefined && isSettled(before) && !before.receipt.link.equals(statement.link)) {
      throw new SdppError(STATUS.accountMismatch, `RECEIPT ${statement.cid} is not the one given before`)
    }
    const rest = credited > due ? credited - due : 0n
    if (unused !== rest) {
      throw new SdppError(STATUS.accountMismatch, `RECEIPT says that ${unused} is unused, it is ${rest}`)
    }
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
    this.#meter.asks(sessionPaid, this.#components.clock.now())
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
    await this.#checkProof(receipt.content, order.payer)
    this.#violation.keep(order.session)
    await this.#violation.kept
    await order.payer.end(receipt.content.due)
    const violation = this.#badRecord
    await this.#closeTrust(order.record.id, violation === undefined ? receipt.content.due : 0n, 0n)
    await this.#active?.ledger.store(this.#standing, [receipt, acknowledgement])
    faultPoint('acknowledgement.stored')
    this.#wire.send(encodeSigned('RECEIPT_ACK', acknowledgement))
    this.#finished = true
    this.#stopTimers()
    this.#abort.abort()
    if (this.#wire.ended) this.#settled.resolve()
    else this.#confirming = clock.after(RECEIPT_TIMEOUT_MS, () => this.leave())
    const id = order.session.toString()
    if (violation === undefined) {
      this.#queue.end()
      this.#done.resolve({ ...this.status, id, reason: Number(receipt.content.reason), receipt })
    } else {
      this.#queue.end(violation)
      this.#done.reject(violation)
    }
  }

  /** Stored before the stream is closed: until then it counts as lost, and the acknowledgement is sent again. */
  #onConfirmed(): void {
    this.#state = buyerStep(this.#state, { type: 'confirmed' }, this.#components.clock.now())[0]
    const stored = this.#active?.ledger.store(this.#standing)
    stored
      ?.catch((error: unknown) => this.#components.logger.error('session state not stored', { error: String(error) }))
      .finally(() => this.leave())
  }

  /** Without a voucher of ours that covers what was credited, nobody could verify the receipt. */
  async #checkProof({ credited, proof }: CheckedStatement<'receipt'>['content'], payer: PayerSession): Promise<void> {
    const { base } = this.#active as ActiveSession
    if (base === undefined || credited === 0n) return
    const held = proof?.maxClaimableAmount ?? 0n
    if (held < base + credited) {
      throw new SdppError(STATUS.paymentInvalid, `RECEIPT shows a voucher of ${held} for ${base + credited}`)
    }
    await payer.accept(base, proof)
  }

  get #badRecord(): DdmError | undefined {
    const { payable, asked } = this.#state
    const session = this.#order?.session.toString()
    if (payable === undefined || session === undefined) return undefined
    return this.#violation.error({ session, seller: this.#seller, records: payable.n, paid: asked })
  }

  async #closeTrust(session: string, settled: bigint, debt: bigint): Promise<void> {
    await this.#components.trust?.close({ role: 'buyer', session, settled, debt })
  }

  #stopTimers(): void {
    this.#timer.stop()
    this.#position.stop()
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
      this.#queue.end(failure, this.#resumable)
      this.#done.reject(failure)
      this.#settled.resolve()
    })
  }

  /** Without a receipt the session waits to be resumed, unless the two sides disagree, or the seller knows nothing of it. */
  async #release(error: SdppError, refused: boolean): Promise<void> {
    const order = this.#order
    if (order === undefined) return
    const { resume } = this.#request
    const ended = resume !== undefined && isSettled(resume.stored)
    const resuming = resume !== undefined && this.#active === undefined
    const state = ended ? endedAs(error) : leftAs(error, refused, resuming, this.#isStopped)
    try {
      this.#violation.keep(order.session)
      await Promise.all([this.#money.finished({ whatever: true }), this.#violation.kept])
      // All that was paid counts as consumed until the seller's next ACCEPT says what was not.
      if (isOpen(state)) await order.payer.suspend()
      else await order.payer.end(order.payer.paid)
      await this.#closeTrust(order.record.id, 0n, this.#ahead(order))
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

function isOpen(state: string): boolean {
  return state === 'suspended' || state === 'stopped'
}
