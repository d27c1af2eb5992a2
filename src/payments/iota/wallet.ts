import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AbortOptions,
  DdmError,
  type Hex,
  type Logger,
  type SignedTransaction,
  type Transfer,
  type TransferStore
} from '../../interface/index.ts'
import type { IotaAccount } from './account.ts'
import { CoinPool } from './coin-pool.ts'
import { gasBudget } from './fees.ts'
import { type Coin, type ExecutedTransaction, type LedgerClient, RejectedTransaction } from './ledger-client.ts'
import { buildTransaction, digestOf, isSponsored, type Output } from './transaction.ts'
import { type Sponsor, UnsentPayments } from './unsent.ts'

/** Below the first step of computation costs, and of the size of a transaction. */
const MAX_OUTPUTS = 32
/** A coin whose version somebody else used: another one, or the same again. */
const MAX_ATTEMPTS = 3
/** Transactions at once: each needs a coin of its own. */
const MAX_PARALLEL = 4
const RETRY_MS = 500
const COIN_POLL_MS = 50
const MAX_RETRY_MS = 10_000
/** A ledger that answers, and for so long knows nothing of a transaction, is taken at its word. */
const UNKNOWN_MS = 60_000

export interface WalletInit {
  account: IotaAccount
  client: LedgerClient
  transfers: TransferStore
  /** Kill switch, asked right before each signature. */
  permit: () => void
  logger: Logger
}

/** A payment of somebody else, whose fee a coin of this account pays. */
export interface LentTransaction {
  transaction: Hex
  bytes: Uint8Array
  signatures: readonly Uint8Array[]
}

/** One payment, or a memo alone. */
export interface WalletRequest {
  output?: Output
  memo: Uint8Array
  /** What the ledger of this node keeps of it. */
  transfer?: Omit<Transfer, 'network' | 'transaction' | 'at'>
}

interface Waiting extends WalletRequest {
  attempts: number
  resolve: (executed: ExecutedTransaction) => void
  reject: (error: unknown) => void
}

/**
 * Sends an account's transactions. Requests that wait for a coin share the next transaction, one per recipient: many
 * sellers are paid by one. What was signed is durable before it leaves, and is the same transaction when it is sent again.
 */
export class IotaWallet {
  readonly #init: WalletInit
  readonly #pool = new CoinPool()
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #unsent: UnsentPayments
  /** Payments of others with a coin of this account, until their outcome is known. */
  readonly #lent = new Map<Hex, Promise<void>>()
  #queue: Waiting[] = []
  #pumping: Promise<void> | undefined
  #started: Promise<void> | undefined

  constructor(init: WalletInit) {
    this.#init = init
    this.#unsent = new UnsentPayments(init, this.#pool, this.#closing.signal, () => this.#pump())
  }

  get address(): Hex {
    return this.#init.account.address
  }

