import {
  type AbortOptions,
  type AcceptOptions,
  type Budget,
  DdmError,
  type DepositAuthorization,
  faultPoint,
  type Hex,
  type PayerSession,
  type PaymentTerms,
  type PayOptions,
  type RailOrder,
  type VoucherPayload
} from '../../interface/index.ts'
import type { PayerLane } from './payer-lane.ts'

/** Part of a session's maximum that is reserved from the budget at a time: a durable write per voucher would be one too many. */
const BUDGET_PARTS = 20n

/** What a session may spend, and for what. */
interface Spending {
  seller: string
  terms: PaymentTerms
  maximum: bigint
  /** Most that one record can cost; undefined when the session is taken up only to be ended. */
  one: bigint | undefined
}

/** One session of a channel as the buyer pays for it, within its budget. */
export class PayerLaneSession implements PayerSession {
  readonly order: RailOrder
  readonly channelId: Hex
  elsewhere = (): bigint => 0n
  id: string | undefined
  paid = 0n
  isOpen = true
  isAnswered = false
  consumed = 0n
  /** By how much it raised the channel's voucher: that is what it spent. */
  signed = 0n
  readonly #lane: PayerLane
  /** undefined while nobody uses the session: after a cut, and when an earlier run left it open. */
  #spending: Spending | undefined
  readonly #answer = Promise.withResolvers<void>()
  /** Of the budget, at least what is signed. */
  #reserved = 0n
  /** Caps and list that have allowed it. */
  #revision = 0
  #reserving: Promise<void> = Promise.resolve()

  constructor(lane: PayerLane, spending: Spending | undefined, order: RailOrder) {
    this.order = order
    this.channelId = lane.channel.channelId
    this.#lane = lane
    this.#spending = spending
  }

  get promised(): bigint {
    return this.#spending?.maximum ?? this.paid
  }

  get payload(): VoucherPayload | undefined {
    return this.#lane.storedVoucher
  }

  /** What an earlier run had reserved is counted once: what it signed stays spent, the rest is given back. */
  async resume(spending: Spending, options?: AbortOptions): Promise<void> {
    this.#spending = spending
    this.isOpen = true
    this.consumed = 0n
    await this.#settle(options)
  }

  async topUp(options: AbortOptions = {}): Promise<DepositAuthorization | undefined> {
    const spending = this.#check(this.paid)
    if (this.#isOutdated) await this.#settle(options)
    // Nothing is spent by it, but also a deposit is a signature.
    await this.#lane.init.budget.reserve(this.#request(spending, 0n), options)
    return this.#lane.deposit(this.#lane, spending, options)
  }

  async suspend(options?: AbortOptions): Promise<void> {
    if (!this.isOpen) return
    this.#spending = undefined
    this.#answered()
    await this.#lane.store(options, this)
    await this.#settle(options)
  }

  get answered(): Promise<void> {
    return this.#answer.promise
  }

  async begin(sessionId: string, options?: AbortOptions): Promise<void> {
    this.id = sessionId
    await this.#lane.store(options, this)
  }

  async accept(
    base: bigint | undefined,
    proof: VoucherPayload | undefined,
    { credited = 0n, ...options }: AcceptOptions = {}
  ): Promise<void> {
    const lane = this.#lane
    const { stale = false, signed } = lane.channel
    // It was put back, or the seller shows a voucher of ours that it does not know.
    const isRestored = stale || (proof !== undefined && proof.maxClaimableAmount > signed)
    if (proof !== undefined) lane.recognise(proof)
    if (isRestored) this.#recover(base ?? 0n, credited)
    else if (base !== undefined) this.#checkBase(base, proof)
    if (base !== undefined) lane.met()
    this.#answered()
    await lane.store(options, this)
  }

  /**
   * Nobody here knows what the seller will yet count of what was signed, in sessions that this ledger lost: all of it is
   * taken as consumed, but what was paid in this one.
   */
  #recover(base: bigint, credited: bigint): void {
    const { signed } = this.#lane.channel
    const counted = base + credited
    if (counted > signed) {
      throw invalid(`the seller counts ${counted} as consumed, this buyer has signed ${signed}`)
    }
    if (credited > this.paid) this.paid = credited
    this.#lane.consume(signed - this.paid, this)
  }

