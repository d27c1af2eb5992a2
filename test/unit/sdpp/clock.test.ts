import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadlineTimer, systemClock } from '../../../src/protocols/sdpp/clock.ts'
import { ManualClock } from '../../support/sdpp.ts'

test('a delay beyond 2^31 ms does not fire at once', async () => {
  let fired = false
  const cancel = systemClock.after(2 ** 31 + 1_000, () => {
    fired = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  cancel()
  assert.equal(fired, false)
})

test('the wall clock changes no deadline: now is monotonic', () => {
  assert.ok(Math.abs(systemClock.now() - performance.now()) < 1_000)
})

test('a deadline fires once, at its time, however often it moved', () => {
  const clock = new ManualClock()
  const fired: number[] = []
  const start = clock.now()
  const timer = new DeadlineTimer(clock, () => fired.push(clock.now() - start))
  timer.set(start + 100)
  timer.set(start + 300)
  clock.advance(200)
  assert.deepEqual(fired, [])
  timer.set(start + 250)
  clock.advance(200)
  assert.deepEqual(fired, [250])
  timer.set(start + 500)
  timer.set(undefined)
  clock.advance(1_000)
  timer.set(start + 2_000)
  timer.stop()
  clock.advance(5_000)
  assert.deepEqual(fired, [250])
})
