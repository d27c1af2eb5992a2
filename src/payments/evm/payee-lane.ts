import {
  type AbortOptions,
  type Address,
  type ChannelSession,
  type ChannelState,
  DdmError,
  type PayeeChannel,
  type ResumeRequest,
  type VoucherPayload
} from '../../interface/index.ts'
import type { ChainHealth } from './chain-health.ts'
import type { EvmPayeeInit } from './payee.ts'
import { PayeeLaneSession } from './payee-session.ts'
import { Serial, type Turns } from './serial.ts'
import { voucherProblem } from './voucher.ts'

const NOTHING: ChannelState = { balance: 0n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n }

export type PayeeLaneInit = EvmPayeeInit & {
  health: ChainHealth
  /** One of a payer at a time over all channels: the same tokens could back any number of deposits, and only one succeeds. */
  relays: Turns<Address>
  forget: (lane: PayeeLane) => void
}

/** One channel as its receiver holds it: the highest voucher, and the sessions that share it. */
export class PayeeLane {
  channel: PayeeChannel
  readonly init: PayeeLaneInit
  /** One order at a time: what one may cost must not be promised twice. */
  readonly orders = new Serial()
  readonly refunds = new Serial()
  /** ms of the caller's clock since which something is unclaimed; undefined while nothing is. */
  unclaimedSince: number | undefined
  /** ms of the caller's clock before which a claim or a refund that failed is not tried again. */
  retryAt = 0
  /** ms of the caller's clock at which it was last claimed: a reorg may undo that. */
  claimedAt: number | undefined
  /** `finalizeAfter` of the last withdrawal that was answered by a claim. */
  answered: bigint | undefined
  /** A reorg has undone a claim. */
  orphaned = false
  /** Another object stands for the channel now. */
  isForgotten = false
  /** Owed when the last refund was given. */
  refundedAt = 0n
  readonly #domain: Uint8Array
  readonly #open = new Set<PayeeLaneSession>()
  /** What moves an amount between a session and the base: what others store meanwhile would show one without the other. */
  readonly #moves = new Serial()
  #isStored = false
  #state = NOTHING
  #reads = 0
  #newest = 0
  /** The last read that began before the last claim was made. */
  #claimedRead = 0
  /** The last voucher whose signer was recovered. */
  #recovered: VoucherPayload | undefined

  constructor(channel: PayeeChannel, init: PayeeLaneInit) {
    const { eip712, chain } = init
    this.channel = channel
    this.init = init
    this.#domain = eip712.escrowDomain(chain.chainId, chain.escrow)
    this.#recovered = channel.voucher
  }

  /** Nothing would be lost with this object. */
  get idle(): boolean {
    const { refund } = this.channel
    return this.orders.idle && this.refunds.idle && refund === undefined && this.#open.size === 0
  }

  get isOpen(): boolean {
    return this.#open.size > 0
  }

