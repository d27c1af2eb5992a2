import {
  type AbortOptions,
  DdmError,
  due,
  type Listing,
  type Logger,
  type NetworkToken,
  type Payer,
  type Price,
  priceText,
  type SessionStore
} from '../interface/index.ts'
import {
  BuyerSession,
  CLOSE_REASON,
  type OrderWish,
  type RecordBatch,
  SDPP_PROTOCOL,
  systemClock
} from '../protocols/sdpp/index.ts'
import type { StatementSigner } from '../statements/index.ts'
import { atomicAmount, priceFromText, tokenText } from './money.ts'
import type { Network, ResolvedPeer } from './network.ts'
import type { BuyOptions, Purchase, PurchasedRecord, PurchaseOutcome, PurchaseStatus } from './types.ts'

export interface PurchaseComponents {
  network: Pick<Network, 'resolvePeer' | 'openStream'>
  signer: StatementSigner
  sessions: SessionStore
  payers: readonly Payer[]
  token: NetworkToken
  logger: Logger
  /** Defaults of the node, atomic units. */
  prepay: bigint
  maximum: bigint
  find: (listing: string, options?: AbortOptions) => Promise<Listing>
}

const decoder = new TextDecoder()

/** Its view of the batch is made when it is looked at. */
class BoughtRecord implements PurchasedRecord {
  readonly #batch: RecordBatch
  readonly #index: number

  constructor(batch: RecordBatch, index: number) {
    this.#batch = batch
    this.#index = index
  }

  get offset(): bigint {
    return this.#batch.first + BigInt(this.#index)
  }

  get bytes(): Uint8Array {
    return this.#batch.bytesOf(this.#index)
  }

  text(): string {
    return decoder.decode(this.bytes)
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T
  }
}

/** Why a session ended, as users read it. */
function reasonName(reason: number): string {
  return Object.entries(CLOSE_REASON).find(([, code]) => code === reason)?.[0] ?? `reason ${reason}`
}

/** Starts a purchase at once; errors come out of the iteration and of `done`. */
export class RunningPurchase implements Purchase {
  readonly #components: PurchaseComponents
  readonly #options: BuyOptions
  readonly #startedAt = performance.now()
  readonly #session: Promise<BuyerSession>
  readonly #listing: Promise<Listing>
  readonly #stop = new AbortController()
  readonly done: Promise<PurchaseOutcome>
  #open: BuyerSession | undefined
  #source: ResolvedPeer['source'] | undefined
  #firstRecordAt: number | undefined

  constructor(listing: string | Listing, options: BuyOptions, components: PurchaseComponents) {
    this.#components = components
    this.#options = options
    this.#listing = typeof listing === 'string' ? components.find(listing, options) : Promise.resolve(listing)
    this.#session = this.#openSession()
    this.done = this.#outcome()
    this.#session.catch(() => {})
    this.done.catch(() => {})
  }

