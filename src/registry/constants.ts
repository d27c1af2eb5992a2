/** Largest listing document, bytes (docs/specs/registry.md §2). */
export const MAX_DOCUMENT_BYTES = 64 * 1024

/** Deepest nesting of maps and lists in a document, the document itself being 1 (§2). */
export const MAX_DOCUMENT_DEPTH = 32

/** Largest announcement, bytes (§6). */
export const MAX_ANNOUNCEMENT_BYTES = 4096

/** Unit codes of the contract's `unit` (§4). */
export const UNIT_CODES = { record: 1, KiB: 2 } as const

export const ZERO_ADDRESS = '0x0000000000000000000000000000000000000000'

/** Blocks below the head that are synced one by one, by hash; anything older is read in ranges (§5). */
export const NEAR_HEAD = 64n

/** Blocks per range while catching up; the chain halves a range that its RPC refuses. */
export const RANGE_BLOCKS = 2_000n

/** Block hashes kept to find the common ancestor of a reorganised chain. Deeper ones read everything again. */
export const KEPT_BLOCKS = 1_024

/** A listing is announced once per this time, unless somebody joins the topic (§6). */
export const ANNOUNCE_INTERVAL_MS = 10 * 60_000

/** Ids of the gossip topic (§6). */
export function announcementTopic(network: string): string {
  return `/ddm/listings/1/${network}`
}
