import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { assetId, networkId } from '../chain/index.ts'
import { feed, goesOnFrom, type OpenProductLog, openProductLog } from '../data/index.ts'
import {
  type AbortOptions,
  type Address,
  type AssetId,
  type BlockStore,
  type Currency,
  currencyOf,
  DdmError,
  type Hex,
  iotaAssetId,
  iotaNetworkId,
  type Listing,
  type ListingDraft,
  type ListingPayment,
  type ListingStatus,
  type Logger,
  type NetworkId,
  type NetworkProfile,
  type Payee,
  type RailName,
  type Registry
} from '../interface/index.ts'
import type { Catalog, Product } from '../protocols/sdpp/index.ts'
import type { Access } from './access.ts'
import { atomicAmount, priceFromText } from './money.ts'
import { type ProductPipeline, productPipeline } from './product-pipeline.ts'
import type { Rails } from './rails.ts'
import type { RetainedProduct } from './retention.ts'
import type { Sale, SellOptions } from './types.ts'

export interface SalesComponents {
  registry: Registry
  blocks: BlockStore
  payees: readonly Payee[]
  listingId: (salt: Hex) => Hex
  peerId: string
  account: Address
  /** The first is meant where a price names no currency. */
  ways: readonly [WayToBePaid, ...WayToBePaid[]]
  access: Access
  /** Default credit per session, whole tokens of each currency. */
  credit: string
  logger: Logger
}

/** One of the currencies that this node is paid in. */
export interface WayToBePaid {
  rail: RailName
  network: NetworkId
  asset: AssetId
  payTo: Hex
  currency: Currency
}

export function waysToBePaid(profile: NetworkProfile, { accounts }: Pick<Rails, 'accounts'>): SalesComponents['ways'] {
  const { evm, iota } = accounts
  const token: WayToBePaid = {
    rail: 'evm',
    network: networkId(profile),
    asset: assetId(profile),
    payTo: evm as Hex,
    currency: currencyOf(profile, 'evm')
  }
  if (iota === undefined || profile.iota === undefined) return [token]
  const { iota: network } = profile
  const currency = currencyOf(profile, 'iota')
  return [token, { rail: 'iota', network: iotaNetworkId(network), asset: iotaAssetId(network), payTo: iota, currency }]
}

interface Offered {
  product: Product
  pipeline: ProductPipeline
  log: OpenProductLog
  /** Its source ends. */
  finite: boolean
  stop: AbortController
  fed: Promise<void>
}

/** What this node sells now: publishes, feeds and serves. */
export class Sales implements Catalog {
  readonly #components: SalesComponents
  readonly #offered = new Map<Hex, Offered>()
  /** Being published, or taken off sale: two sales of a listing would feed one log. */
  readonly #busy = new Map<Hex, Promise<unknown>>()
  readonly #closing = new AbortController()

  constructor(components: SalesComponents) {
    this.#components = components
  }

  products(): readonly Product[] {
    return [...this.#offered.values()].map(({ product }) => product)
  }

  logs(): RetainedProduct[] {
    return [...this.#offered].map(([listing, { finite, log, product }]) => {
      return { listing, finite, log, free: product.listing.document.freeRange }
    })
  }

  async sell(options: SellOptions): Promise<Sale> {
    const draft = this.#draft(options)
    const id = this.#components.listingId(draft.salt)
    if (!this.#offered.has(id)) await this.#busy.get(id)?.catch(() => {})
    if (this.#offered.has(id) || this.#busy.has(id)) {
      throw new DdmError('usage', `"${options.title}" is already on sale; give each product a key of its own`)
    }
    return this.#alone(id, this.#prepare(id, draft, options))
  }

  async #alone<T>(id: Hex, work: Promise<T>): Promise<T> {
    this.#busy.set(id, work)
    try {
      return await work
    } finally {
      this.#busy.delete(id)
    }
  }

