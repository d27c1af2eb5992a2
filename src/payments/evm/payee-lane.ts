import type {
  AbortOptions,
  ChannelState,
  Hex,
  PayeeChannel,
  PayeeRequest,
  PayeeSession,
  PaymentPayload
} from '../../interface/index.ts'
import { DdmError } from '../../interface/index.ts'
import type { EvmPayeeInit } from './payee.ts'
import { voucherProblem } from './voucher.ts'

const NOTHING: ChannelState = { balance: 0n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n }

/** One channel as its receiver holds it: the highest voucher, and the sessions that share it. */
export class PayeeLane {
  channel: PayeeChannel
  readonly init: EvmPayeeInit
  readonly #open = new Set<LaneSession>()
  #state = NOTHING
  #queue: Promise<unknown> = Promise.resolve()

  constructor(channel: PayeeChannel, init: EvmPayeeInit) {
    this.channel = channel
    this.init = init
  }

  /** One order at a time: what one may cost must not be promised twice. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work)
    this.#queue = result.catch(() => {})
    return result
  }

  /** Reads the channel as state: an event could have been missed. */
  async refresh(options?: AbortOptions): Promise<ChannelState> {
    this.#state = await this.init.chain.channel(this.channel.channelId, options)
    const { totalClaimed } = this.#state
    if (totalClaimed > this.channel.claimed) this.channel = { ...this.channel, claimed: totalClaimed }
    if (totalClaimed > this.channel.base && this.#open.size === 0)
      this.channel = { ...this.channel, base: totalClaimed }
    return this.#state
  }

  /** What the contract will surely still hold: a withdrawal under way counts as gone. */
  get covered(): bigint {
    const { balance, pendingWithdrawal } = this.#state
    return balance > pendingWithdrawal ? balance - pendingWithdrawal : 0n
  }

  /** What a further session may cost. */
  get free(): bigint {
    const promised = [...this.#open].reduce((sum, { maximum }) => sum + maximum, this.channel.base)
    return this.covered > promised ? this.covered - promised : 0n
  }

  get highest(): bigint {
    return this.channel.voucher?.maxClaimableAmount ?? 0n
  }

  /** Paid over all sessions: what may be claimed. */
  get total(): bigint {
    return [...this.#open].reduce((sum, { paid }) => sum + paid, this.channel.base)
  }

  session(request: PayeeRequest): PayeeSession {
    const session = new LaneSession(this, request.maximum)
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
    await this.init.channels.putPayee(this.channel, record, options)
  }

  problem(payload: PaymentPayload, total: bigint): string | undefined {
    const { channelId, config, voucher } = this.channel
    if (payload.channelId !== channelId) {
      return `the voucher is for channel ${payload.channelId}, the session's is ${channelId}`
    }
    // Covered by what is held already: a lower or repeated voucher is no fault, and need not be verified again.
    if (payload.maxClaimableAmount <= this.highest && total <= this.highest) return undefined
    if (total > payload.maxClaimableAmount) {
      return `the voucher is for ${payload.maxClaimableAmount}, all sessions of the channel have paid ${total}`
    }
    if (payload.maxClaimableAmount > this.covered) {
      return `the voucher is for ${payload.maxClaimableAmount}, the channel holds ${this.covered}`
    }
    if (voucher?.signature === payload.signature && voucher.maxClaimableAmount === payload.maxClaimableAmount)
      return undefined
    const { eip712, chain } = this.init
    const domain = eip712.escrowDomain(chain.chainId, chain.escrow)
    return voucherProblem(eip712, domain, payload, { channelId, payerAuthorizer: config.payerAuthorizer })
  }

  take(payload: PaymentPayload): void {
    if (payload.maxClaimableAmount > this.highest) this.channel = { ...this.channel, voucher: payload }
  }
}

class LaneSession implements PayeeSession {
  readonly maximum: bigint
  readonly base: bigint
  readonly proof: PaymentPayload | undefined
  id: string | undefined
  paid = 0n
  isOpen = true
  readonly #lane: PayeeLane
  readonly #available: bigint
  #verified: PaymentPayload | undefined

  constructor(lane: PayeeLane, maximum: bigint) {
    this.#lane = lane
    this.maximum = maximum
    this.base = lane.channel.base
    this.proof = lane.channel.voucher
    this.#available = lane.free
  }

  get account(): string {
    return this.#lane.channel.config.payer
  }

  get channelId(): Hex {
    return this.#lane.channel.channelId
  }

  available(): bigint {
    return this.#available
  }

  async begin(sessionId: string, options?: AbortOptions): Promise<void> {
    this.id = sessionId
    await this.#lane.store(options, this)
  }

  verify(sessionPaid: bigint, payload: PaymentPayload | undefined): string | undefined {
    if (!this.isOpen) return 'the session has ended'
    if (sessionPaid > this.maximum) return `${sessionPaid} paid is above the session's maximum ${this.maximum}`
    if (payload === undefined) return sessionPaid === 0n ? undefined : 'a payment on this rail carries a voucher'
    const more = sessionPaid > this.paid ? sessionPaid - this.paid : 0n
    const problem = this.#lane.problem(payload, this.#lane.total + more)
    if (problem === undefined) this.#verified = payload
    return problem
  }

  async credit(sessionPaid: bigint, payload: PaymentPayload | undefined, options?: AbortOptions): Promise<void> {
    if (payload === undefined || payload !== this.#verified) {
      const problem = this.verify(sessionPaid, payload)
      if (problem !== undefined) throw new DdmError('paymentInvalid', problem)
    }
    if (payload !== undefined) this.#lane.take(payload)
    if (sessionPaid > this.paid) this.paid = sessionPaid
    await this.#lane.store(options, this)
  }

  async end(due: bigint, credited: bigint, options?: AbortOptions): Promise<PaymentPayload | undefined> {
    const lane = this.#lane
    if (this.isOpen) {
      this.isOpen = false
      lane.close(this)
      const consumed = due < credited ? due : credited
      lane.channel = { ...lane.channel, base: lane.channel.base + consumed }
      await lane.store(options, this)
    }
    return lane.channel.voucher
  }
}
