import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinRecords, MAX_RECORD_BYTES, splitRecords } from '../../../src/interface/index.ts'
import { MAX_DATA_BYTES } from '../../../src/protocols/sdpp/constants.ts'
import { DATA_HEADER_BYTES, decodeData, encodeData } from '../../../src/protocols/sdpp/data-frame.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/status.ts'

/** With room for the records of a frame after it. */
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 32n })
const malformed = (error: unknown): boolean => error instanceof SdppError && error.code === STATUS.malformed

/** Body of a frame, without length and kind. */
function body(records: Uint8Array[], first = 5n, blockStart = 5n, endOfBlock = true): Uint8Array {
  const bytes = joinRecords(records)
  return encodeData({ blockStart, first, count: records.length, endOfBlock, bytes }).subarray(5)
}

test('property: what is encoded is decoded', () => {
  const records = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(records, u64, u64, fc.boolean(), (list, a, b, endOfBlock) => {
      const [blockStart, first] = a < b ? [a, b] : [b, a]
      const data = decodeData(body(list, first, blockStart, endOfBlock))
      assert.equal(data.first, first)
      assert.equal(data.blockStart, blockStart)
      assert.equal(data.endOfBlock, endOfBlock)
      assert.deepEqual(splitRecords(data.bytes, data.count).map(Buffer.from), list.map(Buffer.from))
    })
  )
})

test('property: a frame cut anywhere is malformed', () => {
  const whole = body([new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array(9)])
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeData(whole.subarray(0, length)), malformed, `${length} bytes`)
  }
})

test('the count must be what the records are', () => {
  const whole = body([new Uint8Array([1, 2, 3]), new Uint8Array([4])])
  for (const count of [0, 1, 3, 2 ** 31, 2 ** 32 - 1]) {
    const lying = Uint8Array.from(whole)
    new DataView(lying.buffer).setUint32(16, count)
    assert.throws(() => decodeData(lying), malformed, `count ${count}`)
  }
})

test('a record length beyond the end, or 2^32 − 1, is malformed', () => {
  const whole = body([new Uint8Array([1, 2, 3])])
  for (const length of [2, 4, 2 ** 31, 2 ** 32 - 1]) {
    const lying = Uint8Array.from(whole)
    new DataView(lying.buffer).setUint32(DATA_HEADER_BYTES, length)
    assert.throws(() => decodeData(lying), malformed, `length ${length}`)
  }
})

test('unknown flags and a first offset before the block are malformed', () => {
  for (let bit = 1; bit < 8; bit++) {
    const flagged = Uint8Array.from(body([new Uint8Array(1)]))
    flagged[20] = 1 << bit
    assert.throws(() => decodeData(flagged), malformed)
  }
  assert.throws(() => decodeData(body([new Uint8Array(1)], 4n, 5n)), malformed)
})

test('the largest record fits a frame', () => {
  const whole = body([new Uint8Array(MAX_RECORD_BYTES)])
  assert.ok(whole.length <= MAX_DATA_BYTES)
  assert.equal(decodeData(whole).count, 1)
})

test('property: random bytes are malformed or data', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeData(bytes)
      } catch (error) {
        assert.ok(malformed(error), String(error))
      }
    }),
    { numRuns: 2_000 }
  )
})

test('a frame whose last record would lie beyond 64 bits is malformed', () => {
  const frame = (first: bigint): Uint8Array => {
    const bytes = joinRecords([new Uint8Array(1), new Uint8Array(1)])
    return encodeData({ blockStart: first, first, count: 2, endOfBlock: true, bytes }).slice(5)
  }
  assert.equal(decodeData(frame(2n ** 64n - 2n)).count, 2)
  assert.throws(() => decodeData(frame(2n ** 64n - 1n)), { code: STATUS.malformed })
})
