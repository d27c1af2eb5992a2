import { setTimeout as delay } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import {
  type AbortOptions,
  DdmError,
  type FacetCount,
  type Hex,
  type Listing,
  type ListingDocument,
  type ListingDraft,
  type ListingEvent,
  type ListingStatus,
  type SearchQuery
} from '../interface/index.ts'
import { Announcements } from './announcements.ts'
import { Catalog } from './catalog.ts'
import type { RegistryComponents, RegistryInit, RegistryService } from './components.ts'
import { cidToManifest, encodeDocument, postedPrice } from './document.ts'
import { Documents } from './documents.ts'
import { ListingTable } from './listings.ts'
import { ContractSync } from './sync.ts'
import { openTables } from './tables.ts'
import { Watchers } from './watch.ts'

/** `synced` waits this long for documents of listings that are on the chain already. */
const DOCUMENTS_MS = 3_000

/** Who waits for the document of one listing looks this often. */
const LOOK_AGAIN_MS = 100

/** How long the own event of a mined transaction may take to reach the index. */
const INDEXED_MS = 60_000

const SALT = /^0x[0-9a-f]{64}$/

interface Parts {
  sync: ContractSync
  documents: Documents
  announcements: Announcements
}

/**
 * The registry of listings: publishes, follows the contract, hears announcements, keeps documents, answers searches.
 *
 * @example
 * ```ts
 * const registry = createRegistry({ chain, index, blocks, pubsub, contentRouting, peerId, logger }, { network: 'local' })
 * await registry.start()
 * await registry.synced({ signal: AbortSignal.timeout(10_000) })
 * const [listing] = await registry.search({ text: 'hourly weather' })
 * ```
 */
export function createRegistry(components: RegistryComponents, init: RegistryInit): RegistryService {
  return new ContractRegistry(components, init)
}

class ContractRegistry implements RegistryService {
  readonly #components: RegistryComponents
  readonly #init: RegistryInit
  readonly #catalog: Catalog
  readonly #watchers: Watchers
  #started: Parts | undefined

  constructor(components: RegistryComponents, init: RegistryInit) {
    this.#components = components
    this.#init = init
    this.#catalog = new Catalog(components.index)
    this.#watchers = new Watchers(components.index)
  }

