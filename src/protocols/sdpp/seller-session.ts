import { faultPoint, recordEnds, type SignedStatement, sliceRecords } from '../../interface/index.ts'
import {
  type CheckedStatement,
  type StatementFields,
  type StatementKind,
  signStatement,
  statementVerifier
} from '../../statements/index.ts'
import { DeadlineTimer } from './clock.ts'
import { MAX_IN_FLIGHT_BYTES, MAX_UNSTORED_BYTES } from './constants.ts'
import { encodeData, encodeDataHeader } from './data-frame.ts'
import { encodePlain, encodeSigned, type Message, type Plain, type SignedName } from './messages.ts'
import { SellerCredit } from './seller-credit.ts'
import { sellerExpects, sellerStep } from './seller-machine.ts'
import { type AcceptedOrder, SellerNegotiation } from './seller-negotiation.ts'
import { SellerPump } from './seller-pump.ts'
import { resumeSession } from './seller-resume.ts'
import {
  type SellerEffect,
  type SellerEvent,
  type SellerStanding,
  type SellerState,
  sellerStart
} from './seller-state.ts'
import { SellerTopUps } from './seller-top-ups.ts'
import type { SellerSessionComponents, SellerSessionStatus } from './seller-types.ts'
import { SessionLedger, type Standing } from './session-ledger.ts'
import { asSdppError, CLOSE_REASON, closeReason, isDispute, SdppError, STATUS } from './status.ts'
import { isSettled } from './stored-session.ts'
import { SELLER_TRANSITIONS } from './transitions.ts'
import { WindowMeter } from './window-meter.ts'
import { Wire, type WireStream } from './wire.ts'

/** Below it one write of a copy costs less than two of views. */
const MIN_UNCOPIED_BYTES = 4096

interface ActiveOrder extends AcceptedOrder {
  ledger: SessionLedger
}

type Payment = Plain<'PAYMENT'>

/** One stream of one buyer: does what the machine decides. */
export class SellerSession {
  readonly #components: SellerSessionComponents
  readonly #buyer: string
  readonly #wire: Wire
  readonly #timer: DeadlineTimer
  readonly #negotiation: SellerNegotiation
  readonly #abort = new AbortController()
  readonly #released = Promise.withResolvers<void>()
  readonly #onDone: () => void
  #state: SellerState
  #accepted: ActiveOrder | undefined
  /** Once the order is accepted. */
  #pump: SellerPump | undefined
  #receiptLink: string | undefined
  /** ID of the session that ORDER or RESUME asked for, and settles when that was answered. */
  #opening: { id: string; answered: Promise<unknown> } | undefined
  /** Settles when the receipt that was asked for is stored, or failed. */
  #receipting: Promise<unknown> = Promise.resolve()
  /** It could not be made: the session has not ended. */
  #receiptFailed = false
  /** Settles when the vouchers that came are stored: also what arrives just before the end of the stream counts. */
  #crediting: Promise<unknown> = Promise.resolve()
  #credited = 0n
  readonly #meter = new WindowMeter()
  /** Once the order is accepted. */
  #topUps: SellerTopUps | undefined
  /** In a session that the debt of others left no window. */
  #credit: SellerCredit | undefined
  #refundAsked = false
  /** A HELLO is being answered. */
  #greeting = false
  #finished = false

