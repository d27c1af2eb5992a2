import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shouldClaim } from '../../../src/payments/index.ts'

const policy = { above: 100n, olderThan: 3600n }

test('a channel is claimed when much is unclaimed, when it is old, or when a withdrawal has begun', () => {
  const cases: Array<[unclaimed: bigint, ageSeconds: bigint, withdrawing: boolean, expected: boolean]> = [
    [0n, 10_000n, true, false],
    [1n, 0n, false, false],
    [100n, 3599n, false, false],
    [101n, 0n, false, true],
    [1n, 3600n, false, true],
    [1n, 0n, true, true]
  ]
  for (const [unclaimed, ageSeconds, withdrawing, expected] of cases) {
    assert.equal(shouldClaim({ unclaimed, ageSeconds, withdrawing }, policy), expected)
  }
})
