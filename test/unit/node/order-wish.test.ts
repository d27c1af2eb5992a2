import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ListingPayment } from '../../../src/interface/index.ts'
import { orderWish } from '../../../src/node/order-wish.ts'
import type { BuyOptions } from '../../../src/node/types.ts'
import { makeListing } from '../../support/sdpp.ts'

const currency = { symbol: 'tUSD', decimals: 6 }
const defaults = { currency, prepay: 0n, maximum: 10_000n }

function maximum(price: ListingPayment['price'], options: BuyOptions, document: object = {}): bigint {
  const listing = makeListing('12D3', price, document)
  return orderWish(listing, { rail: 'evm', price }, options, defaults).maximum
}

describe('most that an order may cost', () => {
  const record = { amount: '100', count: 1, unit: 'record' } as const
  const kib = { amount: '100', count: 1, unit: 'KiB' } as const

  test('is what the records cost, by KiB with the largest of them, else the cap of a session', () => {
    assert.equal(maximum(record, { records: 7 }), 700n)
    assert.equal(maximum(kib, { records: 7 }), 700n)
    assert.equal(maximum(record, {}), 10_000n)
    assert.equal(maximum(record, { max: '0.005' }), 5_000n)
  })

  test('is never more than the cap of a session, which would end it half-way and unpaid', () => {
    assert.equal(maximum(record, { max: '1' }), 10_000n)
    assert.equal(maximum(kib, { records: 101 }), 10_000n)
    assert.equal(maximum(record, { records: 101 }, { freeRange: { from: '0', to: '5' } }), 10_000n)
  })

  test('what cannot be had within the cap is refused before anything is ordered', () => {
    const refused = { code: 'budget', message: /0\.0101.*budgetPerSession allows 0\.01/ }
    assert.throws(() => maximum(record, { records: 101 }), refused)
    assert.throws(() => maximum({ ...record, amount: '10100' }, { max: '1' }), refused)
  })
})
