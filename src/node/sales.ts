import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { feed, type OpenProductLog, openProductLog, type RecordTransform } from '../data/index.ts'
import {
  type AbortOptions,
  type Address,
  type AssetId,
  type BlockStore,
  DdmError,
  type Hex,
  type Listing,
  type ListingDraft,
  type ListingPayment,
  type Logger,
  type NetworkId,
  type NetworkToken,
  type Payee,
  type Registry
} from '../interface/index.ts'
import type { Catalog, Product } from '../protocols/sdpp/index.ts'
import type { Access } from './access.ts'
import { atomicAmount, priceFromText } from './money.ts'
import type { Sale, SellOptions } from './types.ts'

export interface SalesComponents {
  registry: Registry
  blocks: BlockStore
  payees: readonly Payee[]
  listingId: (salt: Hex) => Hex
  peerId: string
  account: Address
  networkId: NetworkId
  assetId: AssetId
  token: NetworkToken
  access: Access
  /** Default credit per session, atomic units. */
  credit: bigint
  logger: Logger
}

/** What OFFER states when the listing names no limit. */
const MAX_LISTED_RECORD_BYTES = 65_536

interface Offered {
  product: Product
  log: OpenProductLog
  stop: AbortController
  fed: Promise<void>
}

/** What this node sells now: publishes, feeds and serves. */
export class Sales implements Catalog {
  readonly #components: SalesComponents
  readonly #offered = new Map<Hex, Offered>()

  constructor(components: SalesComponents) {
    this.#components = components
  }

  products(): readonly Product[] {
    return [...this.#offered.values()].map(({ product }) => product)
  }

  async sell(options: SellOptions): Promise<Sale> {
    const { blocks, payees, logger, token } = this.#components
    const draft = this.#draft(options)
    const id = this.#components.listingId(draft.salt)
    if (this.#offered.has(id)) {
      throw new DdmError('usage', `"${options.title}" is already on sale; give each product a key of its own`)
    }
    this.#components.access.setRules(id, options)
    const listing = await this.#publish(id, draft, options)
    const log = await openProductLog({ id: await logId(listing, options), store: blocks }, options)
    const product: Product = {
      listing,
      log,
      payees,
      credit: options.credit === undefined ? this.#components.credit : atomicAmount(options.credit, token, 'credit'),
      ...(options.credit === undefined ? {} : { creditForAll: true }),
      k: granularity(options.k),
      ...(options.invoicing === undefined ? {} : { invoicing: options.invoicing })
    }
    const stop = new AbortController()
    const limit = recordLimit(listing.document.schema.maxRecordBytes ?? MAX_LISTED_RECORD_BYTES)
    // An earlier run of this node may have got part of a finite source into the log, or all of it.
    const transforms = options.source.finite ? [limit, after(log.head)] : [limit]
    const fed = log.finished
      ? Promise.resolve()
      : feed(options.source, log, { signal: stop.signal, transforms }).then(() => undefined)
    fed.catch((error: unknown) => {
      if (!stop.signal.aborted) logger.error('source failed', { listing: id, error: String(error) })
    })
    this.#offered.set(id, { product, log, stop, fed })
    return { listing, fed, log, stop: (stopOptions) => this.#stop(id, stopOptions) }
  }

  /** Stops feeding; sessions under way are the protocol's to end. */
  async close(): Promise<void> {
    await Promise.all([...this.#offered.keys()].map((id) => this.#stop(id)))
  }

  async #stop(id: Hex, options: AbortOptions & { retire?: boolean } = {}): Promise<void> {
    const offered = this.#offered.get(id)
    if (offered === undefined) return
    this.#offered.delete(id)
    offered.stop.abort(new DdmError('aborted', 'the sale was stopped'))
    await offered.fed.catch(() => {})
    await offered.log.close()
    this.#components.access.dropRules(id)
    if (options.retire === true) await this.#components.registry.setStatus(id, 'retired', options)
  }

  /** The listing as it stands on the chain when it says the same; a new version otherwise. */
  async #publish(id: Hex, draft: ListingDraft, options: SellOptions): Promise<Listing> {
    const { registry } = this.#components
    await registry.synced(options)
    const known = await registry.get(id, options).catch((error: unknown) => {
      if (error instanceof DdmError && error.code === 'notFound') return undefined
      throw error
    })
    if (known !== undefined && known.status === 'active' && known.trust === 'confirmed') {
      const { v: _v, id: _id, issuedAt: _issuedAt, ...said } = known.document
      if (isDeepStrictEqual(said, draft.document)) return known
    }
    return registry.publish(draft, options)
  }

  #draft(options: SellOptions): ListingDraft {
    const { peerId, account } = this.#components
    const salt: Hex = `0x${createHash('sha256')
      .update(`ddm-listing:${options.key ?? options.title}`)
      .digest('hex')}`
    const finite = options.source.finite
    return {
      salt,
      document: {
        schema: { encoding: 'json' },
        cadence: { mode: finite ? 'finite' : 'event' },
        ...options.document,
        ...(options.free === undefined ? {} : freeRange(options.free)),
        title: options.title,
        description: options.description ?? options.title,
        ...(options.keywords === undefined ? {} : { keywords: options.keywords }),
        seller: { peerId, account },
        payment: [this.#payment(options)]
      }
    }
  }

  #payment({ price, per }: SellOptions): ListingPayment {
    const { networkId, assetId, account, token } = this.#components
    const { amount, count, unit } = priceFromText(price, per ?? { unit: 'record', count: 1 }, token)
    const stated = { amount: amount.toString(), count: Number(count), unit }
    if (amount === 0n) return { rail: 'free', price: stated }
    return { rail: 'evm', network: networkId, asset: assetId, payTo: account, price: stated }
  }
}

function freeRange(count: number): Pick<ListingDraft['document'], 'freeRange'> {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new DdmError('usage', `free is ${count}: give a number of records`)
  return count === 0 ? {} : { freeRange: { from: 0, to: count } }
}

/** Buyers order with the listing's limit in mind: a larger record could never be paid for. */
function recordLimit(maxBytes: number): RecordTransform {
  return async function* (records) {
    let number = 0
    for await (const record of records) {
      number++
      if (record.bytes.length > maxBytes) {
        throw new DdmError(
          'badRecord',
          `record ${number} has ${record.bytes.length} bytes, the listing's schema.maxRecordBytes is ${maxBytes}`,
          { details: { record: number, bytes: record.bytes.length, limit: maxBytes } }
        )
      }
      yield record
    }
  }
}

/** A stream goes on where it ended; a finite product starts anew with each version and whenever its source changed. */
async function logId({ id, version }: Listing, { keepLog, source }: SellOptions): Promise<string> {
  if (keepLog ?? !source.finite) return id
  return `${id}/${version}/${(await source.fingerprint?.()) ?? Date.now()}`
}

/** Drops records that the log has. */
function after(head: bigint): RecordTransform {
  return async function* (records) {
    let offset = 0n
    for await (const record of records) if (offset++ >= head) yield record
  }
}

function granularity(k: SellOptions['k']): Product['k'] {
  const { min, default: usual, max } = k ?? { min: 1, default: 20, max: 1000 }
  if (!(Number.isSafeInteger(min) && min >= 1 && usual >= min && max >= usual)) {
    throw new DdmError('usage', `k ${min}/${usual}/${max}: give 1 ≤ min ≤ default ≤ max`)
  }
  return { min: BigInt(min), default: BigInt(usual), max: BigInt(max) }
}
