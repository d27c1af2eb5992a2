import {
  type AbortOptions,
  type ChannelSession,
  DdmError,
  type DepositAuthorization,
  faultPoint,
  type Hex,
  type PayerChannel,
  type PayerRequest,
  type PayerSession,
  type PaymentPayload,
  type PaymentTerms,
  type RailOrder,
  type ResumeRequest
} from '../../interface/index.ts'
import type { EvmPayerInit } from './payer.ts'
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

/** What the channel lacks for all that is promised of it, as an authorization; nothing when it lacks nothing. */
export type DepositForLane = (
  lane: PayerLane,
  request: Pick<PayerRequest, 'seller' | 'terms'>,
  options: AbortOptions
) => Promise<DepositAuthorization | undefined>

/** One channel and its open sessions: a voucher is for the base and the sum of what they paid. */
export class PayerLane {
  channel: PayerChannel
  authorization: OpenAuthorization | undefined
  /** As it is in the ledger. */
  #stored: PayerChannel
  readonly init: EvmPayerInit
  readonly deposit: DepositForLane
  readonly #domain: Uint8Array
  readonly #open = new Set<LaneSession>()

  constructor(channel: PayerChannel, init: EvmPayerInit, deposit: DepositForLane) {
    const { eip712, chain } = init
    this.deposit = deposit
    this.channel = channel
    this.#stored = channel
    this.init = init
    this.#domain = eip712.escrowDomain(chain.chainId, chain.escrow)
  }

  /** What ended sessions consumed and open ones may still cost; of one that was cut only what was signed. */
  get committed(): bigint {
    return [...this.#open].reduce((sum, { promised }) => sum + promised, this.channel.base)
  }

  /** Settles when the order that carries a deposit is answered; undefined when none is under way. */
  get depositing(): Promise<void> | undefined {
    return [...this.#open].find(({ order, isAnswered }) => order.deposit !== undefined && !isAnswered)?.answered
  }

  session({ seller, terms, maximum }: PayerRequest, order: RailOrder): LaneSession {
    const session = new LaneSession(this, { seller, terms, maximum }, order)
    this.#open.add(session)
    return session
  }

  /** Sessions that an earlier run left open: they wait to be resumed. */
  restore(sessions: readonly ChannelSession[]): void {
    for (const stored of sessions) if (stored.open) this.#open.add(this.#restored(stored))
  }

  /** Takes a suspended session up again; one that was given up is opened anew. */
  async resume({ sessionId, peer, terms, maximum }: ResumeRequest, options?: AbortOptions): Promise<LaneSession> {
    const { channelId } = this.channel
    let session = [...this.#open].find(({ id }) => id === sessionId)
    if (session === undefined) {
      const stored = (await this.init.channels.sessions('payer', channelId, options)).find(
        (one) => one.sessionId === sessionId
      )
      if (stored === undefined) {
        throw new DdmError('notFound', `channel ${channelId} has no session ${sessionId}`)
      }
      session = this.#restored({ ...stored, paid: stored.consumed })
      this.channel = { ...this.channel, base: this.channel.base - stored.consumed }
      this.#open.add(session)
    }
    await session.resume({ seller: peer, terms, maximum }, options)
    await this.store(options, session)
    return session
  }

  #restored({ sessionId, paid, signed }: ChannelSession): LaneSession {
    const session = new LaneSession(this, undefined, { rail: 'evm', config: this.channel.config })
    session.id = sessionId
    session.paid = paid
    session.signed = signed
    session.isAnswered = true
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
        : {
            sessionId: session.id,
            channelId,
            paid: session.paid,
            open: session.isOpen,
            consumed: session.consumed,
            signed: session.signed
          }
    const { channel } = this
    await this.init.channels.putPayer(channel, record, options)
    if (channel.signed >= this.#stored.signed) this.#stored = channel
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

  /** The last one signed: it covers all that was paid. */
  get voucher(): PaymentPayload | undefined {
    return voucherOf(this.channel)
  }

  /** The last one that is durable: another must not leave. */
  get storedVoucher(): PaymentPayload | undefined {
    return voucherOf(this.#stored)
  }

  /** Signs for the total unless an earlier voucher covers it; never a lower amount than before. */
  sign(): PaymentPayload {
    const { eip712, voucherSigner } = this.init
    const { channelId, signed } = this.channel
    const total = this.#paid()
    if (this.voucher !== undefined && total <= signed) return this.voucher
    const made = eip712.sign(eip712.voucher(this.#domain, channelId, total), voucherSigner.privateKey)
    this.channel = { ...this.channel, signed: total, signature: made }
    return { channelId, maxClaimableAmount: total, signature: made }
  }

  /** By how much a payment raises the voucher: nothing when what an earlier session paid and did not use covers it. */
  raise(session: LaneSession, sessionPaid: bigint): bigint {
    const more = this.#paid(session) + sessionPaid - this.channel.signed
    return more > 0n ? more : 0n
  }

  /** Base and what the open sessions paid. */
  #paid(except?: LaneSession): bigint {
    let sum = this.channel.base
    for (const session of this.#open) if (session !== except) sum += session.paid
    return sum
  }
}

/** What a session may spend, and for what. */
interface Spending {
  seller: string
  terms: PaymentTerms
  maximum: bigint
}

class LaneSession implements PayerSession {
  readonly order: RailOrder
  readonly channelId: Hex
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

  get voucher(): PaymentPayload | undefined {
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
    const spending = this.#check(sessionPaid)
    // Other sessions of the channel may sign meanwhile.
    while (this.signed + this.#lane.raise(this, sessionPaid) > this.#reserved) {
      await this.#reserve(spending, this.signed + this.#lane.raise(this, sessionPaid), options)
    }
    // Meanwhile nobody may want the signature any more, or the session may have ended.
    if (options?.signal?.aborted === true) {
      throw new DdmError('aborted', 'the payment was aborted before it was signed', { cause: options.signal.reason })
    }
    this.#check(sessionPaid)
    this.#lane.init.budget.permit()
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
    this.isOpen = false
    this.#lane.close(this)
    this.#answered()
    this.consumed = due < this.paid ? due : this.paid
    this.#lane.channel = { ...this.#lane.channel, base: this.#lane.channel.base + this.consumed }
    await this.#lane.store(options, this)
    await this.#settle(options)
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

  async #reserveUpTo({ seller, terms }: Spending, amount: bigint, options?: AbortOptions): Promise<void> {
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

function voucherOf({ channelId, signed, signature }: PayerChannel): PaymentPayload | undefined {
  return signature === undefined ? undefined : { channelId, maxClaimableAmount: signed, signature }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}