  async start(): Promise<void> {
    if (this.#started !== undefined) return
    const { chain, index, blocks, pubsub, contentRouting, logger } = this.#components
    const { network, keepDocuments = false, maxListingsPerAccount = 256, maxAnnounced = 500 } = this.#init
    const { fromBlock = 0n, pollMs = 4_000 } = this.#init
    const { account, chainId } = chain

    const checkpoint = await openTables(index, chain)
    const listings = new ListingTable(index, chainId)
    await listings.open()
    // The own documents are served again from the start, whatever happened to the block store.
    await index.run([
      {
        sql: 'insert or ignore into registry_todo select listing_id from registry_head where seller = ?',
        params: [account ?? '']
      }
    ])

    const watchers = this.#watchers
    const documents = new Documents(
      { index, listings, watchers, blocks, contentRouting, logger },
      { chainId, account, keepDocuments, maxListingsPerAccount }
    )
    const onChange = () => documents.wake()
    const sync = new ContractSync({ chain, index, logger }, { fromBlock, pollMs, onChange }, checkpoint)
    const announcements = new Announcements(
      { pubsub, index, listings, watchers, documents, logger },
      { network, chainId, account, peerId: this.#peerId, maxAnnounced, onHint: () => sync.trigger() }
    )
    this.#started = { sync, documents, announcements }
    sync.start()
    documents.start()
    announcements.start()
  }

  async stop(): Promise<void> {
    const parts = this.#started
    if (parts === undefined) return
    this.#started = undefined
    this.#watchers.stop()
    await Promise.all([parts.announcements.stop(), parts.sync.stop(), parts.documents.stop()])
  }

  async search(query: SearchQuery, options?: AbortOptions): Promise<Listing[]> {
    this.#parts()
    return this.#catalog.search(query, options)
  }

  async facets(query: SearchQuery, options?: AbortOptions): Promise<FacetCount[]> {
    this.#parts()
    return this.#catalog.facets(query, options)
  }

  async get(id: string, options?: AbortOptions): Promise<Listing> {
    this.#parts()
    const end = Date.now() + (this.#init.documentWaitMs ?? 10_000)
    for (;;) {
      try {
        return await this.#catalog.get(id, options)
      } catch (error) {
        if (!isOnItsWay(error) || Date.now() >= end) throw error
      }
      await delay(LOOK_AGAIN_MS, undefined, options?.signal === undefined ? {} : { signal: options.signal })
    }
  }

  watch(query: SearchQuery, options?: AbortOptions): AsyncIterable<ListingEvent> {
    return this.#watchers.watch(query, options)
  }

  async synced(options: AbortOptions = {}): Promise<void> {
    const { sync, documents } = this.#parts()
    await sync.pass(options)
    await documents.settled(DOCUMENTS_MS, options.signal)
  }

  async publish(draft: ListingDraft, options: AbortOptions = {}): Promise<Listing> {
    const { documents, announcements } = this.#parts()
    const { chain, blocks } = this.#components
    const document = this.#document(draft)
    const price = postedPrice(document, chain.chainId)
    const { cid, manifest, bytes } = encodeDocument(document)

    await this.synced(options)
    const current = await this.#confirmed(document.id, options)
    if (current?.status === 'retired') {
      const what = `"${document.title}" was retired for good (listing ${document.id})`
      throw new DdmError('usage', `${what}; to sell it again, publish it under another key`)
    }
    if (current !== undefined && isSame(current, document)) {
      announcements.wake()
      return current
    }
    // Durable here and served before the chain names it: nobody ever finds an event without its document.
    await documents.keep(manifest, bytes)
    await blocks.put(cid, bytes, options)
    const posted = await chain.post({ salt: draft.salt, manifest, ...price, terms: '0x' }, options)
    const listing = await this.#indexed(
      document.id,
      ({ version }) => version >= posted.version,
      `version ${posted.version} was posted in transaction ${posted.hash}`,
      options
    )
    announcements.wake()
    return listing
  }

  async setStatus(id: Hex, status: ListingStatus, options: AbortOptions = {}): Promise<void> {
    const { announcements } = this.#parts()
    const { hash } = await this.#components.chain.setStatus(id, status, options)
    await this.synced(options)
    const current = await this.#confirmed(id, options)
    if (current === undefined) return
    const reason = `status ${status} was set in transaction ${hash}`
    await this.#indexed(id, (listing) => listing.status === status, reason, options)
    announcements.wake()
  }

  get #peerId(): string {
    return this.#components.peerId.toString()
  }

  #parts(): Parts {
    if (this.#started === undefined) throw new DdmError('internal', 'the registry is not running')
    return this.#started
  }

  #document({ salt, document }: ListingDraft): ListingDocument {
    const { chain } = this.#components
    const { account } = chain
    if (account === undefined) throw new DdmError('config', 'publishing needs a wallet; this node has none')
    if (!SALT.test(salt)) throw new DdmError('usage', `salt ${salt} is not 32 bytes of lower case hex`)
    const { seller } = document
    if (seller.peerId !== this.#peerId) {
      throw new DdmError('usage', `the document names the peer ${seller.peerId}; this node is ${this.#peerId}`)
    }
    if (seller.account !== undefined && seller.account !== account) {
      throw new DdmError('usage', `the document names the account ${seller.account}; this node posts as ${account}`)
    }
    return {
      ...document,
      v: 1,
      id: chain.listingId(account, salt),
      seller: { ...seller, account },
      issuedAt: new Date().toISOString()
    }
  }

  async #confirmed(id: Hex, options: AbortOptions): Promise<Listing | undefined> {
    try {
      const listing = await this.#catalog.get(id, options)
      return listing.trust === 'confirmed' ? listing : undefined
    } catch (error) {
      if (error instanceof DdmError && error.code === 'notFound') return undefined
      throw error
    }
  }

  /** Follows the chain until the own event is in the index: its block may be reorganised away and come again. */
  async #indexed(id: Hex, done: (listing: Listing) => boolean, what: string, options: AbortOptions): Promise<Listing> {
    const end = Date.now() + INDEXED_MS
    while (Date.now() < end) {
      await this.synced(options)
      const listing = await this.#confirmed(id, options)
      if (listing !== undefined && done(listing)) return listing
      await delay(100, undefined, options)
    }
    throw new DdmError('chain', `${what}, but the index has not seen it after ${INDEXED_MS / 1000} s`)
  }
}

/** The same document up to its date: publishing it again would cost gas and say nothing new. */
function isSame(current: Listing, document: ListingDocument): boolean {
  const { manifest } = encodeDocument({ ...document, issuedAt: current.document.issuedAt })
  return manifest === cidToManifest(CID.parse(current.cid))
}

/** On the chain, and its document is looked for, or was not looked at yet; its seller may be offline. */
function isOnItsWay(error: unknown): boolean {
  if (!(error instanceof DdmError) || error.code !== 'notFound') return false
  return error.details.state === 'missing' || error.details.state === 'pending'
}