  /** Nothing was, is or can be paid here: orders that cost nothing need no deposit. */
  get isEmpty(): boolean {
    const { voucher, base, claimed, refund } = this.channel
    const untouched = voucher === undefined && base === 0n && claimed === 0n && refund === undefined
    return untouched && this.covered === 0n && [...this.#open].every(({ promised }) => promised === 0n)
  }

  /** A session was cut: its payer may have signed for more than what arrived here. */
  get isCut(): boolean {
    return [...this.#open].some((session) => session.isCut)
  }

  /** Reads the channel as state: an event could have been missed. */
  async refresh(options?: AbortOptions): Promise<ChannelState> {
    const observe = this.observe()
    const state = await this.init.chain.channel(this.channel.channelId, options)
    await this.init.health.look(options)
    observe(state)
    return this.#state
  }

  /**
   * Call it before the chain is asked, and what it returns with the answer: orders and claims read at the same time, and
   * an answer must not replace one that was asked for later.
   */
  observe(): (state: ChannelState) => void {
    const read = ++this.#reads
    return (state) => {
      if (read < this.#newest) return
      this.#newest = read
      const { totalClaimed } = this.#state
      // Asked for before a claim was made it may show that as undone.
      const isBefore = read <= this.#claimedRead && state.totalClaimed < totalClaimed
      this.#state = isBefore ? { ...state, totalClaimed } : state
      this.#learn(this.#state)
    }
  }

  /** The chain is the truth of what is claimed, also when it is less than before. */
  #learn({ totalClaimed }: ChannelState): void {
    const { claimed } = this.channel
    if (totalClaimed < claimed) this.orphaned = true
    if (totalClaimed !== claimed) this.channel = { ...this.channel, claimed: totalClaimed }
    // More than any voucher held here allows: this ledger is older than the chain, and what was claimed is consumed.
    const unexplained = totalClaimed - this.total
    if (totalClaimed > this.highest && unexplained > 0n) {
      this.channel = { ...this.channel, base: this.channel.base + unexplained }
    }
  }

  claimedUpTo(total: bigint): void {
    this.#claimedRead = this.#reads
    this.#state = { ...this.#state, totalClaimed: total }
    this.channel = { ...this.channel, claimed: total }
    this.orphaned = false
  }

  get state(): ChannelState {
    return this.#state
  }

  get balance(): bigint {
    return this.#state.balance
  }

  /** What the contract will surely still hold: a withdrawal or a refund under way counts as gone. */
  get covered(): bigint {
    const { balance, pendingWithdrawal } = this.#state
    const leaving = pendingWithdrawal + (this.channel.refund?.amount ?? 0n)
    return balance > leaving ? balance - leaving : 0n
  }

  get funds(): bigint {
    return above(this.covered, this.#state.totalClaimed)
  }

  /** Paid for, and within the voucher held. */
  get owed(): bigint {
    return this.total < this.highest ? this.total : this.highest
  }

  get unclaimed(): bigint {
    return above(this.owed, this.#state.totalClaimed)
  }

  /**
   * A withdrawal is answered by one claim, and by more only if it would take some of what is owed: with one unit asked back
   * for ever, each payment would cost the seller a claim.
   */
  get isEndangered(): boolean {
    const { pendingWithdrawal, finalizeAfter } = this.#state
    if (pendingWithdrawal === 0n || this.unclaimed === 0n) return false
    return this.answered !== finalizeAfter || this.owed > this.covered
  }

  /** What a claim would bring now. */
  get claimable(): bigint {
    const { balance, totalClaimed } = this.#state
    return above(this.owed < balance ? this.owed : balance, totalClaimed)
  }

  /** What nobody has used or been promised: it can be paid back. */
  get refundable(): bigint {
    const { balance, totalClaimed } = this.#state
    const committed = this.#committed()
    return above(balance, committed > totalClaimed ? committed : totalClaimed)
  }

  /** What a further session may cost. */
  get free(): bigint {
    return this.#uncommitted()
  }

  /** What is left for one session when the others get what they were promised. */
  leftFor(session: PayeeLaneSession): bigint {
    return this.#uncommitted(session)
  }

  #uncommitted(except?: PayeeLaneSession): bigint {
    return above(this.covered, this.#committed(except))
  }

  #committed(except?: PayeeLaneSession): bigint {
    let committed = this.channel.base
    for (const session of this.#open) if (session !== except) committed += session.promised
    return committed
  }

  get highest(): bigint {
    return this.channel.voucher?.maxClaimableAmount ?? 0n
  }

  /** Paid over all sessions: what may be claimed. */
  get total(): bigint {
    return [...this.#open].reduce((sum, { paid }) => sum + paid, this.channel.base)
  }

  session({ maximum }: { maximum: bigint }): PayeeLaneSession {
    const session = new PayeeLaneSession(this)
    session.promise(maximum)
    this.#open.add(session)
    return session
  }

  /** Sessions that an earlier run left open: they wait to be resumed. */
  restore(sessions: readonly ChannelSession[]): void {
    this.#isStored = true
    for (const stored of sessions) if (stored.open) this.#open.add(this.#restored(stored))
  }

  /** Ends sessions that an earlier run left open and nobody knows. */
  async endStray(isKnown: (sessionId: string) => Promise<boolean>, options?: AbortOptions): Promise<void> {
    for (const session of [...this.#open]) {
      const { id, isCut, paid } = session
      if (id !== undefined && isCut && !(await isKnown(id))) await session.end(paid, paid, options)
    }
  }

  /** Takes a suspended session up again; one that ended owing something is opened anew. */
  async resume(request: ResumeRequest, options?: AbortOptions): Promise<PayeeLaneSession> {
    const { sessionId, maximum } = request
    const session = [...this.#open].find(({ id }) => id === sessionId) ?? (await this.#reopen(request, options))
    session.reopen()
    await this.store(options, session)
    // No more than the channel can pay now: the deposit may have been orphaned, or promised to another order.
    const left = this.leftFor(session)
    session.promise(maximum < left ? maximum : left, maximum)
    return session
  }

  #reopen({ sessionId, maximum }: ResumeRequest, options?: AbortOptions): Promise<PayeeLaneSession> {
    return this.#moves.run(async () => {
      const { channelId } = this.channel
      const sessions = await this.init.channels.sessions('payee', channelId, options)
      const stored = sessions.find((one) => one.sessionId === sessionId)
      if (stored === undefined && maximum > 0n) {
        throw new DdmError('notFound', `channel ${channelId} has no session ${sessionId}`)
      }
      const session = this.#restored({ sessionId, paid: stored?.consumed ?? 0n })
      await this.#move(-session.paid, rowOf(session))
      this.#open.add(session)
      return session
    }, options)
  }

  /** One whose end could not be stored stays open, to be ended again. */
  end(session: PayeeLaneSession, consumed: bigint, options?: AbortOptions): Promise<void> {
    return this.#moves.run(async () => {
      if (!session.isOpen) return
      const row = rowOf(session)
      await this.#move(consumed, row && { ...row, open: false, consumed })
      this.#open.delete(session)
      session.ended(consumed)
      if (!this.#isStored && this.idle) this.init.forget(this)
    }, options)
  }

  /** In memory once it is durable, so that no amount counts twice after a write that failed. Not to be aborted half way. */
  async #move(consumed: bigint, session: ChannelSession | undefined): Promise<void> {
    await this.#put({ ...this.channel, base: this.channel.base + consumed }, session)
    this.channel = { ...this.channel, base: this.channel.base + consumed }
  }

  #restored({ sessionId, paid }: Pick<ChannelSession, 'sessionId' | 'paid'>): PayeeLaneSession {
    const session = new PayeeLaneSession(this)
    session.id = sessionId
    session.paid = paid
    return session
  }

  close(session: PayeeLaneSession): void {
    this.#open.delete(session)
  }

  store(options?: AbortOptions, session?: PayeeLaneSession): Promise<void> {
    const put = (): Promise<void> => this.#put(this.channel, session && rowOf(session), options)
    return this.#moves.idle ? put() : this.#moves.run(put, options)
  }

  /** A stranger must not fill the ledger with channels that hold nothing. */
  async #put(channel: PayeeChannel, session: ChannelSession | undefined, options?: AbortOptions): Promise<void> {
    if (!this.#isStored && this.isEmpty) return
    this.#isStored = true
    await this.init.channels.putPayee(channel, session, options)
  }

  /** @param more - what this payment adds to the sum over all sessions */
  problem(payload: VoucherPayload, more: bigint): string | undefined {
    const total = this.total + more
    const { channelId, config } = this.channel
    const { maxClaimableAmount, signature } = payload
    if (payload.channelId !== channelId) {
      return `the voucher is for channel ${payload.channelId}, the session's is ${channelId}`
    }
    // Beyond what a withdrawal leaves of the deposit nothing could ever be claimed.
    if (more > 0n && total > this.covered && total <= this.balance) {
      return `all sessions of the channel have paid ${total}, it holds ${this.covered} that nobody takes back`
    }
    // Covered by what is held already: a lower or repeated voucher is no fault, and need not be verified again.
    if (maxClaimableAmount <= this.highest && total <= this.highest) return undefined
    if (total > maxClaimableAmount) {
      return `the voucher is for ${maxClaimableAmount}, all sessions of the channel have paid ${total}`
    }
    // `credit` follows `verify`: the signer is recovered once, the sums above are always looked at anew.
    const known = this.#recovered
    if (known?.signature === signature && known.maxClaimableAmount === maxClaimableAmount) return undefined
    const expected = { channelId, payerAuthorizer: config.payerAuthorizer }
    const problem = voucherProblem(this.init.eip712, this.#domain, payload, expected)
    if (problem === undefined) this.#recovered = payload
    return problem
  }

  /**
   * The channel held enough when the order was accepted. Now it does not, and nobody takes anything back: that is no fault
   * of the payer.
   *
   * @throws DdmError `unreachable`
   */
  checkBalance(more: bigint): void {
    const total = this.total + more
    if (total <= this.balance) return
    throw new DdmError(
      'unreachable',
      `the chain shows ${this.balance} in channel ${this.channel.channelId}, ${total} were paid: it lags, or a deposit was undone`
    )
  }

  take(payload: VoucherPayload): void {
    if (payload.maxClaimableAmount > this.highest) this.channel = { ...this.channel, voucher: payload }
  }
}

/** undefined before the session has its ID. */
function rowOf({ id, channelId, paid, isOpen, consumed }: PayeeLaneSession): ChannelSession | undefined {
  return id === undefined ? undefined : { sessionId: id, channelId, paid, open: isOpen, consumed, signed: 0n }
}

function above(amount: bigint, floor: bigint): bigint {
  return amount > floor ? amount - floor : 0n
}
