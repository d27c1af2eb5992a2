import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockCache } from '../../../src/data/block-cache.ts'
import { encodeBlock } from '../../../src/data/index.ts'
import { type Block, recordEnds, sliceRecords, splitRecords } from '../../../src/interface/index.ts'

const records = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 40 })

test('a block holds its records, their lengths and the hash of both', () => {
  fc.assert(
    fc.property(records, fc.bigInt({ min: 0n, max: 1n << 62n }), (list, first) => {
      const block = encodeBlock(list, first, 7)
      assert.deepEqual(splitRecords(block.bytes, block.count), list)
      assert.deepEqual([block.first, block.count, block.appendedAt], [first, list.length, 7])
      assert.deepEqual(Buffer.from(block.digest), createHash('sha256').update(block.bytes).digest())
      assert.equal(recordEnds(block.bytes, block.count).at(-1), block.bytes.byteLength)
    })
  )
})

test('the bytes of a block are u32be length and record', () => {
  const { bytes } = encodeBlock([Buffer.from('ab'), Buffer.from(''), Buffer.from('c')], 0n, 0)
  assert.equal(Buffer.from(bytes).toString('hex'), '000000026162' + '00000000' + '0000000163')
})

test('slices are views, and together they are the block', () => {
  fc.assert(
    fc.property(records, fc.array(fc.nat()), (list, cuts) => {
      const block = encodeBlock(list, 100n, 0)
      const points = [...cuts.map((cut) => cut % list.length), 0, list.length].sort((a, b) => a - b)
      const parts = points.slice(1).map((to, index) => {
        const part = sliceRecords(block.bytes, recordEnds(block.bytes, block.count), points[index] ?? 0, to)
        assert.equal(part.buffer, block.bytes.buffer)
        return part
      })
      assert.deepEqual(Buffer.concat(parts), Buffer.from(block.bytes))
    })
  )
})

test('the cache finds a block by any of its offsets, and keeps to its size', () => {
  const blocks: Block[] = []
  let next = 0n
  for (let n = 0; n < 12; n++) {
    const block = encodeBlock(
      Array.from({ length: 1 + (n % 4) }, () => new Uint8Array(96)),
      next,
      0
    )
    blocks.push(block)
    next += BigInt(block.count)
  }
  const holder = (offset: bigint): Block | undefined =>
    blocks.find(({ first, count }) => offset >= first && offset < first + BigInt(count))
  const command = fc.oneof(
    fc.record({ add: fc.nat({ max: blocks.length - 1 }) }),
    fc.record({ get: fc.bigInt({ min: 0n, max: next }) }),
    fc.record({ prune: fc.bigInt({ min: 0n, max: next }) })
  )
  const size = (list: Block[]): number => list.reduce((sum, { bytes }) => sum + bytes.byteLength + 400, 0)
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const cache = new BlockCache(2_500)
      // Most recently used last.
      let model: Block[] = []
      for (const step of commands) {
        if ('add' in step) {
          const block = blocks[step.add] as Block
          if (!model.includes(block)) model.push(block)
          cache.add(block)
          while (size(model) > 2_500 && model.length > 1) model.shift()
        } else if ('get' in step) {
          const block = holder(step.get)
          const expected = block !== undefined && model.includes(block) ? block : undefined
          assert.equal(cache.get(step.get), expected)
          if (expected !== undefined) model = [...model.filter((one) => one !== expected), expected]
        } else {
          cache.prune(step.prune)
          model = model.filter(({ first, count }) => first + BigInt(count) > step.prune)
        }
      }
      for (let offset = 0n; offset <= next; offset++) {
        const block = holder(offset)
        // Asking changes which is oldest, but not what is there.
        assert.equal(cache.get(offset), block !== undefined && model.includes(block) ? block : undefined)
      }
    })
  )
})
