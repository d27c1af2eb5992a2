import type { AbortOptions, Address, AssetId, Hex, NetworkId } from './common.ts'
import type { RailName } from './payment.ts'

/** What one price buys: `amount` atomic units per `count` records or KiB. */
export type PriceUnit = 'record' | 'KiB'

export interface Price {
  /** Atomic units. */
  amount: bigint
  count: bigint
  unit: PriceUnit
}

/** A way to pay, as a listing document names it: rail, asset and the account that is paid. */
export interface ListingPayment {
  rail: RailName
  /** CAIP-2; absent for the free rail. */
  network?: NetworkId
  /** CAIP-19; absent for the free rail. */
  asset?: AssetId
  /** Account that is paid, lower case: 20 bytes on evm, 32 on iota; absent for the free rail. */
  payTo?: Hex
  price: { amount: string; count: number; unit: PriceUnit }
}

/**
 * Listing document, version 1: a dag-json block of at most 64 KiB on IPFS; the sha2-256 digest of its CID is the
 * `manifest` in the contract. No IP address is in it: sellers are found by peer ID. Strict: unknown keys are refused,
 * extensions go under `ext`. Normative text: docs/specs/registry.md.
 */
export interface ListingDocument {
  v: 1
  /** `listingId` of the contract, lower case hex. */
  id: Hex
  title: string
  description: string
  keywords?: string[]
  language?: string[]
  seller: {
    peerId: string
    account?: Address
    name?: string
    contact?: string
    credentials?: Array<Record<string, string>>
  }
  /** GeoJSON order: longitude, latitude. */
  spatial?: { point?: [number, number]; bbox?: [number, number, number, number]; place?: string; mobile?: boolean }
  temporal?: { from?: string; to?: string; replay?: boolean }
  cadence?: { mode: 'periodic' | 'event' | 'on-demand' | 'finite'; periodMs?: number }
  instrument?: { name?: string; model?: string; accuracy?: string }
  /** Units are UCUM codes. */
  variables?: Array<{ path: string; name: string; ucum?: string; observedProperty?: string }>
  schema: {
    encoding: 'json' | 'text' | 'cbor' | 'bytes'
    contentType?: string
    jsonSchema?: Record<string, unknown>
    maxRecordBytes?: number
  }
  payment: ListingPayment[]
  /** Offsets that cost nothing, the same for everyone. */
  freeRange?: { from: number; to: number }
  sample?: unknown[]
  /** SPDX identifier of the licence of the data. */
  license?: { spdx?: string; url?: string }
  /** Peer IDs, besides the seller's own, whose key may sign for this listing. */
  signers?: string[]
  access?: { note?: string }
  issuedAt: string
  ext?: Record<string, unknown>
}

export type ListingStatus = 'active' | 'paused' | 'retired'

/** `confirmed`: the chain says so. `announced`: a gossip hint that nobody has verified yet. */
export type ListingTrust = 'confirmed' | 'announced'

/** A listing as the local index knows it. */
export interface Listing {
  id: Hex
  version: number
  /** CID (string) of the listing document. */
  cid: string
  status: ListingStatus
  trust: ListingTrust
  /** EVM account that posted it. */
  account: Address
  /** Seller's peer ID from the document. */
  peerId: string
  document: ListingDocument
  /** Unix ms of the contract's last event about it, or of the announcement. */
  updatedAt: number
  /** Where it stands on the chain; absent while only announced. */
  transaction?: { hash: Hex; blockNumber: bigint; blockHash: Hex }
}

export interface SearchQuery {
  /** Words; every term must occur (prefix of a word is enough). Empty: all listings; what this node learned last comes first. */
  text?: string
  bbox?: [number, number, number, number]
  maxPrice?: bigint
  seller?: string
  /** Exactly this keyword, kind (cadence), way to pay, licence (SPDX). */
  keyword?: string
  kind?: string
  rail?: string
  license?: string
  /** Also listings that are only announced. @default false */
  announced?: boolean
  /** `any`: paused and retired ones, too. @default 'active' */
  status?: 'active' | 'any'
  /** @default 20, at most 200 */
  limit?: number
  offset?: number
}

