import assert from 'node:assert/strict'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parquet } from '../../src/data/sources/parquet.ts'
import { createNode } from '../../src/index.ts'
import { collect, recordsOf } from '../support/connectors.ts'
import { httpServer } from '../support/http-feed.ts'
import { ddm, errorOf, type Network, type Ran, refused, type Server, serve, startNetwork } from './cli-process.ts'

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

/** The seller's word that it has the acknowledgement may still be missing: then that is fetched first. */
async function resumedUntilComplete(resume: string[]): Promise<Ran> {
  for (let tries = 0; ; tries++) {
    const ran = await ddm(resume)
    if (ran.code !== 0 || tries === 5) return ran
  }
}

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

/** Small windows: what is bought comes a few records at a time. */
const SLOWLY = ['--k', '5', '--prepay', '0.0005', '--max', '1']

async function selling(
  name: string,
  content: string,
  more: string[] = []
): Promise<{ seller: Server; listing: string }> {
  const source = `jsonl:${await network.file(`${name}.jsonl`, content)}`
  const product = ['--name', name, '--price', '0.0001/record', '--source', source, ...more]
  const seller = serve(['sell', ...product, ...network.as(`seller-${name}`)])
  const listing = String((await seller.event('listed')).listing)
  await seller.event('ready')
  return { seller, listing }
}

