import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

const STOP = new URL('../../../src/cli/stop.ts', import.meta.url).href

/** A command that takes its time to end after it was asked to; it says when it was. */
const SLOW = `
  import { stopped, stopSignal } from ${JSON.stringify(STOP)}
  const signal = stopSignal()
  setInterval(() => {}, 1_000)
  console.log('ready')
  await stopped(signal)
  console.log(signal.reason.message)
  setTimeout(() => process.exit(0), 120_000)
`

function start(stdio: 'ignore' | 'ipc') {
  const args = ['--input-type=module', '-e', SLOW]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', stdio] })
  child.stdout?.setEncoding('utf8')
  return { child, said: async () => String((await once(child.stdout as NodeJS.ReadableStream, 'data'))[0]).trim() }
}

test('the first signal asks, the second one ends at once with the code that shells know', async () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const) {
    const { child, said } = start('ignore')
    assert.equal(await said(), 'ready')
    child.kill(signal)
    assert.equal(await said(), `stopped by ${signal}`)
    child.kill(signal)
    assert.deepEqual(await once(child, 'exit'), [code, null])
  }
})

test('a process that a program started ends when that program is gone', async (t) => {
  const { child, said } = start('ipc')
  t.after(() => child.kill('SIGKILL'))
  assert.equal(await said(), 'ready')
  child.disconnect()
  assert.equal(await said(), 'the program that started this one is gone')
})
