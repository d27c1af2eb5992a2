import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ddm } from './cli-process.ts'
import { startWindMarket, type WindMarket } from './wind-market.ts'

/** The examples, each run as its first lines say, beside sellers that are processes of their own. */

const EXAMPLES = new URL('../../examples/', import.meta.url)
let market: WindMarket
const listings: Record<string, string> = {}

before(async () => {
  market = await startWindMarket()
  const [north, broken] = await Promise.all([market.start('north', '0.0001'), market.start('broken', '0.00005', 'bad')])
  Object.assign(listings, { north, broken })
})

after(() => market?.close())

interface Example {
  child: ChildProcess
  /** What it prints, line by line. */
  lines: AsyncIterableIterator<string>
  exited: Promise<number | null>
}

function run(name: string, ...args: string[]): Example {
  const { network } = market
  const child = spawn(process.execPath, [fileURLToPath(new URL(name, EXAMPLES)), network.profile, ...args], {
    cwd: network.folder,
    env: { ...process.env, DDM_LISTEN: '/ip4/127.0.0.1/tcp/0' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  process.once('exit', () => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return { child, lines, exited: once(child, 'exit').then(([code]) => code as number | null) }
}

async function resultsOf({ lines, exited }: Example): Promise<Array<Record<string, unknown>>> {
  const results: Array<Record<string, unknown>> = []
  for await (const line of lines) results.push(JSON.parse(line) as Record<string, unknown>)
  assert.equal(await exited, 0)
  return results
}

test('each example fits on a screen', async () => {
  const names = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.ts'))
  assert.ok(names.length >= 5)
  for (const name of names) {
    const lines = (await readFile(new URL(name, EXAMPLES), 'utf8')).trimEnd().split('\n').length
    assert.ok(lines <= 40, `${name} has ${lines} lines`)
  }
})

async function stored(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => (JSON.parse(line) as { n: number }).n)
}

test('store-a-stream: killed in the middle and started again, the file has each record once', async () => {
  const file = join(market.network.folder, 'stored.jsonl')
  const args = ['north', file, '400'] as const
  const first = run('store-a-stream.ts', ...args)
  for (let i = 0; i < 6_000 && (await stored(file)).length < 20 && first.child.exitCode === null; i++) await sleep(20)
  first.child.kill('SIGKILL')
  await first.exited
  const before = (await stored(file)).length
  assert.ok(before >= 20 && before < 400, `${before} records before the kill`)
  const [result] = await resultsOf(run('store-a-stream.ts', ...args))
  assert.equal(typeof result?.resumed, 'string')
  assert.deepEqual([result?.stored, result?.paid], [400, '0.04'])
  const numbers = await stored(file)
  const [start = 0] = numbers
  assert.deepEqual(
    numbers,
    Array.from({ length: 400 }, (_, i) => start + i)
  )
})

test('alert-on-threshold: one alert for each time that the limit is crossed', async () => {
  const results = await resultsOf(run('alert-on-threshold.ts', 'north', 'speed', '15', '2'))
  assert.equal(results.length, 3)
  const [one, two, end] = results
  assert.ok(Number(one?.value) > 15 && Number(two?.value) === 16)
  assert.ok(Date.parse(String(two?.at)) > Date.parse(String(one?.at)))
  assert.equal(end?.alerts, 2)
  assert.ok(Math.round(Number(end?.paid) * 10_000) >= Number(end?.seen), JSON.stringify(end))
})

test('compare-two-sellers: the one whose records break the schema is left, though it is cheaper', async () => {
  const results = await resultsOf(run('compare-two-sellers.ts', 'wind', '30', '25'))
  const [one, two, end] = results as Array<{
    seller?: string
    quality?: { invalid: number }
    better?: string
    bought?: number
  }>
  const invalid = [one, two].map((tried) => tried?.quality?.invalid ?? 0)
  assert.deepEqual(new Set(invalid), new Set([0, 3]))
  assert.equal(end?.better, (invalid[0] === 0 ? one : two)?.seller)
  assert.equal(end?.bought, 25)
})

test('buy-aggregate-resell: somebody buys the averages; the example ends in an orderly way', async () => {
  const example = run('buy-aggregate-resell.ts', 'north', 'speed', '5')
  const { value } = (await example.lines.next()) as { value: string }
  const { selling } = JSON.parse(value) as { selling: string }
  const bought = await ddm(['buy', selling, '-n', '3', '--max', '0.01', ...market.network.as('carol')])
  assert.equal(bought.code, 0, bought.stderr)
  const records = bought.stdout.trim().split('\n')
  assert.equal(records.length, 3)
  for (const line of records) {
    const { mean, of, time } = JSON.parse(line) as { mean: number; of: number; time: string }
    assert.ok(mean >= 0 && mean < 20 && of === 5 && !Number.isNaN(Date.parse(time)), line)
  }
  example.child.kill('SIGTERM')
  assert.equal(await example.exited, 0)
})
