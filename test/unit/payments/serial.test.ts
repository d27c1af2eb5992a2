import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Serial } from '../../../src/payments/evm/serial.ts'

test('work runs one after the other, also after a failure', async () => {
  const serial = new Serial()
  const seen: string[] = []
  const work = (name: string) => async () => {
    seen.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(`${name} ends`)
    if (name === 'a') throw new Error('a failed')
  }
  const results = await Promise.allSettled([serial.run(work('a')), serial.run(work('b'))])
  assert.deepEqual(seen, ['a begins', 'a ends', 'b begins', 'b ends'])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'fulfilled']
  )
  assert.equal(serial.idle, true)
})

test('who gives up while waiting never runs; who waits behind him still waits for the one before', async () => {
  const serial = new Serial()
  const first = Promise.withResolvers<void>()
  const running = serial.run(() => first.promise)
  const gone = new AbortController()
  let ran = false
  const given = serial.run(async () => {
    ran = true
  }, gone)
  const last = serial.run(async () => 'last')
  gone.abort()
  await assert.rejects(given, { code: 'aborted' })
  assert.equal(await Promise.race([last, new Promise((resolve) => setImmediate(resolve, 'waiting'))]), 'waiting')
  first.resolve()
  assert.equal(await last, 'last')
  await running
  assert.equal(ran, false)
})

test('what has begun ends by its own signal', async () => {
  const serial = new Serial()
  const gone = new AbortController()
  const done = serial.run(async () => {
    gone.abort()
    await new Promise((resolve) => setImmediate(resolve))
    return 'done'
  }, gone)
  assert.equal(await done, 'done')
})
