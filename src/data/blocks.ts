import { createHash } from 'node:crypto'
import type { Block } from '../interface/index.ts'

/** Bytes of the length in front of each record (sdpp, Bytes: DATA). */
export const LENGTH_BYTES = 4

/** Encodes and hashes records once, for every buyer to come. */
export function encodeBlock(records: readonly Uint8Array[], first: bigint, appendedAt: number): Block {
  let size = 0
  for (const record of records) size += LENGTH_BYTES + record.byteLength
  // A buffer of its own, not from a pool: it crosses to the storage thread and stays in the cache.
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const record of records) {
    view.setUint32(at, record.byteLength)
    bytes.set(record, at + LENGTH_BYTES)
    at += LENGTH_BYTES + record.byteLength
  }
  const digest = new Uint8Array(createHash('sha256').update(bytes).digest())
  return { first, count: records.length, bytes, digest, appendedAt }
}

const ends = new WeakMap<Block, Uint32Array>()

/** Where each record of a block ends in its bytes; made once per block. */
export function recordEnds(block: Block): Uint32Array {
  let found = ends.get(block)
  if (found === undefined) {
    found = new Uint32Array(block.count)
    const view = new DataView(block.bytes.buffer, block.bytes.byteOffset, block.bytes.byteLength)
    let at = 0
    for (let index = 0; index < block.count; index++) {
      at += LENGTH_BYTES + view.getUint32(at)
      found[index] = at
    }
    ends.set(block, found)
  }
  return found
}

/** The records of a block, as views of its bytes. */
export function recordsOf(block: Block): Uint8Array[] {
  const records: Uint8Array[] = []
  let start = 0
  for (const end of recordEnds(block)) {
    records.push(block.bytes.subarray(start + LENGTH_BYTES, end))
    start = end
  }
  return records
}

/**
 * The records of a block from offset `from` to before `to`, still with their lengths: a view of its bytes.
 *
 * @throws RangeError when the block does not hold them.
 */
export function sliceBlock(block: Block, from: bigint, to: bigint): Uint8Array {
  const start = Number(from - block.first)
  const end = Number(to - block.first)
  if (start < 0 || end > block.count || start > end) {
    const last = block.first + BigInt(block.count)
    throw new RangeError(`offsets ${from} to ${to} are not in the block of ${block.first} to ${last}`)
  }
  const ends = recordEnds(block)
  const at = (index: number): number => (index === 0 ? 0 : (ends[index - 1] ?? 0))
  return block.bytes.subarray(at(start), at(end))
}
