import type { RecordedDigest } from '../../interface/index.ts'
import type { RecordedBatch } from './memo.ts'
import { provesLeaf } from './merkle.ts'

/** What the ledger must hold for this record to be true; a text when the record proves nothing. */
export function batchOf(record: RecordedDigest): RecordedBatch | string {
  const { digest, count, index, root, proof } = record
  if (digest.length !== 32) return `the digest has ${digest.length} bytes, not 32`
  if (root === undefined && proof === undefined) {
    if (count !== 1 || index !== 0) return `digest ${index} of ${count} without a Merkle path`
    return { root: digest, count }
  }
  if (root === undefined || proof === undefined || count < 2)
    return 'a Merkle path and root belong to 2 digests or more'
  if (!provesLeaf({ digest, index, count, proof }, root))
    return `the Merkle path of digest ${index} does not lead to its root`
  return { root, count }
}
