import {
  type AbortOptions,
  type ChannelStanding,
  type ChannelState,
  type ClaimResult,
  DdmError,
  type Hex,
  MAX_AMOUNT,
  type PayeeChannels,
  type RefundResult
} from '../../interface/index.ts'
import type { ChainHealth } from './chain-health.ts'
import { claimLanes, settleLanes } from './claim.ts'
import { type ClaimCandidate, type ClaimPolicy, gasCost, planClaims, REFUND_GAS } from './claim-plan.ts'
import type { EvmPayeeInit } from './payee.ts'
import type { PayeeLane } from './payee-lane.ts'
import type { PayeeLanes } from './payee-lanes.ts'
import { carryOutRefund, isRefundable, planRefund } from './refund.ts'
import { Serial } from './serial.ts'

/** All channels are looked at this often; those in which something moves at each call of `watch`. */
const LOOK_AT_ALL_MS = 600_000
/** A claim or a refund that failed is tried again after this long. */
const RETRY_MS = 30_000
/** Claims what is old or in danger, whatever the gas. */
const PASSIVE = { above: MAX_AMOUNT, interval: Number.POSITIVE_INFINITY, nativePrice: 0n, gasPercent: 100n }
const NOTHING: ClaimResult = { claimed: 0n, transactions: [], rejected: [] }

/** What becomes of vouchers: claims, refunds, and the watch over withdrawals. */
export class EvmPayeeChannels implements PayeeChannels {
  readonly #init: EvmPayeeInit
  readonly #lanes: PayeeLanes
  readonly #health: ChainHealth
  readonly #policy: ClaimPolicy
  readonly #now: () => number
  /** One at a time: a second claim would send what the first is sending. */
  readonly #claims = new Serial()
  /** Of those that refunds need one at a time waits among the others: the watch waits for one of them at most. */
  readonly #refundClaims = new Serial()
  #lookedAt: number | undefined
  /** Nothing was claimed by policy yet. */
  #isFirst = true
  /** Something may be claimed and not paid out. */
  #unsettled = true

  constructor(init: EvmPayeeInit, lanes: PayeeLanes, health: ChainHealth) {
    this.#init = init
    this.#lanes = lanes
    this.#health = health
    this.#now = init.now ?? (() => performance.now())
    this.#policy = { ...(init.claimPolicy ?? PASSIVE), oldAfter: init.withdrawDelay / 4 }
  }

