import { reserved } from './errors.ts'
import { coinsOf } from './execute.ts'
import type { CheckedTransaction } from './transaction.ts'

interface Lock {
  digest: string
  epoch: bigint
}

/**
 * Coins of accepted transactions, by ID and version. Who signs one version into two transactions has the second refused until
 * the first was carried out, which uses the version up, or the epoch ended.
 */
export class Locks {
  readonly #locks = new Map<string, Lock>()

  /** @throws RpcError */
  take(transaction: CheckedTransaction, epoch: bigint, digestOf: (id: string) => string): void {
    const { digest } = transaction
    const coins = coinsOf(transaction)
    for (const { id, version } of coins) {
      const lock = this.#locks.get(`${id}@${version}`)
      if (lock !== undefined && lock.epoch === epoch && lock.digest !== digest) {
        throw reserved(lock.digest, [[id, Number(version), digestOf(id)]])
      }
    }
    for (const { id, version } of coins) this.#locks.set(`${id}@${version}`, { digest, epoch })
  }

  release(transaction: CheckedTransaction): void {
    for (const { id, version } of coinsOf(transaction)) {
      const key = `${id}@${version}`
      if (this.#locks.get(key)?.digest === transaction.digest) this.#locks.delete(key)
    }
  }
}
