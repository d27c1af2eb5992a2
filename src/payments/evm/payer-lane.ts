import {
  type AbortOptions,
  DdmError,
  type Hex,
  type PayerChannel,
  type PayerRequest,
  type PayerSession,
  type PaymentPayload,
  type RailOrder
} from '../../interface/index.ts'
import type { EvmPayerInit } from './payer.ts'
import { signDigest } from './signature.ts'
import { voucherProblem } from './voucher.ts'

/** Part of a session's maximum that is reserved from the budget at a time: a durable write per voucher would be one too many. */
const BUDGET_PARTS = 20n

/** The newest deposit authorization of a channel that the chain has not shown yet. */
export interface OpenAuthorization {
  /** Same salt, same nonce of the token: of all authorizations that share it, one at most is carried out. */
  salt: bigint
  /** Highest that was authorised with this salt. */
  amount: bigint
  /** The channel's balance when it was made: once that has moved, the nonce is used. */
  balance: bigint
  /** Unix seconds, block time. */
  validBefore: bigint
}

/** One channel and its open sessions: a voucher is for the base and the sum of what they paid. */
export class PayerLane {
  channel: PayerChannel
  authorization: OpenAuthorization | undefined
  readonly init: EvmPayerInit
  readonly #domain: Uint8Array
  readonly #open = new Set<LaneSession>()

  constructor(channel: PayerChannel, init: EvmPayerInit) {
    const { eip712, chain } = init
    this.channel = channel
    this.init = init
    this.#domain = eip712.escrowDomain(chain.chainId, chain.escrow)
  }

