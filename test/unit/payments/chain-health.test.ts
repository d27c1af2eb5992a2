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
  const health = new ChainHealth({ timestamp }, 8_000, () => now)
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
