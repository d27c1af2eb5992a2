import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundingBox, timeSpan, wholeNumber, words } from '../../../src/cli/arguments.ts'
import { table } from '../../../src/cli/table.ts'
import { DdmError, type NetworkToken, priceText } from '../../../src/interface/index.ts'
import { parsePrice } from '../../../src/node/written-price.ts'

const token: NetworkToken = {
  address: `0x${'70'.repeat(20)}`,
  symbol: 'USDC',
  decimals: 6,
  name: 'USD Coin',
  version: '2'
}

test('prices as people write them', () => {
  assert.deepEqual(parsePrice('0.0001/record'), { price: '0.0001', per: { unit: 'record', count: 1 } })
  assert.deepEqual(parsePrice(' 0.02 / 100 records '), { price: '0.02', per: { unit: 'record', count: 100 } })
  assert.deepEqual(parsePrice('0.001/KiB'), { price: '0.001', per: { unit: 'KiB', count: 1 } })
  assert.deepEqual(parsePrice('0'), { price: '0', per: { unit: 'record', count: 1 } })
})

test('what is no price is refused with the value and an example', () => {
  for (const text of [
    '',
    'free',
    '-1',
    '1e-4',
    '.5',
    '0.1/',
    '0.1/row',
    '0.1/0 records',
    '0,1/record',
    '1/record/day'
  ]) {
    assert.throws(
      () => parsePrice(text),
      (error) => error instanceof DdmError && error.code === 'usage' && error.message.includes(`"${text}"`)
    )
  }
})

test('prices are shown per one unit, also when they are finer than the token', () => {
  assert.equal(priceText({ amount: 100n, count: 1n, unit: 'record' }, token), '0.0001 USDC per record')
  assert.equal(priceText({ amount: '1', count: 1000, unit: 'record' }, token), '0.000000001 USDC per record')
  assert.equal(priceText({ amount: 20n, count: 3n, unit: 'KiB' }, token), '0.00002 USDC per 3 KiB')
  assert.equal(priceText({ amount: 0n, count: 1n, unit: 'record' }, token), 'free')
})

test('numbers, time spans and lists', () => {
  assert.equal(wholeNumber(1, 10)('10'), 10)
  for (const text of ['0', '11', '1.5', '-1', '1e1', '']) assert.throws(() => wholeNumber(1, 10)(text), /whole number/)
  assert.equal(timeSpan('90s'), 90_000)
  assert.equal(timeSpan('24h'), 86_400_000)
  for (const text of ['90', '0s', '1w', 's', '-1s']) assert.throws(() => timeSpan(text), /time span/)
  assert.deepEqual(words('air, quality,,'), ['air', 'quality'])
})

test('columns are aligned, whatever a stranger puts into a title', () => {
  const lines = table(
    ['ID', 'TITLE'],
    [
      ['0x1234', 'air\u001b[2K'],
      ['0x12', 'water\nand more']
    ]
  )
  assert.deepEqual(lines, ['ID      TITLE', '0x1234  air', '0x12    waterand more'])
})

test('a box is four numbers in degrees, south below north', () => {
  assert.deepEqual(boundingBox('5.9,45.8,10.5,47.8'), [5.9, 45.8, 10.5, 47.8])
  assert.deepEqual(boundingBox('170, -20, -170, 0'), [170, -20, -170, 0], 'across the antimeridian')
  for (const text of ['', '1,2,3', '1,2,3,4,5', '1,2,3,north', '1,,3,4', '190,0,191,1', '0,-91,1,0']) {
    assert.throws(() => boundingBox(text), /west,south,east,north in degrees/, text)
  }
  assert.throws(() => boundingBox('0,10,1,5'), /South 10 is above north 5/)
})
