import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinRecords, recordEnds } from '../../../src/interface/index.ts'
import { MAX_PART_BYTES } from '../../../src/protocols/sdpp/constants.ts'
import type { DataFrame } from '../../../src/protocols/sdpp/data-frame.ts'
import { OpenPart } from '../../../src/protocols/sdpp/open-part.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/status.ts'

function frame(first: bigint, count: number, endOfBlock: boolean, size = 1): DataFrame {
  const bytes = joinRecords(Array.from({ length: count }, (_, i) => new Uint8Array(size).fill(Number(first) + i)))
  return { blockStart: first, first, count, endOfBlock, bytes, ends: recordEnds(bytes, count) }
}

test('keeps the whole part of the block with the bad record, from before it and after it, and no other', () => {
  const part = new OpenPart()
  const shown = () => part.violation
  part.add(frame(3n, 4, true))
  part.add(frame(7n, 2, false))
  assert.equal(shown(), undefined)
  part.add(frame(9n, 3, false), { index: 1, reason: 'first' })
  const early = shown()
  assert.deepEqual([early?.first, early?.index, early?.reason, early?.bytes.length], [7n, 3, 'first', 25])
  part.add(frame(12n, 1, true))
  part.add(frame(13n, 5, true), { index: 0, reason: 'second' })
  const violation = shown()
  assert.deepEqual([violation?.first, violation?.index, violation?.reason], [7n, 3, 'first'])
  assert.deepEqual(violation?.bytes, Buffer.from(joinRecords([7, 8, 9, 10, 11, 12].map((n) => Uint8Array.of(n)))))
})

test('a block that never ends is refused: memory is bounded', () => {
  const part = new OpenPart()
  const size = 1_000_000
  for (let first = 0; first < 4; first++) part.add(frame(BigInt(first), 1, false, size))
  assert.ok(4 * size < MAX_PART_BYTES)
  assert.throws(
    () => part.add(frame(4n, 1, false, size)),
    (error) => error instanceof SdppError && error.code === STATUS.tooLarge
  )
  const blocks = new OpenPart()
  for (let first = 0; first < 20; first++) blocks.add(frame(BigInt(first), 1, true, size))
  assert.equal(blocks.violation, undefined)
})
