import { type Blake, coinDigest, type LedgerCoin } from './coin.ts'

/** The newest version of every coin, with the coins of each owner in the order of their IDs, as nodes page through them. */
export class CoinTable {
  readonly #blake: Blake
  readonly #coins = new Map<string, LedgerCoin>()
  readonly #digests = new WeakMap<LedgerCoin, string>()
  readonly #idsByOwner = new Map<string, string[]>()
  readonly #deletedAt = new Map<string, bigint>()

  constructor(blake: Blake) {
    this.#blake = blake
  }

  get(id: string): LedgerCoin | undefined {
    return this.#coins.get(id)
  }

  digestOf(coin: LedgerCoin): string {
    const known = this.#digests.get(coin)
    if (known !== undefined) return known
    const digest = coinDigest(this.#blake, coin)
    this.#digests.set(coin, digest)
    return digest
  }

  all(): IterableIterator<LedgerCoin> {
    return this.#coins.values()
  }

  ofOwner(owner: string): LedgerCoin[] {
    return (this.#idsByOwner.get(owner) ?? []).map((id) => this.#coins.get(id) as LedgerCoin)
  }

  /** Version at which a coin ended, if it did. */
  deletedAt(id: string): bigint | undefined {
    return this.#deletedAt.get(id)
  }

  put(coin: LedgerCoin): void {
    const before = this.#coins.get(coin.id)
    this.#coins.set(coin.id, coin)
    if (before?.owner === coin.owner) return
    if (before !== undefined) this.#forget(before)
    const ids = this.#idsByOwner.get(coin.owner) ?? []
    ids.splice(positionIn(ids, coin.id), 0, coin.id)
    this.#idsByOwner.set(coin.owner, ids)
  }

  remove(id: string, version: bigint): void {
    const coin = this.#coins.get(id)
    if (coin === undefined) return
    this.#coins.delete(id)
    this.#deletedAt.set(id, version)
    this.#forget(coin)
  }

  #forget({ id, owner }: LedgerCoin): void {
    const ids = this.#idsByOwner.get(owner) ?? []
    ids.splice(positionIn(ids, id), 1)
    if (ids.length === 0) this.#idsByOwner.delete(owner)
  }
}

/** Of an ID in sorted IDs, or where it would be. */
function positionIn(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as string) < id) low = middle + 1
    else high = middle
  }
  return low
}
