import {
  type AbortOptions,
  type ChannelSession,
  DdmError,
  type DepositAuthorization,
  type PayerChannel,
  type PayerRequest,
  type RailOrder,
  type ResumeRequest,
  type VoucherPayload
} from '../../interface/index.ts'
import type { EvmPayerInit } from './payer.ts'
import { PayerLaneSession } from './payer-session.ts'
import { Serial } from './serial.ts'
import { voucherProblem } from './voucher.ts'

/** What the channel lacks for all that is promised of it, as an authorization; nothing when it lacks nothing. */
export type DepositForLane = (
  lane: PayerLane,
  request: Pick<PayerRequest, 'seller' | 'terms'>,
  options: AbortOptions
) => Promise<DepositAuthorization | undefined>

/** One channel and its open sessions: a voucher is for the base and the sum of what they paid. */
export class PayerLane {
  channel: PayerChannel
  /** As it is in the ledger. */
  #stored: PayerChannel
  readonly init: EvmPayerInit
  readonly deposit: DepositForLane
  readonly #domain: Uint8Array
  readonly #open = new Set<PayerLaneSession>()
  /** What moves an amount between a session and the base: what others store meanwhile would show one without the other. */
  readonly #moves = new Serial()

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

  /**
   * Signed, consumed by no session, and within what the channel can pay: its seller may take it.
   *
   * @param reach - what the channel holds, or may yet hold
   */
  ahead(reach: bigint): bigint {
    const { signed } = this.channel
    const most = signed < reach ? signed : reach
    const counted = this.counted()
    return most > counted ? most - counted : 0n
  }

