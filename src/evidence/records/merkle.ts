import { equalBytes, sha256 } from '../../statements/index.ts'

/**
 * Merkle tree over digests. Leaves and nodes are hashed under different first bytes, so that neither passes for the other.
 *
 * @source RFC 6962 §2.1 (tree, audit path), RFC 9162 §2.1.3.2 (check)
 */
const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)
const DIGEST_BYTES = 32

export interface MerkleTree {
  /** 32 bytes. */
  root: Uint8Array
  /** Of each leaf, from the leaf to the root. */
  proofs: Uint8Array[][]
}

/** A leaf, its place and the path from it. */
export interface MerkleLeaf {
  digest: Uint8Array
  index: number
  /** Of all leaves. */
  count: number
  proof: readonly Uint8Array[]
}

/**
 * @param digests - at least one
 *
 * @example
 * ```ts
 * const { root, proofs } = merkleTree([a, b, c])
 * ```
 */
export function merkleTree(digests: readonly Uint8Array[]): MerkleTree {
  const proofs = digests.map((): Uint8Array[] => [])
  function subtree(from: number, to: number): Uint8Array {
    if (to - from === 1) return leafHash(digests[from] as Uint8Array)
    const middle = from + splitOf(to - from)
    const [left, right] = [subtree(from, middle), subtree(middle, to)]
    for (let i = from; i < to; i++) proofs[i]?.push(i < middle ? right : left)
    return nodeHash(left, right)
  }
  return { root: subtree(0, digests.length), proofs }
}

/** Whether the path leads from the leaf to this root. Nothing is asked of the values: they may be a stranger's. */
export function provesLeaf({ digest, index, count, proof }: MerkleLeaf, root: Uint8Array): boolean {
  if (digest.length !== DIGEST_BYTES || proof.some(({ length }) => length !== DIGEST_BYTES)) return false
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count) || index < 0 || index >= count) return false
  // Halving keeps to numbers: bit operators would cut at 32 bits.
  let [at, last] = [index, count - 1]
  const half = (): void => {
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  let hash = leafHash(digest)
  for (const sibling of proof) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash)
      // The last leaf of a tree that is not full stands alone on some levels.
      while (at % 2 === 0 && at !== 0) half()
    } else {
      hash = nodeHash(hash, sibling)
    }
    half()
  }
  return last === 0 && equalBytes(hash, root)
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

function leafHash(digest: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([LEAF, digest]))
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([NODE, left, right]))
}