  constructor(stream: WireStream, buyer: string, components: SellerSessionComponents, onDone: () => void) {
    const { clock, logger } = components
    this.#components = components
    this.#buyer = buyer
    this.#onDone = onDone
    this.#state = sellerStart(clock.now(), 'adaptive')
    this.#timer = new DeadlineTimer(clock, () => this.#step({ type: 'tick' }))
    this.#negotiation = new SellerNegotiation({ ...components, buyer })
    this.#wire = new Wire(
      stream,
      {
        onMessage: (message) => this.#onMessage(message),
        onDrain: () => this.#pump?.run(),
        onEnd: (error) => this.#onEnd(error)
      },
      clock,
      logger
    )
    this.#timer.set(this.#state.deadline)
  }

  get status(): SellerSessionStatus {
    const { phase, sent, due, credited } = this.#state
    const accepted = this.#accepted
    const maximum = accepted?.terms.maximum ?? 0n
    // A session that owes may be paid yet, from what the channel holds.
    const mayRefund = this.#refundAsked && this.#receiptLink !== undefined && maximum > 0n && due <= credited
    return {
      id: accepted?.session.toString(),
      buyer: this.#buyer,
      listing: accepted?.product.listing.id,
      phase,
      rail: accepted?.record.rail,
      sent: sent.n,
      due,
      credited,
      refund: mayRefund ? accepted?.record.channelId : undefined
    }
  }

  /** Whether this stream has the session of that buyer, or is about to. */
  serves(id: string, buyer: string): boolean {
    return buyer === this.#buyer && (this.#accepted?.session.toString() ?? this.#opening?.id) === id
  }

  get buyer(): string {
    return this.#buyer
  }

  /** The buyer resumes this session on another stream: this one is dead, though nobody has noticed. */
  async supersede(): Promise<void> {
    this.#wire.fail(new SdppError(STATUS.shuttingDown, 'the session goes on over another stream', { lost: true }))
    await this.#released.promise
  }

  /** Ends the session in an orderly way: CLOSE, final invoice, receipt. */
  shutDown(reason: number): void {
    if (this.#state.phase === 'streaming') this.#step({ type: 'close', reason })
    else if (this.#accepted === undefined) this.#fail(new SdppError(STATUS.shuttingDown, 'the seller is shutting down'))
  }

  #onMessage(message: Message): void {
    if (!sellerExpects(this.#state, message.name)) {
      throw new SdppError(STATUS.unexpected, `${message.name} is unexpected in state ${this.#state.phase}`)
    }
    if (this.#greeting && (message.name === 'HELLO' || message.name === 'RESUME')) {
      throw new SdppError(STATUS.unexpected, `${message.name} is unexpected before HELLO is answered`)
    }
    if ('statement' in message) {
      const { issuer } = message.statement
      const { verify } = this.#components.verifier ?? statementVerifier
      if (issuer !== this.#buyer || !verify(message.statement)) {
        throw new SdppError(STATUS.badSignature, `${message.name} is not signed by ${this.#buyer}`)
      }
    }
    switch (message.name) {
      case 'HELLO':
        this.#greeting = true
        this.#run(
          () => this.#negotiation.hello(message.content),
          (answer) => {
            this.#greeting = false
            this.#sendSigned(answer.name, answer.statement)
            this.#step({ type: answer.name === 'MENU' ? 'menuServed' : 'offered' })
          }
        )
        return
      case 'ORDER':
        this.#step({ type: 'ordered' })
        return this.#open(message.statement.cid, () => this.#negotiation.order(message.statement, this.#abort.signal))
      case 'RESUME':
        this.#step({ type: 'resuming' })
        this.#resume(message.content)
        return
      case 'PAYMENT':
        return this.#onPayment(message.content)
      case 'POSITION':
        return this.#onPosition(message.content.n)
      case 'CLOSE':
        if (this.#accepted === undefined)
          return this.#fail(new SdppError(STATUS.shuttingDown, 'the buyer left', { side: 'remote' }))
        if (message.content.refund === true) this.#refundAsked = true
        return this.#onClose(closeReason(message.content.reason))
      case 'RECEIPT_ACK':
        return this.#onAcknowledged(message.statement)
      case 'STATUS': {
        const { code, text } = message.content
        if (code === BigInt(STATUS.toppingUp)) return this.#step({ type: 'toppingUp' })
        if (code < 200n) return
        throw new SdppError(Number(code) as never, text, { side: 'remote' })
      }
      default:
        throw new SdppError(STATUS.unexpected, `${message.name} comes from sellers only`)
    }
  }

  /** Runs an asynchronous answer; a refusal becomes a status, anything else a fault. */
  #run<T>(work: () => Promise<T>, then: (result: T) => void): void {
    work().then(
      (result) => {
        if (!this.#wire.ended) this.#guard(() => then(result))
      },
      (error: unknown) => this.#fail(asSdppError(error))
    )
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fail(asSdppError(error))
    }
  }

  #resume(content: Plain<'RESUME'>): void {
    const components = { ...this.#components, buyer: this.#buyer }
    this.#open(content.session.toString(), () => resumeSession(content, components, this.#abort.signal))
  }

  /** Its session is known from here on: whoever resumes it on another stream ends this one first. */
  #open(id: string, work: () => Promise<AcceptedOrder>): void {
    this.#opening = { id, answered: this.#take(work) }
  }

  /** Looks whether the stream is still there in the same moment in which it takes what was agreed on. */
  async #take(work: () => Promise<AcceptedOrder>): Promise<void> {
    try {
      const order = await work()
      if (this.#wire.ended) await order.giveBack()
      else this.#accept(order)
    } catch (error) {
      this.#fail(asSdppError(error))
    }
  }

  #accept(order: AcceptedOrder): void {
    const { logger } = this.#components
    const { session, terms, rail, product, accept, resumed } = order
    const ledger = new SessionLedger(session, order.record, this.#components, resumed?.transcript)
    this.#accepted = { ...order, ledger }
    this.#credited = resumed?.credited ?? 0n
    this.#meter.recover(order.record.needed)
    this.#state = { ...this.#state, invoicing: rail.transfers === true ? 'one' : (product.invoicing ?? 'adaptive') }
    this.#pump = new SellerPump({
      log: product.log,
      terms,
      state: () => this.#state,
      isWritable: () => !this.#wire.ended && this.#wire.writable,
      step: (event) => this.#step(event),
      fail: (error) => this.#fail(error),
      signal: this.#abort.signal
    })
    this.#topUps = new SellerTopUps({
      rail,
      clock: this.#components.clock,
      logger,
      ask: () => this.#askTopUp(rail.available() ?? 0n, terms.maximum),
      looked: () => this.#step({ type: 'credited', sessionPaid: this.#credited, available: rail.available() }),
      take: (payment) => {
        if (sellerExpects(this.#state, 'PAYMENT')) this.#guard(() => this.#onPayment(payment))
      },
      signal: this.#abort.signal
    })
    const { askCredit } = order
    if (askCredit !== undefined) {
      this.#credit = new SellerCredit({
        clock: this.#components.clock,
        state: () => this.#state,
        ask: () => this.#run(askCredit, (credit) => this.#step({ type: 'window', credit })),
        signal: this.#abort.signal
      })
    }
    this.#sendSigned('ACCEPT', accept)
    const stop = product.log.onAppend(() => this.#pump?.run())
    this.#abort.signal.addEventListener('abort', stop, { once: true })
    if (order.duration !== undefined) {
      const { clock } = this.#components
      const timer = new DeadlineTimer(clock, () => this.#step({ type: 'close', reason: CLOSE_REASON.complete }))
      timer.set(clock.now() + Number(order.duration))
      this.#abort.signal.addEventListener('abort', () => timer.stop(), { once: true })
    }
    const available = rail.available()
    const { transcript: _transcript, receipt: _receipt, ...standing } = resumed ?? {}
    this.#step({ type: 'accepted', terms, available, ...(resumed && { resumed: standing as SellerStanding }) })
    logger.info('session accepted', { session: session.toString(), listing: product.listing.id, k: terms.k.toString() })
  }

  #onPayment(payment: Payment): void {
    if (this.#state.phase === 'receipted') return
    const { rail, terms, resumed } = this.#accepted as ActiveOrder
    if (isSettled({ receipt: resumed?.receipt })) return
    const { n, sessionPaid, payload } = payment
    if (n > this.#state.sent.n) {
      throw new SdppError(STATUS.unexpected, `PAYMENT for ${n} is beyond ${this.#state.sent.n} sent`)
    }
    if (sessionPaid > terms.maximum) {
      throw new SdppError(STATUS.paymentInvalid, `${sessionPaid} paid is above the order's maximum ${terms.maximum}`)
    }
    if (rail.exceeds?.(sessionPaid) === true) return this.#topUps?.hold(payment)
    const problem = rail.verify(sessionPaid, payload)
    if (problem !== undefined) throw new SdppError(STATUS.paymentInvalid, problem)
    this.#step({ type: 'paymentArrived', sessionPaid })
    // No signal: a good voucher that came is kept, whatever happens to the stream.
    const stored = rail.credit(sessionPaid, payload).then(() => {
      if (sessionPaid > this.#credited) this.#credited = sessionPaid
    })
    this.#crediting = Promise.allSettled([this.#crediting, stored])
    this.#run(
      () => stored,
      () => this.#step({ type: 'credited', sessionPaid, available: rail.available() })
    )
    if (payment.deposit !== undefined || this.#state.blocked === 'channel') this.#topUps?.look(payment.deposit)
  }

  #askTopUp(available: bigint, maximum: bigint): void {
    const details = { have: available.toString(), need: maximum.toString() }
    const text = `the channel can pay ${details.have}, the order may cost ${details.need}; top it up`
    this.#wire.send(encodePlain('STATUS', { code: BigInt(STATUS.toppingUp), text, details }))
  }

  /** What is sent beyond the position that is stored stays within what a resume after a crash allows for. */
  #onPosition(n: bigint): void {
    const { ledger } = this.#accepted as ActiveOrder
    const step = (): void => this.#step({ type: 'position', n })
    if (ledger.unstored <= MAX_UNSTORED_BYTES - MAX_IN_FLIGHT_BYTES) return step()
    ledger.touch(this.#standing)
    this.#run(() => ledger.flush(), step)
  }

  /** After CLOSE for a bad record no payment is waited for: those that came before it count first. */
  #onClose(reason: number): void {
    const close = (): void => this.#step({ type: 'close', reason })
    if (reason === CLOSE_REASON.schema) this.#run(() => this.#crediting, close)
    else close()
  }

  #onAcknowledged(statement: CheckedStatement<'receipt-ack'>): void {
    const { session } = this.#accepted as AcceptedOrder
    const { content } = statement
    if (!content.session.equals(session) || content.receipt.toString() !== this.#receiptLink) {
      throw new SdppError(STATUS.unexpected, 'RECEIPT_ACK is for another receipt')
    }
    this.#run(
      () => this.#components.sessions.keep(session.toString(), 'seller', [statement]),
      () => {
        faultPoint('acknowledgement.kept')
        this.#wire.send(encodePlain('STATUS', { code: BigInt(STATUS.ok), text: 'the acknowledgement is stored' }))
        this.#step({ type: 'acknowledged' })
      }
    )
  }

  #step(event: SellerEvent): void {
    if (this.#finished) return
    const now = this.#components.clock.now()
    const before = this.#state
    const [state, effects] = sellerStep(before, event, now)
    this.#state = state
    this.#timer.set(state.deadline)
    if (event.type === 'accepted') this.#meter.start(state.sent, now)
    else if (state.phase === 'streaming') this.#measure(before, effects, now)
    for (const effect of effects) this.#perform(effect)
    this.#credit?.look()
  }

  #measure(before: SellerState, effects: readonly SellerEffect[], now: number): void {
    const { blocked, credited, sent, terms } = this.#state
    if (blocked === 'window') this.#meter.waits(now)
    else this.#meter.goesOn(now)
    for (const effect of effects)
      if (effect.type === 'invoice' && effect.due > credited) this.#meter.asks(effect.due, now)
    if (credited <= before.credited || terms === undefined) return
    this.#meter.answered(credited, now)
    const narrow = this.#meter.narrow(sent, terms, now)
    if (narrow === undefined) return
    this.#components.logger.warn('the window is too small for this stream: it waits for payments', {
      session: this.#accepted?.session.toString(),
      window: narrow.window.toString(),
      need: narrow.need.toString(),
      roundTripMs: Math.round(this.#meter.roundTripMs ?? 0)
    })
    this.#accepted?.ledger.touch(this.#standing)
  }

  #perform(effect: SellerEffect): void {
    switch (effect.type) {
      case 'data':
        return this.#sendSlice(effect)
      case 'close':
        this.#wire.send(encodePlain('CLOSE', { reason: BigInt(effect.reason), n: this.#state.sent.n }))
        return
      case 'invoice':
        return this.#sendInvoice(effect)
      case 'receipt': {
        const made = this.#makeReceipt(effect)
        this.#receipting = made.catch(() => {
          this.#receiptFailed = true
        })
        return this.#run(
          () => made,
          (statement) => this.#sendSigned('RECEIPT', statement)
        )
      }
      case 'topUp':
        return this.#askTopUp(effect.have, effect.need)
      case 'pump':
        return this.#pump?.run()
      case 'fail':
        return this.#fail(new SdppError(effect.code, effect.text))
      case 'finish':
        return this.#wire.close()
    }
  }

  #sendSlice({ from, to, endOfBlock, progress }: Extract<SellerEffect, { type: 'data' }>): void {
    const { block } = this.#pump as SellerPump
    const ends = recordEnds(block.bytes, block.count)
    const bytes = sliceRecords(block.bytes, ends, from, to)
    const first = block.first + BigInt(from)
    const count = to - from
    const whole = from === 0 && endOfBlock
    const frame = { blockStart: block.first, first, count, endOfBlock, bytes }
    this.#accepted?.ledger.add({ ...frame, ...(whole ? { digest: block.digest } : {}) }, progress)
    if (bytes.length < MIN_UNCOPIED_BYTES) this.#wire.send(encodeData(frame))
    else this.#wire.send(encodeDataHeader(frame), bytes)
  }

  #sendInvoice({ n, bytes, due, credited }: Extract<SellerEffect, { type: 'invoice' }>): void {
    const { session, ledger, rail } = this.#accepted as ActiveOrder
    const offered = due > credited ? rail.offerGas?.(due) : undefined
    const gas = offered === undefined ? {} : { gas: offered }
    const root = ledger.transcript.root()
    const statement = this.#sign('invoice', { session, n, bytes, due, credited, root, ...gas })
    ledger.keepInvoice(statement, this.#standing)
    this.#sendSigned('INVOICE', statement)
  }

  /** The time for the last payment may be over while one that came is judged: the receipt says how that ended. */
  async #makeReceipt(effect: Extract<SellerEffect, { type: 'receipt' }>): Promise<SignedStatement> {
    const { session, ledger, rail, resumed } = this.#accepted as ActiveOrder
    await this.#settleCredits()
    const { n, bytes, due } = effect
    const { credited } = this.#state
    const before = resumed?.receipt
    if (before !== undefined && before.content.n === n && before.content.credited === credited) {
      // Nothing more was paid: what was promised and given anew when it was taken up is free again.
      await rail.end(due, credited)
      await this.#closeTrust()
      this.#receiptLink = before.cid
      return before
    }
    const proof = await rail.end(due, credited)
    await this.#closeTrust(due > credited)
    const unused = credited > due ? credited - due : 0n
    const statement = this.#sign('receipt', {
      session,
      n,
      bytes,
      due,
      credited,
      unused,
      root: ledger.transcript.root(),
      reason: BigInt(effect.reason),
      ...(proof === undefined ? {} : { proof })
    })
    await this.#store([statement])
    faultPoint('receipt.stored')
    this.#receiptLink = statement.cid
    return statement
  }

  /** What came is judged and stored, also when the stream has ended. */
  async #settleCredits(): Promise<void> {
    await this.#crediting
    if (this.#credited > this.#state.credited) this.#state = { ...this.#state, credited: this.#credited }
  }

  get #standing(): Standing {
    const { sent, sentBefore, dueBefore, due, credited, phase, handled } = this.#state
    // What was sent once is owed or sent again, never new: until a receipt the highest position counts.
    const ended = (phase === 'receipted' || phase === 'closed') && !this.#receiptFailed
    const { needed } = this.#meter
    const rest = { paid: credited, handled, ...(needed === undefined ? {} : { needed }) }
    if (ended || sent.n >= sentBefore) return { state: phase, position: sent.n, due, ...rest }
    return { state: phase, position: sentBefore, due: dueBefore, ...rest }
  }

  /** What the buyer settled, and what it got and has not paid for: also what it says it never received. */
  #closeTrust(timedOut = false): Promise<void> {
    const { due, dueBefore, credited } = this.#state
    const most = due > dueBefore ? due : dueBefore
    const session = this.#accepted?.session.toString()
    const { trust } = this.#components
    if (trust === undefined || session === undefined) return Promise.resolve()
    const debt = most > credited ? most - credited : 0n
    return trust.close({ role: 'seller', session, settled: credited < due ? credited : due, debt, timedOut })
  }

  async #store(statements: SignedStatement[], state?: string): Promise<void> {
    const standing = state === undefined ? this.#standing : { ...this.#standing, state }
    await this.#accepted?.ledger.store(standing, statements)
  }

  #sign<K extends StatementKind>(kind: K, fields: StatementFields<K>): CheckedStatement<K> {
    return signStatement(this.#components.signer, kind, fields, this.#components.clock.wallTime())
  }

  #sendSigned(name: SignedName, statement: SignedStatement): void {
    this.#wire.send(encodeSigned(name, statement))
  }

  #fail(error: SdppError): void {
    this.#wire.fail(error)
  }

  #onEnd(error: SdppError | undefined): void {
    if (this.#finished) return
    const { phase } = this.#state
    const orderly = error === undefined || phase === 'closed' || phase === 'receipted' || phase === 'listening'
    const refused = error?.isRefusal === true && Object.hasOwn(SELLER_TRANSITIONS[phase], 'refused')
    this.#step({ type: refused ? 'refused' : 'aborted' })
    this.#finished = true
    this.#timer.stop()
    this.#abort.abort()
    if (error?.code === STATUS.internal && error.side === 'local') {
      this.#components.logger.error('internal error in a session', { cause: String(error.cause), phase })
    }
    if (!orderly && !refused)
      this.#components.logger.warn('session failed', {
        code: error.code,
        side: error.side,
        phase
      })
    void this.#release(error).then(() => {
      this.#released.resolve()
      this.#onDone()
    })
  }

  /** A session cut before its receipt waits to be resumed; one about which both disagree has ended. */
  async #release(error: SdppError | undefined): Promise<void> {
    // What was begun for it is given back before anybody else may have the session.
    await this.#opening?.answered
    const accepted = this.#accepted
    try {
      await Promise.all([this.#settleCredits(), this.#receipting, accepted?.ledger.flush()])
      if (accepted === undefined) return
      if (this.#receiptLink !== undefined) {
        await this.#store([], 'closed')
        return
      }
      const disputed = error !== undefined && isDispute(error)
      // A dispute gives nothing back: a buyer could begin one at an old position.
      const { due, dueBefore, credited } = this.#state
      if (disputed) await accepted.rail.end(due > dueBefore ? due : dueBefore, credited)
      else await accepted.rail.suspend()
      await this.#closeTrust(error?.code === STATUS.paymentTimeout)
      await this.#store([], disputed ? 'disputed' : 'suspended')
    } catch (cause) {
      this.#components.logger.error('session state not stored', { error: String(cause) })
    }
  }
}
