import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planRecords } from '../../../src/evidence/index.ts'
import type { PendingDigest } from '../../../src/interface/index.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 10)

const pending = fc
  .array(
    fc.record({
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      kind: fc.constantFrom('order' as const, 'invoice' as const, 'receipt' as const),
      session: fc.constantFrom('a', 'b', 'c'),
      ended: fc.boolean(),
      at: fc.integer({ min: NOW - 2 * DAY, max: NOW })
    })
  )
  .map((list): PendingDigest[] => list.sort((one, other) => one.at - other.at))

test('each records all, session those of sessions that are over; time changes neither', () => {
  fc.assert(
    fc.property(pending, (list) => {
      assert.deepEqual(planRecords('each', list, NOW), { now: list })
      assert.deepEqual(planRecords('session', list, NOW), { now: list.filter(({ ended }) => ended) })
    })
  )
})

test('daily waits for the oldest to be a day old, then records all, and says when that is', () => {
  fc.assert(
    fc.property(pending, (list) => {
      const plan = planRecords('daily', list, NOW)
      const [oldest] = list
      if (oldest === undefined) assert.deepEqual(plan, { now: [] })
      else if (oldest.at <= NOW - DAY) assert.deepEqual(plan, { now: list })
      else {
        assert.deepEqual(plan, { now: [], again: oldest.at + DAY })
        assert.deepEqual(planRecords('daily', list, oldest.at + DAY - 1).now, [])
        assert.deepEqual(planRecords('daily', list, oldest.at + DAY).now, list)
      }
    })
  )
})

test('a clock that was put back delays nothing', () => {
  const list: PendingDigest[] = [{ digest: new Uint8Array(32), kind: 'order', session: 'a', ended: false, at: NOW + 1 }]
  assert.deepEqual(planRecords('daily', list, NOW), { now: list })
})
