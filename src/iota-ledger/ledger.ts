import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromBase64, toBase58, toBase64 } from '@iota/bcs'
import { verifyTransactionSignature } from '@iota/iota-sdk/verify'
import { type Blake, COIN_DEPOSIT, coinDigest, createBlake, faucetId, type LedgerCoin, normal } from './coin.ts'
import { RpcError, refused, TRANSACTION_REFUSED } from './errors.ts'
import { execute, type Outcome } from './execute.ts'
import { Journal } from './journal.ts'
import { type CheckedTransaction, type CoinLookup, checkTransaction, digestOf, readTransaction } from './transaction.ts'

const GENESIS = toBase58(new Uint8Array(32))
/** A day on the real network. */
const EPOCH_MS = 86_400_000

export interface ExecutedRecord {
  transaction: CheckedTransaction
  signatures: string[]
  outcome: Outcome
  checkpoint: number
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
}

/** Coins and transactions: what a node of the network knows of them. */
export class Ledger implements CoinLookup {
  readonly chainIdentifier: string
  readonly #blake: Blake
  readonly #journal: Journal
  readonly #init: LedgerInit
  readonly #startedAt: number
  readonly #coins = new Map<string, LedgerCoin>()
  readonly #digests = new Map<LedgerCoin, string>()
  readonly #records = new Map<string, ExecutedRecord>()
  readonly #order: string[] = []
  /** Coins of accepted transactions, by ID and version: another transaction with them is refused until the epoch ends. */
  readonly #locks = new Map<string, { digest: string; epoch: bigint }>()
  readonly #pending = new Map<string, Promise<ExecutedRecord>>()
  #last: Promise<unknown> = Promise.resolve()
  #minted = 0n

  private constructor(init: LedgerInit, blake: Blake, journal: Journal, chainIdentifier: string, startedAt: number) {
    this.#init = init
    this.#blake = blake
    this.#journal = journal
    this.chainIdentifier = chainIdentifier
    this.#startedAt = startedAt
  }

  static async open(init: LedgerInit): Promise<Ledger> {
    const journal = await Journal.open(init.file)
    const [first, ...entries] = journal.entries
    const network = first !== undefined && 'network' in first ? first.network : randomBytes(4).toString('hex')
    if (first === undefined) await journal.append({ network })
    const ledger = new Ledger(init, await createBlake(), journal, network, Date.now())
    for (const entry of entries) {
      if ('faucet' in entry) ledger.#credit(entry.faucet.owner, BigInt(entry.faucet.amount))
      if ('transaction' in entry) {
        ledger.#carryOut(checkTransaction(fromBase64(entry.transaction), ledger), entry.signatures, entry.at)
      }
    }
    return ledger
  }

