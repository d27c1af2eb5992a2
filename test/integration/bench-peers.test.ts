import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { programOrSkip } from '../support/server.ts'

const BENCH = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))

test('the bench of peers runs: every record arrives, every payment moves, and each figure stands beside its reference', async (t) => {
  for (const server of ['mosquitto', 'nats-server']) if (programOrSkip(t, server) === undefined) return
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, 'peers', '--small', '--json'])
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const contenders = rows.filter(({ contender }) => contender !== undefined)
  assert.deepEqual(
    contenders.map(({ contender, paid }) => [contender, paid]),
    [
      ['DDM', 'yes'],
      ['DDM, each 100 paid', 'yes'],
      ['mosquitto QoS 0', 'no'],
      ['mosquitto QoS 1', 'no'],
      ['NATS', 'no'],
      ['x402 exact, one by one', 'every record'],
      ['x402 exact, 8 at a time', 'every record']
    ]
  )
  for (const { recordsPerSecond, ratio } of contenders) assert.ok(Number(recordsPerSecond) > 0 && Number(ratio) > 0)
  assert.equal(rows.filter(({ aim }) => aim !== undefined).length, 2)
})
