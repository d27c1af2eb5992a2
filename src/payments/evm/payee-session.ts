import {
  type AbortOptions,
  DdmError,
  type DepositAuthorization,
  faultPoint,
  type Hex,
  isVoucher,
  type PayeeSession,
  type PaymentPayload,
  type VoucherPayload
} from '../../interface/index.ts'
import type { PayeeLane } from './payee-lane.ts'
import { checkCollector, relayDeposit } from './relay.ts'

/** One session of a channel as the seller counts it. */
export class PayeeLaneSession implements PayeeSession {
  base: bigint
  id: string | undefined
  paid = 0n
  isOpen = true
  consumed = 0n
  readonly #lane: PayeeLane
  /** Kept of the channel for this session; undefined while nobody uses it. */
  #maximum: bigint | undefined
  /** Most that the session may cost. */
  #ordered = 0n

  constructor(lane: PayeeLane) {
    this.#lane = lane
    this.base = lane.channel.base
  }

  get promised(): bigint {
    return this.#maximum === undefined || this.#maximum < this.paid ? this.paid : this.#maximum
  }

  get isCut(): boolean {
    return this.#maximum === undefined
  }

  promise(maximum: bigint, ordered = maximum): void {
    this.#maximum = maximum
    this.#ordered = ordered
  }

  /** Not for a crumb of what is missing: the gas is the seller's. */
  async topUp(deposit: DepositAuthorization | undefined, options: AbortOptions = {}): Promise<void> {
    const lane = this.#lane
    checkCollector(lane.init.chain, deposit)
    await lane.orders.run(async () => {
      await lane.refresh(options)
      const left = lane.leftFor(this)
      const missing = this.#ordered > left ? this.#ordered - left : 0n
      const isEnough = deposit !== undefined && (deposit.amount >= missing || deposit.amount >= this.#ordered / 10n)
      if (missing > 0n && isEnough) await relayDeposit(lane, deposit, () => lane.leftFor(this) > left, options)
      if (this.#maximum === undefined) return
      const now = lane.leftFor(this)
      this.#maximum = now < this.#ordered ? now : this.#ordered
    }, options)
  }

  reopen(): void {
    this.isOpen = true
    this.consumed = 0n
    this.base = this.#lane.channel.base
  }

  /** One that costs nothing leaves nothing to wait for. */
  async suspend(options?: AbortOptions): Promise<void> {
    if (!this.isOpen) return
    if (this.#ordered === 0n) return void (await this.end(0n, 0n, options))
    this.#maximum = undefined
    await this.#lane.store(options, this)
  }

  get proof(): VoucherPayload | undefined {
    return this.#lane.channel.voucher
  }

  get credited(): bigint {
    return this.paid
  }

  get covered(): bigint {
    return this.#lane.covered
  }

  get channelId(): Hex {
    return this.#lane.channel.channelId
  }

  available(): bigint {
    return this.#lane.leftFor(this)
  }

  exceeds(sessionPaid: bigint): boolean {
    return sessionPaid > this.paid && this.#lane.total + sessionPaid - this.paid > this.#lane.covered
  }

  async begin(sessionId: string, options?: AbortOptions): Promise<void> {
    this.id = sessionId
    await this.#lane.store(options, this)
  }

  verify(sessionPaid: bigint, payload: PaymentPayload | undefined): string | undefined {
    if (!this.isOpen || this.#maximum === undefined) return 'the session has ended'
    if (sessionPaid > this.#ordered) return `${sessionPaid} paid is above the session's maximum ${this.#ordered}`
    if (payload === undefined) return sessionPaid === 0n ? undefined : 'a payment on this rail carries a voucher'
    if (!isVoucher(payload)) return 'a payment on this rail carries a voucher, no transaction'
    const more = sessionPaid > this.paid ? sessionPaid - this.paid : 0n
    return this.#lane.problem(payload, more)
  }

  async credit(sessionPaid: bigint, payload: PaymentPayload | undefined, options?: AbortOptions): Promise<void> {
    this.#lane.init.health.check()
    const problem = this.verify(sessionPaid, payload)
    if (problem !== undefined) throw new DdmError('paymentInvalid', problem)
    if (sessionPaid > this.paid) this.#lane.checkBalance(sessionPaid - this.paid)
    // Up to the store nothing waits, so no other session's payment comes between the check and the sum.
    // A voucher that pays for nothing would be kept for ever.
    if (isVoucher(payload) && !this.#lane.isEmpty) this.#lane.take(payload)
    if (sessionPaid > this.paid) this.paid = sessionPaid
    faultPoint('payment.verified')
    await this.#lane.store(options, this)
    faultPoint('payment.stored')
  }

  async end(due: bigint, credited: bigint, options?: AbortOptions): Promise<VoucherPayload | undefined> {
    const lane = this.#lane
    if (this.isOpen) {
      // Nothing more is credited, also when its end cannot be stored: then it waits like one that was cut.
      this.#maximum = undefined
      const consumed = [credited, this.paid].reduce((least, amount) => (amount < least ? amount : least), due)
      await lane.end(this, consumed, options)
    }
    return lane.channel.voucher
  }

  ended(consumed: bigint): void {
    this.isOpen = false
    this.consumed = consumed
  }
}
