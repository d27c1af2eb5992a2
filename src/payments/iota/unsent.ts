import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions, Hex, SignedTransaction } from '../../interface/index.ts'
import type { CoinPool } from './coin-pool.ts'
import type { Coin } from './ledger-client.ts'
import { buildTransaction, digestOf } from './transaction.ts'
import type { WalletInit, WalletRequest } from './wallet.ts'

const FOLLOW_MS = 50
const MAX_FOLLOW_MS = 10_000

/** Whose coin pays the fee, and how high it may be. */
export interface Sponsor {
  owner: Hex
  coin: Coin
  price: bigint
  budget: bigint
}

/**
 * Payments that this account signs and somebody else sends, who pays their fee. A coin in one of them stays spoken for until
 * the ledger shows what became of it, or its session is given up.
 */
export class UnsentPayments {
  readonly #init: WalletInit
  readonly #pool: CoinPool
  readonly #signal: AbortSignal
  readonly #onFree: () => void
  readonly #following = new Set<Promise<unknown>>()

  constructor(init: WalletInit, pool: CoinPool, signal: AbortSignal, onFree: () => void) {
    this.#init = init
    this.#pool = pool
    this.#signal = signal
    this.#onFree = onFree
  }

  /** Durable when it resolves. */
  async sign(
    { output, memo, transfer }: Required<WalletRequest>,
    coin: Coin,
    sponsor: Sponsor
  ): Promise<SignedTransaction> {
    const { account, client, transfers, permit } = this.#init
    const { network } = client
    try {
      const bytes = await buildTransaction({
        sender: account.address,
        coins: [coin],
        outputs: [output],
        memos: [memo],
        gasPrice: sponsor.price,
        gasBudget: sponsor.budget,
        sponsor
      })
      permit()
      const transaction = digestOf(bytes)
      const signature = await account.sign(bytes)
      const signed: SignedTransaction = { network, transaction, bytes, signature, coins: [coin.id], state: 'signed' }
      await transfers.putSigned(signed, [{ ...transfer, network, transaction, at: Date.now() }])
      this.follow(signed)
      return signed
    } catch (error) {
      this.#pool.release([coin.id])
      throw error
    }
  }

  /** Finds out what becomes of it. */
  follow(transaction: SignedTransaction): void {
    const following = this.#outcome(transaction).catch(() => {
      // Closed: the next start finds out.
    })
    this.#following.add(following)
    void following.then(() => this.#following.delete(following))
  }

  /** A session that is over needs its coins no more: whatever spends them ends what was signed with them. */
  async giveUp(session: string, options?: AbortOptions): Promise<void> {
    const { client, transfers } = this.#init
    const sent = new Set((await transfers.sent(session, options)).map(({ transaction }) => transaction))
    for (const { transaction, coins } of await transfers.unsettled(client.network, options)) {
      if (sent.has(transaction)) this.#pool.release(coins)
    }
    this.#onFree()
  }

  async closed(): Promise<void> {
    await Promise.allSettled(this.#following)
  }

  /** Whoever sends it may take a while. */
  async #outcome(transaction: SignedTransaction): Promise<void> {
    const { client, transfers } = this.#init
    const signal = this.#signal
    for (let wait = FOLLOW_MS; ; wait = Math.min(wait * 2, MAX_FOLLOW_MS)) {
      await sleep(wait, undefined, { signal })
      const executed = await client.executed(transaction.transaction, { signal }).catch(() => undefined)
      if (executed === undefined) continue
      await transfers.settle(transaction, executed.failure === undefined ? 'executed' : 'failed')
      // Its version is the ledger's to say.
      this.#pool.spent(transaction.coins)
      this.#onFree()
      return
    }
  }
}
