import type { GossipSub } from '@libp2p/gossipsub'
import type { CID } from 'multiformats/cid'
import type { AbortOptions, IndexStore, Logger, Registry, RegistryChain } from '../interface/index.ts'

/** Content-addressed blocks: a local store, and the peers behind it. */
export interface RegistryBlocks {
  put: (cid: CID, bytes: Uint8Array, options?: AbortOptions) => Promise<unknown>
  /** From the local store or from peers; rejects when aborted, and with `protocol` when the block exceeds `maxBytes`. */
  get: (cid: CID, options: { signal: AbortSignal; maxBytes: number }) => Promise<Uint8Array>
  /** In the local store. */
  has: (cid: CID, options?: AbortOptions) => Promise<boolean>
}

/** The part of gossipsub that carries announcements. Messages must be signed (`StrictSign`). */
export type RegistryPubSub = Pick<
  GossipSub,
  'subscribe' | 'unsubscribe' | 'publish' | 'topicValidators' | 'addEventListener' | 'removeEventListener'
>

/** The part of libp2p's content routing that a publisher needs. */
export interface RegistryContentRouting {
  provide: (cid: CID, options?: AbortOptions) => Promise<void>
}

/** Collaborators, injected by node. */
export interface RegistryComponents {
  chain: RegistryChain
  index: IndexStore
  blocks: RegistryBlocks
  pubsub: RegistryPubSub
  contentRouting: RegistryContentRouting
  /** This node's own ID: only its listings are announced. */
  peerId: { toString: () => string }
  logger: Logger
}

export interface RegistryInit {
  /** Network name from the profile; part of the topic. */
  network: string
  /** Keep, serve and provide the documents of all confirmed listings (full and bootstrap nodes). @default false */
  keepDocuments?: boolean
  /** Listings of one account that are indexed and kept; more are left out. @default 256 */
  maxListingsPerAccount?: number
  /** First block that can hold an event of the contract. @default 0n */
  fromBlock?: bigint
  /** Head is asked this often besides `onHead`, ms. @default 4000 */
  pollMs?: number
  /** `get` waits this long for the document of a listing that is on the chain, ms. @default 10000 */
  documentWaitMs?: number
  /** Listings known only by announcement that are kept. @default 500 */
  maxAnnounced?: number
}

/** Registry with a life: `start` before the first use, `stop` when the node stops. */
export interface RegistryService extends Registry {
  start: () => Promise<void>
  stop: () => Promise<void>
}
