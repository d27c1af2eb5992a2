import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AbortOptions, DdmError, type Hex, type ListingStatus, type Logger } from '../interface/index.ts'
import {
  type DdmNode,
  type ProductDescription,
  type Sale,
  type SellOptions,
  sellOptions,
  sourceReach,
  writeFileAtomic
} from '../node/index.ts'
import { PushSource, type PushSourceInit } from './push-source.ts'

/** After this time without a word, whoever pushed a product is gone. */
const SILENT_MS = 60_000
/** A product that could not be put on sale again is tried again after this time, doubled up to the maximum. */
const AGAIN_MS = { first: 15_000, maximum: 600_000 }

const OFF_SALE = {
  paused: 'product is paused: off sale until it is resumed',
  retired: 'product is retired: it is kept no longer'
}

interface Push extends PushSourceInit {
  invoicing?: SellOptions['invoicing'] | undefined
  keepLog?: boolean | undefined
}

/** How the source of a product does; one that waits cannot be reached, and is tried again. */
export interface Feed {
  feeding: 'running' | 'waiting' | 'ended' | 'failed'
  /** Why it waits or has failed. */
  problem?: string
}

/** A product on sale by this node, as the API shows it. */
export interface Offered {
  readonly sale: Sale
  readonly source: string | undefined
  readonly push: PushSource | undefined
  feed: () => Feed
  /** Monotonic ms of the last push. */
  heardAt: number
}

interface Kept {
  listing: Hex
  product: ProductDescription
  paused?: boolean
}

export interface ProductsInit {
  node: DdmNode
  logger: Logger
}

/**
 * What the node sells because somebody told it so over the API. Products with a source that the node opens by itself are
 * kept in `products.json` and are on sale again after a restart.
 */
