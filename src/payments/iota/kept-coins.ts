import type { Coin } from './ledger-client.ts'

/** A stream that was lost is taken up again within seconds; longer, others get the coin. */
const KEEP_MS = 60_000

/**
 * Coins that sessions had offered for a fee when they were cut. A payment that names such a coin as it is now may be on its
 * way, or is presented when the session goes on: it could never be carried out once the coin has paid for something else.
 */
export class KeptCoins {
  readonly #coins = new Map<string, { coin: Coin; timer: NodeJS.Timeout }>()
  readonly #giveBack: (coin: Coin) => void

  constructor(giveBack: (coin: Coin) => void) {
    this.#giveBack = giveBack
  }

  keep(session: string, coin: Coin): void {
    const before = this.take(session)
    if (before !== undefined) this.#giveBack(before)
    const timer = setTimeout(() => {
      this.#coins.delete(session)
      this.#giveBack(coin)
    }, KEEP_MS)
    timer.unref()
    this.#coins.set(session, { coin, timer })
  }

  /** For the session that goes on, once. */
  take(session: string): Coin | undefined {
    const kept = this.#coins.get(session)
    clearTimeout(kept?.timer)
    this.#coins.delete(session)
    return kept?.coin
  }
}
