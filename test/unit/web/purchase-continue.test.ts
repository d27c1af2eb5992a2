import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Purchase, Session } from '../../../src/web/client/types.ts'
import { continuation, isCut } from '../../../src/web/views/purchase-continue.ts'

function purchase(part: object): Purchase {
  const given: unknown = { listing: '0x12', status: { id: 'session' }, ...part }
  return given as Purchase
}

const OUTCOME = { rail: 'evm', records: '30', due: '300' }
const TERMS = { start: 100n, quantity: 50n, maximum: 1000n, prepay: 0n, credit: 0n, ahead: 0n }

test('after an orderly end the rest of what was wanted is bought from the next record on, at the same risk', () => {
  assert.deepEqual(continuation(purchase({ outcome: OUTCOME }), TERMS), {
    listing: '0x12',
    keep: 'node',
    options: { rail: 'evm', from: '130', records: '20', max: { units: '700' }, prepay: { units: '0' } }
  })
})

test('nothing is left when all came, or the budget is used up', () => {
  assert.equal(continuation(purchase({ outcome: { ...OUTCOME, records: '50' } }), TERMS), undefined)
  assert.equal(continuation(purchase({ outcome: { ...OUTCOME, due: '1000' } }), TERMS), undefined)
})

test('a session that was lost is resumed, one that failed otherwise is not', () => {
  assert.deepEqual(continuation(purchase({ problem: { code: 'unreachable' } }), TERMS), { resume: 'session' })
  assert.equal(continuation(purchase({ problem: { code: 'schema' } }), TERMS), undefined)
})

const session = (state: string, openedAt: number): Session => {
  const given: unknown = { state, openedAt }
  return given as Session
}

test('a session is cut when it says so, or when its run of the node ended before it did', () => {
  assert.ok(isCut(session('suspended', 20), 10))
  assert.ok(isCut(session('streaming', 5), 10))
  assert.ok(!isCut(session('streaming', 20), 10), 'it runs now')
  for (const state of ['closed', 'refused', 'disputed', 'abandoned']) assert.ok(!isCut(session(state, 5), 10), state)
})
