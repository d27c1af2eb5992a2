import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromBase64, toBase58, toBase64 } from '@iota/bcs'
import { type Blake, COIN_DEPOSIT, createBlake, faucetId, type LedgerCoin, normal } from './coin.ts'
import { CoinTable } from './coins.ts'
import { execute, type Outcome } from './execute.ts'
import { broken, type Entry, Journal } from './journal.ts'
import { Locks } from './locks.ts'
import { checkSignatures } from './signatures.ts'
import { type CheckedTransaction, type CoinLookup, checkTransaction, digestOf } from './transaction.ts'

const GENESIS = toBase58(new Uint8Array(32))
/** Balances are u64. */
const MAX_SUPPLY = 2n ** 64n - 1n

export interface ExecutedRecord {
  transaction: CheckedTransaction
  signatures: string[]
  outcome: Outcome
  checkpoint: number
  epoch: bigint
  /** Unix ms. */
  at: number
}

export interface LedgerInit {
  /** Journal; without one the ledger is gone with the process. */
  file?: string | undefined
  /** Between a transaction's being accepted and its being carried out. */
  finalityMs: number
  /** For so long after that nobody is told of it: a node that lags behind. */
  lagMs: number
  epochMs: number
}

/** Coins and transactions: what a node of the network knows of them. */
export class Ledger implements CoinLookup {
  readonly chainIdentifier: string
  readonly blake: Blake
  readonly #journal: Journal
  readonly #init: LedgerInit
  readonly #startedAt: number
  readonly #coins: CoinTable
  readonly #locks = new Locks()
  readonly #records = new Map<string, ExecutedRecord>()
  readonly #order: ExecutedRecord[] = []
  readonly #pending = new Map<string, Promise<ExecutedRecord>>()
  readonly #closing = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  #minted = 0n
  #issued = 0n

  private constructor(init: LedgerInit, blake: Blake, journal: Journal, network: string, startedAt: number) {
    this.#init = init
    this.blake = blake
    this.#journal = journal
    this.#coins = new CoinTable(blake)
    this.chainIdentifier = network
    this.#startedAt = startedAt
  }

