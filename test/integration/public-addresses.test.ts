import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { homePaths } from '../../src/node/home.ts'
import { createLogger } from '../../src/node/logger.ts'
import { createNetwork } from '../../src/node/network.ts'
import { ddm, type RunOptions, type Server, serve } from './cli-process.ts'

/**
 * A market whose nodes have addresses of the Internet, as on rented servers. Between private addresses nobody dials
 * anybody back, so none of this shows on one machine: see `public-addresses.ts`.
 */

const ROWS = 3_000
const PRELOAD = new URL('../support/public-addresses.ts', import.meta.url).href

let folder: string
let profile: string
let chain: Server
let bootstrap: Server
let seller: Server
let listing: string

const host = (number: number): Pick<RunOptions, 'env'> => ({
  env: { NODE_OPTIONS: `--import=${PRELOAD}`, PUBLIC_HOST: `44.0.0.${number}` }
})

const as = (name: string, listen: string): string[] => [
  ...['--home', join(folder, name), '--network', profile, '--insecure-dev-keys'],
  ...['--listen', `/ip4/${listen}/tcp/0`]
]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ddm-public-'))
  profile = join(folder, 'network.json')
  chain = serve(['chain', '--home', join(folder, 'chain'), '--profile', profile])
  await chain.event('ready')
  bootstrap = serve(['bootstrap', ...as('bootstrap', '44.0.0.2')], host(2))
  await bootstrap.event('ready')
  const rows = Array.from({ length: ROWS }, (_, i) => i)
  await writeFile(join(folder, 'air.csv'), `n\n${rows.join('\n')}\n`)
  const product = ['--name', 'Long air', '--price', '0.00001/record', '--source', `csv:${join(folder, 'air.csv')}`]
  seller = serve(['sell', ...product, ...as('seller', '44.0.0.3')], host(3))
  listing = String((await seller.event('listed')).listing)
  await seller.event('ready')
})

after(async () => {
  await seller?.stop()
  await bootstrap?.stop()
  await chain?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a bootstrap node tells its address at once: it goes into a profile', async () => {
  const { addresses } = (await bootstrap.event('ready')) as { addresses: string[] }
  assert.equal(addresses.length, 1)
  assert.match(String(addresses[0]), /^\/ip4\/44\.0\.0\.2\/tcp\//)
})

test('a seller is dialled back, told of, and found by peer ID; the sale is not disturbed by it', async () => {
  const bought = await ddm(
    ['buy', listing, '--max', '0.1', '--prepay', '0.01', '--json', ...as('buyer', '44.0.0.4')],
    host(4)
  )
  assert.equal(bought.code, 0, bought.stderr)
  assert.equal(bought.stdout.trim().split('\n').length, ROWS)
  const { records, resumes } = JSON.parse(bought.stderr.trim().split('\n').at(-1) ?? '') as Record<string, number>
  assert.deepEqual([records, resumes], [ROWS, 0], bought.stderr)

  const found = await reachability('seller', 3, ['--network', profile])
  assert.equal(found.state, 'ok', JSON.stringify(found))
  assert.match(found.found, /^\/ip4\/44\.0\.0\.3\/tcp\//)
})

/** A node that runs has its settings; one that is started for it is given them. */
async function reachability(name: string, number: number, flags: string[]): Promise<{ state: string; found: string }> {
  const looked = await ddm(['doctor', '--json', '--home', join(folder, name), ...flags], host(number))
  const findings = looked.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { check: string; state: string; found: string })
  return findings.find(({ check }) => check === 'reachability') ?? assert.fail(looked.stdout + looked.stderr)
}

test('what nobody can dial back is not told, and doctor says so', async () => {
  const flags = as('walled', '44.0.9.5')
  const made = await ddm(['init', ...flags])
  assert.equal(made.code, 0, made.stderr)
  const { state, found } = await reachability('walled', 5, flags)
  assert.equal(state, 'warn', found)
  assert.match(found, /nobody has dialled \/ip4\/44\.0\.9\.5\/tcp\/\d+ back/)
})

test('bytes that are no request to dial back end their stream and nothing else', async () => {
  const { addresses } = (await bootstrap.event('ready')) as { addresses: string[] }
  const network = await createNetwork({
    identity: await generateKeyPair('Ed25519'),
    paths: homePaths(join(folder, 'stranger')),
    role: 'light',
    logger: createLogger({ level: 'silent' }),
    listen: [],
    bootstrap: [String(addresses[0]).replace('/44.', '/127.')]
  })
  try {
    await network.whenReady()
    const peer = String(addresses[0]).split('/p2p/')[1] as string
    for (const protocol of ['dial-request', 'dial-back']) {
      for (const bytes of [[0], [1, 0], [5, 10, 3, 1, 2, 3], [255, 255, 255, 255, 127], [4, 10, 2, 10, 0]]) {
        const stream = await network.openStream(peer, `/libp2p/autonat/2/${protocol}`)
        stream.send(Uint8Array.from(bytes))
        await stream.close().catch(() => {})
      }
    }
    const stream = await network.openStream(peer, '/libp2p/autonat/2/dial-request')
    stream.abort(new Error('it answers'))
  } finally {
    await network.stop()
  }
  assert.doesNotMatch(bootstrap.said.stderr, /\n\s+at |Unhandled/i)
})