  async #prepare(id: Hex, draft: ListingDraft, options: SellOptions): Promise<Sale> {
    const pipeline = await productPipeline(draft.document, options)
    try {
      return await this.#offer(id, draft, options, pipeline)
    } catch (error) {
      this.#components.access.dropRules(id)
      await pipeline.close()
      throw error
    }
  }

  async #offer(id: Hex, draft: ListingDraft, options: SellOptions, pipeline: ProductPipeline): Promise<Sale> {
    const { blocks, payees, logger } = this.#components
    this.#components.access.setRules(id, options)
    const { signal } = this.#closing
    const stopping = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal])
    const listing = await this.#publish(id, draft, { ...options, signal: stopping })
    if (listing.status === 'paused') {
      logger.warn('this listing is paused: nobody can buy it until "ddm listings resume"', { listing: id })
    }
    const log = await openProductLog({ id: await logId(listing, options), store: blocks }, options)
    if (signal.aborted) {
      await log.close()
      throw signal.reason
    }
    const product: Product = {
      listing,
      log,
      payees,
      ...this.#credits(options),
      ...(options.credit === undefined ? {} : { creditForAll: true }),
      k: granularity(options.k),
      ...(options.invoicing === undefined ? {} : { invoicing: options.invoicing })
    }
    const stop = new AbortController()
    const transforms = pipeline.transforms(goesOnFrom(options.source, log) === undefined ? log.head : 0n)
    const fed = log.finished
      ? Promise.resolve()
      : feed(options.source, log, { signal: stop.signal, transforms }).then(() => undefined)
    fed.catch((error: unknown) => {
      if (!stop.signal.aborted) logger.error('source failed', { listing: id, error: String(error) })
    })
    const offered: Offered = { product, pipeline, log, finite: options.source.finite, stop, fed }
    this.#offered.set(id, offered)
    return {
      get listing() {
        return offered.product.listing
      },
      fed,
      log,
      get dropped() {
        return pipeline.dropped
      },
      stop: (stopOptions) => this.#stop(id, stopOptions)
    }
  }

  /** Of what is on sale here: what is paused or retired goes on being fed, and takes no new orders. */
  setStatus(id: Hex, status: ListingStatus): void {
    const offered = this.#offered.get(id)
    if (offered === undefined) return
    const { product } = offered
    offered.product = { ...product, listing: { ...product.listing, status } }
  }

  /** Stops feeding; sessions under way are the protocol's to end. */
  async close(): Promise<void> {
    this.#closing.abort(new DdmError('aborted', 'the node is stopping'))
    await Promise.allSettled(this.#busy.values())
    await Promise.all([...this.#offered.keys()].map((id) => this.#stop(id)))
  }

  async #stop(id: Hex, options: AbortOptions & { retire?: boolean } = {}): Promise<void> {
    const offered = this.#offered.get(id)
    if (offered === undefined) return
    this.#offered.delete(id)
    await this.#alone(id, this.#end(id, offered))
    if (options.retire === true) await this.#components.registry.setStatus(id, 'retired', options)
  }

  async #end(id: Hex, { stop, fed, pipeline, log }: Offered): Promise<void> {
    stop.abort(new DdmError('aborted', 'the sale was stopped'))
    await fed.catch(() => {})
    await pipeline.close()
    await log.close()
    this.#components.access.dropRules(id)
  }

  /** The listing as it stands on the chain when it says the same, on sale or paused; a new version otherwise. */
  async #publish(id: Hex, draft: ListingDraft, options: SellOptions): Promise<Listing> {
    const { registry } = this.#components
    await registry.synced(options)
    const known = await registry.get(id, options).catch((error: unknown) => {
      if (error instanceof DdmError && error.code === 'notFound') return undefined
      throw error
    })
    if (known !== undefined && known.status !== 'retired' && known.trust === 'confirmed') {
      const { v: _v, id: _id, issuedAt: _issuedAt, ...said } = known.document
      if (isDeepStrictEqual(said, draft.document)) return known
    }
    return registry.publish(draft, options)
  }

  #draft(options: SellOptions): ListingDraft {
    const { peerId, account } = this.#components
    const salt: Hex = `0x${digestOf(`ddm-listing:${options.key ?? options.title}`)}`
    const finite = options.source.finite
    return {
      salt,
      document: {
        ...options.document,
        schema: { encoding: 'json', ...options.document?.schema },
        cadence: { mode: finite ? 'finite' : 'event', ...options.document?.cadence },
        ...(options.free === undefined ? {} : freeRange(options.free)),
        title: options.title,
        description: options.description ?? options.title,
        ...(options.keywords === undefined ? {} : { keywords: options.keywords }),
        seller: { peerId, account },
        payment: [options, ...(options.otherPrices ?? [])].map((price) => this.#payment(price))
      }
    }
  }

  /** What a session may owe, in each currency. */
  #credits({ credit = this.#components.credit }: SellOptions): Pick<Product, 'credit' | 'credits'> {
    const { ways } = this.#components
    const all = ways.map(({ rail, currency }) => [rail, atomicAmount(credit, currency, 'credit')] as const)
    return { credit: all[0]?.[1] ?? 0n, credits: Object.fromEntries(all) }
  }

  #payment({ price: written, per }: Pick<SellOptions, 'price' | 'per'>): ListingPayment {
    const { text, way } = this.#wayOf(written)
    const { amount, count, unit } = priceFromText(text, per ?? { unit: 'record', count: 1 }, way.currency)
    const price = { amount: amount.toString(), count: Number(count), unit }
    if (amount === 0n) return { rail: 'free', price }
    const { rail, network, asset, payTo } = way
    return { rail, network, asset, payTo, price }
  }

  /** `0.01 IOTA`: the currency names the rail. */
  #wayOf(written: string): { text: string; way: WayToBePaid } {
    const { ways } = this.#components
    const [text = '', symbol, ...more] = written.trim().split(/\s+/)
    if (symbol === undefined) return { text, way: ways[0] }
    const way = ways.find(({ currency }) => currency.symbol.toLowerCase() === symbol.toLowerCase())
    if (way !== undefined && more.length === 0) return { text, way }
    const known = ways.map(({ currency }) => currency.symbol).join(', ')
    throw new DdmError('usage', `price "${written}" is in none of the currencies of this network: ${known}`)
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function freeRange(count: number): Pick<ListingDraft['document'], 'freeRange'> {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new DdmError('usage', `free is ${count}: give a number of records`)
  return count === 0 ? {} : { freeRange: { from: 0, to: count } }
}

/**
 * A stream goes on where it ended; a finite product starts anew with each version and whenever its source, or what of
 * it is sold, has changed.
 */
async function logId({ id, version }: Listing, options: SellOptions): Promise<string> {
  const { keepLog, source, select, every, interval, time, onInvalid } = options
  const choice = [select, every, interval, time, onInvalid].every((option) => option === undefined)
    ? []
    : [digestOf(JSON.stringify([select, every, interval, time, onInvalid]))]
  if (keepLog ?? !source.finite) return id
  return [id, version, (await source.fingerprint?.()) ?? Date.now(), ...choice].join('/')
}

function granularity(k: SellOptions['k']): Product['k'] {
  const { min, default: usual, max } = k ?? { min: 1, default: 20, max: 1000 }
  if (!(Number.isSafeInteger(min) && min >= 1 && usual >= min && max >= usual)) {
    throw new DdmError('usage', `k ${min}/${usual}/${max}: give 1 ≤ min ≤ default ≤ max`)
  }
  return { min: BigInt(min), default: BigInt(usual), max: BigInt(max) }
}
