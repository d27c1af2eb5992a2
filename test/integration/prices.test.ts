import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ddm, type Network, type Ran, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** Kinds of prices, what is given away, and where a purchase starts, at the command line. */

const ROWS = 40
let network: Network
let perRecord: Server
let perKiB: Server
let stream: Server

before(async () => {
  network = await startNetwork()
  const file = await network.file('n.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  const sell = (name: string, price: string, source: string, ...more: string[]): Server =>
    serve([
      ...['sell', '--name', name, '--price', price, '--source', source, ...more],
      ...[...network.as(name), '--set', 'inboundPerSecond=1000']
    ])
  perRecord = sell('numbers', '0.0001/record', `csv:${file}`, '--free', '10')
  // What one record may cost at most is what both windows must cover: the listing says how large a record may be.
  const document = { schema: { encoding: 'json', maxRecordBytes: 512 } }
  const products = [{ title: 'bytes', price: '0.01/KiB', source: 'csv:n.csv', document }]
  const config = await network.file('bytes.json', JSON.stringify({ products }))
  perKiB = serve(['sell', '--config', config, ...network.as('bytes'), '--set', 'inboundPerSecond=1000'])
  stream = sell('ticks', '0.0001/record', 'telemetry', '--period', '20ms')
  await Promise.all([perRecord, perKiB, stream].map((server) => server.event('ready')))
})

after(async () => {
  await Promise.all([perRecord, perKiB, stream].map((server) => server?.stop()))
  await network?.close()
})

async function idOf(server: Server): Promise<string> {
  return String((await server.event('listed')).listing)
}

function records({ stdout }: Ran): Array<Record<string, number>> {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>)
}

function summary({ stderr }: Ran): Record<string, string> {
  return JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as Record<string, string>
}

test('a price per KiB is due for the bytes of the records, rounded up once', async () => {
  const id = await idOf(perKiB)
  const bought = await ddm(['buy', id, '--max', '0.1', '--json', ...network.as('kib')])
  assert.equal(bought.code, 0, bought.stderr)
  const bytes = bought.stdout.trim().split('\n').join('').length
  const { due, paid, reason } = summary(bought)
  assert.equal(Math.round(Number(due) * 1e6), Math.ceil((bytes * 10_000) / 1024))
  assert.deepEqual([paid, reason], [due, 'sourceEnded'])
})

test('a cap on the price of a record holds for the largest record that a price per KiB allows', async () => {
  const id = await idOf(perKiB)
  const buy = (cap: string) =>
    ddm(['buy', id, '--max', '0.1', '--set', `budgetPerRecord=${cap}`, '--json', ...network.as('kib')])
  const dear = await buy('0.004999')
  assert.equal(dear.code, 12, dear.stderr)
  assert.match(dear.stderr, /the most that one record can cost would be 0\.005 .*budgetPerRecord allows 0\.004999/)
  assert.equal((await buy('0.005')).code, 0)
})

test('a sample is what the listing gives away, at no price and without funds', async () => {
  const id = await idOf(perRecord)
  const flags = network.as('sampler')
  const sampled = await ddm(['sample', id, '--json', ...flags])
  assert.equal(sampled.code, 0, sampled.stderr)
  assert.deepEqual(
    records(sampled).map(({ n }) => n),
    Array.from({ length: 10 }, (_, i) => i)
  )
  const { due, paid, reason } = summary(sampled)
  assert.deepEqual([due, paid, reason], ['0', '0', 'complete'])
  const channels = await ddm(['channels', 'list', '--json', ...flags])
  assert.equal((JSON.parse(channels.stdout) as { balance: string }).balance, '0')
  refused(await ddm(['sample', await idOf(perKiB), '--json', ...flags]), 'notFound', /gives no records away; buy a few/)
})

test('the free range is not charged in a purchase either', async () => {
  const id = await idOf(perRecord)
  const bought = await ddm(['buy', id, '-n', '25', '--json', ...network.as('free')])
  assert.equal(bought.code, 0, bought.stderr)
  assert.equal(records(bought).length, 25)
  assert.deepEqual([summary(bought).due, summary(bought).paid], ['0.0015', '0.0015'])
})

test('a purchase starts at a time: with the first block appended then or later', async () => {
  const id = await idOf(stream)
  const flags = network.as('timer')
  await sleep(500)
  const from = new Date()
  const all = await ddm(['buy', id, '--from', '2026-01-01', '-n', '5', '--prepay', '0.0005', '--json', ...flags])
  assert.equal(all.code, 0, all.stderr)
  const second = Date.now()
  const late = await ddm(['buy', id, '--from', from.toISOString(), '-n', '5', '--prepay', '0.0005', '--json', ...flags])
  assert.equal(late.code, 0, late.stderr)
  const timeOf = (record: Record<string, unknown> | undefined): number => Date.parse(String(record?.time))
  assert.ok(timeOf(records(all)[0]) < from.getTime() - 400, `${records(all)[0]?.time}`)
  const first = timeOf(records(late)[0])
  // A record is older than the block that it is in; a purchase that had begun live would have begun after `second`.
  assert.ok(first >= from.getTime() - 400 && first < second, `${first - from.getTime()} ms`)
  refused(await ddm(['buy', id, '--from', 'yesterday', '--json', ...flags]), 'usage', /neither an offset, nor a time/)
})
