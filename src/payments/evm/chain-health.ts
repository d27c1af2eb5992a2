import { type AbortOptions, type ChannelChain, DdmError } from '../../interface/index.ts'

export interface ChainHealthInit {
  chain: Pick<ChannelChain, 'timestamp'>
  /** Seconds. */
  withdrawDelay: number
  /** Blocks come with transactions only, as on a dev chain: an old one is no fault. @default false */
  quiet?: boolean
  /** Monotonic ms. @default performance.now */
  now?: () => number
  /** Unix ms. @default Date.now */
  wallTime?: () => number
}

/**
 * How long ago the chain gave a good answer: one whose newest block is young. A seller that cannot see the chain as it is
 * now cannot see a withdrawal: it stops crediting after an eighth of the withdraw delay, while there is still time to claim
 * (docs/specs/payments.md, Settlement).
 */
export class ChainHealth {
  readonly #init: Required<ChainHealthInit>
  readonly #limitMs: number
  #goodAt: number
  /** Of the newest block, when it was last too old; ms. */
  #age = 0
  #asking = false

  constructor(init: ChainHealthInit) {
    this.#init = { quiet: false, now: () => performance.now(), wallTime: () => Date.now(), ...init }
    this.#limitMs = (init.withdrawDelay * 1000) / 8
    this.#goodAt = this.#init.now()
  }

  /** Asks the chain when the last good answer is older than a quarter of the limit; no answer is what the limit is for. */
  async look(options?: AbortOptions): Promise<void> {
    if (this.#silentMs > this.#limitMs / 4) await this.#look(options).catch(() => {})
  }

  /**
   * Asks in the background when the last answer is half-way to the limit.
   *
   * @throws DdmError `unreachable` beyond the limit
   */
  check(): void {
    const silentMs = this.#silentMs
    if (silentMs > this.#limitMs / 2) this.#ask()
    if (silentMs <= this.#limitMs) return
    const [silent, limit, age] = [silentMs, this.#limitMs, this.#age].map((ms) => Math.round(ms / 1000))
    const why =
      this.#age > 0 ? `its newest block is ${age} s old: the RPC lags, or this clock is wrong` : 'it is silent'
    throw new DdmError(
      'unreachable',
      `the chain gave no good answer for ${silent} s, the limit is ${limit} s (${why}): nothing is credited`
    )
  }

  get #silentMs(): number {
    return this.#init.now() - this.#goodAt
  }

  async #look(options?: AbortOptions): Promise<void> {
    const { chain, quiet, now, wallTime } = this.#init
    const age = wallTime() - Number(await chain.timestamp(options)) * 1000
    const isGood = quiet || age <= this.#limitMs
    this.#age = isGood ? 0 : age
    if (isGood) this.#goodAt = now()
  }

  #ask(): void {
    if (this.#asking) return
    this.#asking = true
    this.#look()
      // No answer is what the limit is for.
      .catch(() => {
        this.#age = 0
      })
      .finally(() => {
        this.#asking = false
      })
  }
}