  get status(): PurchaseStatus {
    const nothing = {
      id: undefined,
      phase: 'resolving',
      received: 0n,
      handled: 0n,
      due: 0n,
      paid: 0n,
      credited: 0n,
      pending: 0n,
      risk: 0n,
      invoices: 0,
      payments: 0
    }
    const status = this.#open?.status ?? nothing
    const seconds = this.#firstRecordAt === undefined ? 0 : (performance.now() - this.#firstRecordAt) / 1000
    return { ...status, resolvedThrough: this.#source, rate: seconds > 0 ? Number(status.received) / seconds : 0 }
  }

  stop(): void {
    this.#stop.abort(new DdmError('aborted', 'the purchase was stopped'))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord, void, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  async *batches(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    const session = await this.#session
    for await (const batch of session.batches()) {
      this.#firstRecordAt ??= performance.now()
      const records = new Array<PurchasedRecord>(batch.length)
      for (let i = 0; i < batch.length; i++) records[i] = new BoughtRecord(batch, i)
      yield records
    }
    // A session that failed after its last record must not look like the end of the data.
    await session.done
  }

  async #openSession(): Promise<BuyerSession> {
    const { network, signer, sessions, payers, logger } = this.#components
    const signal =
      this.#options.signal === undefined
        ? this.#stop.signal
        : AbortSignal.any([this.#options.signal, this.#stop.signal])
    const listing = await this.#listing
    if (listing.status !== 'active') {
      throw new DdmError('refused', `listing ${listing.id} ("${listing.document.title}") is ${listing.status}`)
    }
    const wish = this.#wish(listing)
    const { token } = this.#components
    const { maxPrice, answering } = this.#options
    const per = listing.document.payment[0]?.price ?? { unit: 'record' as const, count: 1 }
    const limit = maxPrice === undefined ? undefined : priceFromText(maxPrice, { unit: per.unit, count: 1 }, token)
    this.#checkListed(listing, wish, limit)
    const { source } = await network.resolvePeer(listing.peerId, { signal, refresh: true })
    this.#source = source
    const stream = await network.openStream(listing.peerId, SDPP_PROTOCOL, { signal })
    const session = new BuyerSession(
      stream,
      listing.peerId,
      {
        listing,
        wish,
        ...(limit === undefined ? {} : { maxPrice: limit }),
        ...(answering === undefined ? {} : { answering })
      },
      { signer, sessions, payers, clock: systemClock, logger }
    )
    await session.open({ signal })
    this.#open = session
    return session
  }

  /** What the listing says is known before anybody is dialled; the offer is held against the same limits again. */
  #checkListed(listing: Listing, wish: OrderWish, limit: Pick<Price, 'amount' | 'count'> | undefined): void {
    const { token } = this.#components
    const prices = listing.document.payment.map(({ price: { amount, count, unit } }): Price => {
      return { amount: BigInt(amount), count: BigInt(count), unit }
    })
    const least = prices
      .map((price) => due(price, { n: 1n, records: 1n, bytes: 1n }))
      .sort((a, b) => (a < b ? -1 : 1))[0]
    if (least !== undefined && least > wish.maximum) {
      const [have, need] = [tokenText(wish.maximum, token), tokenText(least, token)]
      throw new DdmError(
        'priceAboveLimit',
        `one record of listing ${listing.id} costs ${need}, more than the maximum ${have}`,
        {
          details: { price: need, max: have }
        }
      )
    }
    const [first] = prices
    if (limit === undefined || first === undefined) return
    if (prices.some((price) => price.amount * limit.count <= limit.amount * price.count)) return
    const [asked, allowed] = [priceText(first, token), priceText({ ...limit, unit: first.unit }, token)]
    throw new DdmError('priceAboveLimit', `listing ${listing.id} costs ${asked}, more than your limit ${allowed}`, {
      details: { price: asked, limit: allowed }
    })
  }

  #wish(listing: Listing): OrderWish {
    const { records, from, max, k, prepay, duration } = this.#options
    const { token } = this.#components
    const quantity = records === undefined ? undefined : BigInt(records)
    if (quantity !== undefined && quantity < 1n) throw new DdmError('usage', `--records ${quantity} is not 1 or more`)
    const finite = listing.document.cadence?.mode === 'finite'
    return {
      from: startOf(from, finite),
      ...(quantity === undefined ? {} : { quantity }),
      ...(duration === undefined ? {} : { duration: BigInt(duration) }),
      ...(k === undefined ? {} : { k: BigInt(k) }),
      prepay: prepay === undefined ? this.#components.prepay : atomicAmount(prepay, token, 'prepay'),
      maximum: max === undefined ? this.#defaultMaximum(listing, quantity) : atomicAmount(max, token, 'max')
    }
  }

  /** What the wanted records cost at the listing's price, else what the node allows a session. */
  #defaultMaximum(listing: Listing, quantity: bigint | undefined): bigint {
    const { maximum } = this.#components
    const price = listing.document.payment[0]?.price
    if (price === undefined || quantity === undefined || price.unit !== 'record') return maximum
    const cost = due(
      { amount: BigInt(price.amount), count: BigInt(price.count), unit: price.unit },
      { n: quantity, records: quantity, bytes: 0n }
    )
    return cost
  }

  async #outcome(): Promise<PurchaseOutcome> {
    const session = await this.#session
    const listing = await this.#listing
    const { id, received, due: owed, paid, credited, reason } = await session.done
    const at = this.#startedAt
    return {
      session: id,
      listing: listing.id,
      seller: listing.peerId,
      records: received,
      due: owed,
      paid,
      credited,
      reason: reasonName(reason),
      firstRecordMs: this.#firstRecordAt === undefined ? undefined : this.#firstRecordAt - at,
      totalMs: performance.now() - at
    }
  }
}

function startOf(from: BuyOptions['from'], finite: boolean): OrderWish['from'] {
  if (from === 'live') return { live: true }
  if (from !== undefined) return { offset: BigInt(from) }
  return finite ? { earliest: true } : { live: true }
}