  claim(channelIds?: Hex[], options: AbortOptions = {}): Promise<ClaimResult> {
    return this.#claims.run(async () => {
      const all = await this.#lanes.stored(options)
      const lanes = all.filter(({ channel }) => channelIds?.includes(channel.channelId) ?? true)
      await this.#observe(lanes, options)
      return this.#present(lanes, options)
    }, options)
  }

  async look(options: AbortOptions = {}): Promise<void> {
    await this.#look(options)
  }

  async watch(options: AbortOptions = {}): Promise<ClaimResult> {
    let waits = !this.#claims.idle
    const lanes = await this.#look(options)
    waits ||= !this.#claims.idle
    // What was claimed while it waited is not claimed again.
    const due = async (): Promise<ClaimResult> => this.#claimDue(waits ? await this.#look(options) : lanes, options)
    return this.#claims.run(due, options)
  }

  /** Not in turn with claims: while one of them waits to be mined, a withdrawal from any channel is seen. */
  async #look(options: AbortOptions): Promise<PayeeLane[]> {
    const now = this.#now()
    const all = this.#lookedAt === undefined || now - this.#lookedAt >= LOOK_AT_ALL_MS
    const lanes = all ? await this.#lanes.stored(options) : await this.#moving(now)
    await this.#observe(lanes, options)
    await this.#health.look(options)
    if (all) {
      this.#lookedAt = now
      // Also a payment out may have been undone.
      this.#unsettled = true
    }
    return lanes
  }

  async #claimDue(lanes: readonly PayeeLane[], options: AbortOptions): Promise<ClaimResult> {
    const now = this.#now()
    const first = this.#isFirst
    this.#isFirst = false
    const candidates = lanes.filter(({ retryAt }) => retryAt <= now).map((lane) => candidateOf(lane, now, first))
    const pressing = candidates.some(({ claimable }) => claimable > 0n)
    if (!pressing && !this.#unsettled) return NOTHING
    const { chain } = this.#init
    const gasPrice = this.#policy.nativePrice > 0n && pressing ? await chain.gasPrice(options) : 0n
    const chosen = planClaims(candidates, this.#policy, gasPrice)
    if (chosen.length === 0 && !this.#unsettled) return NOTHING
    const result = await this.#present(
      chosen.map(({ lane }) => lane),
      options
    )
    const rejected = new Set(result.rejected.map(({ channelId }) => channelId))
    for (const { lane } of chosen) if (rejected.has(lane.channel.channelId)) lane.retryAt = this.#now() + RETRY_MS
    return result
  }

  async #present(lanes: PayeeLane[], options: AbortOptions): Promise<ClaimResult> {
    const { chain } = this.#init
    this.#unsettled = true
    const result = await claimLanes(chain, lanes, options)
    for (const lane of lanes) {
      if (lane.unclaimed > 0n) continue
      lane.unclaimedSince = undefined
      lane.claimedAt = this.#now()
      lane.answered = lane.state.finalizeAfter
    }
    result.transactions.push(...(await settleLanes(chain, await this.#lanes.known(), options)))
    this.#unsettled = false
    return result
  }

  async refund(channelId: Hex, options: AbortOptions = {}): Promise<RefundResult> {
    const components = this.#refundComponents()
    const lane = (await this.#lanes.stored(options)).find(({ channel }) => channel.channelId === channelId)
    if (lane === undefined) throw new DdmError('notFound', `there is no channel ${channelId} here that pays this node`)
    const unfinished = await carryOutRefund(lane, components, options)
    if (unfinished.amount > 0n) return unfinished
    if (!(await this.#isWorthRefund(lane, options)) || !(await isRefundable(lane, options))) return { amount: 0n }
    const { rejected } = await this.#refundClaims.run(() => this.claim([channelId], options), options)
    const reason = rejected.at(0)?.reason
    if (reason !== undefined) throw new DdmError('chain', `nothing is refunded while a claim fails: ${reason}`)
    if (!(await planRefund(lane, components.chain, options))) return { amount: 0n }
    lane.refundedAt = lane.owed
    return carryOutRefund(lane, components, options)
  }

  /** The seller pays the gas: a buyer must have brought that much since its last refund. */
  async #isWorthRefund(lane: PayeeLane, options: AbortOptions): Promise<boolean> {
    if (this.#policy.nativePrice === 0n) return true
    const gasPrice = await this.#init.chain.gasPrice(options)
    return lane.owed - lane.refundedAt >= gasCost(REFUND_GAS, gasPrice, this.#policy)
  }

  async endStray(isKnown: (sessionId: string) => Promise<boolean>, options: AbortOptions = {}): Promise<void> {
    for (const lane of await this.#lanes.stored(options)) await lane.endStray(isKnown, options)
  }

  async finishRefunds(options: AbortOptions = {}): Promise<void> {
    const now = this.#now()
    const waiting = (await this.#lanes.known()).filter(
      ({ channel, refunds, retryAt }) => channel.refund !== undefined && refunds.idle && retryAt <= now
    )
    await Promise.all(waiting.map((lane) => this.#finishRefund(lane, options)))
  }

  async #finishRefund(lane: PayeeLane, options: AbortOptions): Promise<void> {
    try {
      await carryOutRefund(lane, this.#refundComponents(), options)
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      lane.retryAt = this.#now() + RETRY_MS
      this.#init.logger.warn('a refund waits', { channelId: lane.channel.channelId, reason: String(error) })
    }
  }

  #refundComponents(): Parameters<typeof carryOutRefund>[1] {
    const { chain, eip712, logger, authorizerKey } = this.#init
    if (authorizerKey === undefined) throw new DdmError('config', 'this node has no key that signs refunds')
    return { chain, eip712, logger, privateKey: authorizerKey }
  }

  async list(options: AbortOptions = {}): Promise<ChannelStanding[]> {
    const lanes = await this.#lanes.stored(options)
    await this.#observe(lanes, options)
    return lanes.map((lane) => {
      const { channelId, config } = lane.channel
      const { balance, totalClaimed, pendingWithdrawal, finalizeAfter, unconfirmed = 0n } = lane.state
      return {
        channelId,
        role: 'payee',
        counterparty: config.payer,
        balance,
        unconfirmed,
        paid: lane.highest,
        claimed: totalClaimed,
        unclaimed: lane.unclaimed,
        unspent: lane.refundable,
        ahead: 0n,
        pendingWithdrawal,
        finalizeAfter
      }
    })
  }

  async held(): Promise<{ unclaimed: bigint; ageSeconds: number }> {
    const lanes = (await this.#lanes.known()).filter(({ unclaimed }) => unclaimed > 0n)
    const now = this.#now()
    // Of what an earlier run left only this process's time is known.
    const ages = lanes.map(({ unclaimedSince = now }) => now - Math.max(0, unclaimedSince))
    return {
      unclaimed: lanes.reduce((sum, { unclaimed }) => sum + unclaimed, 0n),
      ageSeconds: Math.max(0, ...ages) / 1000
    }
  }

  async funds(channelId: Hex): Promise<bigint> {
    return (await this.#lanes.one(channelId))?.funds ?? 0n
  }

  /** Channels in which something may be lost, also by a reorg that undoes a claim. */
  async #moving(now: number): Promise<PayeeLane[]> {
    return (await this.#lanes.known()).filter(
      ({ isOpen, unclaimed, channel, claimedAt }) =>
        isOpen ||
        unclaimed > 0n ||
        channel.refund !== undefined ||
        (claimedAt !== undefined && now - claimedAt < LOOK_AT_ALL_MS)
    )
  }

  /** Reads many channels at once; what the chain says of claims is written down. */
  async #observe(lanes: readonly PayeeLane[], options: AbortOptions): Promise<void> {
    const observers = lanes.map((lane) => lane.observe())
    const states = await this.#init.chain.channelStates(
      lanes.map(({ channel }) => channel),
      options
    )
    const changed = lanes.filter((lane, index) => {
      const { claimed, base } = lane.channel
      observers[index]?.(states[index] as ChannelState)
      return lane.channel.claimed !== claimed || lane.channel.base !== base
    })
    await Promise.all(changed.map((lane) => lane.store(options)))
  }
}

function candidateOf(lane: PayeeLane, now: number, first: boolean): ClaimCandidate & { lane: PayeeLane } {
  const { unclaimed, claimable, isEndangered } = lane
  // Nobody knows how old is what an earlier run left.
  if (unclaimed > 0n) lane.unclaimedSince ??= first ? Number.NEGATIVE_INFINITY : now
  else {
    lane.unclaimedSince = undefined
    lane.orphaned = false
  }
  const ageSeconds = (now - (lane.unclaimedSince ?? now)) / 1000
  return { lane, claimable, ageSeconds, withdrawing: isEndangered, orphaned: lane.orphaned }
}
