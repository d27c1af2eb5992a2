import {
  type AbortOptions,
  DdmError,
  type Demand,
  faultPoint,
  type Logger,
  type PayerSession
} from '../../interface/index.ts'
import { type BuyerEvent, type BuyerState, hasEnded } from './buyer-machine.ts'
import { encodePlain } from './messages.ts'
import { CLOSE_REASON, STATUS } from './status.ts'
import type { Wire } from './wire.ts'

export interface BuyerPaymentsInit {
  wire: Pick<Wire, 'send' | 'ended'>
  /** Of the session that was ordered. */
  payer: () => PayerSession
  state: () => BuyerState
  step: (event: BuyerEvent) => void
  fail: (error: unknown) => void
  /** Wants no more records. */
  stop: (reason: number) => void
  /** A PAYMENT has left. */
  onPaid: (sessionPaid: bigint) => void
  logger: Logger
  signal: AbortSignal
}

/** The money side of a buyer's session: signs and sends what the machine decides, and tops the channel up. */
export class BuyerPayments {
  readonly #init: BuyerPaymentsInit
  /** The newest statement that asks for money. */
  #demand: Demand | undefined
  /** Settles when the rail has taken ACCEPT: payments wait for it, data does not. */
  #rail: Promise<void> = Promise.resolve()
  /** Settles when the invoices received so far have proven to be signed. */
  #verified: Promise<void> = Promise.resolve()
  /** Settles when the payments asked for so far are signed and stored, or failed. */
  #paying: Promise<unknown> = Promise.resolve()
  #toppingUp = false
  #count = 0

  constructor(init: BuyerPaymentsInit) {
    this.#init = init
  }

  get count(): number {
    return this.#count
  }

  /** @param taken - settles when the rail has taken what ACCEPT says */
  accepted(accept: Demand, taken: Promise<void>): void {
    this.#demand = accept
    this.#rail = taken
  }

  /** @param verify - is given what settles when the invoices before it have proven to be signed */
  invoiced(invoice: Demand, verify: (before: Promise<void>) => Promise<void>): void {
    this.#verified = verify(this.#verified)
    this.#demand = invoice
  }

  /** The rail stores the new amount before it hands out the voucher; only then does the PAYMENT leave. */
  pay(n: bigint, sessionPaid: bigint): void {
    const { wire, state, fail, onPaid, signal, payer } = this.#init
    const { payload: asked, signature } = this.#demand as Demand
    const payment = Promise.all([this.#rail, this.#verified])
      .then(async () => {
        if (wire.ended || hasEnded(state())) return
        const payload = await payer().pay(sessionPaid, { signal, demand: { payload: asked, signature } })
        if (wire.ended) return
        wire.send(encodePlain('PAYMENT', { n, sessionPaid, ...(payload === undefined ? {} : { payload }) }))
        this.#count++
        faultPoint('payment.sent')
        onPaid(sessionPaid)
      })
      .catch(fail)
    this.#paying = Promise.all([this.#paying, payment])
  }

  /** The channel cannot pay for the rest of the order: the seller waits while a deposit is made, and relays it. */
  topUp(): void {
    const { wire, state, step, payer, signal } = this.#init
    if (this.#toppingUp || !mayTopUp(state())) return
    const { topUp } = payer()
    if (topUp === undefined) {
      return this.#notToppedUp(new DdmError('funds', 'the seller asks for a deposit; this way to pay knows none'))
    }
    this.#toppingUp = true
    step({ type: 'toppingUp' })
    wire.send(encodePlain('STATUS', { code: BigInt(STATUS.toppingUp), text: 'a deposit is on its way' }))
    Promise.all([topUp.call(payer(), { signal } satisfies AbortOptions), this.#rail])
      .then(([deposit]) => {
        if (wire.ended || !mayTopUp(state())) return
        // What was sent before, or stored when the session was taken up: a payment under way is not durable yet.
        const { paid, received } = state()
        const { payload } = payer()
        const shown = paid === 0n || payload === undefined ? {} : { payload }
        const more = deposit === undefined ? {} : { deposit }
        wire.send(encodePlain('PAYMENT', { n: received.n, sessionPaid: paid, ...shown, ...more }))
      })
      .catch((error: unknown) => this.#notToppedUp(error))
      .finally(() => {
        this.#toppingUp = false
      })
  }

  /** What the channel can pay is settled; when it cannot pay for what came already, the session waits for a deposit. */
  #notToppedUp(error: unknown): void {
    const { state, fail, stop, logger } = this.#init
    logger.warn('the channel was not topped up', { error: String(error) })
    if (state().phase === 'settling') fail(error)
    else stop(CLOSE_REASON.maximum)
  }

  /** Resolves when what was asked for so far has left, or failed. */
  async sent(): Promise<void> {
    await this.#paying
  }

  /** Resolves when nothing is under way; rejects when ACCEPT was not taken, unless that no longer matters. */
  async finished({ whatever = false }: { whatever?: boolean } = {}): Promise<void> {
    await Promise.all([this.#paying, whatever ? this.#rail.catch(() => {}) : this.#rail, this.#verified])
  }
}

function mayTopUp({ phase }: BuyerState): boolean {
  return phase === 'streaming' || phase === 'settling'
}
