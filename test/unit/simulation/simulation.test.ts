import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const main = fileURLToPath(new URL('../../simulation/main.ts', import.meta.url))
const run = promisify(execFile)

interface Summary {
  seeds: number
  steps: number
  transitions: number
  transitionsReached: number
  faults: Record<string, number>
  adversaries: Record<string, number>
  violations: number
}

async function simulate(...flags: string[]): Promise<{ summary: Summary; traces: string[] }> {
  const { stdout, stderr } = await run(process.execPath, [main, '--workers', '1', '--trace', ...flags])
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) as string) as Summary
  return { summary, traces: stderr.split('\n').filter((line) => /^seed \d+ [0-9a-f]{64}$/.test(line)) }
}

test('a seed replays exactly, and nothing is violated', async () => {
  const [first, second] = await Promise.all([simulate('--seeds', '30'), simulate('--seeds', '30')])
  assert.equal(first.traces.length, 30)
  assert.equal(new Set(first.traces).size, 30)
  assert.deepEqual(first.traces, second.traces)
  assert.deepEqual(first.summary, second.summary)
  assert.equal(first.summary.seeds, 30)
  assert.equal(first.summary.violations, 0)
  assert.ok(first.summary.steps > 1_000)
})

test('a seed alone is the same as among others', async () => {
  const [among, alone] = await Promise.all([
    simulate('--seed', '3', '--seeds', '4'),
    simulate('--seed', '6', '--seeds', '1')
  ])
  assert.equal(among.traces.at(-1), alone.traces[0])
})

test('real signatures', async () => {
  const { summary } = await simulate('--real-crypto', '--seeds', '3')
  assert.deepEqual([summary.seeds, summary.violations], [3, 0])
})
