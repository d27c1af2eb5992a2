import {
  type AbortOptions,
  type ChannelStore,
  type ClaimResult,
  type Logger,
  type NetworkToken,
  type Payee,
  parseUnits
} from '../interface/index.ts'
import type { NodeConfig } from './config.ts'

export interface ClaimsComponents {
  payees: readonly Payee[]
  channels: ChannelStore
  config: Pick<NodeConfig, 'claimInterval' | 'claimAbove'>
  token: NetworkToken
  logger: Logger
}

/** Presents vouchers to the chain: on a timer, and at once when a session ended with more than `claimAbove` unclaimed. */
export class Claims {
  readonly #components: ClaimsComponents
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<ClaimResult> | undefined

  constructor(components: ClaimsComponents) {
    this.#components = components
  }

  start(): void {
    const { claimInterval } = this.#components.config
    this.#timer = setInterval(() => this.#inBackground(), claimInterval)
    this.#timer.unref()
  }

  onSessionEnd(): void {
    this.#unclaimed().then(
      (unclaimed) => {
        const { config, token } = this.#components
        if (unclaimed > parseUnits(config.claimAbove, token.decimals, 'claimAbove')) this.#inBackground()
      },
      (error: unknown) => this.#components.logger.warn('unclaimed amount unknown', { error: String(error) })
    )
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
  }

  async #unclaimed(): Promise<bigint> {
    const channels = await this.#components.channels.payees()
    return channels.reduce((sum, { voucher, claimed }) => sum + ((voucher?.maxClaimableAmount ?? 0n) - claimed), 0n)
  }

  #inBackground(): void {
    this.claim({ signal: this.#abort.signal }).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#components.logger.error('claim failed', { error: String(error) })
    })
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
