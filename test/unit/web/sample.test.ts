import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing } from '../../../src/web/client/types.ts'
import { SAMPLE_RECORDS, sampleText, sampleWish } from '../../../src/web/records/sample.ts'

function listing(document: Partial<Listing['document']>): Listing {
  const given: unknown = { id: '0x12', document: { schema: { encoding: 'json' }, ...document } }
  return given as Listing
}

test('a sample is exactly the free range, at a maximum of nothing', () => {
  const wish = sampleWish(listing({ freeRange: { from: 7, to: 10 } }))
  assert.deepEqual(wish?.options, {
    from: '7',
    records: '3',
    max: { units: '0' },
    prepay: { units: '0' },
    checkSchema: true
  })
  assert.equal(wish?.keep, 'caller')
})

test('a long free range is sampled from its beginning', () => {
  assert.equal(sampleWish(listing({ freeRange: { from: 0, to: 10_000 } }))?.options?.records, `${SAMPLE_RECORDS}`)
})

test('without free records there is nothing to fetch', () => {
  assert.equal(sampleWish(listing({})), undefined)
})

test('the text says what the records were held against', () => {
  const promised = listing({ schema: { encoding: 'json', jsonSchema: { type: 'object' } } })
  assert.match(sampleText(promised, 1), /^1 record came for nothing; each keeps to the JSON Schema/)
  assert.match(sampleText(listing({}), 2), /^2 records .* no JSON Schema/)
  assert.match(sampleText(promised, 0), /^No record came/)
})
