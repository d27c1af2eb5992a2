import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { EXIT_CODES } from '../../src/interface/index.ts'
import { ddm, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** A market of separate processes, used as a person at a terminal, and a program, would use it. */

let network: Network
let seller: Server
let listing: string
let sellerPeer: string

const ROWS = 40
const CSV = `time,wind\n${Array.from({ length: ROWS }, (_, i) => `2026-01-01T00:${i},${i}.5`).join('\n')}\n`

before(async () => {
  network = await startNetwork()
  const products = [
    {
      title: 'Harbour wind',
      price: '0.0001/record',
      source: 'csv:wind.csv',
      keywords: ['wind', 'harbour']
    },
    { title: 'Tower wind', price: '0.0002/record', source: 'csv:wind.csv' }
  ]
  await network.file('wind.csv', CSV)
  const config = await network.file('products.json', JSON.stringify({ products }))
  seller = serve(['sell', '--config', config, ...network.as('seller')])
  sellerPeer = String((await seller.event('ready')).peerId)
  listing = String((await seller.event('listed')).listing)
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

describe('a purchase by hand', { concurrency: false }, () => {
  test('search, show and menu find what is sold; the menu by peer ID alone', async () => {
    const buyer = network.as('buyer')
    const found = await ddm(['search', 'harbour', 'win', '--json', ...buyer])
    assert.equal(found.code, 0, found.stderr)
    const [one, ...others] = found.stdout.trim().split('\n')
    assert.deepEqual(others, [])
    const { id, title, seller: peer, trust } = JSON.parse(one ?? '') as Record<string, string>
    assert.deepEqual([id, title, peer, trust], [listing, 'Harbour wind', sellerPeer, 'confirmed'])
    const table = await ddm(['search', 'harbour', ...buyer])
    assert.match(table.stdout, /^LISTING .*\n0x[0-9a-f]{10} {2}0\.0001 \S+ per record {2}finite {2}.*Harbour wind\n$/)
    const shown = await ddm(['show', listing, ...buyer])
    assert.match(shown.stdout, /^Harbour wind\n(?:.*\n)*.*0\.0001 \S+ per record/)
    const menu = await ddm(['menu', sellerPeer, '--json', ...buyer])
    const titles = menu.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { title: string }).title)
    assert.deepEqual(titles.sort(), ['Harbour wind', 'Tower wind'])
  })

  test('records go to stdout, the summary to stderr; the receipt verifies without a home, and a changed one does not', async () => {
    const buyer = network.as('buyer')
    const bought = await ddm(['buy', listing, '-n', '7', '--max', '0.01', '--json', ...buyer])
    assert.equal(bought.code, 0, bought.stderr)
    const records = bought.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { wind: number })
    assert.deepEqual(
      records.map(({ wind }) => wind),
      [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    )
    const summary = JSON.parse(bought.stderr.trim().split('\n').at(-1) ?? '') as Record<string, string>
    assert.deepEqual([summary.due, summary.paid, summary.reason], ['0.0007', '0.0007', 'complete'])

    const listed = await ddm(['receipts', 'list', '--json', ...buyer])
    const { session, due } = JSON.parse(listed.stdout) as Record<string, string>
    assert.deepEqual([session, due], [summary.session, '0.0007'])
    const file = join(network.folder, 'sale.car')
    const exported = await ddm(['receipts', 'export', String(session).slice(0, 20), '-o', file, ...buyer])
    assert.equal(exported.code, 0, exported.stderr)
    const verified = await ddm(['receipts', 'verify', file, '--json', '--home', join(network.folder, 'nowhere')])
    assert.equal(verified.code, 0, verified.stderr)
    const { records: count, credited, seller: by } = JSON.parse(verified.stdout) as Record<string, string>
    assert.deepEqual([count, credited, by], ['7', '700', sellerPeer])
    assert.ok(!existsSync(join(network.folder, 'nowhere')), 'verifying makes no home')

    const bytes = await readFile(file)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    const changed = await network.file('changed.car', '')
    await writeFile(changed, bytes)
    refused(await ddm(['receipts', 'verify', changed, '--json']), 'evidence', /: expected .*, found /)
  })

  test('a file gets the whole product; --max that is too little stops early with a code of its own', async () => {
    const buyer = network.as('buyer')
    const file = join(network.folder, 'wind.jsonl')
    const whole = await ddm(['buy', listing, '-o', file, '--json', ...buyer])
    assert.equal(whole.code, 0, whole.stderr)
    assert.equal((JSON.parse(whole.stdout) as { records: number }).records, ROWS)
    assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, ROWS)
    const again = await ddm(['buy', listing, '-o', file, '--json', ...buyer])
    refused(again, 'usage', /exists/)
    const some = await ddm(['buy', listing, '-n', '30', '--max', '0.0005', ...buyer])
    assert.equal(some.code, EXIT_CODES.budget, some.stderr)
    assert.equal(some.stdout.trim().split('\n').length, 5)
    assert.match(some.stderr, /5 records .* \(maximum\)/)
  })

  test('a reader that goes away ends the purchase, and what was bought is settled', async () => {
    const buyer = network.as('buyer')
    const cut = await ddm(['buy', listing, '--json', ...buyer], { onStart: (child) => child.stdout?.destroy() })
    refused(cut, 'aborted', /nobody reads stdout/)
    const listed = await ddm(['receipts', 'list', '--json', ...buyer])
    const sessions = listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { due: string; paid: string })
    // What was paid ahead when the reader went away, at most 5 % of what was settled before, stays in the channel.
    for (const { due, paid } of sessions) {
      const ahead = Number(paid) - Number(due)
      assert.ok(ahead >= 0 && ahead < 0.0003, `due ${due}, paid ${paid}`)
    }
  })

  test('what was sold is claimed on the chain after the seller was stopped and is started again', async () => {
    const stopped = await seller.stop()
    assert.equal(stopped.code, 0, stopped.stderr)
    const claimed = await ddm(['claim', '--json', ...network.as('seller')])
    assert.equal(claimed.code, 0, claimed.stderr)
    const { claimed: amount, transactions } = JSON.parse(claimed.stdout) as { claimed: string; transactions: string[] }
    assert.ok(Number(amount) >= 0.0052, amount)
    assert.match(transactions[0] ?? '', /^0x[0-9a-f]{64}$/)
    seller = serve(['sell', '--config', join(network.folder, 'products.json'), ...network.as('seller')])
    await seller.event('ready')
  })
})

describe('being stopped', () => {
  test('a stream that is interrupted is settled: due is paid, and the receipt is there', async () => {
    const flags = ['--name', 'Live', '--price', '0.0001/record', '--source', 'telemetry', '--period', '20ms']
    const live = serve(['sell', ...flags, ...network.as('l')])
    try {
      await live.event('ready')
      const { listing: id } = await live.event('listed')
      const bought = await ddm(['buy', String(id), '--json', ...network.as('l2')], {
        onStart: (child) => child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 300))
      })
      assert.equal(bought.code, 0, bought.stderr)
      const { due, paid, records, session } = JSON.parse(bought.stderr.trim().split('\n').at(-1) ?? '') as Record<
        string,
        string
      >
      assert.equal(due, paid)
      assert.equal(Number(records), bought.stdout.trim().split('\n').length)
      const file = join(network.folder, 'live.car')
      const exported = await ddm(['receipts', 'export', String(session), '-o', file, ...network.as('l2')])
      assert.equal(exported.code, 0, exported.stderr)
    } finally {
      const stopped = await live.stop()
      assert.equal(stopped.code, 0, stopped.stderr)
    }
  })
})