  /** Payments may be lost on the way, none appears from nowhere: an honest seller counts no more than was paid here. */
  #checkBase(base: bigint, proof: VoucherPayload | undefined): void {
    const { signed, channelId } = this.#lane.channel
    const known = this.#lane.counted(this)
    if (base <= known) return
    const shown =
      proof === undefined ? 'and the seller shows no voucher' : `its voucher is for ${proof.maxClaimableAmount}`
    throw invalid(
      `the seller counts ${base} as consumed, this buyer has paid ${known} in other sessions and signed ${signed}, ${shown}; what is left of the deposit: ddm channels withdraw ${channelId}`
    )
  }

  async pay(sessionPaid: bigint, options?: PayOptions): Promise<VoucherPayload> {
    const spending = this.#check(sessionPaid)
    // Other sessions of the channel may sign meanwhile, and the caps change.
    for (;;) {
      const amount = this.signed + this.#lane.raise(this, sessionPaid)
      if (this.#isOutdated) await this.#settle(options)
      else if (amount > this.#reserved) await this.#reserve(spending, amount, options)
      else break
    }
    // Meanwhile nobody may want the signature any more, or the session may have ended.
    if (options?.signal?.aborted === true) {
      throw new DdmError('aborted', 'the payment was aborted before it was signed', { cause: options.signal.reason })
    }
    this.#check(sessionPaid)
    this.#lane.init.budget.permit()
    faultPoint('voucher.signing')
    if (sessionPaid > this.paid) this.paid = sessionPaid
    this.signed += this.#lane.raise(this, this.paid)
    const payload = this.#lane.sign()
    faultPoint('voucher.signed')
    await this.#lane.store(options, this)
    faultPoint('voucher.stored')
    return payload
  }

  async end(due: bigint, options?: AbortOptions): Promise<void> {
    if (!this.isOpen) return
    // Nothing more is signed for it, also when its end cannot be stored: then it waits like one that was cut.
    this.#spending = undefined
    this.#answered()
    await this.#lane.end(this, due, options)
    await this.#settle(options)
  }

  ended(consumed: bigint): void {
    this.isOpen = false
    this.consumed = consumed
  }

  #answered(): void {
    this.isAnswered = true
    this.#answer.resolve()
  }

  #check(sessionPaid: bigint): Spending {
    if (!this.isOpen || this.#spending === undefined) {
      throw new DdmError('internal', 'the session has ended; nothing more is signed for it')
    }
    const { maximum } = this.#spending
    if (sessionPaid > maximum) {
      throw new DdmError('budget', `paying ${sessionPaid} is above the session's maximum ${maximum}`, {
        details: { need: `${sessionPaid}`, limit: `${maximum}` }
      })
    }
    return this.#spending
  }

  /** A part that was reserved in advance was allowed by caps, or a list of sellers, that are not those of now. */
  get #isOutdated(): boolean {
    if (this.id === undefined || this.#reserved <= this.signed) return false
    return this.#lane.init.budget.revision() !== this.#revision
  }

  /** What was reserved and not signed for is there for other sessions again; when it cannot be stored, it stays spent. */
  async #settle(options?: AbortOptions): Promise<void> {
    const { id } = this
    if (id === undefined) return
    const { budget, logger } = this.#lane.init
    this.#reserving = this.#reserving.then(async () => {
      const { signed } = this
      this.#reserved = signed
      await budget.settle({ session: id, used: signed }, options).catch((error: unknown) => {
        logger.warn('what was reserved of the budget and not used stays spent', { session: id, error: String(error) })
      })
    })
    await this.#reserving
  }

  /** Durably before the signature, a part of the maximum at a time and in order. */
  async #reserve(spending: Spending, amount: bigint, options?: AbortOptions): Promise<void> {
    const { maximum } = spending
    const part = maximum / BUDGET_PARTS
    const step = this.#reserving.then(async () => {
      if (amount <= this.#reserved) return
      const most = maximum > amount ? maximum : amount
      const ahead = amount + part > most ? most : amount + part
      try {
        await this.#reserveUpTo(spending, ahead, options)
      } catch (error) {
        // The caps may have room for what is owed, though not for a part in advance.
        if (!(error instanceof DdmError) || error.code !== 'budget' || ahead === amount) throw error
        await this.#reserveUpTo(spending, amount, options)
      }
    })
    this.#reserving = step.catch(() => {})
    await step
  }

  async #reserveUpTo(spending: Spending, amount: bigint, options?: AbortOptions): Promise<void> {
    const { budget } = this.#lane.init
    const revision = budget.revision()
    await budget.reserve(this.#request(spending, amount - this.#reserved), options)
    this.#reserved = amount
    this.#revision = revision
  }

  #request({ seller, one }: Spending, amount: bigint): Parameters<Budget['reserve']>[0] {
    return { seller, session: this.id ?? this.channelId, amount, ...(one === undefined ? {} : { unitPrice: one }) }
  }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}
