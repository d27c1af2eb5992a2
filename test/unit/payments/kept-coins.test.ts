import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeptCoins } from '../../../src/payments/iota/kept-coins.ts'
import type { Coin } from '../../../src/payments/iota/ledger-client.ts'

const coin = (id: string): Coin => ({ id, version: 5n, digest: 'd', balance: 1n }) as unknown as Coin

test('a coin waits a minute for its session, which gets it once', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const back: unknown[] = []
  const kept = new KeptCoins(({ id }) => back.push(id))
  kept.keep('a', coin('c1'))
  kept.keep('b', coin('c2'))
  t.mock.timers.tick(59_999)
  assert.equal(kept.take('a')?.id, 'c1')
  assert.equal(kept.take('a'), undefined)
  t.mock.timers.tick(1)
  assert.deepEqual(back, ['c2'])
  assert.equal(kept.take('b'), undefined)
})

test('a session keeps one coin: an earlier one goes back', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const back: unknown[] = []
  const kept = new KeptCoins(({ id }) => back.push(id))
  kept.keep('a', coin('c1'))
  kept.keep('a', coin('c2'))
  assert.deepEqual(back, ['c1'])
  assert.equal(kept.take('a')?.id, 'c2')
  t.mock.timers.tick(120_000)
  assert.deepEqual(back, ['c1'])
})
