/**
 * Memo of a transaction that records digests, 41 bytes:
 *
 * | offset | bytes | what                                                          |
 * | -----: | ----: | ------------------------------------------------------------- |
 * |      0 |     4 | `DDM1`, ASCII                                                 |
 * |      4 |     1 | kind: 0 a digest, 1 the root of a Merkle tree over several    |
 * |      5 |    32 | the digest (sha2-256 of a statement's payload), or the root   |
 * |     37 |     4 | how many are recorded, u32be: 1 for a digest, 2 or more else  |
 */
const TAG = new TextEncoder().encode('DDM1')
const KIND_DIGEST = 0
const KIND_ROOT = 1
const MEMO_BYTES = 41

/** What one transaction says: a digest when `count` is 1, else a root over so many. */
export interface RecordedBatch {
  root: Uint8Array
  count: number
}

export function encodeMemo({ root, count }: RecordedBatch): Uint8Array {
  const memo = new Uint8Array(MEMO_BYTES)
  memo.set(TAG)
  memo[4] = count === 1 ? KIND_DIGEST : KIND_ROOT
  memo.set(root, 5)
  new DataView(memo.buffer).setUint32(37, count)
  return memo
}

/** undefined when a memo is something else. */
export function decodeMemo(memo: Uint8Array): RecordedBatch | undefined {
  if (memo.length !== MEMO_BYTES || TAG.some((byte, at) => memo[at] !== byte)) return undefined
  const count = new DataView(memo.buffer, memo.byteOffset).getUint32(37)
  const fits = memo[4] === KIND_DIGEST ? count === 1 : memo[4] === KIND_ROOT && count > 1
  return fits ? { root: memo.slice(5, 37), count } : undefined
}
