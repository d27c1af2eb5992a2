import { type ChannelChain, DdmError } from '../../interface/index.ts'

/**
 * How long ago the chain gave a good answer. A seller that cannot see the chain cannot see a withdrawal: it stops
 * crediting after an eighth of the withdraw delay, while there is still time to claim (docs/specs/payments.md, Settlement).
 */
export class ChainHealth {
  readonly #chain: Pick<ChannelChain, 'timestamp'>
  readonly #limitMs: number
  readonly #now: () => number
  #goodAt: number
  #asking = false

  /** @param withdrawDelay - seconds */
  constructor(
    chain: Pick<ChannelChain, 'timestamp'>,
    withdrawDelay: number,
    now: () => number = () => performance.now()
  ) {
    this.#chain = chain
    this.#limitMs = (withdrawDelay * 1000) / 8
    this.#now = now
    this.#goodAt = now()
  }

  good(): void {
    this.#goodAt = this.#now()
  }

  /**
   * Asks in the background when the last answer is half-way to the limit.
   *
   * @throws DdmError `unreachable` beyond the limit
   */
  check(): void {
    const silentMs = this.#now() - this.#goodAt
    if (silentMs > this.#limitMs / 2) this.#ask()
    if (silentMs <= this.#limitMs) return
    const [silent, limit] = [silentMs, this.#limitMs].map((ms) => Math.round(ms / 1000))
    throw new DdmError(
      'unreachable',
      `the chain gave no good answer for ${silent} s, the limit is ${limit} s: nothing is credited`
    )
  }

  #ask(): void {
    if (this.#asking) return
    this.#asking = true
    this.#chain
      .timestamp()
      .then(() => this.good())
      // No answer is what the limit is for.
      .catch(() => {})
      .finally(() => {
        this.#asking = false
      })
  }
}
