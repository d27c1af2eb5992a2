import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodeAbiParameters, keccak256 } from 'viem'
import { EXIT_CODES } from '../../src/interface/index.ts'
import { ddm, errorOf, type Network, type Ran, type Server, serve, startNetwork } from './cli-process.ts'

/** A market of separate processes, used as a person at a terminal, and a program, would use it. */

let network: Network
let seller: Server
let listing: string
let sellerPeer: string

const ROWS = 40
const CSV = `time,wind\n${Array.from({ length: ROWS }, (_, i) => `2026-01-01T00:${i},${i}.5`).join('\n')}\n`

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

function refused(ran: Ran, code: keyof typeof EXIT_CODES, message: RegExp): void {
  assert.equal(ran.code, EXIT_CODES[code], ran.stderr)
  const error = errorOf(ran)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  assert.doesNotMatch(ran.stderr, /\n\s+at /)
}

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
    for (const { due, paid } of sessions) assert.equal(due, paid)
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
    refused(await ddm(['buy', listing, '--max-price', '0.00009', ...flags]), 'priceAboveLimit', /100|0\.0001/)
    refused(
      await ddm(['buy', listing, '--max', '0.00009', ...flags]),
      'priceAboveLimit',
      /0\.0001 .* more than --max 0\.00009/
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
    refused(await ddm(['search', '--json', ...network.as('seller')]), 'homeBusy', new RegExp(`process ${seller.pid} `))
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
    await gone.stop()
    const bought = await ddm(['buy', String(id), '--json', ...network.as('m2')])
    assert.ok([EXIT_CODES.unreachable, EXIT_CODES.notFound].includes(bought.code ?? 0), bought.stderr)
    assert.match(errorOf(bought).message, new RegExp(String(peerId)))
    const menu = await ddm(['menu', String(peerId), '--json', ...network.as('m2')])
    assert.ok([EXIT_CODES.unreachable, EXIT_CODES.notFound].includes(menu.code ?? 0), menu.stderr)
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