test('a record that a CSV file cannot take: what is paid and missing goes to another file, each record once', async (t) => {
  const odd = '{"n":60,"note":"calibrated"}\n'
  const { seller, listing } = await selling('odd', linesOf(0, 60) + odd + linesOf(61, 400))
  t.after(() => seller.stop())
  const as = ['--json', ...network.as('csv-buyer')]
  const csv = join(network.folder, 'odd.csv')
  const failed = await ddm(['buy', listing, ...SLOWLY, '-o', csv, ...as])
  refused(failed, 'badRecord', /"note".*ddm sessions resume bafy[a-z0-9]+, or .* --elsewhere -o FILE\.jsonl$/)
  const session = String(errorOf(failed).details.session)
  const resume = ['sessions', 'resume', session, ...as]
  const shown = await ddm(['sessions', 'show', session, ...as])
  assert.equal((JSON.parse(shown.stdout) as { pending: string }).pending, '0', 'the receipt confirmed all of it')
  const target = join(network.folder, 'rest.jsonl')
  refused(await ddm([...resume, '-o', target]), 'usage', /has written \d+ records to .*odd\.csv.*add --elsewhere/)
  const resumed = await ddm([...resume, '--elsewhere', '-o', target])
  assert.equal(resumed.code, 0, resumed.stderr)
  const rows = (await readFile(csv, 'utf8')).split('\n').slice(1, -1)
  const rest = (await readFile(target, 'utf8')).split('\n').slice(0, -1)
  assert.ok(rows.length > 0 && rows.length <= 60, `${rows.length} rows`)
  const all = [...rows.map(Number), ...rest.map((line) => (JSON.parse(line) as { n: number }).n)]
  const { records, due } = JSON.parse(resumed.stderr.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
  assert.deepEqual(
    all,
    Array.from({ length: Number(records) }, (_, n) => n)
  )
  assert.equal(Number(due), Number(records) / 10_000)
  refused(await resumedUntilComplete(resume), 'usage', /is complete/)
})

test('a webhook that refuses: the rest goes to standard output, and the session knows of no other place', async (t) => {
  const { seller, listing } = await selling('hook', linesOf(0, 200))
  t.after(() => seller.stop())
  const taken: unknown[] = []
  const server = await httpServer(t, (request, response, body) => {
    const takes = request.method !== 'POST' || taken.length === 0
    if (request.method === 'POST' && takes) taken.push(...(JSON.parse(body) as unknown[]))
    response.writeHead(takes ? 204 : 400).end()
  })
  const as = ['--json', ...network.as('hook-buyer')]
  const failed = await ddm(['buy', listing, ...SLOWLY, '--to', server.url, ...as])
  refused(failed, 'config', /ddm sessions resume bafy[a-z0-9]+ --to …, or .* --elsewhere -o FILE\.jsonl$/)
  const resume = ['sessions', 'resume', String(errorOf(failed).details.session), ...as]
  refused(await ddm(resume), 'usage', /name it again with --to, or .* add --elsewhere/)
  const resumed = await ddm([...resume, '--elsewhere'])
  assert.equal(resumed.code, 0, resumed.stderr)
  const lines = [...taken.map((item) => JSON.stringify(item)), ...resumed.stdout.trimEnd().split('\n')]
  assert.deepEqual(lines, recordsOf(0, lines.length))
  refused(await resumedUntilComplete(resume), 'usage', /is complete/)
})

/** Buys some with a program that ends in the middle; resolves with the session that it leaves. */
async function leftByProgram(
  home: string,
  listing: string,
  mark: string
): Promise<{ session: string; position: number }> {
  const node = await createNode({
    home: join(network.folder, home),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' }
  })
  try {
    await node.listings.synced()
    const purchase = node.buy(listing, { from: 0, k: 5, prepay: '0.0005', max: '1' })
    for await (const { offset } of purchase) {
      if (offset < 10n) continue
      await purchase.commit(mark)
      purchase.suspend()
      break
    }
    await purchase.done.catch(() => {})
    const [{ id, position } = assert.fail()] = await node.sessions.list()
    return { session: id, position: Number(position) }
  } finally {
    await node.stop()
  }
}

test('a session that is resumed is checked, or not, as the command says; what its deposit has left comes back', async (t) => {
  const schema = await network.file('n.schema.json', '{"properties":{"n":{"type":"integer"}}}')
  const bad = '{"n":"sixty"}'
  const content = `${linesOf(0, 60)}${bad}\n${linesOf(61, 100)}`
  const { seller, listing } = await selling('part', content, ['--schema', schema, '--no-check'])
  t.after(() => seller.stop())
  const resume = async (name: string, ...flags: string[]) => {
    const { session, position } = await leftByProgram(name, listing, '{}')
    const file = join(network.folder, `${name}.jsonl`)
    const as = network.as(name)
    const ran = await ddm(['sessions', 'resume', session, '--elsewhere', '-o', file, ...flags, ...as, '--json'])
    return { ran, position, file }
  }
  const unchecked = await resume('unchecked', '--no-check', '--refund')
  assert.equal(unchecked.ran.code, 0, unchecked.ran.stderr)
  const all = content.split('\n').slice(unchecked.position)
  assert.deepEqual((await readFile(unchecked.file, 'utf8')).split('\n'), all)
  const dropped = await resume('dropped', '--on-invalid', 'drop')
  assert.equal(dropped.ran.code, 0, dropped.ran.stderr)
  const good = content.split('\n').filter((line) => line !== bad)
  assert.deepEqual((await readFile(dropped.file, 'utf8')).split('\n'), good.slice(dropped.position))
  assert.match(dropped.ran.stderr, /"quality":\{"invalid":1/)
  const unspent = async (name: string): Promise<string> => {
    const { stdout } = await ddm(['channels', 'list', ...network.as(name), '--json'])
    return (JSON.parse(stdout) as { unspent: string }).unspent
  }
  for (let tries = 0; (await unspent('unchecked')) !== '0'; tries++) assert.ok(tries < 20, 'nothing came back')
  assert.notEqual(await unspent('dropped'), '0')
})

test('a session whose mark is the own word of a program goes on in that program, or elsewhere', async (t) => {
  const { seller, listing } = await selling('own', linesOf(0, 60))
  t.after(() => seller.stop())
  const { session, position } = await leftByProgram('own-buyer', listing, 'row 10 of my table')
  const resume = ['sessions', 'resume', session, '--json', ...network.as('own-buyer')]
  const said = /has written \d+ records to a program that keeps a mark of its own.*add --elsewhere/
  const target = join(network.folder, 'own-rest.jsonl')
  for (const flags of [[], ['-o', target], ['--to', 'stdout']]) refused(await ddm([...resume, ...flags]), 'usage', said)
  const resumed = await ddm([...resume, '--elsewhere', '-o', target])
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.equal(await readFile(target, 'utf8'), linesOf(position, 60))
})
