import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodeAbiParameters, keccak256 } from 'viem'
import { EXIT_CODES } from '../../src/interface/index.ts'
import { ddm, errorOf, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** What a person gets wrong, or the world does: a code, a message that says what to do, and nothing lost. */

let network: Network
let seller: Server
let listing: string

before(async () => {
  network = await startNetwork()
  const [first, second] = await sellerKeys()
  const products = [
    {
      title: 'Harbour wind',
      price: '0.0001/record',
      source: 'csv:wind.csv',
      key: first,
      keywords: ['wind', 'harbour']
    },
    { title: 'Tower wind', price: '0.0002/record', source: 'csv:wind.csv', key: second }
  ]
  await network.file('wind.csv', 'time,wind\n2026-01-01T00:00,0.5\n')
  const config = await network.file('products.json', JSON.stringify({ products }))
  seller = serve(['sell', '--config', config, ...network.as('seller')])
  await seller.event('ready')
  listing = String((await seller.event('listed')).listing)
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

/** Two keys whose listing IDs begin alike: the account is made first, then the keys are tried. */
async function sellerKeys(): Promise<[string, string]> {
  await ddm(['search', ...network.as('seller')])
  const { public: account } = JSON.parse(await readFile(join(network.folder, 'seller', 'wallet.json'), 'utf8')) as {
    public: `0x${string}`
  }
  const seen = new Map<string, string>()
  for (let n = 0; ; n++) {
    const key = `wind-${n}`
    const salt = `0x${createHash('sha256').update(`ddm-listing:${key}`).digest('hex')}` as const
    const id = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [account, salt]))
    const before = seen.get(id.slice(0, 6))
    if (before !== undefined) return [before, key]
    seen.set(id.slice(0, 6), key)
  }
}

describe('what goes wrong', { concurrency: 3 }, () => {
  test('a listing that does not exist', async () => {
    const file = join(network.folder, 'none.jsonl')
    const ran = await ddm(['buy', '0xdeadbeef', '-o', file, '--json', ...network.as('a')])
    refused(ran, 'notFound', /0xdeadbeef/)
    assert.ok(!existsSync(file), 'no empty file is left')
  })

  test('a prefix that fits two listings', async () => {
    const ran = await ddm(['show', listing.slice(0, 6), '--json', ...network.as('b')])
    refused(ran, 'ambiguous', new RegExp(listing.slice(0, 6)))
  })

  test('a price above --max-price, and above --max', async () => {
    const flags = ['--json', ...network.as('c')]
    refused(await ddm(['buy', listing, '--max-price', '0.00009', ...flags]), 'priceAboveLimit', /0\.0001 .*0\.00009/)
    refused(
      await ddm(['buy', listing, '--max', '0.00009', ...flags]),
      'priceAboveLimit',
      /0\.0001 .* more than the maximum 0\.00009/
    )
    refused(await ddm(['buy', listing, '--max', 'cheap', ...flags]), 'usage', /"cheap" is not an amount/)
  })

  test('another chain ID, and another genesis, than the profile names', async () => {
    const profile = JSON.parse(await readFile(network.profile, 'utf8')) as { chain: Record<string, unknown> }
    for (const [name, change, message] of [
      ['id', { id: 1337 }, /1337.*31337|31337.*1337/],
      ['genesis', { genesisHash: `0x${'12'.repeat(32)}` }, /0x1212.*0x|0x.*0x1212/]
    ] as const) {
      const file = await network.file(
        `wrong-${name}.json`,
        JSON.stringify({ ...profile, chain: { ...profile.chain, ...change } })
      )
      const ran = await ddm(['search', '--json', ...network.as(`d-${name}`), '--network', file])
      refused(ran, 'networkMismatch', message)
    }
  })

  test('an RPC that does not answer', async () => {
    const profile = JSON.parse(await readFile(network.profile, 'utf8')) as { chain: Record<string, unknown> }
    const nobody = { ...profile, chain: { ...profile.chain, rpcUrls: ['http://127.0.0.1:9'] } }
    const file = await network.file('no-rpc.json', JSON.stringify(nobody))
    const ran = await ddm(['search', '--json', ...network.as('e'), '--network', file])
    refused(ran, 'unreachable', /127\.0\.0\.1:9/)
    const deploy = await ddm(['deploy', '--rpc', 'http://127.0.0.1:9', '--dev', '--json', ...network.as('e2')])
    refused(deploy, 'unreachable', /127\.0\.0\.1:9/)
  })

  test('a bootstrap node that does not answer', async () => {
    const profile = JSON.parse(await readFile(network.profile, 'utf8')) as { bootstrap: string[] }
    const gone = profile.bootstrap.map((address) => address.replace(/\/tcp\/[0-9]+/, '/tcp/9'))
    const file = await network.file('no-bootstrap.json', JSON.stringify({ ...profile, bootstrap: gone }))
    const ran = await ddm(['search', '--json', ...network.as('f'), '--network', file])
    refused(ran, 'unreachable', /\/tcp\/9/)
  })

  test('a port that another process has', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    try {
      const chain = await ddm(['chain', '--port', String(port), '--json', '--home', join(network.folder, 'g')])
      refused(chain, 'portInUse', new RegExp(`${port}`))
      const node = await ddm(['search', '--json', ...network.as('g2'), '--listen', `/ip4/127.0.0.1/tcp/${port}`])
      refused(node, 'portInUse', new RegExp(`${port}`))
    } finally {
      server.close()
    }
  })

  test('a second process on one home', async () => {
    // A command uses the node that runs there; another node is refused.
    const home = ['--home', join(network.folder, 'seller')]
    assert.equal((await ddm(['search', '--json', ...home])).code, 0)
    refused(await ddm(['start', '--json', ...home]), 'homeBusy', new RegExp(`process ${seller.pid}\\)`))
    const bootstrap = await ddm(['bootstrap', '--json', ...network.as('seller')])
    refused(bootstrap, 'homeBusy', new RegExp(`process ${seller.pid} `))
    const chain = await ddm(['chain', '--json', '--home', join(network.folder, 'chain')])
    refused(chain, 'homeBusy', new RegExp(`process ${network.chain.pid} `))
  })

  test('a home that has joined no network, and one that would leave its network', async () => {
    const home = ['--home', join(network.folder, 'h')]
    refused(await ddm(['search', '--json', '--insecure-dev-keys', ...home]), 'config', /network/)
    refused(await ddm(['network', 'export', '--json', ...home]), 'config', /joined no network/)
    assert.equal((await ddm(['network', 'join', network.profile, ...home])).code, 0)
    const exported = await ddm(['network', 'export', ...home])
    assert.deepEqual(JSON.parse(exported.stdout), JSON.parse(await readFile(network.profile, 'utf8')))
    const profile = JSON.parse(exported.stdout) as { chain: Record<string, unknown> }
    const other = { ...profile, chain: { ...profile.chain, genesisHash: `0x${'34'.repeat(32)}` } }
    const file = await network.file('other.json', JSON.stringify(other))
    refused(await ddm(['network', 'join', file, '--json', ...home]), 'config', /belongs to "local".*--force/s)
    assert.equal((await ddm(['network', 'join', file, '--force', ...home])).code, 0)
    const broken = await network.file('broken.json', '{"v":1')
    refused(await ddm(['network', 'join', broken, '--json', ...home]), 'config', /not JSON/)
  })

  test('a CSV row of a wrong length: named with its line, or skipped and the rest sold', async () => {
    await network.file('bad.csv', 'a,b\n1,2\n3\n4,5\n')
    const flags = ['--name', 'Bad rows', '--price', '0', '--source', `csv:${join(network.folder, 'bad.csv')}`]
    refused(await ddm(['sell', ...flags, '--json', ...network.as('i')]), 'badRecord', /bad\.csv:3: /)
    const skipping = serve(['sell', ...flags, '--on-error', 'skip', ...network.as('i')])
    try {
      assert.match(String((await skipping.event('skipped')).message), /bad\.csv:3: /)
      await skipping.event('ready')
      const { listing: id } = await skipping.event('listed')
      const bought = await ddm(['buy', String(id), ...network.as('i2')])
      assert.equal(bought.code, 0, bought.stderr)
      assert.equal(bought.stdout, '{"a":1,"b":2}\n{"a":4,"b":5}\n')
    } finally {
      await skipping.stop()
    }
  })

  test('a line on stdin that is not JSON', async () => {
    const flags = ['--name', 'Lines', '--price', '0.0001', '--source', 'stdin', '--json', ...network.as('j')]
    refused(await ddm(['sell', ...flags], { input: '{"a":1}\n{"a":\n' }), 'badRecord', /stdin:2: /)
    refused(await ddm(['sell', ...flags, '--on-error', 'guess']), 'usage', /"guess" is neither stop nor skip/)
  })

  test('a title that would act on a terminal is not published, and the refusal does not act on it either', async () => {
    const flags = ['--name', 'Calm\u202e sea \u009b2J air', '--price', '0', '--source', 'stdin', ...network.as('k')]
    const ran = await ddm(['sell', ...flags], { input: '{"a":1}\n' })
    assert.equal(ran.code, EXIT_CODES.usage)
    assert.match(ran.stderr, /title/)
    assert.doesNotMatch(ran.stdout + ran.stderr, /[\u0080-\u009f\u202e]/)
  })

  test('a seller that is gone', async () => {
    const flags = ['--name', 'Short-lived', '--price', '0', '--source', 'stdin', ...network.as('m')]
    const gone = serve(['sell', ...flags], { input: '{"a":1}\n' })
    await gone.event('ready')
    const { listing: id } = await gone.event('listed')
    const { peerId } = await gone.event('ready')
    // The buyer knows the listing; from here on only its seller is missing.
    assert.equal((await ddm(['show', String(id), ...network.as('m2')])).code, 0)
    await gone.stop()
    const bought = await ddm(['buy', String(id), '--json', ...network.as('m2')])
    assert.ok([EXIT_CODES.unreachable, EXIT_CODES.notFound].includes(bought.code ?? 0), bought.stderr)
    assert.match(errorOf(bought).message, new RegExp(String(peerId)))
    const menu = await ddm(['menu', String(peerId), '--json', ...network.as('m2')])
    assert.ok([EXIT_CODES.unreachable, EXIT_CODES.notFound].includes(menu.code ?? 0), menu.stderr)
  })
})