  get epoch(): bigint {
    return BigInt(Math.floor((Date.now() - this.#startedAt) / EPOCH_MS))
  }

  coin(id: string): LedgerCoin | undefined {
    return this.#coins.get(id)
  }

  digestOf(coin: LedgerCoin): string {
    const known = this.#digests.get(coin)
    if (known !== undefined) return known
    return coinDigest(this.#blake, coin)
  }

  /** Oldest first. */
  coinsOf(owner: string): LedgerCoin[] {
    return [...this.#coins.values()].filter((coin) => coin.owner === owner)
  }

  get supply(): bigint {
    return [...this.#coins.values()].reduce((sum, { balance, rebate }) => sum + balance + rebate, 0n)
  }

  get checkpoint(): number {
    return this.#order.length
  }

  /** What a client may know: of a node that lags behind the newest is not yet seen. */
  record(digest: string): ExecutedRecord | undefined {
    const record = this.#records.get(digest)
    return record !== undefined && Date.now() >= record.at + this.#init.lagMs ? record : undefined
  }

  /** Oldest first. */
  get records(): ExecutedRecord[] {
    return this.#order.flatMap((digest) => this.record(digest) ?? [])
  }

  /** Gives an account a new coin, as a faucet does. */
  async mint(owner: string, amount: bigint): Promise<LedgerCoin> {
    const to = normal(owner)
    await this.#journal.append({ faucet: { owner: to, amount: `${amount}` } })
    return this.#credit(to, amount)
  }

  dryRun(bytes: Uint8Array): { transaction: CheckedTransaction; outcome: Outcome } {
    const transaction = checkTransaction(bytes, this, true)
    return { transaction, outcome: execute(this.#blake, transaction) }
  }

  /** The same transaction again gives the same answer. */
  async execute(base64: string, signatures: string[]): Promise<ExecutedRecord> {
    const bytes = fromBase64(base64)
    await checkSignatures(bytes, signatures)
    const digest = digestOf(bytes)
    const known = this.#records.get(digest) ?? this.#pending.get(digest)
    if (known !== undefined) return known
    const transaction = checkTransaction(bytes, this)
    this.#lock(transaction)
    const executing = this.#inTurn(transaction, signatures)
    this.#pending.set(digest, executing)
    return executing.finally(() => this.#pending.delete(digest))
  }

  async close(): Promise<void> {
    await this.#last
    await this.#journal.close()
  }

  /** Whoever signs one version into two transactions has neither until the epoch ends. */
  #lock({ digest, payment, inputs }: CheckedTransaction): void {
    const { epoch } = this
    const keys = [...payment, ...inputs.flatMap((input) => ('coin' in input ? input.coin : []))].map(
      ({ id, version }) => [`${id}@${version}`, id] as const
    )
    for (const [key, id] of keys) {
      const lock = this.#locks.get(key)
      if (lock !== undefined && lock.epoch === epoch && lock.digest !== digest) {
        throw refused(`Object ${id} is already locked by a different transaction: ${lock.digest}`)
      }
    }
    for (const [key] of keys) this.#locks.set(key, { digest, epoch })
  }

  async #inTurn(transaction: CheckedTransaction, signatures: string[]): Promise<ExecutedRecord> {
    if (this.#init.finalityMs > 0) await sleep(this.#init.finalityMs)
    const turn = this.#last.then(async () => {
      const at = Date.now()
      await this.#journal.append({ transaction: toBase64(transaction.bytes), signatures, at })
      return this.#carryOut(transaction, signatures, at)
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  #carryOut(transaction: CheckedTransaction, signatures: string[], at: number): ExecutedRecord {
    const outcome = execute(this.#blake, transaction)
    for (const { id, version } of outcome.before) this.#locks.delete(`${id}@${version}`)
    for (const id of outcome.deleted) this.#coins.delete(id)
    for (const coin of [...outcome.mutated, ...outcome.created]) this.#put(coin)
    this.#order.push(transaction.digest)
    const record = { transaction, signatures, outcome, checkpoint: this.#order.length, at }
    this.#records.set(transaction.digest, record)
    return record
  }

  #credit(owner: string, balance: bigint): LedgerCoin {
    this.#minted += 1n
    const id = faucetId(this.#blake, owner, this.#minted)
    return this.#put({ id, owner, balance, version: 1n, previous: GENESIS, rebate: COIN_DEPOSIT })
  }

  #put(coin: LedgerCoin): LedgerCoin {
    const before = this.#coins.get(coin.id)
    if (before !== undefined) this.#digests.delete(before)
    this.#coins.set(coin.id, coin)
    this.#digests.set(coin, coinDigest(this.#blake, coin))
    return coin
  }
}

/** Of the sender, and of who pays the gas if that is another. */
async function checkSignatures(bytes: Uint8Array, signatures: string[]): Promise<void> {
  const data = readTransaction(bytes)
  const needed = new Set([normal(data.sender), normal(data.gasData.owner)])
  const invalid = (problem: string): RpcError => new RpcError(TRANSACTION_REFUSED, `Invalid user signature: ${problem}`)
  if (signatures.length !== needed.size) {
    throw invalid(`Expect ${needed.size} signer signatures but got ${signatures.length}`)
  }
  for (const signature of signatures) {
    const signer = await verifyTransactionSignature(bytes, signature).catch((error: Error) => {
      throw invalid(error.message.slice(0, 200))
    })
    if (!needed.delete(signer.toIotaAddress())) {
      throw invalid(`Required Signature from ${[...needed][0]} is absent`)
    }
  }
}
