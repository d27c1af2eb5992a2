import { setTimeout as sleep } from 'node:timers/promises'
import { type Hex, keccak256, numberToHex } from 'viem'
import type { AbortOptions, Address, FeeStyle, Logger } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { aborted, describeRevert, errorText, refusal, revertOf, shortText } from './errors.ts'
import { createFeeMarket, type FeeMarket, type FeeOffer, mostOf, raiseFees } from './fees.ts'
import { LeftBehind } from './left-behind.ts'
import type { Rpc } from './rpc.ts'
import {
  type MinedTransaction,
  type Receipt,
  type TransactionQueue,
  type TransactionRequest,
  type TransactionSigner,
  toMined
} from './transactions.ts'

/** Few in flight: nodes take only so many queued transactions of one account, and a stuck one holds up all behind it. */
const MAX_IN_FLIGHT = 16
/** Of them: whoever asks for many relays must not keep a claim from being sent. */
const MAX_YIELDING = 8
/** Between estimate and block the state moves: a listing's first post, another channel's claim. */
const GAS_MARGIN_PERCENT = 130n
/** 1.15⁸ ≈ 3 times the first price; after that only a higher market price raises it. */
const MAX_BUMPS = 8
/** Another process with the same wallet may win the race for a nonce some times in a row. */
const SEND_ATTEMPTS = 12
const MAX_JITTER_MS = 100
/** A receipt may trail the nonce on nodes behind a load balancer. */
const TICKS_UNTIL_REPLACED = 20

export interface QueueTiming {
  /** How often receipts are asked for while something is in flight, ms. */
  poll: number
  /** After this long without a receipt, a transaction that the node no longer knows is sent again, ms. */
  resend: number
  /** After this long the oldest transaction in flight is offered more, ms. */
  bump: number
}

export const DEV_TIMING: QueueTiming = { poll: 20, resend: 300, bump: 10_000 }
export const PUBLIC_TIMING: QueueTiming = { poll: 2000, resend: 15_000, bump: 45_000 }

export interface TransactionQueueInit {
  rpc: Rpc
  chainId: number
  signer: TransactionSigner
  /** Blocks on top of a transaction's own until it counts; 0: as soon as it is mined. */
  confirmations: number
  /** @default 'eip1559' */
  fees?: FeeStyle | undefined
  timing: QueueTiming
  logger: Logger
}

interface Job {
  readonly request: TransactionRequest
  settled: boolean
  readonly resolve: (mined: MinedTransaction) => void
  readonly reject: (error: DdmError) => void
}

interface Flight {
  readonly job: Job
  readonly nonce: number
  readonly gas: bigint
  fees: FeeOffer
  raw: Hex
  /** Hashes of all versions sent under this nonce, newest first: any of them may be the one that is mined. */
  hashes: Hex[]
  /** When the node was last given it or seen to know it. */
  seenAt: number
  pricedAt: number
  ticksWithoutReceipt: number
}

export function createTransactionQueue(init: TransactionQueueInit): TransactionQueue {
  return new NonceQueue(init)
}

class NonceQueue implements TransactionQueue {
  readonly account: Address
  readonly #init: TransactionQueueInit
  readonly #stop = new AbortController()
  readonly #waiting: Job[] = []
  /** By nonce, ascending. */
  readonly #flights = new Map<number, Flight>()
  readonly #fees: FeeMarket
  readonly #leftBehind: LeftBehind
  #sending: Promise<void> | undefined
  #watching: Promise<void> | undefined

  constructor(init: TransactionQueueInit) {
    this.#init = init
    this.account = init.signer.address.toLowerCase() as Address
    this.#fees = createFeeMarket((method, params) => this.#rpc(method, params), init.fees)
    this.#leftBehind = new LeftBehind({ count: (at) => this.#count(at), timing: init.timing })
  }

  get size(): number {
    return this.#waiting.length + this.#flights.size
  }

  send(request: TransactionRequest, options?: AbortOptions): Promise<MinedTransaction> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal
      if (this.#stop.signal.aborted || signal?.aborted === true) {
        reject(aborted(request.label, signal?.reason))
        return
      }
      const settle = (): void => {
        job.settled = true
        signal?.removeEventListener('abort', onAbort)
      }
      const job: Job = {
        request,
        settled: false,
        resolve: (mined) => {
          settle()
          resolve(mined)
        },
        reject: (error) => {
          settle()
          reject(error)
        }
      }
      const onAbort = (): void => job.reject(aborted(request.label, signal?.reason))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(job)
      this.#wake()
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#sending, this.#watching])
    for (const job of [...this.#waiting.splice(0), ...[...this.#flights.values()].map(({ job }) => job)]) {
      if (!job.settled) job.reject(aborted(job.request.label))
    }
    this.#flights.clear()
  }

