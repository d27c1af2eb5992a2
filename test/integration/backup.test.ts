import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { ddm, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** `ddm backup` and `ddm restore`: what they keep, and what becomes of money that moved in between. */

let network: Network

before(async () => {
  network = await startNetwork()
})

after(() => network?.close())

const home = (name: string): string[] => ['--home', join(network.folder, name)]

test('a home is backed up while its node runs, and restored elsewhere with all that it knew', async () => {
  const seller = serve([
    'sell',
    '--name',
    'Backed up',
    '--price',
    '0.0001/record',
    '--source',
    'telemetry',
    ...network.as('seller')
  ])
  const { listing } = await seller.event('listed')
  const node = serve(['start', ...network.as('buyer')])
  await node.event('ready')
  const bought = await ddm(['buy', String(listing), '-n', '20', '--max', '0.1', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
  // What is backed up does not change any more: the seller has said that it has the acknowledgement.
  for (let state = ''; state !== 'closed'; ) {
    const { stdout } = await ddm(['sessions', 'list', ...home('buyer'), '--json'])
    state = String((JSON.parse(stdout) as { state: string }).state)
  }
  const file = join(network.folder, 'buyer.tar.gz')
  const written = await ddm(['backup', file, ...home('buyer'), '--json'])
  assert.equal(written.code, 0, written.stderr)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  refused(await ddm(['backup', file, ...home('buyer'), '--json']), 'usage', /exists/)
  refused(await ddm(['backup', `${file}.2`, ...home('nobody-at-all'), '--json']), 'notFound', /no home/)
  refused(await ddm(['restore', file, ...home('buyer'), '--json']), 'homeBusy', /a node runs/)
  await node.stop()

  const restored = await ddm(['restore', file, ...home('again'), '--json'])
  assert.equal(restored.code, 0, restored.stderr)
  const sessions = async (name: string): Promise<unknown> => {
    const { stdout } = await ddm([
      'sessions',
      'list',
      '--home',
      join(network.folder, name),
      '--network',
      network.profile,
      '--json'
    ])
    return stdout
  }
  assert.equal(await sessions('again'), await sessions('buyer'))
  // The same wallet goes on in the same channel.
  const flags = ['--network', network.profile, '--listen', '/ip4/127.0.0.1/tcp/0']
  const more = await ddm(['buy', String(listing), '-n', '20', '--max', '0.1', ...home('again'), ...flags, '--json'])
  assert.equal(more.code, 0, more.stderr)
  refused(await ddm(['restore', file, ...home('again'), '--json']), 'usage', /holds a home already/)
  await seller.stop()
})

test('a backup that was cut, changed or is none restores nothing', async () => {
  const file = join(network.folder, 'buyer.tar.gz')
  const bytes = await readFile(file)
  const run = promisify(execFile)
  const folder = join(network.folder, 'unpacked')
  await run('mkdir', [folder])
  await run('tar', ['xzf', file, '-C', folder])
  const wallet = join(folder, 'wallet.json')
  await writeFile(wallet, (await readFile(wallet, 'utf8')).replace('"v": 1', '"v": 2'))
  const tampered = join(network.folder, 'tampered.tar.gz')
  await run('tar', ['czf', tampered, '-C', folder, ...(await readdir(folder))])
  const cases: Array<[string, Buffer | undefined, RegExp]> = [
    ['cut.tar.gz', bytes.subarray(0, bytes.length >> 1), /was cut|no backup/],
    ['none.tar.gz', Buffer.from('not a backup at all'), /no backup/],
    ['empty.tar.gz', Buffer.alloc(0), /no backup/],
    ['tampered.tar.gz', undefined, /wallet\.json is not what was backed up/]
  ]
  for (const [name, content, why] of cases) {
    const path = join(network.folder, name)
    if (content !== undefined) await writeFile(path, content)
    refused(await ddm(['restore', path, ...home('none'), '--json']), 'evidence', why)
    await assert.rejects(stat(join(network.folder, 'none')), { code: 'ENOENT' })
  }
  refused(await ddm(['restore', join(network.folder, 'nowhere'), ...home('none'), '--json']), 'notFound', /nowhere/)
})

test('either side goes on from an older ledger; nothing is paid twice, and what the chain knows is not lost', async (t) => {
  const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ i }))
  const records = await network.file('older.jsonl', `${lines.join('\n')}\n`)
  const product = ['--name', 'Older', '--price', '0.0001/record', '--source', `jsonl:${records}`]
  const sell = async (name: string): Promise<{ server: Server; listing: string }> => {
    const server = serve(['sell', ...product, ...network.as(name)])
    t.after(() => server.stop())
    const { listing } = await server.event('listed')
    await server.event('ready')
    return { server, listing: String(listing) }
  }
  const buy = async (name: string, listing: string, from: number): Promise<void> => {
    const ran = await ddm(['buy', listing, '-n', '100', '--from', `${from}`, ...network.as(name), '--json'])
    assert.equal(ran.code, 0, ran.stderr)
    assert.deepEqual(ran.stdout.trimEnd().split('\n'), lines.slice(from, from + 100))
    const { due, paid } = JSON.parse(ran.stderr.trimEnd().split('\n').at(-1) ?? '') as { due: string; paid: string }
    assert.deepEqual([due, paid], ['0.01', '0.01'])
  }
  const moved = async (from: string, to: string): Promise<void> => {
    const file = join(network.folder, `${from}.tar.gz`)
    assert.equal((await ddm(['restore', file, ...home(to), '--json'])).code, 0)
  }
  const backedUp = async (name: string): Promise<void> => {
    const file = join(network.folder, `${name}.tar.gz`)
    assert.equal((await ddm(['backup', file, ...home(name), '--json'])).code, 0)
  }

  const first = await sell('older-seller')
  await buy('older-buyer', first.listing, 0)
  await backedUp('older-buyer')
  await backedUp('older-seller')
  // What the backups do not know: the deposit of the first purchase is used up, and so is that of this one.
  await buy('older-buyer', first.listing, 100)

  await moved('older-buyer', 'buyer-again')
  await buy('buyer-again', first.listing, 200)
  assert.equal((await ddm(['claim', ...home('older-seller'), '--json'])).code, 0)
  // By now the buyer knows again what its channel holds.
  await buy('buyer-again', first.listing, 300)
  assert.equal((await first.server.stop()).code, 0)

  await moved('older-seller', 'seller-again')
  const second = await sell('seller-again')
  assert.equal(second.listing, first.listing)
  await buy('buyer-again', second.listing, 400)
  assert.equal((await second.server.stop()).code, 0)

  // One channel, and its last voucher is for all five purchases. Of the fourth neither chain nor backup told the seller:
  // it claims no more than it knows to be due, and the rest stays the buyer's.
  const claimed = await ddm(['claim', ...network.as('seller-again'), '--json'])
  assert.equal(claimed.code, 0, claimed.stderr)
  const listed = await ddm(['channels', 'list', ...network.as('seller-again'), '--json'])
  const channels = listed.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>)
  assert.deepEqual(
    channels.map(({ role, paid, claimed: taken, unclaimed }) => ({ role, paid, taken, unclaimed })),
    [{ role: 'payee', paid: '0.05', taken: '0.04', unclaimed: '0' }]
  )
})
