import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinRecords, recordEnds, sliceRecords } from '../../../src/interface/index.ts'
import { Transcript } from '../../../src/statements/index.ts'

/** The formula of docs/specs/sdpp.md, written down a second time. */
function rootByFormula(session: Uint8Array, blocks: Uint8Array[][], start: number, n: number): Uint8Array {
  const hash = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
  let c = hash(Buffer.from('ddm-sdpp/2/transcript'), session)
  let offset = 0
  for (const block of blocks) {
    const from = Math.max(offset, start)
    const to = Math.min(offset + block.length, start + n)
    if (from < to) {
      const part = Buffer.concat(
        block.slice(from - offset, to - offset).flatMap((record) => {
          const length = Buffer.alloc(4)
          length.writeUInt32BE(record.length)
          return [length, record]
        })
      )
      const fixed = Buffer.alloc(12)
      fixed.writeBigUInt64BE(BigInt(from))
      fixed.writeUInt32BE(to - from, 8)
      c = hash(c, fixed, hash(part))
    }
    offset += block.length
  }
  return c
}

const record = fc.uint8Array({ maxLength: 12 })
const log = fc.array(fc.array(record, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 })
const session = new Uint8Array(36).fill(9)

test('property: the root at every position is the formula, however the blocks were sliced', () => {
  fc.assert(
    fc.property(log, fc.nat(), fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), (blocks, from, cuts) => {
      const total = blocks.reduce((sum, block) => sum + block.length, 0)
      const start = from % total
      const transcript = new Transcript(session)
      let offset = 0
      let n = 0
      let cut = 0
      assert.deepEqual(Buffer.from(transcript.root()), Buffer.from(rootByFormula(session, blocks, start, 0)))
      for (const block of blocks) {
        const bytes = joinRecords(block)
        const ends = recordEnds(bytes, block.length)
        let at = Math.max(0, start - offset)
        while (at < block.length) {
          const to = Math.min(block.length, at + (cuts[cut++ % cuts.length] as number))
          const slice = sliceRecords(bytes, ends, at, to)
          transcript.add(BigInt(offset + at), to - at, slice, to === block.length)
          n += to - at
          at = to
          // Asked for twice: asking must not close the open part.
          transcript.root()
          assert.deepEqual(Buffer.from(transcript.root()), Buffer.from(rootByFormula(session, blocks, start, n)))
        }
        offset += block.length
      }
      assert.equal(transcript.openPart, undefined)
      assert.equal(
        transcript.takeParts().reduce((sum, { count }) => sum + count, 0),
        total - start
      )
      assert.deepEqual(transcript.takeParts(), [])
    }),
    { numRuns: 200 }
  )
})

test('a known digest of a whole block gives the same root as hashing it', () => {
  const bytes = joinRecords([new Uint8Array([1]), new Uint8Array([2, 3])])
  const digest = createHash('sha256').update(bytes).digest()
  const hashed = new Transcript(session)
  const reused = new Transcript(session)
  hashed.add(0n, 2, bytes, true)
  reused.add(0n, 2, new Uint8Array(0), true, digest)
  assert.deepEqual(hashed.root(), reused.root())
})

test('another session, first offset, count, byte or block boundary changes the root', () => {
  const one = joinRecords([new Uint8Array([1])])
  const two = joinRecords([new Uint8Array([1]), new Uint8Array([1])])
  const rootOf = (id: Uint8Array, add: (transcript: Transcript) => void): string => {
    const transcript = new Transcript(id)
    add(transcript)
    return Buffer.from(transcript.root()).toString('hex')
  }
  const roots = [
    rootOf(session, (t) => t.add(0n, 2, two, true)),
    rootOf(new Uint8Array(36).fill(8), (t) => t.add(0n, 2, two, true)),
    rootOf(session, (t) => t.add(1n, 2, two, true)),
    rootOf(session, (t) => t.add(0n, 1, one, true)),
    rootOf(session, (t) => {
      t.add(0n, 1, one, true)
      t.add(1n, 1, one, true)
    }),
    rootOf(session, (t) => t.add(0n, 2, joinRecords([new Uint8Array([1]), new Uint8Array([2])]), true)),
    rootOf(session, () => {})
  ]
  assert.equal(new Set(roots).size, roots.length)
})
