import { createHash } from 'node:crypto'
import type { Helia } from 'helia'
import type { CID } from 'multiformats/cid'
import { type AbortOptions, DdmError } from '../../interface/index.ts'
import { BLOCK_TIMEOUT_MS, MAX_BITSWAP_MESSAGE } from './constants.ts'
import { endOfWait, within } from './wait.ts'

/** Multicodec of sha2-256. */
const SHA2_256 = 0x12

interface GetBlockOptions extends AbortOptions {
  /** A longer block is refused and not kept. @default 131072 */
  maxBytes?: number
  /** Do not ask peers. @default false */
  offline?: boolean
}

/** Content-addressed blocks (CIDs with sha2-256): the local store, and behind it the peers. */
export interface Blocks {
  /** Stores a block and hands it to peers that wait for it. Throws when the bytes are not those of the CID. */
  put: (cid: CID, bytes: Uint8Array, options?: AbortOptions) => Promise<void>
  /**
   * From the local store, else from peers over bitswap; what comes from peers is checked against the CID and kept.
   * Gives up after 15 s without a `signal`: `notFound`; rejects with `protocol` above `maxBytes`.
   */
  get: (cid: CID, options?: GetBlockOptions) => Promise<Uint8Array>
  /** In the local store. */
  has: (cid: CID, options?: AbortOptions) => Promise<boolean>
  delete: (cid: CID, options?: AbortOptions) => Promise<void>
}

export function heliaBlocks(helia: Helia): Blocks {
  return {
    async put(cid, bytes, options) {
      requireSha256(cid)
      const digest = createHash('sha256').update(bytes).digest()
      if (!digest.equals(cid.multihash.digest))
        throw new DdmError('internal', `the block is not that of ${cid.toString()}`)
      await helia.blockstore.put(cid, bytes, options)
    },

    async get(cid, { signal, maxBytes = MAX_BITSWAP_MESSAGE, offline = false } = {}) {
      requireSha256(cid)
      const { blockstore } = helia
      const bounded = within(BLOCK_TIMEOUT_MS, signal)
      const chunks: Uint8Array[] = []
      let length = 0
      try {
        for await (const chunk of blockstore.get(cid, { signal: bounded, offline })) {
          length += chunk.length
          if (length <= maxBytes) chunks.push(chunk)
        }
      } catch (error) {
        throw endOfWait(bounded, `block ${cid.toString()}`, error)
      }
      if (length > maxBytes) {
        await blockstore.delete(cid)
        throw new DdmError('protocol', `block ${cid.toString()} has ${length} bytes, more than ${maxBytes}`, {
          details: { bytes: length, maxBytes }
        })
      }
      return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
    },

    has: async (cid, options) => helia.blockstore.has(cid, options),
    delete: async (cid, options) => helia.blockstore.delete(cid, options)
  }
}

/** The identity hash would let a stranger's CID carry its own "block", and other hashes are not needed here. */
function requireSha256(cid: CID): void {
  if (cid.multihash.code !== SHA2_256 || cid.multihash.digest.length !== 32) {
    throw new DdmError('protocol', `CID ${cid.toString()} does not use sha2-256`)
  }
}
