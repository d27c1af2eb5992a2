import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sellOptions } from '../../../src/node/index.ts'
import { blankDraft, type Checked, faultsOf, fieldOf, wishOf } from '../../../src/web/views/product-draft.ts'

const DRAFT = { ...blankDraft('tUSD'), source: 'telemetry', title: 'Air', amount: '0.001' }

test('a draft becomes what the API takes, and nothing is said that was not written', () => {
  assert.deepEqual(wishOf(DRAFT, 'tUSD'), { product: { source: 'telemetry', title: 'Air', price: '0.001/record' } })
  const full = {
    ...DRAFT,
    ...{
      unit: 'KiB' as const,
      symbol: 'IOTA',
      free: '100-110',
      select: 'time, wind.speed',
      every: '10',
      interval: '1m'
    },
    ...{
      credit: '0.5',
      allow: `0x${'ab'.repeat(20)}, 0x${'cd'.repeat(32)}`,
      deny: '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
    },
    ...{ period: '5000', header: 'Authorization: Bearer a:b' },
    ...{ named: { keywords: ['air'], description: undefined }, document: { license: { spdx: 'CC0-1.0' } } }
  }
  assert.deepEqual(faultsOf(full), {})
  assert.deepEqual(wishOf(full, 'tUSD').product, {
    ...{ source: 'telemetry', title: 'Air', price: '0.001 IOTA/KiB', keywords: ['air'], free: '100-110' },
    ...{ select: ['time', 'wind.speed'], every: 10, interval: '1m', credit: '0.5' },
    ...{
      allow: [`0x${'ab'.repeat(20)}`, `0x${'cd'.repeat(32)}`],
      deny: ['12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp']
    },
    ...{ period: 5000, headers: { Authorization: 'Bearer a:b' } },
    document: { license: { spdx: 'CC0-1.0' } }
  })
})

test('an empty form names what is missing', () => {
  assert.deepEqual(Object.keys(faultsOf(blankDraft('tUSD'))), ['source', 'title', 'amount'])
})

const WRONG: Array<[Checked, string]> = [
  ['amount', '-1'],
  ['amount', '1,5'],
  ['free', 'ten'],
  ['every', '0'],
  ['every', '1.5'],
  ['interval', '10'],
  ['interval', '1 minute'],
  ['credit', 'much'],
  ['allow', 'Bob'],
  ['deny', `0x${'a'.repeat(39)}`],
  ['period', '10s'],
  ['header', 'Bearer abc'],
  ['header', 'Two words: abc']
]

for (const [name, text] of WRONG) {
  test(`“${text}” as ${name} is a fault of that field alone`, () => {
    assert.deepEqual(Object.keys(faultsOf({ ...DRAFT, [name]: text })), [name])
  })
}

const missing = (key: string): string => `the product has no "${key}"`

test('what the node refuses is said at the field that it is about', async () => {
  const refused: Array<[object, Checked]> = [
    [{ source: 'nothing:x' }, 'source'],
    [{ source: 'csv' }, 'source'],
    [{ price: 'dear' }, 'amount'],
    [{ interval: '999d' }, 'interval'],
    [{ free: '9-3' }, 'free'],
    [{ headers: { 'X-Key': 'a' } }, 'header']
  ]
  for (const [change, field] of refused) {
    const { product } = wishOf(DRAFT, 'tUSD')
    await assert.rejects(sellOptions({ ...product, ...change }, { missing }), ({ message }: Error) => {
      assert.equal(fieldOf(message), field, message)
      return true
    })
  }
  assert.equal(fieldOf('the body.product.every: must be integer'), 'every')
  assert.equal(fieldOf('the chain did not answer'), undefined)
})