  #rpc<T>(method: string, params: unknown[]): Promise<T> {
    return this.#init.rpc.request<T>(method, params, { signal: this.#stop.signal })
  }

  #wake(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
      // Something may have been queued while the loop was ending.
      if (this.#canSend()) this.#wake()
    })
  }

  #canSend(): boolean {
    return this.#next() !== -1
  }

  /** Where the one that is sent next waits; -1 when none can be. */
  #next(): number {
    if (this.#flights.size >= MAX_IN_FLIGHT || this.#stop.signal.aborted) return -1
    const first = this.#waiting.findIndex(({ request }) => request.yields !== true)
    if (first !== -1 || this.#waiting.length === 0) return first
    const yielding = [...this.#flights.values()].filter(({ job }) => job.request.yields === true)
    return yielding.length < MAX_YIELDING ? 0 : -1
  }

  /** One at a time: the nonce is given at the moment of sending, so what fails before that leaves no gap. */
  async #sendAll(): Promise<void> {
    for (let next = this.#next(); next !== -1; next = this.#next()) {
      const [job] = this.#waiting.splice(next, 1)
      if (job === undefined || job.settled) continue
      try {
        await this.#launch(job)
      } catch (error) {
        job.reject(this.#asDdmError(job, error))
      }
    }
  }

  async #launch(job: Job): Promise<void> {
    const gas = await this.#simulate(job.request)
    for (let attempt = 1; !job.settled; attempt++) {
      const nonce = await this.#nextNonce()
      if (job.settled) return
      const stuck = this.#leftBehind.has(nonce)
      const market = await this.#fees.current()
      const flight = await this.#sign(job, nonce, gas, stuck ? this.#leftBehind.offer(market) : market)
      this.#flights.set(nonce, flight)
      const outcome = await this.#submit(flight).catch((error: unknown) => {
        this.#flights.delete(nonce)
        throw error
      })
      if (outcome === 'sent') {
        this.#watching ??= this.#watch()
        this.#init.logger.debug('transaction sent', { label: job.request.label, nonce, hash: flight.hashes[0] })
        if (stuck) this.#init.logger.info('replaced what an earlier run left in the pool', { nonce })
        return
      }
      this.#flights.delete(nonce)
      if (outcome === 'tooCheap') {
        this.#fees.forget()
        this.#leftBehind.forget()
      }
      if (outcome === 'underpriced' && stuck) this.#leftBehind.refused(flight.fees)
      if (attempt === SEND_ATTEMPTS) {
        const problem = {
          tooCheap: 'the price of gas changes faster than the offers',
          underpriced: `nonce ${nonce} of ${this.account} is taken by a transaction that ${mostOf(flight.fees)} wei per gas do not replace; send again to offer more`,
          taken: `nonce ${nonce} of ${this.account} is taken again and again; does another process send from this wallet?`
        }[outcome]
        throw new DdmError('chain', `${job.request.label}: ${problem}`)
      }
      await sleep(Math.random() * MAX_JITTER_MS, undefined, { signal: this.#stop.signal })
    }
  }

  /** Gas limit. Estimating runs the call, so a transaction that would revert is never sent. */
  async #simulate(request: TransactionRequest): Promise<bigint> {
    const estimate = await this.#estimate(request)
    const limit = (estimate * GAS_MARGIN_PERCENT) / 100n
    const { label, maxGas } = request
    if (maxGas === undefined || limit <= maxGas) return limit
    if (estimate <= maxGas) return maxGas
    throw new DdmError('chain', `${label}: it needs ${estimate} gas, at most ${maxGas} are spent on it`, {
      details: { need: `${estimate}`, most: `${maxGas}` }
    })
  }

  async #estimate(request: TransactionRequest): Promise<bigint> {
    try {
      return BigInt(await this.#rpc<Hex>('eth_estimateGas', [this.#call(request)]))
    } catch (error) {
      const revert = revertOf(error)
      if (revert !== undefined) throw refusal(request.label, revert, {}, error)
      throw error
    }
  }

  #call(request: TransactionRequest): Record<string, unknown> {
    const { to, data, value } = request
    return { from: this.account, ...(to && { to }), data, ...(value && { value: numberToHex(value) }) }
  }

  async #nextNonce(): Promise<number> {
    if (this.#flights.size === 0) return this.#leftBehind.firstNonce({ signal: this.#stop.signal })
    const own = Math.max(...this.#flights.keys()) + 1
    // Another process may use the wallet.
    return this.#leftBehind.has(own) ? own : Math.max(own, await this.#count('pending'))
  }

  async #count(at: 'latest' | 'pending'): Promise<number> {
    return Number(await this.#rpc<Hex>('eth_getTransactionCount', [this.account, at]))
  }

  async #sign(job: Job, nonce: number, gas: bigint, fees: FeeOffer): Promise<Flight> {
    const { to, data, value } = job.request
    const { chainId, signer } = this.#init
    const common = { chainId, nonce, gas, ...(to && { to }), data, value: value ?? 0n }
    const raw = await signer.signTransaction(
      'gasPrice' in fees ? { type: 'legacy', ...common, ...fees } : { type: 'eip1559', ...common, ...fees }
    )
    const now = Date.now()
    const hashes = [keccak256(raw)]
    return { job, nonce, gas, fees, raw, hashes, seenAt: now, pricedAt: now, ticksWithoutReceipt: 0 }
  }

  /**
   * `sent` when the node took it or may have taken it: without a clear no, only watching the nonce tells.
   * `taken` when the nonce belongs to another transaction, `underpriced` when that one is in the pool and offers too much to
   * be replaced, `tooCheap` when the base fee rose past the offer.
   */
  async #submit(flight: Flight): Promise<'sent' | 'taken' | 'underpriced' | 'tooCheap'> {
    flight.seenAt = Date.now()
    try {
      await this.#rpc<Hex>('eth_sendRawTransaction', [flight.raw])
      return 'sent'
    } catch (error) {
      if (error instanceof DdmError && error.code !== 'networkMismatch') return 'sent'
      const text = errorText(error)
      if (/already (known|imported|exists)|known transaction/i.test(text)) return 'sent'
      // A chain with one gas price (IOTA EVM) takes no other, and may have changed it.
      if (/base ?fee|fee cap|invalid gas price/i.test(text)) return 'tooCheap'
      const underpriced = /underpriced|replacement ?not ?allowed/i.test(text)
      if (underpriced || /nonce (is )?too low|nonce.*(already|used)/i.test(text)) {
        if (await this.#isKnown(flight)) return 'sent'
        return underpriced ? 'underpriced' : 'taken'
      }
      throw error
    }
  }

  async #isKnown(flight: Flight): Promise<boolean> {
    return (await this.#rpc<unknown>('eth_getTransactionByHash', [flight.hashes[0]])) !== null
  }

  async #watch(): Promise<void> {
    const { timing, logger } = this.#init
    try {
      while (this.#flights.size > 0 && !this.#stop.signal.aborted) {
        try {
          await this.#tick()
        } catch (error) {
          // Without an answer nothing can be decided; callers end their wait by their signal.
          logger.debug('cannot follow transactions', { reason: shortText(error) })
        }
        this.#wake()
        if (this.#flights.size > 0) await sleep(timing.poll, undefined, { signal: this.#stop.signal })
      }
    } catch {
      // the sleep was aborted by close
    } finally {
      this.#watching = undefined
    }
    if (this.#flights.size > 0 && !this.#stop.signal.aborted) this.#watching = this.#watch()
  }

  async #tick(): Promise<void> {
    const mined = await this.#count('latest')
    const head = BigInt(await this.#rpc<Hex>('eth_blockNumber', []))
    let oldest = true
    for (const flight of [...this.#flights.values()].sort((a, b) => a.nonce - b.nonce)) {
      if (flight.nonce < mined) {
        await this.#follow(flight, head)
      } else {
        await this.#push(flight, oldest).catch((error: unknown) => {
          const { label } = flight.job.request
          this.#init.logger.debug('cannot send a transaction again', { label, reason: shortText(error) })
        })
        oldest = false
      }
    }
  }

  /** The nonce is used: by one of our versions, or by a stranger's transaction. A reorg brings it back to `#push`. */
  async #follow(flight: Flight, head: bigint): Promise<void> {
    for (const hash of flight.hashes) {
      const receipt = await this.#rpc<Receipt | null>('eth_getTransactionReceipt', [hash])
      if (receipt === null) continue
      flight.ticksWithoutReceipt = 0
      if (head - BigInt(receipt.blockNumber) >= BigInt(this.#init.confirmations)) await this.#finish(flight, receipt)
      return
    }
    if (++flight.ticksWithoutReceipt < TICKS_UNTIL_REPLACED) return
    this.#flights.delete(flight.nonce)
    flight.job.reject(
      new DdmError(
        'chain',
        `${flight.job.request.label}: another transaction of ${this.account} took nonce ${flight.nonce}; ` +
          'does another process send from this wallet?',
        { details: { nonce: flight.nonce, hash: flight.hashes[0] as Hex } }
      )
    )
  }

  async #finish(flight: Flight, receipt: Receipt): Promise<void> {
    const { job } = flight
    if (receipt.status === '0x1') {
      this.#flights.delete(flight.nonce)
      job.resolve(toMined(receipt))
      return
    }
    const reason = await this.#reasonOf(job.request, BigInt(receipt.blockNumber))
    this.#flights.delete(flight.nonce)
    job.reject(refusal(job.request.label, reason, { hash: receipt.transactionHash }))
  }

  /** A receipt carries no reason; the same call on the state before the block most likely fails the same way. */
  async #reasonOf(request: TransactionRequest, blockNumber: bigint): Promise<ReturnType<typeof describeRevert>> {
    for (const at of [blockNumber - 1n, blockNumber]) {
      try {
        await this.#rpc<Hex>('eth_call', [this.#call(request), numberToHex(at)])
      } catch (error) {
        const revert = revertOf(error)
        if (revert !== undefined) return revert
      }
    }
    return describeRevert('0x', 'the transaction reverted in its block')
  }

  /** Keeps a transaction that is not mined alive: sends it again when the node forgot it, offers more when it is stuck. */
  async #push(flight: Flight, oldest: boolean): Promise<void> {
    const { timing, logger } = this.#init
    flight.ticksWithoutReceipt = 0
    if (Date.now() - flight.seenAt < timing.resend) return
    if (!(await this.#isKnown(flight))) {
      logger.warn('sending a dropped transaction again', { label: flight.job.request.label, nonce: flight.nonce })
      // Nodes drop what the base fee has left behind or a full pool has no place for, and take it back only at a higher price.
      const outcome = await this.#submit(flight)
      if (outcome === 'tooCheap' || outcome === 'underpriced') await this.#bump(flight)
      return
    }
    flight.seenAt = Date.now()
    if (oldest && Date.now() - flight.pricedAt >= timing.bump) await this.#bump(flight)
  }

  async #bump(flight: Flight): Promise<void> {
    const { nonce, gas, job } = flight
    this.#fees.forget()
    const market = await this.#fees.current()
    flight.pricedAt = Date.now()
    if (flight.hashes.length > MAX_BUMPS && mostOf(market) <= mostOf(flight.fees)) return
    const fees = raiseFees(flight.fees, market)
    const { raw, fees: offered, hashes } = flight
    const replacement = await this.#sign(job, nonce, gas, fees)
    flight.raw = replacement.raw
    flight.fees = fees
    // Listed before it is sent: whatever the node answers, it may be the one that is mined.
    flight.hashes = [...replacement.hashes, ...flight.hashes]
    this.#init.logger.info('raising the fee of a stuck transaction', {
      label: job.request.label,
      nonce,
      perGas: String(mostOf(fees))
    })
    // The version that the node took is the one to look for and to send again.
    const keepOld = (): unknown => Object.assign(flight, { raw, hashes: [...hashes, ...replacement.hashes] })
    const outcome = await this.#submit(flight).catch((error: unknown) => {
      keepOld()
      flight.fees = offered
      throw error
    })
    if (outcome === 'sent') return
    keepOld()
    // The next offer is above this one, except where gas has one price.
    if ('gasPrice' in fees) flight.fees = offered
  }

  #asDdmError(job: Job, error: unknown): DdmError {
    const { label } = job.request
    if (this.#stop.signal.aborted) return aborted(label, error)
    if (error instanceof DdmError) return error
    if (/insufficient funds|not enough (funds|balance)|insufficient balance/i.test(errorText(error))) {
      return new DdmError(
        'funds',
        `${label}: ${this.account} has too little native currency for the fee (${shortText(error)}); send it some`,
        { cause: error, details: { account: this.account } }
      )
    }
    return new DdmError('chain', `${label}: the node refused the transaction: ${shortText(error)}`, { cause: error })
  }
}
