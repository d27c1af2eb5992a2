import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChainHealth } from '../../../src/payments/evm/chain-health.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('crediting stops an eighth of the withdraw delay after the last good answer, and goes on after the next one', async () => {
  let now = 0
  let answers = true
  let asked = 0
  const timestamp = async (): Promise<bigint> => {
    asked++
    if (!answers) throw new Error('no answer')
    return 1n
  }
  const health = new ChainHealth({ chain: { timestamp }, withdrawDelay: 8_000, now: () => now, quiet: true })
  now = 500_000
  health.check()
  assert.equal(asked, 0, 'a young answer is enough')
  now = 600_000
  health.check()
  await turn()
  assert.equal(asked, 1)
  answers = false
  now = 1_600_000
  health.check()
  await turn()
  now = 1_601_000
  assert.throws(() => health.check(), { code: 'unreachable', message: /for 1001 s, the limit is 1000 s/ })
  answers = true
  await turn()
  assert.throws(() => health.check(), { code: 'unreachable' })
  await turn()
  health.check()
})

test('an RPC that answers with old blocks counts as silent, except where blocks come with transactions only', async () => {
  for (const quiet of [false, true]) {
    let now = 0
    let head = 1_700_000_000
    const health = new ChainHealth({
      chain: { timestamp: async () => BigInt(head) },
      withdrawDelay: 8_000,
      quiet,
      now: () => now,
      wallTime: () => 1_700_000_000_000 + now
    })
    now = 1_000_000
    await health.look()
    health.check()
    // It stopped there.
    now = 2_000_001
    await health.look()
    if (quiet) health.check()
    else {
      const error = { code: 'unreachable', message: /for 1000 s, .* newest block is 2000 s old: the RPC lags/ }
      assert.throws(() => health.check(), error)
    }
    // A clock that is behind makes no block old.
    head = 2_000_000_000
    await health.look()
    health.check()
  }
})
