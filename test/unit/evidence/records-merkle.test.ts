import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { merkleTree, provesLeaf } from '../../../src/evidence/records/merkle.ts'

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const digests = fc.uniqueArray(digest, { minLength: 2, maxLength: 70, selector: (bytes) => bytes.join() })
/** A tree, one of its leaves, and a number to choose something else by. */
const place = fc.record({ digests, which: fc.nat(), other: fc.nat() })

const hash = (...parts: Array<number[] | Uint8Array>): Buffer => {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(Uint8Array.from(part))
  return sum.digest()
}
const leaf = (bytes: Uint8Array): Buffer => hash([0], bytes)
const node = (left: Uint8Array, right: Uint8Array): Buffer => hash([1], left, right)

function leafAt(list: Uint8Array[], which: number) {
  const index = which % list.length
  const { root, proofs } = merkleTree(list)
  return { root, leaf: { digest: list[index] as Uint8Array, index, count: list.length, proof: proofs[index] ?? [] } }
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice()
  const at = Math.floor(bit / 8) % bytes.length
  changed[at] = (changed[at] ?? 0) ^ (1 << (bit % 8))
  return changed
}

test('the tree is that of RFC 6962', () => {
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((byte) => new Uint8Array(32).fill(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array
  ]
  const left = node(node(leaf(a), leaf(b)), node(leaf(c), leaf(d)))
  const { root, proofs } = merkleTree([a, b, c, d, e])
  assert.deepEqual(Buffer.from(root), node(left, leaf(e)))
  assert.deepEqual(proofs[2]?.map(Buffer.from), [leaf(d), node(leaf(a), leaf(b)), leaf(e)].map(Buffer.from))
  assert.deepEqual(proofs[4]?.map(Buffer.from), [left])
  assert.deepEqual(Buffer.from(merkleTree([a]).root), leaf(a))
})

test('every path leads to the root, and is as short as the tree is deep', () => {
  fc.assert(
    fc.property(digests, (list) => {
      for (const index of list.keys()) {
        const { root, leaf } = leafAt(list, index)
        assert.ok(provesLeaf(leaf, root))
        assert.ok(leaf.proof.length <= Math.ceil(Math.log2(list.length)))
      }
    })
  )
})

test('a changed digest, path, root or index proves nothing', () => {
  fc.assert(
    fc.property(place, ({ digests: list, which, other }) => {
      const { root, leaf } = leafAt(list, which)
      assert.ok(!provesLeaf({ ...leaf, digest: flip(leaf.digest, other) }, root))
      assert.ok(!provesLeaf(leaf, flip(root, other)))
      const step = other % leaf.proof.length
      const changed = leaf.proof.map((sibling, at) => (at === step ? flip(sibling, other) : sibling))
      assert.ok(!provesLeaf({ ...leaf, proof: changed }, root))
      assert.ok(!provesLeaf({ ...leaf, proof: leaf.proof.toSpliced(step, 1) }, root))
      assert.ok(!provesLeaf({ ...leaf, proof: [...leaf.proof, root] }, root))
      const elsewhere = (leaf.index + 1 + (other % (list.length - 1))) % list.length
      assert.ok(!provesLeaf({ ...leaf, index: elsewhere }, root))
    })
  )
})

test('a node does not pass for a leaf', () => {
  fc.assert(
    fc.property(fc.tuple(digest, digest, digest, digest), ([a, b, c, d]) => {
      const { root } = merkleTree([a, b, c, d])
      assert.ok(
        !provesLeaf({ digest: node(leaf(a), leaf(b)), index: 0, count: 2, proof: [node(leaf(c), leaf(d))] }, root)
      )
    })
  )
})

test('whatever a stranger writes is an answer, never a crash', () => {
  const any = fc.record({
    digest: fc.uint8Array({ maxLength: 40 }),
    index: fc.oneof(fc.double(), fc.integer()),
    count: fc.oneof(fc.double(), fc.integer(), fc.constant(2 ** 53)),
    proof: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 })
  })
  fc.assert(fc.property(any, digest, (leaf, root) => assert.equal(provesLeaf(leaf, root), false)))
})
