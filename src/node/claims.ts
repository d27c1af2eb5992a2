import {
  type AbortOptions,
  type ChannelChain,
  type ChannelStore,
  type ClaimResult,
  type Logger,
  type NetworkToken,
  type Payee,
  type PayeeChannel,
  parseUnits
} from '../interface/index.ts'
import { type ClaimPolicy, shouldClaim } from '../payments/index.ts'
import type { NodeConfig } from './config.ts'

export interface ClaimsComponents {
  payees: readonly Payee[]
  channels: ChannelStore
  /** Undefined for a node that only has free products. */
  chain: Pick<ChannelChain, 'channel'> | undefined
  config: Pick<NodeConfig, 'claimInterval' | 'claimAbove' | 'withdrawDelay'>
  token: NetworkToken
  logger: Logger
}

/** How often the vouchers held are looked at; a withdrawal leaves at least 15 minutes. */
const LOOK_EVERY_MS = 30_000

function unclaimedOf({ voucher, claimed }: PayeeChannel): bigint {
  const highest = voucher?.maxClaimableAmount ?? 0n
  return highest > claimed ? highest - claimed : 0n
}

/**
 * Presents vouchers to the chain: when much is unclaimed, when it is old, and when a payer has begun to withdraw
 * (docs/specs/payments.md, Settlement). Looks on a timer and whenever a session ends.
 */
export class Claims {
  readonly #components: ClaimsComponents
  readonly #policy: ClaimPolicy
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #unclaimedSince: number | undefined
  #running: Promise<ClaimResult> | undefined
  #looking: Promise<void> | undefined

  constructor(components: ClaimsComponents) {
    const { config, token } = components
    this.#components = components
    // A quarter of the withdraw delay leaves time for further tries before a payer has its deposit back.
    const age = Math.min(config.claimInterval, config.withdrawDelay / 4)
    this.#policy = {
      above: parseUnits(config.claimAbove, token.decimals, 'claimAbove'),
      olderThan: BigInt(Math.round(age / 1000))
    }
  }

  start(): void {
    const every = Math.min(LOOK_EVERY_MS, Number(this.#policy.olderThan) * 1000)
    this.#timer = setInterval(() => this.onSessionEnd(), every)
    this.#timer.unref()
  }

  onSessionEnd(): void {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#components.logger.error('claim failed', { error: String(error) })
      })
      .finally(() => {
        this.#looking = undefined
      })
  }

  /** One claim at a time: a second call waits for the first and then looks again. */
  async claim(options: AbortOptions = {}): Promise<ClaimResult> {
    await this.#running?.catch(() => {})
    this.#running ??= this.#claim(options).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#running?.catch(() => {})
    await this.#looking
  }

  async #look(): Promise<void> {
    const { signal } = this.#abort
    const open = (await this.#components.channels.payees({ signal })).filter((channel) => unclaimedOf(channel) > 0n)
    const unclaimed = open.reduce((sum, channel) => sum + unclaimedOf(channel), 0n)
    if (unclaimed === 0n) {
      this.#unclaimedSince = undefined
      return
    }
    this.#unclaimedSince ??= performance.now()
    const ageSeconds = BigInt(Math.floor((performance.now() - this.#unclaimedSince) / 1000))
    const withdrawing = await this.#isWithdrawing(open)
    if (!shouldClaim({ unclaimed, ageSeconds, withdrawing }, this.#policy)) return
    await this.claim({ signal })
    this.#unclaimedSince = undefined
  }

  /** Read as state: an event could have been missed. */
  async #isWithdrawing(open: PayeeChannel[]): Promise<boolean> {
    const { chain } = this.#components
    if (chain === undefined) return false
    const { signal } = this.#abort
    const states = await Promise.all(open.map(({ channelId }) => chain.channel(channelId, { signal })))
    return states.some(({ pendingWithdrawal }) => pendingWithdrawal > 0n)
  }

  async #claim(options: AbortOptions): Promise<ClaimResult> {
    const total: ClaimResult = { claimed: 0n, transactions: [], rejected: [] }
    for (const payee of this.#components.payees) {
      const { claimed, transactions, rejected } = await payee.claim(undefined, options)
      total.claimed += claimed
      total.transactions.push(...transactions)
      total.rejected.push(...rejected)
    }
    const { claimed, transactions, rejected } = total
    if (transactions.length > 0 || rejected.length > 0) {
      this.#components.logger.info('claimed', { claimed: claimed.toString(), transactions, rejected: rejected.length })
    }
    return total
  }
}