  /** What ended sessions consumed and open ones may still cost. */
  get committed(): bigint {
    return [...this.#open].reduce((sum, { maximum }) => sum + maximum, this.channel.base)
  }

  /** Settles when the order that carries a deposit is answered; undefined when none is under way. */
  get depositing(): Promise<void> | undefined {
    return [...this.#open].find(({ order, isAnswered }) => order.deposit !== undefined && !isAnswered)?.answered
  }

  session(request: PayerRequest, order: RailOrder): LaneSession {
    const session = new LaneSession(this, request, order)
    this.#open.add(session)
    return session
  }

  close(session: LaneSession): void {
    this.#open.delete(session)
  }

  async store(options?: AbortOptions, session?: LaneSession): Promise<void> {
    const { channelId } = this.channel
    const record =
      session?.id === undefined
        ? undefined
        : { sessionId: session.id, channelId, paid: session.paid, open: session.isOpen }
    await this.init.channels.putPayer(this.channel, record, options)
  }

  /**
   * What the seller says is consumed. Our own count is at least that, since nothing is paid that was not signed here,
   * unless the seller counts a cut session's prepay as due or this ledger was restored. Never lowered: a base made
   * before another session ended, or while the seller still holds a cut one open, says less than it will count.
   */
  learn(base: bigint, from: LaneSession): void {
    const explained = this.#paid(from)
    if (base <= explained) return
    this.channel = { ...this.channel, base: this.channel.base + base - explained }
  }

  /** Takes a voucher of ours from the seller; throws when it is not ours. */
  recognise(proof: PaymentPayload): void {
    const { channelId, config, signed } = this.channel
    const expected = { channelId, payerAuthorizer: config.payerAuthorizer }
    const problem = voucherProblem(this.init.eip712, this.#domain, proof, expected)
    if (problem !== undefined) throw invalid(problem)
    if (proof.maxClaimableAmount <= signed) return
    // Ours by signature, but newer than our ledger: a restored backup. The higher amount is the true one.
    this.channel = { ...this.channel, signed: proof.maxClaimableAmount, signature: proof.signature }
  }

  /** Signs for the total unless an earlier voucher covers it; never a lower amount than before. */
  voucher(): PaymentPayload {
    const { eip712, voucherSigner } = this.init
    const { channelId, signed, signature } = this.channel
    const total = this.#paid()
    if (signature !== undefined && total <= signed) return { channelId, maxClaimableAmount: signed, signature }
    const made = signDigest(eip712.voucher(this.#domain, channelId, total), voucherSigner.privateKey)
    this.channel = { ...this.channel, signed: total, signature: made }
    return { channelId, maxClaimableAmount: total, signature: made }
  }

  /** Base and what the open sessions paid. */
  #paid(except?: LaneSession): bigint {
    let sum = this.channel.base
    for (const session of this.#open) if (session !== except) sum += session.paid
    return sum
  }
}

class LaneSession implements PayerSession {
  readonly order: RailOrder
  readonly channelId: Hex
  readonly maximum: bigint
  id: string | undefined
  paid = 0n
  isOpen = true
  isAnswered = false
  readonly #lane: PayerLane
  readonly #request: PayerRequest
  readonly #answer = Promise.withResolvers<void>()
  #reserved = 0n
  #reserving: Promise<void> = Promise.resolve()

  constructor(lane: PayerLane, request: PayerRequest, order: RailOrder) {
    this.order = order
    this.channelId = lane.channel.channelId
    this.maximum = request.maximum
    this.#lane = lane
    this.#request = request
  }

  get answered(): Promise<void> {
    return this.#answer.promise
  }

  async begin(sessionId: string, options?: AbortOptions): Promise<void> {
    this.id = sessionId
    await this.#lane.store(options, this)
  }

  async accept(base: bigint, proof: PaymentPayload | undefined, options?: AbortOptions): Promise<void> {
    const lane = this.#lane
    if (proof !== undefined) lane.recognise(proof)
    const { signed } = lane.channel
    if (base > signed) {
      const shown =
        proof === undefined ? 'and the seller shows no voucher' : `its voucher is for ${proof.maxClaimableAmount}`
      throw invalid(`the seller counts ${base} as consumed, this buyer has signed ${signed}, ${shown}`)
    }
    lane.learn(base, this)
    this.#answered()
    await lane.store(options, this)
  }

  async pay(sessionPaid: bigint, options?: AbortOptions): Promise<PaymentPayload> {
    this.#check(sessionPaid)
    await this.#reserve(sessionPaid, options)
    // Meanwhile nobody may want the signature any more, or the session may have ended.
    if (options?.signal?.aborted === true) {
      throw new DdmError('aborted', 'the payment was aborted before it was signed', { cause: options.signal.reason })
    }
    this.#check(sessionPaid)
    if (sessionPaid > this.paid) this.paid = sessionPaid
    const payload = this.#lane.voucher()
    await this.#lane.store(options, this)
    return payload
  }

  async end(due: bigint, options?: AbortOptions): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    this.#lane.close(this)
    this.#answered()
    const consumed = due < this.paid ? due : this.paid
    this.#lane.channel = { ...this.#lane.channel, base: this.#lane.channel.base + consumed }
    await this.#lane.store(options, this)
  }

  #answered(): void {
    this.isAnswered = true
    this.#answer.resolve()
  }

  #check(sessionPaid: bigint): void {
    if (!this.isOpen) throw new DdmError('internal', 'the session has ended; nothing more is signed for it')
    if (sessionPaid > this.maximum) {
      throw new DdmError('budget', `paying ${sessionPaid} is above the session's maximum ${this.maximum}`, {
        details: { need: `${sessionPaid}`, limit: `${this.maximum}` }
      })
    }
  }

  /** Reserved durably before the signature, a part of the maximum at a time and in order. */
  async #reserve(sessionPaid: bigint, options?: AbortOptions): Promise<void> {
    if (sessionPaid <= this.#reserved) return
    const part = this.maximum / BUDGET_PARTS
    const step = this.#reserving.then(async () => {
      if (sessionPaid <= this.#reserved) return
      const ahead = sessionPaid + part > this.maximum ? this.maximum : sessionPaid + part
      try {
        await this.#reserveUpTo(ahead, options)
      } catch (error) {
        // The caps may have room for what is owed, though not for a part in advance.
        if (!(error instanceof DdmError) || error.code !== 'budget' || ahead === sessionPaid) throw error
        await this.#reserveUpTo(sessionPaid, options)
      }
    })
    this.#reserving = step.catch(() => {})
    await step
  }

  async #reserveUpTo(amount: bigint, options?: AbortOptions): Promise<void> {
    const { seller, terms } = this.#request
    const unitPrice = unitPriceOf(terms)
    await this.#lane.init.budget.reserve(
      {
        seller,
        session: this.id ?? this.channelId,
        amount: amount - this.#reserved,
        ...(unitPrice === undefined ? {} : { unitPrice })
      },
      options
    )
    this.#reserved = amount
  }
}

/** Price of one record, rounded up; undefined for a price per KiB. */
export function unitPriceOf({ price: { amount, count, unit } }: PayerRequest['terms']): bigint | undefined {
  return unit === 'record' ? (amount + count - 1n) / count : undefined
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}
