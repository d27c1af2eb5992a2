import type { Hex } from '../../interface/index.ts'
import type { Coin } from './ledger-client.ts'

/** A transaction takes no more gas coins than that. */
const MAX_COINS = 255

/**
 * The coins of an account, and which of them are spoken for. A coin is in one transaction at a time: two that spend the
 * same version would lock it for the rest of the epoch. Pure: nobody is asked here.
 */
export class CoinPool {
  readonly #coins = new Map<Hex, Coin>()
  readonly #reserved = new Set<Hex>()

  /** What the ledger shows. Of coins that are in a transaction the outcome says more. */
  learn(coins: readonly Coin[]): void {
    const shown = new Map(coins.map((coin) => [coin.id, coin]))
    for (const id of this.#coins.keys()) if (!shown.has(id) && !this.#reserved.has(id)) this.#coins.delete(id)
    for (const [id, coin] of shown) {
      const known = this.#coins.get(id)
      if (!this.#reserved.has(id) && (known === undefined || known.version < coin.version)) this.#coins.set(id, coin)
    }
  }

  /** A transaction of an earlier run may spend them. */
  reserve(ids: readonly Hex[]): void {
    for (const id of ids) this.#reserved.add(id)
  }

  release(ids: readonly Hex[]): void {
    for (const id of ids) this.#reserved.delete(id)
  }

  /** What became of coins that were in a transaction: the new version of what is left, nothing of the others. */
  spent(ids: readonly Hex[]): void {
    for (const id of ids) {
      this.#coins.delete(id)
      this.#reserved.delete(id)
    }
  }

  put(coin: Coin): void {
    this.#coins.set(coin.id, coin)
  }

  get free(): Coin[] {
    return [...this.#coins.values()].filter(({ id }) => !this.#reserved.has(id))
  }

  /** Coins that nothing spends now. */
  get freeBalance(): bigint {
    return this.free.reduce((sum, { balance }) => sum + balance, 0n)
  }

  /** Whether what is spoken for now may come back. */
  get waiting(): boolean {
    return this.#reserved.size > 0
  }

  /**
   * Reserves the smallest coin that is enough, so that large ones are left for large payments; otherwise several, largest
   * first, which the transaction merges.
   */
  take(need: bigint): Coin[] | undefined {
    const free = this.free.sort((a, b) => (a.balance < b.balance ? -1 : 1))
    const one = free.find(({ balance }) => balance >= need)
    const taken = one === undefined ? several(free, need) : [one]
    if (taken !== undefined) this.reserve(taken.map(({ id }) => id))
    return taken
  }
}

function several(ascending: readonly Coin[], need: bigint): Coin[] | undefined {
  const taken: Coin[] = []
  let sum = 0n
  for (let index = ascending.length - 1; index >= 0 && taken.length < MAX_COINS; index--) {
    const coin = ascending[index] as Coin
    taken.push(coin)
    sum += coin.balance
    if (sum >= need) return taken
  }
  return undefined
}
