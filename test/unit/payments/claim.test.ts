import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ClaimCandidate, gasCost, planClaims } from '../../../src/payments/evm/claim-plan.ts'

/** One coin is worth 3000 tokens of 6 decimals; 1 gwei per gas makes a row 60,000 units, a batch 225,000. */
const policy = { above: 1_000_000n, interval: 600, oldAfter: 3600, nativePrice: 3_000_000_000n, gasPercent: 5n }
const GWEI = 10n ** 9n

const channel = (claimable: bigint, changes: Partial<ClaimCandidate> = {}): ClaimCandidate => ({
  claimable,
  ageSeconds: 0,
  withdrawing: false,
  orphaned: false,
  ...changes
})

test('what gas costs is rounded up, and nothing where nobody weighs it', () => {
  assert.equal(gasCost(20_000n, GWEI, policy), 60_000n)
  assert.equal(gasCost(1n, 1n, policy), 1n)
  assert.equal(gasCost(1n, GWEI, { nativePrice: 0n }), 0n)
})

test('nothing is claimed while it is little and young', () => {
  assert.deepEqual(planClaims([channel(999_999n, { ageSeconds: 599 }), channel(0n)], policy, 0n), [])
})

test('all that is worth it is claimed when too much is unclaimed over all channels', () => {
  const [one, two, small] = [channel(600_000n), channel(500_000n), channel(90n)]
  assert.deepEqual(planClaims([one, two, small], policy, GWEI / 1000n), [one, two])
})

test('after the interval it is claimed if gas is at most its share', () => {
  const old = channel(5_000_000n, { ageSeconds: 600 })
  const price = GWEI / 10n
  const cost = gasCost(20_000n, price, policy) + gasCost(75_000n, price, policy)
  const worth = channel(cost * 20n, { ageSeconds: 600 })
  const less = channel(cost * 20n - 1n, { ageSeconds: 600 })
  assert.deepEqual(planClaims([old], policy, price), [old])
  assert.deepEqual(planClaims([worth], { ...policy, above: 10n ** 12n }, price), [worth])
  assert.deepEqual(planClaims([less], { ...policy, above: 10n ** 12n }, price), [])
})

test('what is in danger, or old, is claimed as soon as it brings more than it costs', () => {
  const cost = gasCost(20_000n, GWEI, policy) + gasCost(75_000n, GWEI, policy)
  for (const danger of [{ withdrawing: true }, { orphaned: true }, { ageSeconds: 3600 }]) {
    const more = channel(cost + 1n, danger)
    assert.deepEqual(planClaims([more], policy, GWEI), [more], JSON.stringify(danger))
    assert.deepEqual(planClaims([channel(cost, danger)], policy, GWEI), [])
  }
})

test('without a price of gas every unit in danger is claimed', () => {
  const one = channel(1n, { withdrawing: true })
  assert.deepEqual(planClaims([one, channel(0n, { withdrawing: true })], { ...policy, nativePrice: 0n }, GWEI), [one])
})

const candidate = fc.record({
  claimable: fc.bigInt(0n, 10n ** 7n),
  ageSeconds: fc.oneof(fc.nat({ max: 7200 }), fc.constant(Number.POSITIVE_INFINITY)),
  withdrawing: fc.boolean(),
  orphaned: fc.boolean()
})

test('a plan never costs more gas than it brings, and is made of what was given, once each', () => {
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 20 }), fc.bigInt(0n, 10n ** 11n), (channels, gasPrice) => {
      const chosen = planClaims(channels, policy, gasPrice)
      assert.equal(new Set(chosen).size, chosen.length)
      assert.ok(chosen.every((one) => channels.includes(one) && one.claimable > 0n))
      if (chosen.length === 0) return
      const gas = 75_000n + 20_000n * BigInt(chosen.length)
      const brings = chosen.reduce((sum, { claimable }) => sum + claimable, 0n)
      assert.ok(brings > gasCost(gas, gasPrice, policy), `${brings} for ${gas} gas at ${gasPrice}`)
    })
  )
})