/** What a search may be narrowed by: values that listings have as they are, not as words. */
export const FACETS = ['keyword', 'kind', 'rail', 'license'] as const

export type FacetName = (typeof FACETS)[number]

/** How many listings of a search have a value; those of one facet are counted as if it were not chosen. */
export interface FacetCount {
  facet: FacetName
  value: string
  count: number
}

export type ListingEvent = { type: 'added' | 'updated' | 'removed'; listing: Listing }

/** What the rest of the node sees of the registry. */
export interface Registry {
  search: (query: SearchQuery, options?: AbortOptions) => Promise<Listing[]>
  /** What the results of a search can be narrowed by, the most frequent values of each facet first. */
  facets: (query: SearchQuery, options?: AbortOptions) => Promise<FacetCount[]>
  /** By full ID, unique prefix (≥ 4 hex digits after 0x) or document CID. Throws `notFound` or `ambiguous`. */
  get: (id: string, options?: AbortOptions) => Promise<Listing>
  watch: (query: SearchQuery, options?: AbortOptions) => AsyncIterable<ListingEvent>
  /** document → CID → contract → announcement → provider record. */
  publish: (draft: ListingDraft, options?: AbortOptions) => Promise<Listing>
  setStatus: (id: Hex, status: ListingStatus, options?: AbortOptions) => Promise<void>
  /** Resolves when the index has reached the chain's head as of the call. */
  synced: (options?: AbortOptions) => Promise<void>
}

/** A document without the parts that publish fills in; `salt` names the listing among those of one account. */
export interface ListingDraft {
  /** 32 bytes; the same salt again publishes a new version of the same listing. */
  salt: Hex
  document: Omit<ListingDocument, 'v' | 'id' | 'issuedAt'>
}

/** One event of the registry contract, decoded. Keyed by (blockHash, logIndex). */
export type RegistryLog = {
  blockNumber: bigint
  blockHash: Hex
  logIndex: number
  transactionHash: Hex
  /** Unix seconds of the block. */
  timestamp: bigint
} & (
  | {
      event: 'ListingPut'
      listingId: Hex
      seller: Address
      version: number
      manifest: Hex
      token: Address
      unitPrice: bigint
      unit: number
    }
  | { event: 'ListingStatus'; listingId: Hex; seller: Address; version: number; status: ListingStatus }
  | { event: 'PeerBound'; seller: Address; peerKey: Hex }
)

export interface ChainBlock {
  number: bigint
  hash: Hex
  parentHash: Hex
  timestamp: bigint
}

/** What the registry needs of a chain. Implemented by chain (viem). */
export interface RegistryChain {
  readonly chainId: number
  readonly genesisHash: Hex
  readonly registry: Address
  /** Account that posts; lower case. */
  readonly account: Address | undefined
  head: (options?: AbortOptions) => Promise<ChainBlock>
  block: (at: bigint | Hex, options?: AbortOptions) => Promise<ChainBlock | undefined>
  /** Logs of a range of block numbers, halving the range by itself when the RPC refuses its size. */
  logs: (from: bigint, to: bigint, options?: AbortOptions) => Promise<RegistryLog[]>
  logsOf: (blockHash: Hex, options?: AbortOptions) => Promise<RegistryLog[]>
  /** Calls back at each new head (websocket or polling); returns the function that stops it. */
  onHead: (listener: (head: ChainBlock) => void) => () => void
  listingId: (account: Address, salt: Hex) => Hex
  post: (
    listing: { salt: Hex; manifest: Hex; token: Address; unitPrice: bigint; unit: number; terms: Hex },
    options?: AbortOptions
  ) => Promise<{ hash: Hex; blockNumber: bigint; blockHash: Hex; version: number }>
  setStatus: (listingId: Hex, status: ListingStatus, options?: AbortOptions) => Promise<{ hash: Hex }>
}
