import type { AbortOptions, ClaimResult, Hex, Logger, Payee } from '../interface/index.ts'
import { Paced } from './paced.ts'

export interface ClaimsComponents {
  payees: readonly Payee[]
  /** Tells of each new head of the chain; a reorg is one. Returns what stops it. */
  onHead: (listener: () => void) => () => void
  logger: Logger
}

/** Between two looks at the chain: each reads the state of every channel in use. */
const PAUSE_MS = 500
/** Besides heads: a chain that is silent is asked, and what is old is claimed. */
const LOOK_EVERY_MS = 30_000
/** Of what the watch claimed. */
const KEPT_TRANSACTIONS = 100
/** After a failure heads are passed over for so long. */
const RETRY_AFTER_MS = 5_000

/**
 * The watch over this seller's channels: at start, at each new head and when a session ends it has the rails look at
 * chain state and claim what is due (docs/specs/payments.md, Settlement). Gives refunds that buyers asked for.
 */
export class Claims {
  readonly #components: ClaimsComponents
  readonly #abort = new AbortController()
  readonly #refunds = new Set<Promise<void>>()
  readonly #watching: Paced
  /** A claim may wait long to be mined: what a withdrawal takes is seen meanwhile. */
  readonly #observing: Paced
  #timer: NodeJS.Timeout | undefined
  #unlisten: (() => void) | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  /** Claimed by the watch, and not yet told. */
  #seen = nothing()

  constructor(components: ClaimsComponents) {
    this.#components = components
    const onError = (error: unknown): void => {
      this.#failedAt = performance.now()
      if (!this.#abort.signal.aborted) this.#components.logger.error('claim failed', { error: String(error) })
    }
    this.#watching = new Paced({ run: () => this.#watch(), onError, pause: PAUSE_MS })
    this.#observing = new Paced({ run: () => this.#observe(), onError, pause: PAUSE_MS })
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.#timer.unref()
    this.#unlisten = this.#components.onHead(() => {
      if (performance.now() - this.#failedAt > RETRY_AFTER_MS) this.look()
    })
    this.look()
  }

  /** Looks now, or once more a moment after the look under way or just over: with many buyers there is always a reason. */
  look(): void {
    if (this.#abort.signal.aborted) return
    if (this.#watching.running !== undefined) this.#observing.run()
    this.#watching.run()
  }

  /** A buyer asked at the end of its session for what the channel still holds. */
  refundLater(channelId: Hex): void {
    this.#later(this.refund(channelId, { signal: this.#abort.signal }), { channelId })
  }

  /** Nobody waits for it but a stop. */
  #later(refunding: Promise<unknown>, details: { channelId?: Hex }): void {
    const refund = refunding
      .then(() => {})
      .catch((error: unknown) => {
        if (this.#abort.signal.aborted) return
        this.#components.logger.error('a refund failed', { ...details, error: String(error) })
      })
      .finally(() => this.#refunds.delete(refund))
    this.#refunds.add(refund)
  }

  async refund(channelId: Hex, options: AbortOptions): Promise<{ amount: bigint; transaction?: Hex }> {
    for (const { channels } of this.#components.payees) {
      if (channels !== undefined) return channels.refund(channelId, options)
    }
    return { amount: 0n }
  }

  /** Presents every voucher. Its result has what the watch has claimed since the last call, too: at start it is quicker. */
  async claim(options: AbortOptions = {}): Promise<ClaimResult> {
    await this.#watching.running
    const { claimed, transactions } = this.#seen
    this.#seen = nothing()
    const total: ClaimResult = { claimed, transactions, rejected: [] }
    for (const payee of this.#components.payees) this.#add(total, await payee.claim(undefined, options))
    return total
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#unlisten?.()
    this.#abort.abort()
    await Promise.all([this.#watching.stop(), this.#observing.stop()])
    await Promise.all(this.#refunds)
  }

  async #watch(): Promise<void> {
    const { signal } = this.#abort
    for (const { channels } of this.#components.payees) {
      if (channels === undefined) continue
      this.#add(this.#seen, await channels.watch({ signal }))
      // Claims come first: what is paid back is out of reach of whoever withdraws.
      this.#later(channels.finishRefunds({ signal }), {})
    }
    this.#seen.transactions = this.#seen.transactions.slice(-KEPT_TRANSACTIONS)
    this.#seen.rejected = []
  }

  async #observe(): Promise<void> {
    const { signal } = this.#abort
    for (const { channels } of this.#components.payees) await channels?.look({ signal })
  }

  #add(total: ClaimResult, { claimed, transactions, rejected }: ClaimResult): void {
    total.claimed += claimed
    total.transactions.push(...transactions)
    total.rejected.push(...rejected)
    if (transactions.length === 0 && rejected.length === 0) return
    this.#components.logger.info('claimed', { claimed: claimed.toString(), transactions, rejected: rejected.length })
  }
}

function nothing(): ClaimResult {
  return { claimed: 0n, transactions: [], rejected: [] }
}
