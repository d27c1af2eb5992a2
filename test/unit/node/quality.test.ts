import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ListingDocument } from '../../../src/interface/index.ts'
import { QualityMeter, type SeenBatch } from '../../../src/node/quality.ts'

const T0 = Date.parse('2026-01-01T00:00:00Z')
const document = (periodMs?: number, timed = true, mode: 'periodic' | 'finite' = 'periodic') =>
  ({
    cadence: { mode, ...(periodMs === undefined ? {} : { periodMs }) },
    schema: {
      encoding: 'json',
      ...(timed ? { jsonSchema: { properties: { t: { format: 'date-time' } } } } : {})
    }
  }) as Pick<ListingDocument, 'schema' | 'cadence'>

/** Records that were taken at these times and came together at another, in ms since T0. */
function batch(times: number[], receivedAt: number): SeenBatch {
  const records = times.map((ms) => Buffer.from(JSON.stringify({ t: new Date(T0 + ms).toISOString() })))
  return { length: times.length, receivedAt: T0 + receivedAt, bytesOf: (index) => records[index] as Buffer }
}

function meter(...promised: Parameters<typeof document>): QualityMeter {
  const made = new QualityMeter()
  made.promised(document(...promised))
  return made
}

test('records that the cadence promises and that did not come are missing, however they came', () => {
  const by = meter(100)
  assert.equal(by.quality().missing, 0)
  by.add(batch([0], 5))
  by.add(batch([100, 200, 300], 350))
  assert.equal(by.quality().missing, 0)
  by.add(batch([700], 800))
  assert.equal(by.quality().missing, 3)
  by.add(batch([], 900))
  by.add(batch([800, 900], 5_000))
  assert.equal(by.quality().missing, 3, 'late is not missing')
})

test('without a time in the records their arrival counts; while one waits, what is overdue', () => {
  const by = meter(100, false)
  by.add(batch([0], 0))
  by.add(batch([0], 100))
  by.add(batch([0, 0], 400))
  assert.deepEqual(by.quality(), { invalid: 0, failures: 0, missing: 1 })
  assert.equal(by.quality(T0 + 550).missing, 1, 'the next one is on its way')
  assert.equal(by.quality(T0 + 1_450).missing, 10)
})

test('nothing is said of what the listing does not promise', () => {
  const quiet = meter(undefined, false)
  quiet.add(batch([0], 0))
  quiet.add(batch([0], 10_000))
  assert.deepEqual(quiet.quality(T0 + 50_000), { invalid: 0, failures: 0 })
  const finite = meter(100, true, 'finite')
  finite.add(batch([0, 90_000], 500_000))
  assert.deepEqual(finite.quality(), { invalid: 0, failures: 0 })
  const unknown = new QualityMeter()
  unknown.promised(undefined)
  unknown.add(batch([0], 0))
  unknown.addInvalid(2)
  unknown.addFailure()
  assert.deepEqual(unknown.quality(), { invalid: 2, failures: 1 })
})

test('what a stranger writes as a time breaks nothing', () => {
  const by = meter(100)
  for (const text of ['{', '{"t":"never"}', '{"t":1e308}', '{"t":-1e308}', '[]', '{"t":8.64e15}']) {
    by.add({ length: 1, receivedAt: T0, bytesOf: () => Buffer.from(text) })
  }
  const { missing, delayMs } = by.quality()
  assert.ok(Number.isSafeInteger(missing))
  assert.ok(Number.isFinite(delayMs?.p50) && Number.isFinite(delayMs?.p95))
})

test('delays: both percentiles are within 3 % of those of a sorted list', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1, maxLength: 300 }), (delays) => {
      const by = meter()
      for (const delay of delays) by.add(batch([0], delay))
      const sorted = delays.toSorted((a, b) => a - b)
      const { p50, p95 } = by.quality().delayMs ?? { p50: Number.NaN, p95: Number.NaN }
      for (const [share, found] of [
        [0.5, p50],
        [0.95, p95]
      ] as const) {
        const exact = sorted[Math.ceil(share * sorted.length) - 1] as number
        assert.ok(Math.abs(found - exact) <= 0.03 * exact + 0.5, `${found} is not ${exact}`)
      }
    })
  )
})
