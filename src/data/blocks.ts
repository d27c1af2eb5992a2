import { createHash } from 'node:crypto'
import { type Block, joinRecords } from '../interface/index.ts'

/** Bytes of the length in front of each record (sdpp, Bytes: DATA). */
export const LENGTH_BYTES = 4

/** Encodes and hashes records once, for every buyer to come. */
export function encodeBlock(records: readonly Uint8Array[], first: bigint, appendedAt: number): Block {
  const bytes = joinRecords(records)
  const digest = new Uint8Array(createHash('sha256').update(bytes).digest())
  return { first, count: records.length, bytes, digest, appendedAt }
}
