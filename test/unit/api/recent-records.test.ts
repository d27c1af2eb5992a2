import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentRecords } from '../../../src/api/recent-records.ts'

const MAX = 100

const batches = fc.array(
  fc.record({ purchase: fc.constantFrom('a', 'b', 'c'), sizes: fc.array(fc.integer({ min: 0, max: 30 })) })
)

test('the newest records of each purchase, in order, and never more bytes of all than the limit', () => {
  fc.assert(
    fc.property(batches, (added) => {
      const recent = new RecentRecords(MAX)
      const all: Record<string, bigint[]> = { a: [], b: [], c: [] }
      let next = 0n
      for (const { purchase, sizes } of added) {
        const records = sizes.map((size) => ({ offset: next++, bytes: new Uint8Array(size) }))
        recent.add(purchase, records)
        all[purchase]?.push(...records.map(({ offset }) => offset))
        const kept = ['a', 'b', 'c'].map((name) => recent.of(name))
        assert.ok(kept.flat().reduce((sum, { bytes }) => sum + bytes.byteLength, 0) <= MAX)
        for (const [index, offsets] of Object.values(all).entries()) {
          const shown = (kept[index] ?? []).map(({ offset }) => offset)
          assert.deepEqual(shown, shown.length === 0 ? [] : offsets.slice(-shown.length))
        }
      }
    })
  )
})

test('of a purchase the newest 500 are shown, and nothing once it is forgotten', () => {
  const recent = new RecentRecords()
  for (let i = 0; i < 1_000; i++) recent.add('a', [{ offset: BigInt(i), bytes: new Uint8Array(1) }])
  assert.equal(recent.of('a').length, 500)
  assert.equal(recent.of('a')[0]?.offset, 500n)
  recent.forget('a')
  assert.deepEqual(recent.of('a'), [])
})
