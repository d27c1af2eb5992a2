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

/** One channel and its open sessions: a voucher is for the base and the sum of what they paid. */
export class PayerLane {
  channel: PayerChannel
  readonly init: EvmPayerInit
  readonly #open = new Set<LaneSession>()

  constructor(channel: PayerChannel, init: EvmPayerInit) {
    this.channel = channel
    this.init = init
  }

  /** What ended sessions consumed and open ones may still cost. */
  get committed(): bigint {
    return [...this.#open].reduce((sum, { maximum }) => sum + maximum, this.channel.base)
  }

  get total(): bigint {
    return [...this.#open].reduce((sum, { paid }) => sum + paid, this.channel.base)
  }

  session(request: PayerRequest, order: RailOrder): PayerSession {
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

  /** Signs for the total unless an earlier voucher covers it; never a lower amount than before. */
  voucher(): PaymentPayload {
    const { eip712, chain, voucherSigner } = this.init
    const { channelId, signed, signature } = this.channel
    const { total } = this
    if (signature !== undefined && total <= signed) return { channelId, maxClaimableAmount: signed, signature }
    const digest = eip712.voucher(eip712.escrowDomain(chain.chainId, chain.escrow), channelId, total)
    const made = signDigest(digest, voucherSigner.privateKey)
    this.channel = { ...this.channel, signed: total, signature: made }
    return { channelId, maxClaimableAmount: total, signature: made }
  }
}

class LaneSession implements PayerSession {
  readonly order: RailOrder
  readonly channelId: Hex
  readonly maximum: bigint
  id: string | undefined
  paid = 0n
  isOpen = true
  readonly #lane: PayerLane
  readonly #request: PayerRequest
  #reserved = 0n
  #reserving: Promise<void> = Promise.resolve()

  constructor(lane: PayerLane, request: PayerRequest, order: RailOrder) {
    this.order = order
    this.channelId = lane.channel.channelId
    this.maximum = request.maximum
    this.#lane = lane
    this.#request = request
  }

  async begin(sessionId: string, options?: AbortOptions): Promise<void> {
    this.id = sessionId
    await this.#lane.store(options, this)
  }

  async accept(base: bigint, proof: PaymentPayload | undefined, options?: AbortOptions): Promise<void> {
    const { channel, init } = this.#lane
    if (proof === undefined) {
      if (base !== 0n) throw invalid(`the seller counts ${base} as consumed and shows no voucher for it`)
    } else {
      const domain = init.eip712.escrowDomain(init.chain.chainId, init.chain.escrow)
      const { payerAuthorizer } = channel.config
      const problem = voucherProblem(init.eip712, domain, proof, { channelId: channel.channelId, payerAuthorizer })
      if (problem !== undefined) throw invalid(problem)
      if (proof.maxClaimableAmount > channel.signed) {
        // Ours by signature, but newer than our ledger: a restored backup. The higher amount is the true one.
        this.#lane.channel = { ...channel, signed: proof.maxClaimableAmount, signature: proof.signature }
      }
      if (base > proof.maxClaimableAmount) {
        throw invalid(`the seller counts ${base} as consumed, its voucher is for ${proof.maxClaimableAmount}`)
      }
    }
    this.#lane.channel = { ...this.#lane.channel, base }
    await this.#lane.store(options, this)
  }

  async pay(sessionPaid: bigint, options?: AbortOptions): Promise<PaymentPayload> {
    if (!this.isOpen) throw new DdmError('internal', 'the session has ended; nothing more is signed for it')
    if (sessionPaid > this.maximum) {
      throw new DdmError('budget', `paying ${sessionPaid} is above the session's maximum ${this.maximum}`, {
        details: { need: `${sessionPaid}`, limit: `${this.maximum}` }
      })
    }
    await this.#reserve(sessionPaid, options)
    if (sessionPaid > this.paid) this.paid = sessionPaid
    const payload = this.#lane.voucher()
    await this.#lane.store(options, this)
    return payload
  }

  async end(due: bigint, options?: AbortOptions): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    this.#lane.close(this)
    const consumed = due < this.paid ? due : this.paid
    this.#lane.channel = { ...this.#lane.channel, base: this.#lane.channel.base + consumed }
    await this.#lane.store(options, this)
  }

  /** Reserved durably before the signature, a part of the maximum at a time and in order. */
  async #reserve(sessionPaid: bigint, options?: AbortOptions): Promise<void> {
    if (sessionPaid <= this.#reserved) return
    const part = this.maximum / BUDGET_PARTS
    const step = this.#reserving.then(async () => {
      if (sessionPaid <= this.#reserved) return
      const wanted = sessionPaid + part > this.maximum ? this.maximum : sessionPaid + part
      const { seller, terms } = this.#request
      const { amount, count, unit } = terms.price
      const unitPrice = unit === 'record' ? (amount + count - 1n) / count : undefined
      await this.#lane.init.budget.reserve(
        {
          seller,
          session: this.id ?? this.channelId,
          amount: wanted - this.#reserved,
          ...(unitPrice === undefined ? {} : { unitPrice })
        },
        options
      )
      this.#reserved = wanted
    })
    this.#reserving = step.catch(() => {})
    await step
  }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}
