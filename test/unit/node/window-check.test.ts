import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing } from '../../../src/interface/index.ts'
import { promisedTooMuch } from '../../../src/node/window-check.ts'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'

const TERMS: SessionTerms = {
  price: { amount: 100n, count: 1n, unit: 'record' },
  k: 10n,
  credit: 600n,
  prepay: 400n,
  ahead: 400n,
  maximum: 10n ** 9n,
  start: 0n
}

/** Of a listing that promises a record every so many ms, over a path of 200 ms. */
function narrowAt(
  periodMs: number | undefined,
  terms: SessionTerms | undefined = TERMS,
  roundTripMs: number | undefined = 200
) {
  const document = periodMs === undefined ? {} : { cadence: { periodMs } }
  return promisedTooMuch({ document } as Listing, { terms, roundTripMs })
}

test('a listing that promises more than the window carries is told before anything is measured', () => {
  // 50 records a second are 10 in a round trip, and one more must fit: 1,100 are needed, 1,000 are there.
  assert.deepEqual(narrowAt(20), { window: 1_000n, need: 1_100n })
  assert.equal(narrowAt(20, { ...TERMS, ahead: 500n }), undefined)
  assert.equal(narrowAt(100), undefined)
})

test('a listing that promises nothing, or a path that is not known yet, warns of nothing', () => {
  assert.equal(narrowAt(undefined), undefined)
  assert.equal(narrowAt(0), undefined)
  assert.equal(
    promisedTooMuch({ document: { cadence: { periodMs: 20 } } } as Listing, { terms: TERMS, roundTripMs: undefined }),
    undefined
  )
  assert.equal(
    promisedTooMuch({ document: { cadence: { periodMs: 20 } } } as Listing, { terms: undefined, roundTripMs: 200 }),
    undefined
  )
})
