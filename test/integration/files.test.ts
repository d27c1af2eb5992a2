import assert from 'node:assert/strict'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parquet } from '../../src/data/sources/parquet.ts'
import { collect, recordsOf } from '../support/connectors.ts'
import { httpServer } from '../support/http-feed.ts'
import { ddm, type Network, serve, startNetwork } from './cli-process.ts'

/** From a log file to other files and a webhook, by the command line. */

let network: Network

before(async () => {
  network = await startNetwork()
})

after(() => network?.close())

const linesOf = (from: number, to: number): string =>
  recordsOf(from, to)
    .map((line) => `${line}\n`)
    .join('')

test('a log file is sold on after a restart, each line once, into Parquet, CSV and a webhook', async (t) => {
  const file = await network.file('air.log', linesOf(0, 20))
  const sell = [
    'sell',
    '--name',
    'Air',
    '--price',
    '0.0001/record',
    '--source',
    `tail:${file}`,
    ...network.as('seller')
  ]
  const first = serve(sell)
  await first.event('ready')
  const buy = ['buy', '--from', '0', '--max', '1', ...network.as('buyer'), '--records']
  const listing = String((await first.event('listed')).listing)
  const target = join(network.folder, 'air.parquet')
  const bought = await ddm([...buy, '20', listing, '--to', target])
  assert.equal(bought.code, 0, bought.stderr)
  await first.stop()
  await appendFile(file, linesOf(20, 50))
  const second = serve(sell)
  t.after(() => second.stop())
  await second.event('ready')
  const csv = join(network.folder, 'air.csv')
  const again = await ddm([...buy, '50', listing, '-o', csv])
  assert.equal(again.code, 0, again.stderr)
  assert.deepEqual((await collect(parquet(target), { until: () => false })).texts, recordsOf(0, 20))
  const rows = Array.from({ length: 50 }, (_, n) => `${n}\n`)
  assert.equal(await readFile(csv, 'utf8'), `n\n${rows.join('')}`)
  const server = await httpServer(t, (_request, response) => response.end())
  const posted = await ddm([...buy, '50', listing, '--to', server.url, '--header', 'X-Key: k'])
  assert.equal(posted.code, 0, posted.stderr)
  const posts = server.requests.filter(({ method }) => method === 'POST')
  const items = posts.flatMap(({ body }) => JSON.parse(body) as unknown[])
  assert.deepEqual(
    items.map((item) => JSON.stringify(item)),
    recordsOf(0, 50)
  )
  assert.ok(posts.every(({ headers }) => headers['x-key'] === 'k'))
  assert.match(String(posts[0]?.headers['idempotency-key']), new RegExp(`^"${listing}:0-`))
})