  /** Finds out what became of what an earlier run had signed; again until the ledger answers. */
  start(): Promise<void> {
    this.#started ??= this.#settleEarlier().catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  /** What is under way is awaited as far as the ledger answers; the rest is found again at the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new DdmError('aborted', 'the wallet is closed'))
    for (const { reject } of this.#queue.splice(0)) reject(this.#closing.signal.reason)
    await Promise.allSettled([...this.#underWay, this.#pumping, this.#unsent.closed(), ...this.#lent.values()])
  }

  /**
   * Resolves when the transaction was executed. A caller that gives up undoes nothing: what is signed may be carried out.
   *
   * @throws DdmError `funds`, `chain` (refused or failed), `budget` (frozen), `unreachable`, `aborted`
   */
  async send(request: WalletRequest, { signal }: AbortOptions = {}): Promise<ExecutedTransaction> {
    await this.start()
    signal?.throwIfAborted()
    this.#closing.signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<ExecutedTransaction>()
    const waiting: Waiting = { ...request, attempts: 0, resolve, reject }
    const onAbort = (): void => {
      this.#queue = this.#queue.filter((one) => one !== waiting)
      reject(new DdmError('aborted', 'the payment was aborted', { cause: signal?.reason }))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#queue.push(waiting)
    this.#pump()
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Sets a coin aside for the fees of others; undefined when there is none to spare. */
  async lend(need: bigint, options?: AbortOptions): Promise<Coin | undefined> {
    await this.start()
    const taken = this.#one(need)
    if (taken !== undefined) return taken
    this.#pool.learn(await this.#init.client.coins(this.address, options))
    return this.#one(need)
  }

  #one(need: bigint): Coin | undefined {
    return this.#pool.free.some(({ balance }) => balance >= need) ? this.#pool.take(need)?.[0] : undefined
  }

  /** Takes a coin back, as it is now. */
  takeBack(coin: Coin): void {
    this.#pool.spent([coin.id])
    this.#pool.put(coin)
    this.#pump()
  }

  /** Sends a payment again until it is known what became of it: only then the coin that pays its fee comes back. */
  sendLent(coin: Coin, lent: LentTransaction): void {
    const { transaction } = lent
    const sending = this.#outcomeOf(coin, lent)
      .catch(() => {
        // Closed: the next start asks the ledger for its coins.
      })
      .finally(() => this.#lent.delete(transaction))
    this.#lent.set(transaction, sending)
  }

  isSending(transaction: Hex): boolean {
    return this.#lent.has(transaction)
  }

  async #outcomeOf(coin: Coin, { transaction, bytes, signatures }: LentTransaction): Promise<void> {
    const { client } = this.#init
    const { signal } = this.#closing
    const until = performance.now() + UNKNOWN_MS
    for (let wait = COIN_POLL_MS; ; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      await sleep(wait, undefined, { signal })
      try {
        let isOver = performance.now() > until
        const executed = await client.execute(bytes, signatures, { signal }).catch((error: unknown) => {
          isOver ||= error instanceof RejectedTransaction
          return client.executed(transaction, { signal })
        })
        if (executed !== undefined) return this.takeBack({ ...executed.gasCoin, balance: coin.balance - executed.fee })
        if (isOver) return this.#forget(coin)
      } catch {
        // No answer: it is asked again.
      }
    }
  }

  /** What the ledger shows of it is asked before it is used again. */
  #forget({ id }: Coin): void {
    this.#pool.spent([id])
    this.#pump()
  }

  /** Signs a payment whose fee somebody else pays, and who sends it. */
  async sign(request: Required<WalletRequest>, sponsor: Sponsor, options?: AbortOptions): Promise<SignedTransaction> {
    await this.start()
    return this.#unsent.sign(request, await this.#free(request.output.amount, options), sponsor)
  }

  giveUp(session: string, options?: AbortOptions): Promise<void> {
    return this.#unsent.giveUp(session, options)
  }

  /** Waits for coins that others are about to give back. */
  async #free(need: bigint, options: AbortOptions = {}): Promise<Coin> {
    for (;;) {
      const coin = await this.lend(need, options)
      if (coin !== undefined) return coin
      if (!this.#pool.waiting) {
        throw new DdmError('funds', `account ${this.address} has no coin of ${need} nanos; send IOTA to it`, {
          details: { need: `${need}` }
        })
      }
      await sleep(COIN_POLL_MS, undefined, options)
    }
  }

  #pump(): void {
    if (this.#pumping !== undefined) return
    this.#pumping = this.#drain()
      .catch((error: unknown) => {
        for (const { reject } of this.#queue.splice(0)) reject(error)
      })
      .finally(() => {
        this.#pumping = undefined
      })
  }

  async #drain(): Promise<void> {
    // Requests of the same moment go together.
    await Promise.resolve()
    let learned = false
    while (this.#queue.length > 0 && this.#underWay.size < MAX_PARALLEL) {
      const { client } = this.#init
      const gasPrice = await client.gasPrice({ signal: this.#closing.signal })
      const batch = nextBatch(this.#queue)
      const budget = gasBudget(gasPrice, batch.length + MAX_PARALLEL)
      const need = budget + batch.reduce((sum, { output }) => sum + (output?.amount ?? 0n), 0n)
      const coins = this.#pool.take(need)
      if (coins !== undefined) {
        this.#queue = this.#queue.filter((one) => !batch.includes(one))
        const sending = this.#sendBatch(batch, coins, gasPrice, budget)
        this.#underWay.add(sending)
        void sending.finally(() => {
          this.#underWay.delete(sending)
          this.#pump()
        })
      } else if (!learned) {
        learned = true
        this.#pool.learn(await client.coins(this.address, { signal: this.#closing.signal }))
      } else if (this.#pool.waiting) return
      else this.#refuse(batch, need)
    }
  }

  /** A batch that is too large together may go in parts. */
  #refuse(batch: Waiting[], need: bigint): void {
    const [first] = batch as [Waiting]
    this.#queue = this.#queue.filter((one) => one !== first)
    first.reject(
      new DdmError(
        'funds',
        `account ${this.address} holds ${this.#pool.freeBalance} nanos, this payment needs up to ${need} with its fee; send IOTA to it`,
        { details: { have: `${this.#pool.freeBalance}`, need: `${need}` } }
      )
    )
  }

  async #sendBatch(batch: Waiting[], coins: Coin[], gasPrice: bigint, budget: bigint): Promise<void> {
    const { account, client, transfers, permit } = this.#init
    const ids = coins.map(({ id }) => id)
    let signed = false
    try {
      const outputs = batch.flatMap(({ output }) => output ?? [])
      const spare = this.#spare(coins, outputs, budget)
      const bytes = await buildTransaction({
        sender: this.address,
        coins,
        outputs: [...outputs, ...spare],
        memos: batch.map(({ memo }) => memo),
        gasPrice,
        gasBudget: budget
      })
      permit()
      const transaction: SignedTransaction = {
        network: client.network,
        transaction: digestOf(bytes),
        bytes,
        signature: await account.sign(bytes),
        coins: ids,
        state: 'signed'
      }
      const at = Date.now()
      const rows = batch.flatMap(({ transfer }) => {
        return transfer === undefined
          ? []
          : { ...transfer, network: client.network, transaction: transaction.transaction, at }
      })
      await transfers.putSigned(transaction, rows)
      signed = true
      const executed = await this.#carryOut(transaction)
      if (executed === undefined) return this.#again(batch)
      this.#settlePool(coins, executed, outputs, spare)
      for (const { resolve, reject } of batch) {
        if (executed.failure === undefined) resolve(executed)
        else reject(new DdmError('chain', `transaction ${executed.transaction} failed: ${executed.failure}`))
      }
    } catch (error) {
      // Nothing of it has left; otherwise the coins stay spoken for until somebody knows.
      if (!signed) this.#pool.release(ids)
      for (const { reject } of batch) reject(error)
    }
  }

  /** Others wait and there is no further coin: this one is divided. */
  #spare(coins: readonly Coin[], outputs: readonly Output[], budget: bigint): Output[] {
    const waiting = Math.min(this.#queue.length, MAX_PARALLEL - 1)
    if (waiting === 0 || this.#pool.free.length > 0) return []
    const spent = outputs.reduce((sum, { amount }) => sum + amount, budget)
    const left = coins.reduce((sum, { balance }) => sum + balance, 0n) - spent
    const share = left / BigInt(waiting + 1)
    return share < spent * 4n ? [] : Array.from({ length: waiting }, () => ({ to: this.address, amount: share }))
  }

  /** @returns undefined when it never will be: its coins were spent otherwise */
  async #carryOut(transaction: SignedTransaction): Promise<ExecutedTransaction | undefined> {
    const { client, transfers, logger } = this.#init
    const { signal } = this.#closing
    for (let wait = RETRY_MS; ; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      try {
        const executed = await client.execute(transaction.bytes, [transaction.signature], { signal })
        await transfers.settle(transaction, executed.failure === undefined ? 'executed' : 'failed')
        return executed
      } catch (error) {
        if (error instanceof RejectedTransaction) {
          const executed = await client.executed(transaction.transaction, { signal })
          logger.warn('a transaction was refused', { error: error.message, executed: executed !== undefined })
          await transfers.settle(transaction, executed !== undefined && !executed.failure ? 'executed' : 'failed')
          if (executed === undefined) this.#pool.spent(transaction.coins)
          return executed
        }
        if (signal.aborted || !(error instanceof DdmError) || error.code !== 'unreachable') throw error
        await sleep(wait, undefined, { signal })
      }
    }
  }

  /** Its coins are forgotten: what the ledger shows of them is asked anew. */
  #again(batch: Waiting[]): void {
    for (const one of batch.reverse()) {
      one.attempts++
      if (one.attempts < MAX_ATTEMPTS) this.#queue.unshift(one)
      else one.reject(new DdmError('chain', 'the ledger refused the payment: its coins were spent otherwise'))
    }
  }

  #settlePool(coins: readonly Coin[], executed: ExecutedTransaction, outputs: Output[], spare: Output[]): void {
    this.#pool.spent(coins.map(({ id }) => id))
    const before = coins.reduce((sum, { balance }) => sum + balance, 0n)
    const moved = executed.failure === undefined ? [...outputs, ...spare] : []
    const balance = moved.reduce((sum, { amount }) => sum - amount, before - executed.fee)
    this.#pool.put({ ...executed.gasCoin, balance })
    const [share] = spare
    if (share === undefined || executed.failure !== undefined) return
    for (const { owner, ...coin } of executed.created) {
      if (owner === this.address) this.#pool.put({ ...coin, balance: share.amount })
    }
  }

  async #settleEarlier(): Promise<void> {
    const { client, transfers } = this.#init
    const earlier = await transfers.unsettled(client.network)
    for (const { coins } of earlier) this.#pool.reserve(coins)
    for (const transaction of earlier) {
      // Another's to send: it may be carried out at any time, so it is neither paid anew nor its coin used.
      if (isSponsored(transaction.bytes)) this.#unsent.follow(transaction)
      else {
        await this.#carryOut(transaction)
        this.#pool.spent(transaction.coins)
      }
    }
  }
}

/** In order, one for each recipient: a seller sees one payment in a transaction. */
function nextBatch(queue: readonly Waiting[]): Waiting[] {
  const batch: Waiting[] = []
  for (const one of queue) {
    const taken = batch.some(({ output }) => output !== undefined && output.to === one.output?.to)
    if (!taken && batch.length < MAX_OUTPUTS) batch.push(one)
  }
  return batch
}
