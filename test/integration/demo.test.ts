import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tempDir } from '../support/temp-dir.ts'
import { BIN, ddm, errorOf } from './cli-process.ts'

const run = promisify(execFile)
const START = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url))

interface Summary {
  processes: number
  listingsFound: number
  records: number
  due: string
  paid: string
  claimed: string
  receipts: Array<{ file: string; verified: boolean }>
  resolvedThrough: string
  transactions: string[]
  firstRecordMs: number
  totalMs: number
}

test('one command runs the whole market: found by words and by DHT, streamed, paid, claimed, verified', async (t) => {
  const home = join(await tempDir(t), 'market')
  // What `npm start` runs.
  const { stdout } = await run(process.execPath, [START, '--once', '--json', '--home', home])
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Summary
  assert.equal(summary.processes, 4)
  assert.equal(summary.listingsFound, 2)
  assert.equal(summary.records, 8_859)
  // 100 × 0.0001 + 8,759 × 0.00001
  assert.deepEqual([summary.due, summary.paid, summary.claimed], ['0.09759', '0.09759', '0.09759'])
  assert.deepEqual(
    summary.receipts.map(({ verified }) => verified),
    [true, true]
  )
  assert.equal(summary.resolvedThrough, 'dht')
  for (const hash of summary.transactions) assert.match(hash, /^0x[0-9a-f]{64}$/)
  assert.ok(summary.transactions.length >= 3, 'two listings and a claim')
  assert.ok(summary.firstRecordMs > 0 && summary.firstRecordMs < summary.totalMs)
  const lines = async (name: string): Promise<string[]> =>
    (await readFile(join(home, 'records', name), 'utf8')).trim().split('\n')
  assert.equal((await lines('host-telemetry.jsonl')).length, 100)
  const weather = await lines('seattle-weather.jsonl')
  assert.equal(weather.length, 8_759)
  assert.deepEqual(JSON.parse(weather[0] ?? ''), {
    date: '2010-01-01T01:00:00',
    pressure: 1016.6,
    temperature: 4,
    wind: 3.8
  })
})

/** Processes whose command line names the folder. */
async function processesOf(folder: string): Promise<string[]> {
  const ps = spawn('ps', ['-eo', 'pid=,args='], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  ps.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  await once(ps, 'close')
  return text.split('\n').filter((line) => line.includes(folder))
}

test('nothing outlives the demo, even when it is killed', async (t) => {
  const home = join(await tempDir(t), 'market')
  const demo = spawn(process.execPath, [BIN, 'demo', '--once', '--home', home], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(() => demo.kill('SIGKILL'))
  let said = ''
  demo.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  while (!said.includes('seller ')) {
    assert.equal(demo.exitCode, null, said)
    await sleep(50)
  }
  const second = await ddm(['demo', '--once', '--json', '--home', home])
  assert.equal(errorOf(second).code, 'homeBusy')
  assert.ok((await processesOf(home)).length >= 4)
  demo.kill('SIGKILL')
  let left: string[] = []
  for (let tries = 0; tries < 600; tries++) {
    left = await processesOf(home)
    if (left.length === 0) return
    await sleep(100)
  }
  assert.deepEqual(left, [])
})

test('a folder that the demo did not make is not cleared', async (t) => {
  const folder = await tempDir(t)
  const { code, stderr } = await ddm(['network', 'export', join(folder, 'mine.json'), '--home', folder, '--json'])
  assert.equal(code, 3, stderr)
  const home = join(folder, 'chain')
  await ddm(['network', 'export', '--home', home])
  const demo = await ddm(['demo', '--once', '--json', '--home', folder])
  assert.equal(errorOf(demo).code, 'usage')
  assert.match(errorOf(demo).message, /did not make/)
})