  /** @throws DdmError `config` when the file is no journal */
  static async open(init: LedgerInit): Promise<Ledger> {
    const journal = await Journal.open(init.file)
    try {
      const [first] = journal.entries
      const known = first !== undefined && 'network' in first ? first : undefined
      const network = known?.network ?? randomBytes(4).toString('hex')
      const startedAt = known?.startedAt ?? Date.now()
      if (first === undefined) await journal.append({ network, startedAt })
      const ledger = new Ledger(init, await createBlake(), journal, network, startedAt)
      for (const [index, entry] of journal.entries.entries()) {
        try {
          ledger.#replay(entry)
        } catch (cause) {
          throw broken(init.file, index, cause)
        }
      }
      return ledger
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  get epoch(): bigint {
    return BigInt(Math.max(0, Math.floor((Date.now() - this.#startedAt) / this.#init.epochMs)))
  }

  coin(id: string): LedgerCoin | undefined {
    return this.#coins.get(id)
  }

  /** Version at which a coin ended, if it did. */
  deletedAt(id: string): bigint | undefined {
    return this.#coins.deletedAt(id)
  }

  digestOf(coin: LedgerCoin): string {
    return this.#coins.digestOf(coin)
  }

  /** In the order of their IDs. */
  coinsOf(owner: string): LedgerCoin[] {
    return this.#coins.ofOwner(owner)
  }

  get supply(): bigint {
    let sum = 0n
    for (const { balance, rebate } of this.#coins.all()) sum += balance + rebate
    return sum
  }

  get checkpoint(): number {
    return this.#order.length
  }

  /** What a client may know: of a node that lags behind the newest is not yet seen. */
  record(digest: string): ExecutedRecord | undefined {
    const record = this.#records.get(digest)
    return record !== undefined && this.#isSeen(record) ? record : undefined
  }

  /** What a client may know, oldest first. */
  get records(): readonly ExecutedRecord[] {
    let seen = this.#order.length
    while (seen > 0 && !this.#isSeen(this.#order[seen - 1] as ExecutedRecord)) seen--
    return seen === this.#order.length ? this.#order : this.#order.slice(0, seen)
  }

  /**
   * Gives an account a new coin, as a faucet does.
   *
   * @throws RangeError when all coins together would not fit in a balance
   */
  async mint(owner: string, amount: bigint): Promise<LedgerCoin> {
    const to = normal(owner)
    return this.#inTurn(async () => {
      if (amount < 0n || this.#issued + amount + COIN_DEPOSIT > MAX_SUPPLY) {
        throw new RangeError(`${amount} nanos cannot be given: all coins together have to stay within ${MAX_SUPPLY}`)
      }
      await this.#journal.append({ faucet: { owner: to, amount: `${amount}` } })
      return this.#credit(to, amount)
    })
  }

  dryRun(bytes: Uint8Array): { transaction: CheckedTransaction; outcome: Outcome; epoch: bigint } {
    const { epoch } = this
    const transaction = checkTransaction(bytes, this, { epoch, isDryRun: true })
    return { transaction, outcome: execute(this.blake, transaction), epoch }
  }

  /** The same transaction again gives the same answer. */
  async execute(bytes: Uint8Array, signatures: string[]): Promise<ExecutedRecord> {
    await checkSignatures(bytes, signatures)
    const digest = digestOf(bytes)
    const known = this.#records.get(digest) ?? this.#pending.get(digest)
    if (known !== undefined) return known
    const { epoch } = this
    const transaction = checkTransaction(bytes, this, { epoch })
    this.#locks.take(transaction, epoch, (id) => this.digestOf(this.coin(id) as LedgerCoin))
    const executing = this.#finalize(transaction, signatures).finally(() => {
      this.#pending.delete(digest)
      this.#locks.release(transaction)
    })
    this.#pending.set(digest, executing)
    return executing
  }

  /** What is not yet carried out is forgotten. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#last
    await this.#journal.close()
  }

  async #finalize({ bytes }: CheckedTransaction, signatures: string[]): Promise<ExecutedRecord> {
    const { signal } = this.#closing
    if (this.#init.finalityMs > 0) await sleep(this.#init.finalityMs, undefined, { signal })
    return this.#inTurn(async () => {
      const { epoch } = this
      // Again: a lock ends with its epoch, and then another transaction may have been faster.
      const transaction = checkTransaction(bytes, this, { epoch })
      const outcome = execute(this.blake, transaction)
      const at = Date.now()
      await this.#journal.append({ transaction: toBase64(bytes), signatures, at, epoch: `${epoch}` })
      return this.#apply({ transaction, signatures, outcome, epoch, at })
    })
  }

  /** One after the other, so that the journal has them in the order in which they happened. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      this.#closing.signal.throwIfAborted()
      return act()
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  #replay(entry: Entry): void {
    if ('faucet' in entry) this.#credit(entry.faucet.owner, BigInt(entry.faucet.amount))
    if (!('transaction' in entry)) return
    const { signatures, at } = entry
    // It had not expired when it was carried out.
    const transaction = checkTransaction(fromBase64(entry.transaction), this, { epoch: 0n })
    const outcome = execute(this.blake, transaction)
    this.#apply({ transaction, signatures, outcome, epoch: BigInt(entry.epoch ?? 0), at })
  }

  #apply(executed: Omit<ExecutedRecord, 'checkpoint'>): ExecutedRecord {
    const { transaction, outcome } = executed
    for (const id of outcome.deleted) this.#coins.remove(id, outcome.version)
    for (const coin of [...outcome.mutated, ...outcome.created]) this.#coins.put(coin)
    const record = { ...executed, checkpoint: this.#order.length + 1 }
    this.#order.push(record)
    this.#records.set(transaction.digest, record)
    return record
  }

  #credit(owner: string, balance: bigint): LedgerCoin {
    this.#minted += 1n
    this.#issued += balance + COIN_DEPOSIT
    const id = faucetId(this.blake, owner, this.#minted)
    const coin = { id, owner, balance, version: 1n, previous: GENESIS, rebate: COIN_DEPOSIT }
    this.#coins.put(coin)
    return coin
  }

  #isSeen({ at }: ExecutedRecord): boolean {
    return Date.now() >= at + this.#init.lagMs
  }
}