  /** Settles when the order that carries a deposit is answered; undefined when none is under way. */
  get depositing(): Promise<void> | undefined {
    return [...this.#open].find(({ order, isAnswered }) => order.deposit !== undefined && !isAnswered)?.answered
  }

  session({ seller, terms, maximum, one }: PayerRequest, order: RailOrder): PayerLaneSession {
    const session = new PayerLaneSession(this, { seller, terms, maximum, one }, order)
    this.#open.add(session)
    return session
  }

  /** Sessions that an earlier run left open: they wait to be resumed. */
  restore(sessions: readonly ChannelSession[]): void {
    for (const stored of sessions) if (stored.open) this.#open.add(this.#restored(stored))
  }

  /** Takes a suspended session up again; one that was given up is opened anew. */
  async resume(
    { sessionId, peer, terms, maximum, one }: ResumeRequest,
    options?: AbortOptions
  ): Promise<PayerLaneSession> {
    const session = [...this.#open].find(({ id }) => id === sessionId) ?? (await this.#reopen(sessionId, options))
    const resuming = session.resume({ seller: peer, terms, maximum, one }, options)
    await Promise.all([resuming, this.store(options, session)])
    return session
  }

  #reopen(sessionId: string, options?: AbortOptions): Promise<PayerLaneSession> {
    return this.#moves.run(async () => {
      const { channelId } = this.channel
      const sessions = await this.init.channels.sessions('payer', channelId, options)
      const stored = sessions.find((one) => one.sessionId === sessionId)
      if (stored === undefined) throw new DdmError('notFound', `channel ${channelId} has no session ${sessionId}`)
      const session = this.#restored({ ...stored, paid: stored.consumed })
      await this.#move(-stored.consumed, rowOf(session))
      this.#open.add(session)
      return session
    }, options)
  }

  /** One whose end could not be stored stays open, to be ended again. */
  end(session: PayerLaneSession, due: bigint, options?: AbortOptions): Promise<void> {
    return this.#moves.run(async () => {
      if (!session.isOpen) return
      const consumed = due < session.paid ? due : session.paid
      const row = rowOf(session)
      await this.#move(consumed, row && { ...row, open: false, consumed })
      this.#open.delete(session)
      session.ended(consumed)
    }, options)
  }

  /** In memory once it is durable, so that no amount counts twice after a write that failed. Not to be aborted half way. */
  async #move(consumed: bigint, session: ChannelSession | undefined): Promise<void> {
    await this.#put({ ...this.channel, base: this.channel.base + consumed }, session)
    this.channel = { ...this.channel, base: this.channel.base + consumed }
  }

  #restored({ sessionId, paid, signed }: ChannelSession): PayerLaneSession {
    const session = new PayerLaneSession(this, undefined, { rail: 'evm', config: this.channel.config })
    session.id = sessionId
    session.paid = paid
    session.signed = signed
    session.isAnswered = true
    return session
  }

  close(session: PayerLaneSession): void {
    this.#open.delete(session)
  }

  store(options?: AbortOptions, session?: PayerLaneSession): Promise<void> {
    const put = (): Promise<void> => this.#put(this.channel, session && rowOf(session), options)
    return this.#moves.idle ? put() : this.#moves.run(put, options)
  }

  async #put(channel: PayerChannel, session: ChannelSession | undefined, options?: AbortOptions): Promise<void> {
    await this.init.channels.putPayer(channel, session, options)
    if (channel.signed >= this.#stored.signed) this.#stored = channel
  }

  /** The seller was met since the ledger was put back. */
  met(): void {
    const { stale: _stale, ...known } = this.channel
    this.channel = known
  }

  /** Counts at least so much as consumed beside one session. Never less: a session that ended says more than the seller yet. */
  consume(total: bigint, except: PayerLaneSession): void {
    const counted = this.counted(except)
    if (total > counted) this.channel = { ...this.channel, base: this.channel.base + total - counted }
  }

  /** Takes a voucher of ours from the seller; throws when it is not ours. */
  recognise(proof: VoucherPayload): void {
    const { channelId, config, signed } = this.channel
    const expected = { channelId, payerAuthorizer: config.payerAuthorizer }
    const problem = voucherProblem(this.init.eip712, this.#domain, proof, expected)
    if (problem !== undefined) throw invalid(problem)
    if (proof.maxClaimableAmount <= signed) return
    // Ours by signature, but newer than our ledger: a restored backup. The higher amount is the true one.
    this.channel = { ...this.channel, signed: proof.maxClaimableAmount, signature: proof.signature }
  }

  /** The last one signed: it covers all that was paid. */
  get voucher(): VoucherPayload | undefined {
    return voucherOf(this.channel)
  }

  /** The last one that is durable: another must not leave. */
  get storedVoucher(): VoucherPayload | undefined {
    return voucherOf(this.#stored)
  }

  /** Signs for the total unless an earlier voucher covers it; never a lower amount than before. */
  sign(): VoucherPayload {
    const { eip712, voucherSigner } = this.init
    const { channelId, signed } = this.channel
    const total = this.counted()
    if (this.voucher !== undefined && total <= signed) return this.voucher
    const made = eip712.sign(eip712.voucher(this.#domain, channelId, total), voucherSigner.privateKey)
    this.channel = { ...this.channel, signed: total, signature: made }
    return { channelId, maxClaimableAmount: total, signature: made }
  }

  /** By how much a payment raises the voucher: nothing when what an earlier session paid and did not use covers it. */
  raise(session: PayerLaneSession, sessionPaid: bigint): bigint {
    const more = this.counted(session) + sessionPaid - this.channel.signed
    return more > 0n ? more : 0n
  }

  /** Base and what the open sessions paid. */
  counted(except?: PayerLaneSession): bigint {
    let sum = this.channel.base
    for (const session of this.#open) if (session !== except) sum += session.paid
    return sum
  }
}

/** undefined before the session has its ID. */
function rowOf({ id, channelId, paid, isOpen, consumed, signed }: PayerLaneSession): ChannelSession | undefined {
  return id === undefined ? undefined : { sessionId: id, channelId, paid, open: isOpen, consumed, signed }
}

function voucherOf({ channelId, signed, signature }: PayerChannel): VoucherPayload | undefined {
  return signature === undefined ? undefined : { channelId, maxClaimableAmount: signed, signature }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}