export class Products {
  readonly #node: DdmNode
  readonly #logger: Logger
  readonly #file: string
  readonly #offered = new Map<Hex, Offered>()
  readonly #kept = new Map<Hex, Kept>()
  /** Kept by an earlier run, and only carried along in this one. */
  readonly #resting = new Set<Hex>()
  /** On sale in an earlier run, and not in this one yet. */
  readonly #unsold = new Map<Hex, { wait: number; at: number }>()
  #loading: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor({ node, logger }: ProductsInit) {
    this.#node = node
    this.#logger = logger
    this.#file = join(node.home, 'products.json')
  }

  list(): Offered[] {
    return [...this.#offered.values()]
  }

  get(id: string): Offered {
    const found = [...this.#offered.entries()].filter(([listing]) => listing.startsWith(id.toLowerCase()))
    const [first] = found
    if (first === undefined) throw new DdmError('notFound', `this node does not sell ${id}`)
    if (found.length > 1) throw new DdmError('ambiguous', `"${id}" fits ${found.length} products; give more of the ID`)
    return first[1]
  }

  /** Goes on selling what an earlier run sold; a product that fails is logged and tried again, the others go on. */
  async reopen(options: AbortOptions = {}): Promise<void> {
    await this.#load()
    this.#resting.clear()
    for (const entry of [...this.#kept.values()]) {
      if (!this.#offered.has(entry.listing)) await this.#offerAgain(entry, AGAIN_MS.first, options)
    }
  }

  /** The file is written whole: what earlier runs kept is known before anything is added, whatever becomes of it here. */
  #load(): Promise<void> {
    this.#loading ??= this.#read().then((kept) => {
      for (const entry of kept) {
        this.#kept.set(entry.listing, entry)
        this.#resting.add(entry.listing)
      }
    })
    return this.#loading
  }

  async #read(): Promise<Kept[]> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{"products":[]}'
      throw new DdmError('config', `cannot read ${this.#file}: ${error.code}`, { cause: error })
    })
    try {
      return (JSON.parse(text) as { products: Kept[] }).products
    } catch (cause) {
      throw new DdmError('config', `${this.#file} is not JSON: ${(cause as Error).message}`, { cause })
    }
  }

  async #offerAgain(kept: Kept, wait: number, options: AbortOptions = {}): Promise<void> {
    const { listing, product } = kept
    try {
      const status = await this.#statusOf(kept, options)
      if (status === 'active') await this.offer(product, undefined, options)
      else {
        await this.#takeOff(kept, status)
        this.#logger.info(OFF_SALE[status], { listing, title: product.title })
      }
      this.#unsold.delete(listing)
    } catch (error) {
      this.#logger.error('product is not on sale', { title: product.title, error: String(error) })
      // What is wrong with the product itself does not mend by waiting; a chain that was away comes back.
      if (error instanceof DdmError && (error.code === 'usage' || error.code === 'config')) this.#unsold.delete(listing)
      else this.#unsold.set(listing, { wait, at: performance.now() + wait })
    }
  }

  /** As the chain has it: a listing may have been paused, resumed or retired while nobody sold it. */
  async #statusOf({ listing, paused }: Kept, options: AbortOptions): Promise<ListingStatus> {
    const { listings } = this.#node
    await listings.synced(options)
    try {
      return (await listings.get(listing, options)).status
    } catch (error) {
      if (!(error instanceof DdmError) || error.code !== 'notFound') throw error
      return paused === true ? 'paused' : 'active'
    }
  }

  async #offerUnsold(): Promise<void> {
    for (const [listing, { wait, at }] of this.#unsold) {
      const kept = this.#kept.get(listing)
      if (kept === undefined || this.#offered.has(listing)) this.#unsold.delete(listing)
      else if (performance.now() >= at) await this.#offerAgain(kept, Math.min(2 * wait, AGAIN_MS.maximum))
    }
  }

  async offer(product: ProductDescription, push?: Push, options: AbortOptions = {}): Promise<Offered> {
    const { source } = product
    if ((source === undefined) === (push === undefined)) {
      throw new DdmError('usage', 'name the source of the product, or push its records: one of the two')
    }
    if (source !== undefined && sourceReach(source) === 'process') {
      throw new DdmError('usage', 'stdin and commands are read by "ddm sell" only, not by the node on its own')
    }
    if (source !== undefined) await this.#load()
    const missing = (key: string): string => `the product has no "${key}"`
    const pushed = push === undefined ? undefined : new PushSource(push)
    const { title } = product
    let feed: Feed = { feeding: 'running' }
    const sold = await sellOptions(pushed === undefined ? product : { ...product, source: 'telemetry' }, {
      missing,
      patient: true,
      onProblem: ({ message: problem }) => {
        feed = { feeding: 'waiting', problem }
        this.#logger.warn('source is tried again', { title, problem })
      },
      onOpened: () => {
        feed = { feeding: 'running' }
      }
    })
    const sale = await this.#node.sell({
      ...sold,
      ...(pushed === undefined ? {} : { source: pushed }),
      ...(push?.invoicing === undefined ? {} : { invoicing: push.invoicing }),
      ...(push?.keepLog === undefined ? {} : { keepLog: push.keepLog }),
      ...options
    })
    const offered: Offered = {
      sale,
      // Without the password that its address may have.
      source: source === undefined ? undefined : sold.source.name,
      push: pushed,
      feed: () => feed,
      heardAt: performance.now()
    }
    sale.fed.then(
      () => {
        feed = { feeding: 'ended' }
      },
      (error: unknown) => {
        feed = { feeding: 'failed', problem: error instanceof Error ? error.message : String(error) }
      }
    )
    const { id } = sale.listing
    this.#offered.set(id, offered)
    if (source !== undefined) await this.#keep(id, { listing: id, product })
    return offered
  }

  /** Pauses, goes on with, or retires a product. One that somebody else feeds goes on being fed: it is his to end. */
  async setStatus(id: Hex, status: ListingStatus, options: AbortOptions = {}): Promise<void> {
    await this.#node.listings.setStatus(id, status, options)
    const kept = this.#kept.get(id)
    if (kept === undefined || this.#resting.has(id)) return
    if (status === 'active') {
      // Whoever goes on with a product whose source has failed has mended it.
      if (this.#offered.get(id)?.feed().feeding === 'failed') await this.#withdraw(id)
      if (!this.#offered.has(id)) await this.offer(kept.product, undefined, options)
    } else await this.#takeOff(kept, status)
  }

  /** Until it is resumed, or for good. */
  async #takeOff(kept: Kept, status: Exclude<ListingStatus, 'active'>): Promise<void> {
    const { listing } = kept
    await this.#withdraw(listing)
    this.#unsold.delete(listing)
    if (status === 'retired') this.#kept.delete(listing)
    else this.#kept.set(listing, { ...kept, paused: true })
    await this.#write()
  }

  /** Takes products off sale whose pushers are gone, and puts on sale what could not be before; returns what ends that. */
  watch(): () => void {
    let isOffering = false
    const timer = setInterval(() => {
      for (const [id, { push, heardAt }] of this.#offered) {
        if (push === undefined || performance.now() - heardAt < SILENT_MS) continue
        this.#logger.warn('nobody pushes this product any more: off sale', { listing: id })
        void this.end(id).catch((error: unknown) => this.#logger.error('off sale failed', { error: String(error) }))
      }
      if (isOffering) return
      isOffering = true
      void this.#offerUnsold().finally(() => {
        isOffering = false
      })
    }, SILENT_MS / 4)
    return () => clearInterval(timer)
  }

  /** Takes a pushed product off sale: whoever pushed it is gone. */
  async end(id: Hex): Promise<void> {
    if (this.#offered.get(id)?.push !== undefined) await this.#withdraw(id)
  }

  async #withdraw(id: Hex): Promise<void> {
    const offered = this.#offered.get(id)
    this.#offered.delete(id)
    await offered?.sale.stop()
  }

  async #keep(id: Hex, kept: Kept): Promise<void> {
    this.#kept.set(id, kept)
    this.#resting.delete(id)
    await this.#write()
  }

  #write(): Promise<void> {
    const text = `${JSON.stringify({ products: [...this.#kept.values()] }, null, 2)}\n`
    this.#writing = this.#writing.catch(() => {}).then(() => writeFileAtomic(this.#file, text))
    return this.#writing
  }
}
