import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextBlockTime } from '../../../src/payments/evm/time.ts'

test('the next block is no older than the latest, nor than this machine thinks', () => {
  assert.equal(nextBlockTime(1_000n, 5_000_999), 5_000n, 'an idle chain')
  assert.equal(nextBlockTime(9_000n, 5_000_999), 9_000n, 'a clock that is behind')
})
