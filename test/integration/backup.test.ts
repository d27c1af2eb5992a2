import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { ddm, type Network, refused, serve, startNetwork } from './cli-process.ts'

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
